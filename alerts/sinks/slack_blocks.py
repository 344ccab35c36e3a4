"""A notification as a Slack message: blocks, and a text for notifications.

Slack's control characters are escaped everywhere and `verbatim` keeps Slack from making links or mentions
out of words, so a feature named `<!channel>` pings nobody. Lengths are counted in UTF-16 units, which is
never less than what Slack may count. Limits: https://api.slack.com/reference/block-kit/blocks, and the
whole message stays below the point where Slack answers `msg_blocks_too_long`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from alerts.message import SIGNAL, Section, message_of
from alerts.plain_text import ELLIPSIS, plain, units
from alerts.sinks.fitting import first_that_fit
from alerts.web_address import web_address

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from pydantic import JsonValue

    from alerts.pictures.gallery import PictureLink
    from schemas.notification import Notification

HEADER_CHARS_MAX: Final = 150
SECTION_CHARS_MAX: Final = 3_000
BLOCKS_MAX: Final = 45
MESSAGE_CHARS_MAX: Final = 11_000
_FALLBACK_CHARS_MAX: Final = 1_000
_PLAIN_CHARS_MAX: Final = 3_000
_LINK_CHARS_MAX: Final = 1_000
ALT_CHARS_MAX: Final = 2_000

_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def render_slack(
    notification: Notification, *, zone: tzinfo | None = None, picture: PictureLink | None = None
) -> dict[str, JsonValue]:
    """Return the JSON body of an incoming webhook.

    Parameters
    ----------
    zone
        The reader's time zone, shown behind UTC.
    picture
        Takes the place of the line of blocks that shows the signal.

    Returns
    -------
    dict
        `text` and `blocks`; at most 45 blocks and 11,000 characters as JSON, the last sections dropped
        first where there is too much.
    """
    message = message_of(notification, zone=zone)
    header: JsonValue = {
        "type": "header",
        "text": {"type": "plain_text", "text": escaped(message.headline, HEADER_CHARS_MAX), "emoji": False},
    }
    blocks = [
        header,
        *(
            _section(section) if picture is None or section.title != SIGNAL else _image(picture)
            for section in message.sections
        ),
    ]
    body: dict[str, JsonValue] = {"text": escaped(message.headline, _FALLBACK_CHARS_MAX)}
    return _within_limits(body, blocks[:BLOCKS_MAX])


def render_slack_plain(notification: Notification, *, zone: tzinfo | None = None) -> dict[str, JsonValue]:
    """Return the same as one text without blocks, for a Slack that refuses our blocks."""
    message = message_of(notification, zone=zone)
    lines = [section.one_line for section in message.sections]
    return {"text": escaped("\n".join([message.headline, *lines]), _PLAIN_CHARS_MAX), "mrkdwn": False}


def escaped(text: str, units_max: int) -> str:
    """Return printable text with `&`, `<` and `>` escaped, at most `units_max` UTF-16 units long.

    Line feeds stay. An escape is never cut in half.

    Examples
    --------
    >>> escaped("<!channel>", 100)
    '&lt;!channel&gt;'
    """
    shown = _printable(text)
    whole = shown.translate(_ESCAPES)
    if units(whole) <= units_max:
        return whole
    kept: list[str] = []
    room = units_max - len(ELLIPSIS)
    for character in shown:
        piece = character.translate(_ESCAPES)
        room -= units(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept) + ELLIPSIS


def _printable(text: str) -> str:
    return "\n".join(plain(line) for line in text.split("\n"))


def _section(section: Section) -> JsonValue:
    lines = _links(section.links)
    used = len(f"*{section.title}*\n") + sum(units(line) + 1 for line in lines)
    if section.lines:
        lines.insert(0, escaped("\n".join(section.lines), SECTION_CHARS_MAX - used))
    text = "\n".join([f"*{section.title}*", *lines])
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _image(picture: PictureLink) -> JsonValue:
    return {"type": "image", "image_url": picture.url, "alt_text": escaped(picture.alt, ALT_CHARS_MAX)}


def _links(links: tuple[tuple[str, str], ...]) -> list[str]:
    """Return the links, as many as fit half a section."""
    shown: list[str] = []
    room = SECTION_CHARS_MAX // 2
    for name, url in links:
        link = _link(name, url)
        room -= units(link) + 1
        if room < 0:
            break
        shown.append(link)
    return shown


def _link(name: str, url: str) -> str:
    """Return a link that can be clicked, or its name and text where it is no web address."""
    address = web_address(url)
    if address is None:
        return f"{escaped(name, 100)}: {escaped(url, _LINK_CHARS_MAX)}"
    address = address.replace("&", "&amp;")
    return f"<{address}|{escaped(name.replace('|', ' ').strip() or 'link', 100)}>"


def _within_limits(body: Mapping[str, JsonValue], blocks: list[JsonValue]) -> dict[str, JsonValue]:
    def whole(kept: Sequence[JsonValue]) -> dict[str, JsonValue]:
        return {**body, "blocks": [blocks[0], *kept]}

    rest = first_that_fit(blocks[1:], lambda kept: units(_as_json(whole(kept))) <= MESSAGE_CHARS_MAX)
    return whole(rest)


def _as_json(body: Mapping[str, JsonValue]) -> str:
    return json.dumps(body, ensure_ascii=False)
