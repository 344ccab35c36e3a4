"""Makes text from strangers safe to show: one line, only printable characters, no longer than asked.

Feature, model and category names come from outside. They must not move a terminal's cursor, break a line,
or turn the reading direction around.
"""

from __future__ import annotations

from typing import Final

ELLIPSIS: Final = "…"
_UNPRINTABLE: Final = "\N{REPLACEMENT CHARACTER}"
_LOOK_ALIKES: Final = (
    ("<", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"),
    (">", "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"),
    ("@", "\N{FULLWIDTH COMMERCIAL AT}"),
    ("`", "'"),
    ("](", "] ("),
)


def plain(text: str) -> str:
    r"""Return one line of printable characters: blanks of any kind become a space, the rest U+FFFD.

    Examples
    --------
    >>> plain("am\nount\x1b[31m")
    'am ount\ufffd[31m'
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _shown(character) for character in text)


def clip(text: str, chars_max: int) -> str:
    """Return text of at most `chars_max` characters, cut with an ellipsis.

    Examples
    --------
    >>> clip("customer_age", 8)
    'custome…'
    """
    return text if len(text) <= chars_max else text[: chars_max - 1].rstrip() + ELLIPSIS


def short(name: str, chars_max: int = 40) -> str:
    """Return a stranger's name as a sentence may carry it."""
    return clip(plain(name), chars_max)


def inert(text: str) -> str:
    """Return text that makes no tag, mention or link where nobody knows how it is going to be read.

    Examples
    --------
    >>> inert("see [x](javascript:y)")
    'see [x] (javascript:y)'
    """
    for mark, look_alike in _LOOK_ALIKES:
        text = text.replace(mark, look_alike)
    return text


def units(text: str) -> int:
    """Return the length in UTF-16 units, which is never less than what another side may count as characters."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def clip_units(text: str, units_max: int) -> str:
    """Return text of at most `units_max` UTF-16 units, cut with an ellipsis.

    Examples
    --------
    >>> clip_units("😀😀😀", 4)
    '😀…'
    """
    if units(text) <= units_max:
        return text
    room, kept = units_max - len(ELLIPSIS), 0
    for character in text:
        room -= units(character)
        if room < 0:
            break
        kept += 1
    return text[:kept] + ELLIPSIS


def _shown(character: str) -> str:
    return " " if character.isspace() else _UNPRINTABLE
