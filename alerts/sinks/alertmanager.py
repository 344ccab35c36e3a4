"""The sink that hands alerts to Prometheus Alertmanager, which groups, silences and routes them itself.

Identity is the label set, so what changes while an alert goes on (figures, times, texts) is an annotation. An alert
ends when it is said to be over, or when nobody has told of it for four refreshes. Where its templates put our texts we
do not know, so they hold nothing that could be read as a tag or a mention.
API: prometheus/alertmanager, `api/v2/openapi.yaml`.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from alerts.http_gate import TIMEOUT_S, HttpGate, check_url
from alerts.message import message_of
from alerts.plain_text import clip, inert, plain
from alerts.sinks import Delivery, Outcome
from alerts.sinks.answers import delivery_of
from alerts.web_address import web_address, web_links
from schemas.alert_wire import rfc3339
from schemas.integrity import ALL_MODELS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, tzinfo

    from pydantic import JsonValue

    from alerts.pictures.gallery import Gallery
    from schemas.notification import Member, Notification

REFRESH_S: Final = 60.0
TEXT_CHARS_MAX: Final = 8_000
_FORGOTTEN_AFTER: Final = timedelta(seconds=4 * REFRESH_S)
_OK: Final = 200
_WORST_FIRST: Final = (Outcome.RETRY, Outcome.DEAD, Outcome.DELIVERED)


class AlertmanagerSink:
    """Posts every listed alert of an incident to all peers of a cluster: a message is there when all have it.

    Parameters
    ----------
    urls
        Base URL of each peer, not of a load balancer in front of them.
    gate
        The connections; the time limit of each request is a share of the sink's own.
    now
        Wall clock, aware: an alert's end is told in it.
    authorization
        Value of the header, a secret; None for none.

    Raises
    ------
    Stop
        An address is not one of the web, or it is http and a credential would travel on it in the open.
    """

    pace_s = 0.0
    pages = False
    repeatable = True
    refresh_s = REFRESH_S

    def __init__(  # noqa: PLR0913 - wired once, by keyword, in the composition root
        self,
        urls: Sequence[str],
        *,
        gate: HttpGate,
        now: Callable[[], datetime],
        authorization: SecretStr | None = None,
        name: str = "alertmanager",
        zone: tzinfo | None = None,
        pictures: Gallery | None = None,
    ) -> None:
        self._urls = [SecretStr(f"{url.rstrip('/')}/api/v2/alerts") for url in urls]
        for url in self._urls:
            check_url(url, "urls", plain_http=authorization is None)
        secret = None if authorization is None else authorization.get_secret_value()
        self._headers = {} if secret is None else {"authorization": secret}
        self._gate = gate
        self._now = now
        self.name = name
        self._zone = zone
        self._pictures = pictures

    def deliver(self, notification: Notification) -> Delivery:
        """Post the alerts to each peer in turn; blocks at most as long as all of them may take."""
        shown = None if self._pictures is None else self._pictures.link(notification)
        picture = None if shown is None else shown.url
        alerts = render_alertmanager(notification, now=self._now(), zone=self._zone, picture=picture)
        answers = [self._gate.post_json(url, alerts, headers=self._headers) for url in self._urls]
        deliveries = [delivery_of(answer, taken={_OK}) for answer in answers]
        worst = min(deliveries, key=lambda delivery: _WORST_FIRST.index(delivery.outcome))
        asked = [delivery.after_s for delivery in deliveries if delivery.after_s is not None]
        return Delivery(worst.outcome, worst.reason, max(asked) if asked else None)

    def close(self) -> None:
        """Close the connections."""
        self._gate.close()


def gate_for(urls: Sequence[str]) -> HttpGate:
    """Return connections whose time limit leaves every peer its share."""
    return HttpGate(timeout_s=TIMEOUT_S / len(urls))


def authorization_of(
    *, username: str | None, password: SecretStr | None, bearer_token: SecretStr | None
) -> SecretStr | None:
    """Return the value of the header for a token, or for a name and password; None where there is neither."""
    if bearer_token is not None:
        return SecretStr(f"Bearer {bearer_token.get_secret_value()}")
    if username is None or password is None:
        return None
    pair = f"{username}:{password.get_secret_value()}".encode()
    return SecretStr(f"Basic {base64.b64encode(pair).decode()}")


def render_alertmanager(
    notification: Notification, *, now: datetime, zone: tzinfo | None = None, picture: str | None = None
) -> list[JsonValue]:
    """Return one alert for each listed member of an incident: fewer than the 256 that Prometheus sends at once.

    Parameters
    ----------
    now
        Wall clock: what fires ends four refreshes later unless it is told again.
    picture
        Address of the picture of the worst alert's signal.
    """
    alerts = [_alert(notification, member, now, zone) for member in notification.members]
    for alert, member in zip(alerts, notification.members, strict=True):
        if picture is not None and member.alert_id == notification.lead.alert_id:
            alert["annotations"]["picture"] = picture
    links = web_links(notification.lead.links)
    origin: dict[str, JsonValue] = {"generatorURL": links[0][1]} if links else {}
    return [{**alert, **origin} for alert in alerts]


def _alert(notification: Notification, member: Member, now: datetime, zone: tzinfo | None) -> dict[str, Any]:
    ends = now + _FORGOTTEN_AFTER if member.until is None else member.until
    # An event time ahead of our clock must not make an alert end before it starts.
    starts = min(member.since, ends)
    return {
        "labels": dict(_labels(notification, member)),
        "annotations": dict(_annotations(notification, member, zone)),
        "startsAt": rfc3339(starts),
        "endsAt": rfc3339(ends),
    }


def _labels(notification: Notification, member: Member) -> dict[str, str]:
    """Return what an alert is told by; an absent label and an empty one are the same to Alertmanager."""
    named = {
        "alertname": member.kind.value.title().replace("_", ""),
        "app": notification.app,
        "cause": notification.cause,
        "check": member.check,
        "model": "all" if notification.model == ALL_MODELS else notification.model,
        "version": member.version,
        "feature": member.feature,
        "segment": member.segment,
        "severity": member.severity.value,
        "team": member.team,
        "test": "true" if notification.test else None,
    }
    return {name: inert(plain(value)) for name, value in named.items() if value}


def _annotations(notification: Notification, member: Member, zone: tzinfo | None) -> dict[str, str]:
    data = notification.lead
    told = {
        "summary": inert(plain(member.title)),
        "alert_id": member.alert_id,
        "incident": notification.incident,
    }
    runbook = None if data.runbook is None else web_address(data.runbook)
    if runbook is not None:
        told["runbook_url"] = runbook
    if member.alert_id == data.alert_id:
        sections = message_of(notification, zone=zone).sections
        described = [section.one_line for section in sections]
        told["description"] = inert(clip("\n".join(described), TEXT_CHARS_MAX))
    return told
