"""The sink that posts an Adaptive Card to a Microsoft Teams workflow.

202 says that the workflow has taken the card, not that anybody sees it: a workflow belongs to a person and stops with
their account. So it is best effort, and never a pager. Words stand in text runs, which Teams does not read as Markdown.
Card schema: adaptivecards.io, version 1.2.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from alerts.http_gate import HttpAnswer, HttpFailure, HttpGate, check_url
from alerts.message import SIGNAL, Message, Section, message_of
from alerts.plain_text import clip, plain
from alerts.sinks import Delivery
from alerts.sinks.answers import delivery_of
from alerts.sinks.fitting import first_that_fit
from alerts.web_address import web_links
from schemas.alert import AlertStatus
from schemas.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from pydantic import JsonValue, SecretStr

    from alerts.pictures.gallery import Gallery, PictureLink
    from schemas.notification import Notification

CARD_BYTES_MAX: Final = 20_000
"""Teams takes 28 kB after it has put in words of its own, which we cannot count."""
_ACTIONS_MAX: Final = 4
_LINE_CHARS_MAX: Final = 1_500
_COLOURS: Final[Mapping[Severity, str]] = {
    Severity.CRITICAL: "attention",
    Severity.ERROR: "attention",
    Severity.WARNING: "warning",
    Severity.INFO: "accent",
}
_OK: Final = 200
_ACCEPTED: Final = 202


class TeamsSink:
    """Posts each notification as one card.

    Parameters
    ----------
    webhook_url
        The address of the workflow, which is the secret.

    Raises
    ------
    Stop
        The address is not https.
    """

    pace_s = 1.0
    pages = False
    repeatable = False
    refresh_s = None

    def __init__(
        self,
        webhook_url: SecretStr,
        *,
        gate: HttpGate,
        name: str = "teams",
        zone: tzinfo | None = None,
        pictures: Gallery | None = None,
    ) -> None:
        check_url(webhook_url)
        self._webhook_url = webhook_url
        self._gate = gate
        self.name = name
        self._zone = zone
        self._pictures = pictures

    def deliver(self, notification: Notification) -> Delivery:
        """Post a card once; blocks at most as long as the gate's time limit."""
        picture = None if self._pictures is None else self._pictures.link(notification)
        body = render_teams(notification, zone=self._zone, picture=picture)
        return told_by(self._gate.post_json(self._webhook_url, body))

    def close(self) -> None:
        """Close the connections."""
        self._gate.close()


def told_by(answer: HttpAnswer | HttpFailure) -> Delivery:
    """Return what an answer means; a body that speaks of an error is one, whatever the status."""
    if isinstance(answer, HttpAnswer) and answer.status in {_OK, _ACCEPTED}:
        body = answer.body.strip().lower()
        if b"error" in body or b"failed" in body:
            return Delivery.retry("error_in_body")
        if answer.status == _OK and body not in {b"", b"1"}:
            return Delivery.retry("unexpected_body")  # a page of a proxy, or of a sign-in
    return delivery_of(answer, taken={_OK, _ACCEPTED})


def render_teams(
    notification: Notification, *, zone: tzinfo | None = None, picture: PictureLink | None = None
) -> dict[str, JsonValue]:
    """Return the message with its card: at most 20,000 bytes, the last sections dropped first.

    Parameters
    ----------
    picture
        Takes the place of the line of blocks that shows the signal.
    """
    message = message_of(notification, zone=zone)

    def whole(sections: Sequence[Section]) -> dict[str, JsonValue]:
        return _message(message, _card(notification, message, sections, picture))

    return whole(first_that_fit(message.sections, lambda kept: _size(whole(kept)) <= CARD_BYTES_MAX))


def _message(message: Message, card: dict[str, JsonValue]) -> dict[str, JsonValue]:
    attachment: dict[str, JsonValue] = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "summary": message.headline, "attachments": [attachment]}


def _card(
    notification: Notification, message: Message, sections: Sequence[Section], picture: PictureLink | None
) -> dict[str, JsonValue]:
    resolved = notification.status is AlertStatus.RESOLVED
    colour = "good" if resolved else _COLOURS[notification.severity]
    links = web_links(tuple(link for section in sections for link in section.links))[:_ACTIONS_MAX]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "msteams": {"width": "Full"},
        "fallbackText": message.headline,
        "body": [
            _runs([_run(message.headline, size="medium", weight="bolder", color=colour)]),
            *(
                _section(section) if picture is None or section.title != SIGNAL else _image(picture)
                for section in sections
            ),
        ],
        "actions": [
            {"type": "Action.OpenUrl", "title": clip(plain(name), 40), "url": address}
            for name, address in links
        ],
    }
    return card


def _section(section: Section) -> dict[str, JsonValue]:
    lines = "\n".join(clip(line, _LINE_CHARS_MAX) for line in section.all_lines)
    return _runs([_run(f"{section.title}\n", weight="bolder"), _run(lines)])


def _image(picture: PictureLink) -> dict[str, JsonValue]:
    alt = clip(plain(picture.alt), _LINE_CHARS_MAX)
    return {"type": "Image", "url": picture.url, "altText": alt, "size": "stretch"}


def _runs(runs: list[JsonValue]) -> dict[str, JsonValue]:
    return {"type": "RichTextBlock", "spacing": "small", "inlines": runs}


def _run(text: str, **style: str) -> dict[str, JsonValue]:
    return {"type": "TextRun", "text": text, **style}


def _size(body: dict[str, JsonValue]) -> int:
    return len(json.dumps(body, ensure_ascii=False).encode())
