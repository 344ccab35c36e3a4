"""Times as tables hold them: RFC 3339 text with or without an offset, dates alone, numbers since the epoch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from consumers.times import times_ms
from detectors.profile_values import NO_TIME
from schemas.clock import TIME_MS_MAX

Integers = npt.NDArray[np.int64]

PER_SECOND: Final = (1, 1_000, 1_000_000, 1_000_000_000)
"""How often the units in which numbers may count go into a second: seconds to nanoseconds."""

_ENDS: Final = np.array([(TIME_MS_MAX + 1) * per_second // 1_000 for per_second in PER_SECOND])
"""The beginning of the year 2201 in each unit."""
_UTC: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,32}))?(?:[Zz]|[+-]00:00)?)?"
)
_NUMBER: Final = re.compile(r"[0-9]+(?P<broken>\.[0-9]*(?:[eE]\+?[0-9]{1,2})?|[eE]\+?[0-9]{1,2})?")
_DIGITS_MAX: Final = 19
"""A longer whole number is beyond the largest 64-bit one."""


class UnitVote:
    """Finds the unit in which the numbers of a column count the time since the epoch.

    Each number is one vote: for the coarsest unit of seconds, milliseconds, microseconds and nanoseconds in
    which it lies before the year 2201. So a few odd values change nothing, and every number of the column is
    then read in the same unit. Numbers of a time before April 1970 may vote for a coarser unit than theirs.

    Examples
    --------
    >>> vote = UnitVote()
    >>> vote.add([1_700_000_000_000, 1_700_000_000_250, 0])
    >>> vote.per_second
    1000
    """

    def __init__(self) -> None:
        self._votes = np.zeros(len(PER_SECOND), dtype=np.int64)

    def add(self, cells: Sequence[object]) -> None:
        """See cells of the column; the order does not matter."""
        sorted_ = _sorted(cells)
        for numbers in (sorted_.whole_numbers(), sorted_.fractions()):
            units = np.searchsorted(_ENDS, numbers, side="right")
            self._votes += np.bincount(units, minlength=len(_ENDS) + 1)[: len(_ENDS)]

    @property
    def per_second(self) -> int:
        """The unit that most numbers voted for, the coarser one of a draw, as its number in a second."""
        return PER_SECOND[int(self._votes.argmax())]


def cell_times_ms(cells: Sequence[object], per_second: int) -> Integers:
    """Return the epoch milliseconds of each cell, `NO_TIME` where it is missing or no time.

    Parameters
    ----------
    cells
        RFC 3339 text, taken as UTC where it has no offset; dates, which are their midnight in UTC; numbers,
        and text that is a number. Digits beyond the millisecond are cut off, floats are rounded to it.
    per_second
        Unit of the numbers, as its number in a second.

    Examples
    --------
    >>> cell_times_ms(["1970-01-02", "1970-01-01 01:00:00+01:00", "90.5", 7, None, "soon"], 1).tolist()[:4]
    [86400000, 0, 90500, 7000]
    """
    found = np.full(len(cells), NO_TIME, dtype=np.int64)
    sorted_ = _sorted(cells)
    found[list(sorted_.texts)] = times_ms([_with_offset(text) for text in sorted_.texts.values()])
    found[list(sorted_.whole)] = epoch_ms(sorted_.whole_numbers(), per_second)
    fractions = np.rint(sorted_.fractions() * (1_000 / per_second))
    found[list(sorted_.broken)] = np.where(fractions <= TIME_MS_MAX, fractions, NO_TIME).astype(np.int64)
    return found


def epoch_ms(counts: Integers, per_second: int) -> Integers:
    """Return whole numbers since the epoch as milliseconds, `NO_TIME` outside the years 1970 to 2200."""
    known = (counts >= 0) & (counts < _ENDS[PER_SECOND.index(per_second)])
    inside = np.where(known, counts, 0)
    found = inside * 1_000 if per_second == 1 else inside // (per_second // 1_000)
    return np.where(known, found, NO_TIME)


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Cells by what they hold and by their place: text that is no number, whole and broken numbers."""

    texts: dict[int, str] = field(default_factory=dict)
    whole: dict[int, int] = field(default_factory=dict)
    broken: dict[int, float] = field(default_factory=dict)

    def whole_numbers(self) -> Integers:
        return np.fromiter(self.whole.values(), dtype=np.int64, count=len(self.whole))

    def fractions(self) -> npt.NDArray[np.float64]:
        return np.fromiter(self.broken.values(), dtype=np.float64, count=len(self.broken))


def _sorted(cells: Sequence[object]) -> _Sorted:
    """Sort cells; a number that no unit makes a time of is left out, as everything else is."""
    found = _Sorted()
    end = int(_ENDS[-1])
    for place, cell in enumerate(cells):
        value = _cell(cell.strip()) if isinstance(cell, str) else cell
        if isinstance(value, str):
            found.texts[place] = value
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < end:
            continue
        elif isinstance(value, int):
            found.whole[place] = value
        else:
            found.broken[place] = value
    return found


def _cell(text: str) -> str | int | float:
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text
    is_whole = number["broken"] is None and len(text) <= _DIGITS_MAX
    return int(text) if is_whole else float(text)


def _with_offset(text: str) -> str:
    """Return a date or a time in UTC in the form that is read fastest, and any other text as it is."""
    parts = _UTC.fullmatch(text)
    if parts is None:
        return text
    date, second, fraction = parts.groups(default="")
    return f"{date}T{second or '00:00:00'}.{fraction[:3]:0<3}Z"
