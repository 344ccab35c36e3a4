"""The sink that posts to a Slack incoming webhook.

Slack answers 200 with the body `ok`; everything else is a failure. A message cannot be taken back, and Slack
has no idempotency key, so an attempt whose answer got lost may show twice.
Errors: https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.http_gate import HttpAnswer, HttpFailure, HttpGate, check_url
from alerts.sinks import Delivery
from alerts.sinks.answers import delivery_of
from alerts.sinks.slack_blocks import render_slack, render_slack_plain

if TYPE_CHECKING:
    from datetime import tzinfo

    from pydantic import SecretStr

    from alerts.pictures.gallery import Gallery
    from schemas.notification import Notification

_OK: Final = 200
_BAD_REQUEST: Final = 400
_REFUSED_BLOCKS: Final = (b"invalid_blocks", b"invalid_attachments", b"msg_blocks_too_long", b"msg_too_long")


class SlackSink:
    """Posts each notification as one message.

    Where Slack refuses its blocks, the same is posted once more as plain text: better plain than not at all.

    Parameters
    ----------
    webhook_url
        The secret address; it is in no result, log line or repr.
    gate
        The HTTP connections, closed with the sink.
    zone
        The readers' time zone, shown behind UTC.
    pictures
        Shows the signal where Slack can load it from.

    Raises
    ------
    Stop
        The address is not https.
    """

    pace_s = 1.0
    """Slack asks for at most one message a second and may drop bursts."""
    pages = False
    repeatable = False
    refresh_s = None

    def __init__(
        self,
        webhook_url: SecretStr,
        *,
        gate: HttpGate,
        name: str = "slack",
        zone: tzinfo | None = None,
        pictures: Gallery | None = None,
    ) -> None:
        check_url(webhook_url)
        self._webhook_url = webhook_url
        self._gate = gate
        self.name = name
        self._zone = zone
        self._pictures = pictures

    def __repr__(self) -> str:
        return f"SlackSink(name={self.name!r})"

    def deliver(self, notification: Notification) -> Delivery:
        """Post a notification; blocks at most as long as the gate's time limit, twice that if blocks are refused."""
        picture = None if self._pictures is None else self._pictures.link(notification)
        body = render_slack(notification, zone=self._zone, picture=picture)
        answer = self._gate.post_json(self._webhook_url, body)
        if _refuses_blocks(answer):
            answer = self._gate.post_json(
                self._webhook_url, render_slack_plain(notification, zone=self._zone)
            )
        return told_by(answer)

    def close(self) -> None:
        """Close the connections."""
        self._gate.close()


def told_by(answer: HttpAnswer | HttpFailure) -> Delivery:
    """Return what an answer means: only 200 with the body `ok` says that the message is there."""
    if isinstance(answer, HttpAnswer) and answer.status == _OK and answer.body.strip() != b"ok":
        return Delivery.retry("unexpected_body")  # a proxy may answer in Slack's place
    return delivery_of(answer, taken={_OK})


def _refuses_blocks(answer: HttpAnswer | HttpFailure) -> bool:
    if isinstance(answer, HttpFailure) or answer.status != _BAD_REQUEST:
        return False
    return answer.body.strip().startswith(_REFUSED_BLOCKS)
