"""The sink that posts to a Slack incoming webhook.

Slack answers 200 with the body `ok`; everything else is a failure. A message cannot be taken back, and Slack
has no idempotency key, so an attempt whose answer got lost may show twice.
Errors: https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from alerts.http_gate import HttpAnswer, HttpFailure, HttpGate, check_url
from alerts.render_slack import render_slack
from alerts.sinks import Delivery

if TYPE_CHECKING:
    from datetime import tzinfo

    from pydantic import SecretStr

    from schemas.notification import Notification

PACE_S: Final = 1.0
"""Slack asks for at most one message a second and may drop bursts."""

_OK: Final = 200
_RETRIED: Final = frozenset({408, 425, 429})
_SERVER_ERROR: Final = 500


class SlackSink:
    """Posts each notification as one message.

    Parameters
    ----------
    webhook_url
        The secret address; it is in no result, log line or repr.
    gate
        The HTTP connections, closed with the sink.
    zone
        The readers' time zone, shown behind UTC.

    Raises
    ------
    Stop
        The address is not https.
    """

    def __init__(
        self, webhook_url: SecretStr, *, gate: HttpGate, name: str = "slack", zone: tzinfo | None = None
    ) -> None:
        check_url(webhook_url)
        self._webhook_url = webhook_url
        self._gate = gate
        self._name = name
        self._zone = zone

    def __repr__(self) -> str:
        return f"SlackSink(name={self._name!r})"

    @property
    def name(self) -> str:
        """The name that routes use for this sink."""
        return self._name

    @property
    def pace_s(self) -> float:
        """One second between messages."""
        return PACE_S

    @property
    def pages(self) -> bool:
        """It wakes nobody."""
        return False

    @property
    def repeatable(self) -> bool:
        """A repeat cannot be told apart."""
        return False

    @property
    def refresh_s(self) -> float | None:
        """What was told stays."""
        return None

    def deliver(self, notification: Notification) -> Delivery:
        """Post a notification once; blocks at most as long as the gate's time limit, 10 s by default."""
        answer = self._gate.post_json(self._webhook_url, render_slack(notification, zone=self._zone))
        return delivery_of(answer)

    def close(self) -> None:
        """Close the connections."""
        self._gate.close()


def delivery_of(answer: HttpAnswer | HttpFailure) -> Delivery:
    """Return what an answer means: `ok` is delivered, what may pass is retried, the rest is dead."""
    if isinstance(answer, HttpFailure):
        return Delivery.retry(answer.reason)
    if answer.status == _OK:
        # A proxy may answer 200 in Slack's place; the message is not there then.
        return Delivery.delivered() if answer.body.strip() == b"ok" else Delivery.retry("unexpected_body")
    reason = f"http_{answer.status}"
    if answer.status in _RETRIED or answer.status >= _SERVER_ERROR:
        return Delivery.retry(reason, after_s=_asked_s(answer))
    return Delivery.dead(reason)


def _asked_s(answer: HttpAnswer) -> float | None:
    """Return the wait the server asks for: the header, else `retry_after` in a JSON body."""
    if answer.retry_after_s is not None:
        return answer.retry_after_s
    try:
        asked = json.loads(answer.body)["retry_after"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return float(asked) if isinstance(asked, int | float) and not isinstance(asked, bool) else None
