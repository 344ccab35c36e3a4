"""The sink that pages through PagerDuty's Events API v2.

It keeps a record of changes beside its alerts, which takes deploys. 202 means taken. PagerDuty tells repeats by the key while its alert is open, and a resolve of what is not open does
nothing, so repeating does no harm. Limits: developer.pagerduty.com, "Events API v2".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from alerts.deploy_words import headline_of_deploy
from alerts.http_gate import HttpGate, check_url
from alerts.message import message_of
from alerts.plain_text import clip_units, plain
from alerts.sinks.answers import delivery_of
from alerts.sinks.fitting import first_that_fit
from alerts.web_address import is_image, web_links
from schemas.alert import AlertStatus
from schemas.alert_wire import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from pydantic import JsonValue

    from alerts.message import Section
    from alerts.pictures.gallery import Gallery, PictureLink
    from alerts.sinks import Delivery
    from schemas.deploy import Deploy
    from schemas.notification import Notification

SUMMARY_CHARS_MAX: Final = 1_024
EVENT_BYTES_MAX: Final = 500_000
LINKS_MAX: Final = 20
_NAME_CHARS_MAX: Final = 250
_ALT_CHARS_MAX: Final = 500
_ACCEPTED: Final = 202
_TOO_MANY_WAIT_S: Final = 30.0


class PagerDutySink:
    """Opens an alert for what fires and resolves it when all is over.

    Parameters
    ----------
    routing_key
        The integration key of a service: a secret.
    url
        Where events go; another region has another one. Changes go to `change/enqueue` in the place of `enqueue`.

    Raises
    ------
    Stop
        The address is not https.
    """

    pace_s = 1.0
    """PagerDuty takes about 120 events a minute and key; this leaves half of them to others."""
    pages = True
    repeatable = True
    refresh_s = None

    def __init__(  # noqa: PLR0913 - wired once, by keyword, in the composition root
        self,
        routing_key: SecretStr,
        *,
        url: str,
        gate: HttpGate,
        name: str = "pagerduty",
        zone: tzinfo | None = None,
        pictures: Gallery | None = None,
    ) -> None:
        self._url = SecretStr(url)
        check_url(self._url, "url")
        self._change_url = SecretStr(f"{url.removesuffix('/enqueue').rstrip('/')}/change/enqueue")
        self._routing_key = routing_key
        self._gate = gate
        self.name = name
        self._zone = zone
        self._pictures = pictures

    def deliver(self, notification: Notification) -> Delivery:
        """Send one event; blocks at most as long as the gate's time limit."""
        picture = None if self._pictures is None else self._pictures.link(notification)
        return self._post(self._url, render_pagerduty(notification, zone=self._zone, picture=picture))

    def announce(self, deploy: Deploy) -> Delivery:
        """Send one change event; as `deliver`."""
        return self._post(self._change_url, render_change(deploy))

    def _post(self, url: SecretStr, event: dict[str, JsonValue]) -> Delivery:
        answer = self._gate.post_json(url, {"routing_key": self._routing_key.get_secret_value(), **event})
        return delivery_of(answer, taken={_ACCEPTED}, too_many_wait_s=_TOO_MANY_WAIT_S)

    def close(self) -> None:
        """Close the connections."""
        self._gate.close()


def render_pagerduty(
    notification: Notification, *, zone: tzinfo | None = None, picture: PictureLink | None = None
) -> dict[str, JsonValue]:
    """Return the event without its routing key: less than 500,000 bytes, the last sections dropped first."""
    if notification.status is AlertStatus.RESOLVED:
        return {"event_action": "resolve", "dedup_key": notification.key}
    message, data = message_of(notification, zone=zone), notification.lead
    shown = (
        []
        if picture is None
        else [{"src": picture.url, "alt": clip_units(plain(picture.alt), _ALT_CHARS_MAX)}]
    )
    links = web_links(tuple(link for section in message.sections for link in section.links))[:LINKS_MAX]
    payload: dict[str, Any] = {
        "summary": clip_units(message.headline, SUMMARY_CHARS_MAX),
        "source": _name("/".join(part for part in (notification.app, notification.model) if part)),
        "severity": notification.severity.value,
        "timestamp": rfc3339(notification.detected_at),
        "component": _name(data.feature or data.segment or data.version or notification.model),
        "group": _name(notification.cause),
        "class": data.kind.value,
    }
    event: dict[str, Any] = {
        "event_action": "trigger",
        "dedup_key": notification.key,
        "client": "Watchkeeper",
        "links": [{"href": address, "text": plain(name)} for name, address in links],
        "images": [
            *shown,
            *({"src": address, "alt": plain(name)} for name, address in links if is_image(address)),
        ],
    }

    def whole(sections: Sequence[Section]) -> dict[str, JsonValue]:
        details = {section.title: "\n".join(section.all_lines) for section in sections}
        return {**event, "payload": {**payload, "custom_details": details}}

    return whole(first_that_fit(message.sections, lambda kept: _size(whole(kept)) < EVENT_BYTES_MAX))


def render_change(deploy: Deploy) -> dict[str, JsonValue]:
    """Return a deploy as a change event without its routing key; what is told of it is short, so it always fits."""
    told = {
        "model": deploy.model,
        "version": deploy.version,
        "by": deploy.by,
        "note": deploy.note,
        "ticket": deploy.ticket,
        "drift held back until": rfc3339(deploy.holds_until) if deploy.holds_until > deploy.at else None,
    }
    links = web_links({"ticket": deploy.ticket} if deploy.ticket else {})
    return {
        "payload": {
            "summary": clip_units(headline_of_deploy(deploy), SUMMARY_CHARS_MAX),
            "source": _name("/".join(part for part in (deploy.app, deploy.model) if part)),
            "timestamp": rfc3339(deploy.at),
            "custom_details": {name: plain(text) for name, text in told.items() if text},
        },
        "links": [{"href": address, "text": plain(name)} for name, address in links],
    }


def _name(text: str) -> str:
    return clip_units(plain(text), _NAME_CHARS_MAX)


def _size(event: dict[str, JsonValue]) -> int:
    return len(json.dumps(event, ensure_ascii=False).encode())
