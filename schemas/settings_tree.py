"""A settings file after YAML and before any rule: a plain value in which every key knows its line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from schemas.setting_types import Place

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"

HEARTBEAT_URL: Final = ("notify", "heartbeat", "url")
"""The one secret outside the sinks that may be taken from the environment or a file."""

_SECRET_ROOTS: Final = frozenset({"kafka", "notify", "redis", "sinks"})
_SHOWN_CHARS_MAX: Final = 60


def shown(text: str) -> str:
    """Return text fit for one line of a message: printable, and cut where it is long."""
    cut = text if len(text) <= _SHOWN_CHARS_MAX else f"{text[:_SHOWN_CHARS_MAX]}..."
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in cut)


def shown_place(place: Place) -> str:
    """Return a place as people write it: `models.fraud.segments[0]`.

    A key that holds a colon is a key and its value run together. Where secrets live it is shown up to
    the colon only.
    """
    words = ""
    for depth, part in enumerate(place):
        if isinstance(part, int):
            words += f"[{part}]"
            continue
        key, colon, _ = part.partition(":") if depth == 0 or place[0] in _SECRET_ROOTS else (part, "", "")
        words += ("." if words else "") + shown(key) + ("..." if colon else "")
    return words


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: on which line (from 1), at which place, and how to mend it."""

    line: int
    place: Place
    text: str

    def __str__(self) -> str:
        where = shown_place(self.place)
        return f"{self.line}: {where}: {self.text}" if where else f"{self.line}: {self.text}"


@dataclass(slots=True)
class Tree:
    """A settings file after YAML and before any rule.

    Parameters
    ----------
    value
        Plain dicts, lists and scalars.
    lines
        Line (from 1) of each key and list item, by its place.
    words
        How a boolean is written (`yes`, `off`, `true`), by its place.
    problems
        Keys given twice, keys that are not text, tags that are not known.
    """

    value: Value = None
    lines: dict[Place, int] = field(default_factory=dict)
    words: dict[Place, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, place: Place) -> int:
        """Return the line of a place, or of the nearest place above it that the text has."""
        for end in range(len(place), 0, -1):
            if place[:end] in self.lines:
                return self.lines[place[:end]]
        return 1

    def add(self, place: Place, text: str, line: int | None = None) -> None:
        """Note a problem at a place, on the place's line unless another is given."""
        self.problems.append(Problem(self.line(place) if line is None else line, place, text))
