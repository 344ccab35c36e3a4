"""The sink that posts a signed CloudEvent to anybody's web server.

Headers and signature are those of Standard Webhooks 1.0.0 (standardwebhooks.com): the receiver knows a repeat by
`webhook-id`, and by the signature that it is from us. The body is a `NotificationEvent`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from alerts.http_gate import HttpAnswer, HttpGate, check_url
from alerts.plain_text import clip
from alerts.sinks import Delivery
from alerts.sinks.answers import delivery_of
from alerts.sinks.fitting import first_that_fit
from schemas.alert import CONTENT_TYPE, AlertOwner, AlertReproduce
from schemas.notification import Notification, NotificationEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import SecretStr

    from schemas.notification import Member

BODY_BYTES_MAX: Final = 20_000
TIMEOUT_S: Final = 15.0
_MARK: Final = "whsec_"
_TAKEN: Final = range(200, 300)
_GONE: Final = 410
_TEXT_CHARS_MAX: Final = 400


class WebhookSink:
    """Posts each notification as one signed event.

    Parameters
    ----------
    url
        Where to post; it may hold a token, so it is kept like a secret.
    secrets
        As Standard Webhooks write them. One signature for each: two while a receiver changes from one to the other.
    now_s
        Wall clock, whole seconds since the epoch: the time of an attempt is signed with it.
    plain_http
        Allow http, for receivers on a network of one's own.

    Raises
    ------
    Stop
        The address is not https.
    """

    pace_s = 0.2
    pages = False
    repeatable = True
    refresh_s = None

    def __init__(  # noqa: PLR0913 - wired once, by keyword, in the composition root
        self,
        url: SecretStr,
        *,
        secrets: Sequence[SecretStr],
        gate: HttpGate,
        now_s: Callable[[], int],
        name: str = "webhook",
        plain_http: bool = False,
    ) -> None:
        check_url(url, "url", plain_http=plain_http)
        self._url = url
        self._keys = [key_of(secret) for secret in secrets]
        self._gate = gate
        self._now_s = now_s
        self.name = name

    def deliver(self, notification: Notification) -> Delivery:
        """Post a notification once; blocks at most as long as the gate's time limit, 15 s by default."""
        body = render_webhook(notification)
        headers = signed(body, message_id=notification.delivery_id, at_s=self._now_s(), keys=self._keys)
        answer = self._gate.send("POST", self._url, body, headers=headers)
        if isinstance(answer, HttpAnswer) and answer.status == _GONE:
            return Delivery.dead("gone")
        return delivery_of(answer, taken=_TAKEN)

    def close(self) -> None:
        """Close the connections."""
        self._gate.close()


def key_of(secret: SecretStr) -> bytes:
    """Return the key that a secret stands for, which is base64 behind `whsec_`."""
    return base64.b64decode(secret.get_secret_value().removeprefix(_MARK))


def signed(body: bytes, *, message_id: str, at_s: int, keys: Sequence[bytes]) -> dict[str, str]:
    """Return the headers of a post: id, time of the attempt, and a signature for each key."""
    content = f"{message_id}.{at_s}.".encode() + body
    signatures = [
        f"v1,{base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()}" for key in keys
    ]
    return {
        "content-type": CONTENT_TYPE,
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(signatures),
    }


def render_webhook(notification: Notification) -> bytes:
    """Return the body: a CloudEvent of less than 20,000 bytes, without what is cut first.

    Members go first, then evidence, then what only people read. `total` and `firing` count what was cut as well.
    """
    for cut in (_as_it_is, _fewer_members, _without_evidence, _without_lists, _with_short_texts):
        notification = cut(notification)
        if _fits(notification):
            break
    return NotificationEvent.of(notification).to_json_bytes()


def _fits(notification: Notification) -> bool:
    return len(NotificationEvent.of(notification).to_json_bytes()) < BODY_BYTES_MAX


def _as_it_is(notification: Notification) -> Notification:
    return notification


def _fewer_members(notification: Notification) -> Notification:
    def whole(members: Sequence[Member]) -> Notification:
        return notification.model_copy(update={"members": (notification.members[0], *members)})

    return whole(first_that_fit(notification.members[1:], lambda kept: _fits(whole(kept))))


def _without_evidence(notification: Notification) -> Notification:
    evidence = {key: value for key, value in notification.lead.evidence.items() if key == "reason"}
    return _with_lead(notification, evidence=evidence, reproduce=AlertReproduce())


def _without_lists(notification: Notification) -> Notification:
    owner = notification.lead.owner
    fewer = _with_lead(
        notification,
        likely_causes=(),
        suppressed=(),
        links={},
        owner=AlertOwner(team=owner.team, contact=owner.contact),
    )
    return fewer.model_copy(update={"suppressed": ()})


def _with_short_texts(notification: Notification) -> Notification:
    data = notification.lead
    return _with_lead(
        notification,
        impact=clip(data.impact, _TEXT_CHARS_MAX),
        suggested_action=clip(data.suggested_action, _TEXT_CHARS_MAX),
        runbook=data.runbook if data.runbook is not None and len(data.runbook) <= _TEXT_CHARS_MAX else None,
    )


def _with_lead(notification: Notification, **changes: object) -> Notification:
    return notification.model_copy(update={"lead": notification.lead.model_copy(update=changes)})
