"""The sink that pages through Jira Service Management, and through Opsgenie, whose API it took over.

202 says that a request has been taken, not that it was done: an action that fails shows only when the request is
asked after. So a message counts as delivered once the other side says that it has done it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pydantic import SecretStr

from alerts.http_gate import HttpAnswer, HttpFailure, HttpGate, check_url
from alerts.message import message_of
from alerts.plain_text import clip, clip_units, inert, plain, units
from alerts.sinks import Delivery
from alerts.sinks.answers import delivery_of
from alerts.sinks.fitting import first_that_fit
from schemas.alert import AlertStatus
from schemas.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from pydantic import JsonValue

    from alerts.pictures.gallery import Gallery
    from schemas.notification import Notification

MESSAGE_CHARS_MAX: Final = 130
DESCRIPTION_CHARS_MAX: Final = 15_000
DETAILS_CHARS_MAX: Final = 8_000
ENTITY_CHARS_MAX: Final = 512
SOURCE_CHARS_MAX: Final = 100
TAG_CHARS_MAX: Final = 50
TAGS_MAX: Final = 20

CONFIRM_S: Final = 60.0
"""A request that is not known to be done by then is sent again; the alias makes it the same alert."""

_PRIORITIES: Final[Mapping[Severity, str]] = {
    Severity.CRITICAL: "P1",
    Severity.ERROR: "P2",
    Severity.WARNING: "P3",
    Severity.INFO: "P5",
}
_ACCEPTED: Final = 202
_OK: Final = 200
_NOT_OPEN: Final = ("does not exist", "already closed")
_POLLS_S: Final = (0.5, 1.0, 2.0)
_LATER_S: Final = 5.0
_WAITING_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Request:
    """What is posted: the path below the base URL, and the body."""

    path: str
    body: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class _Taken:
    """A request that the other side has taken and not yet said to have done."""

    request_id: str
    since_s: float


class JsmSink:
    """Creates an alert for what fires and closes it when all is over.

    Parameters
    ----------
    api_key
        The key of an API integration: a secret.
    url
        The API up to its version; it says which product and region.
    clock, sleep
        Monotonic seconds, and how to wait between two questions.

    Raises
    ------
    Stop
        The address is not https.
    """

    pace_s = 1.0
    pages = True
    repeatable = True
    refresh_s = None

    def __init__(  # noqa: PLR0913 - wired once, by keyword, in the composition root
        self,
        api_key: SecretStr,
        *,
        url: str,
        gate: HttpGate,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        name: str = "jsm",
        zone: tzinfo | None = None,
        pictures: Gallery | None = None,
    ) -> None:
        check_url(SecretStr(url), "url")
        self._headers = {"authorization": f"GenieKey {api_key.get_secret_value()}"}
        self._url = url.rstrip("/")
        self._gate = gate
        self._clock = clock
        self._sleep = sleep
        self.name = name
        self._zone = zone
        self._pictures = pictures
        self._taken: dict[str, _Taken] = {}

    def deliver(self, notification: Notification) -> Delivery:
        """Send a request, or ask after the one that was sent before for the same message.

        Blocks at most about 4 s longer than five requests take. A request that is still not done then is asked after
        at the next attempt, and sent again after `CONFIRM_S`.
        """
        key = notification.delivery_id
        taken = self._taken.get(key)
        if taken is None or self._clock() - taken.since_s > CONFIRM_S:
            picture = None if self._pictures is None else self._pictures.link(notification)
            url = None if picture is None else picture.url
            answer = self._post(render_jsm(notification, zone=self._zone, picture=url))
            delivery = delivery_of(answer, taken={_ACCEPTED})
            request_id = request_id_of(answer)
            if request_id is None:
                self._taken.pop(key, None)
                unclear = delivery == Delivery.delivered()
                return Delivery.retry("unexpected_body") if unclear else delivery
            taken = _Taken(request_id, self._clock())
        delivery = self.confirm(taken.request_id)
        self._remember(key, taken if delivery.reason == "unconfirmed" else None)
        return delivery

    def confirm(self, request_id: str) -> Delivery:
        """Ask, a few times, whether a request has been done: delivered if so, to be retried otherwise."""
        url = SecretStr(f"{self._url}/alerts/requests/{quote(request_id, safe='')}")
        for pause_s in _POLLS_S:
            self._sleep(pause_s)
            done = was_done(self._gate.send("GET", url, headers=self._headers))
            if done is not None:
                return Delivery.delivered() if done else Delivery.retry("not_done")
        return Delivery.retry("unconfirmed", after_s=_LATER_S)

    def close(self) -> None:
        """Close the connections."""
        self._gate.close()

    def _post(self, request: Request) -> HttpAnswer | HttpFailure:
        return self._gate.post_json(
            SecretStr(f"{self._url}/{request.path}"), request.body, headers=self._headers
        )

    def _remember(self, key: str, taken: _Taken | None) -> None:
        self._taken.pop(key, None)
        if taken is not None:
            self._taken[key] = taken
        if len(self._taken) > _WAITING_MAX:
            del self._taken[next(iter(self._taken))]


def render_jsm(
    notification: Notification, *, zone: tzinfo | None = None, picture: str | None = None
) -> Request:
    """Return the request that tells a notification; texts hold nothing that could be read as a tag."""
    message, data = message_of(notification, zone=zone, picture=picture), notification.lead
    source = clip_units(plain(f"Watchkeeper {notification.app}".strip()), SOURCE_CHARS_MAX)
    described = [section.one_line for section in message.sections]
    long = clip("\n".join(described), DESCRIPTION_CHARS_MAX)
    text = clip_units(inert(long), DESCRIPTION_CHARS_MAX)
    if notification.status is AlertStatus.RESOLVED:
        path = f"alerts/{notification.key}/close?identifierType=alias"
        return Request(path, {"source": source, "note": text})
    facts = {
        "app": notification.app,
        "model": notification.model,
        "cause": notification.cause,
        "incident": notification.incident,
        "alerts": str(notification.total),
        "check": data.check,
        "version": data.version,
        "feature": data.feature,
        "segment": data.segment,
        "runbook": data.runbook,
    }
    body: dict[str, Any] = {
        "message": clip_units(inert(message.headline), MESSAGE_CHARS_MAX),
        "alias": notification.key,
        "description": text,
        "entity": clip_units(inert(plain(notification.model)), ENTITY_CHARS_MAX),
        "source": source,
        "priority": _PRIORITIES[notification.severity],
        "tags": _tags(notification),
        "details": _details(facts),
    }
    return Request("alerts", body)


def _tags(notification: Notification) -> list[str]:
    tags = ("watchkeeper", notification.severity.value, notification.cause, notification.lead.kind.value)
    team = notification.lead.owner.team
    named = dict.fromkeys((*tags, *(() if team is None else (team,))))
    return [clip_units(inert(plain(tag)).replace(",", " "), TAG_CHARS_MAX) for tag in named][:TAGS_MAX]


def _details(facts: Mapping[str, str | None]) -> dict[str, str]:
    told = [(key, inert(plain(value))) for key, value in facts.items() if value]
    kept = first_that_fit(
        told, lambda pairs: sum(units(key) + units(value) for key, value in pairs) <= DETAILS_CHARS_MAX
    )
    return dict(kept)


def request_id_of(answer: HttpAnswer | HttpFailure) -> str | None:
    """Return the id to ask after, where a request was taken."""
    if isinstance(answer, HttpFailure) or answer.status != _ACCEPTED:
        return None
    found = _loaded(answer).get("requestId")
    return found if isinstance(found, str) and found else None


def was_done(answer: HttpAnswer | HttpFailure) -> bool | None:
    """Return whether a request was done, None where that is not known yet.

    Closing what is not open, because somebody was quicker, is done as well.
    """
    if isinstance(answer, HttpFailure) or answer.status != _OK:
        return None  # 404: not worked off yet
    data = _loaded(answer).get("data")
    done = data.get("isSuccess") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(done, bool):
        return None
    told = str(data.get("status")).lower()
    return done or (data.get("action") == "Close" and any(words in told for words in _NOT_OPEN))


def _loaded(answer: HttpAnswer) -> dict[str, Any]:
    try:
        loaded = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
