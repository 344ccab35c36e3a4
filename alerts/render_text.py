"""A notification as plain text for a terminal or a log file."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from alerts.message import message_of
from schemas.alert import AlertStatus
from schemas.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from schemas.notification import Notification

_WIDTH: Final = 110
_INDENT: Final = 16
_RESET: Final = "\x1b[0m"
_GREEN: Final = "\x1b[1;32m"
_COLOURS: Final[Mapping[Severity, str]] = {
    Severity.CRITICAL: "\x1b[1;31m",
    Severity.ERROR: "\x1b[31m",
    Severity.WARNING: "\x1b[33m",
    Severity.INFO: "\x1b[36m",
}


def render_text(notification: Notification, *, colour: bool = False, zone: tzinfo | None = None) -> str:
    """Return a notification as lines of text, each ending with a line feed.

    Parameters
    ----------
    colour
        Colour the first word with ANSI codes; the word itself says the severity as well.
    zone
        The reader's time zone, shown behind UTC.
    """
    message = message_of(notification, zone=zone)
    lines = [_coloured(message.headline, notification) if colour else message.headline]
    for section in message.sections:
        lines += _laid_out(section.title, section.all_lines)
    return "\n".join(lines) + "\n"


def _coloured(headline: str, notification: Notification) -> str:
    resolved = notification.status is AlertStatus.RESOLVED
    code = _GREEN if resolved else _COLOURS[notification.severity]
    label, _, rest = headline.partition(" ")
    return f"{code}{label}{_RESET} {rest}"


def _laid_out(title: str, lines: tuple[str, ...]) -> list[str]:
    first = f"  {title}".ljust(_INDENT)
    laid_out: list[str] = []
    for line in lines:
        lead = first if not laid_out else " " * _INDENT
        laid_out += textwrap.wrap(
            line,
            _WIDTH,
            initial_indent=lead if lead.endswith(" ") else f"{lead} ",
            subsequent_indent=" " * _INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return laid_out
