"""The sink that writes to a text stream: lines for people, or one JSON document a line for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Literal, TextIO, TypeAlias

from alerts.render_text import render_text
from alerts.sinks import Delivery
from schemas.notification import NotificationEvent

if TYPE_CHECKING:
    from datetime import tzinfo

    from schemas.notification import Notification

Format: TypeAlias = Literal["text", "json"]

_SEPARATOR: Final = "\n"


class StdoutSink:
    """Writes each notification to a stream and flushes it.

    Parameters
    ----------
    stream
        Where to write; it stays open, because it belongs to the caller.
    colour
        Use ANSI colours in text.
    zone
        The reader's time zone, shown behind UTC in text.
    """

    pace_s = 0.0
    pages = False
    repeatable = False
    refresh_s = None

    def __init__(
        self,
        stream: TextIO,
        *,
        style: Format = "text",
        name: str = "stdout",
        colour: bool = False,
        zone: tzinfo | None = None,
    ) -> None:
        self._stream = stream
        self._style = style
        self.name = name
        self._colour = colour
        self._zone = zone

    def deliver(self, notification: Notification) -> Delivery:
        """Write a notification; blocks as long as the stream's reader does."""
        text = self._json(notification) if self._style == "json" else self._text(notification)
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            return Delivery.dead("stream_failed")
        return Delivery.delivered()

    def close(self) -> None:
        """Do nothing: the stream belongs to the caller."""

    def _json(self, notification: Notification) -> str:
        line = NotificationEvent.of(notification).to_json_bytes().decode()
        return (line if self._carries(line) else json.dumps(json.loads(line), separators=(",", ":"))) + "\n"

    def _text(self, notification: Notification) -> str:
        text = render_text(notification, colour=self._colour, zone=self._zone) + _SEPARATOR
        return text if self._carries(text) else text.encode("ascii", "backslashreplace").decode("ascii")

    def _carries(self, text: str) -> bool:
        """Say whether the stream's encoding has all characters; a terminal of old may not."""
        try:
            text.encode(self._stream.encoding or "utf-8")
        except UnicodeEncodeError:
            return False
        return True
