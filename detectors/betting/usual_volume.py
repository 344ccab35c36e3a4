"""How many events are usual at an hour of the week, learned from the stream itself."""

from __future__ import annotations

import math
from statistics import median
from typing import Final, TypeAlias

import msgspec

from detectors.betting.calendar import HOUR_MS, HOURS_PER_DAY, HOURS_PER_WEEK

WEEKS: Final = 5
"""So many visits of an hour of the week are kept."""
WEEKS_MIN: Final = 2
"""An hour that was visited so often speaks for itself."""
DAYS_MIN: Final = 2
"""Days of a kind from which on the volume of an hour is known."""
FILLED_MIN: Final = 0.5
"""An hour of which less was seen is no visit."""
LEVEL_DAYS: Final = 5.0
"""The level follows about so many days."""
_WORKDAYS: Final = 5
_HALF: Final = 0.5

_Stored: TypeAlias = tuple[list[list[float]], float, float, int, int, int]


class UsualVolume:
    """The usual number of events by hour of the week.

    An hour's usual rate is the median of its last five weeks. So an outage or a holiday leaves no trace, and what
    lasts is usual after three weeks. Until an hour has been met twice, the same hour of other days of its kind
    (Monday to Friday, or the weekend) stands in. Growth is carried by a level that follows the last days.

    Parameters
    ----------
    window_ms
        Length of a window, up to a day. Windows of more than an hour are hours of their own.

    Attributes
    ----------
    visits
        Per hour of the week, from Monday midnight: logarithms of the events per window less the level, oldest first.
    level
        Logarithm of the growth since the beginning.
    hours
        Hours that were learned from.
    exposure
        What the windows of the hour that has begun are in proportion to: their number, where nobody says more.

    Notes
    -----
    State: up to 845 numbers, 8 kB.

    Examples
    --------
    >>> usual = UsualVolume(3_600_000)
    >>> for day in range(3):
    ...     for hour in range(24):
    ...         usual.add(24.0 * day + hour + 0.5, 100 + 10 * hour)
    >>> round(usual.expected(72.5 + 6)), usual.expected(120.5)  # Thursday at six, Saturday
    (160, None)
    """

    def __init__(self, window_ms: int) -> None:
        self._window_hours = window_ms / HOUR_MS
        self._cell_hours = max(1.0, self._window_hours)
        self._per_day = round(HOURS_PER_DAY / self._cell_hours)
        self.visits: list[list[float]] = [[] for _ in range(round(HOURS_PER_WEEK / self._cell_hours))]
        self.level = 0.0
        self.hours = 0.0
        self._cell, self._count, self._windows = -1, 0, 0
        self.exposure = 0.0
        self._found: dict[int, float | None] = {}

    def expected(self, hour: float) -> float | None:
        """Return the usual number of events of a window by the hour of the week of its middle; None if unknown.

        Logarithms run in straight lines from the middle of one hour to that of the next.
        """
        place = hour / self._cell_hours - _HALF
        before = math.floor(place)
        part = place - before
        first, second = self._log_rate(before), self._log_rate(before + 1)
        own = first if part < _HALF else second
        if own is None:
            return None
        start, end = (own if first is None else first), (own if second is None else second)
        return math.exp(start * (1 - part) + end * part + self.level)

    def is_weekly(self, hour: float) -> bool:
        """Return whether an hour of the week speaks for itself."""
        return len(self.visits[int(hour / self._cell_hours)]) >= WEEKS_MIN

    def _log_rate(self, place: int) -> float | None:
        cell = place % len(self.visits)
        if cell not in self._found:
            self._found[cell] = self._find(cell)
        return self._found[cell]

    def _find(self, cell: int) -> float | None:
        own = self.visits[cell]
        day, slot = divmod(cell, self._per_day)
        alike = range(_WORKDAYS) if day < _WORKDAYS else range(_WORKDAYS, 7)
        others = [rate for other in alike for rate in self.visits[other * self._per_day + slot]]
        if len(others) < DAYS_MIN:
            return None
        if len(own) < WEEKS_MIN:
            return median(others)
        return median(own if len(own) % 2 else [*own, median(others)])

    def add(self, hour: float, count: int, *, exposure: float = 1.0) -> None:
        """Take in the events of a window, whose middle lies at an hour of the week.

        Parameters
        ----------
        exposure
            What the number of events is in proportion to, above 0; `expected` is for an exposure of 1.
        """
        cell = int(hour / self._cell_hours)
        if cell != self._cell:
            self._visited()
            self._cell, self._count, self._windows, self.exposure = cell, 0, 0, 0.0
        self._count += count
        self._windows += 1
        self.exposure += exposure

    def _visited(self) -> None:
        hours = self._windows * self._window_hours
        if hours < FILLED_MIN * self._cell_hours:
            return
        rate = math.log(max(self._count, _HALF) / self.exposure) - self.level
        self.visits[self._cell] = [*self.visits[self._cell], rate][-WEEKS:]
        self.hours += hours
        self._found.clear()

    def grow(self, step: float) -> None:
        """Let the level follow the logarithm of a day's events over what was expected of it."""
        self.level += step / LEVEL_DAYS

    def to_bytes(self) -> bytes:
        """Return the state for `restore`."""
        stored: _Stored = (
            *(self.visits, self.level, self.hours),
            *(self._cell, self._count, self._windows),
        )
        return msgspec.msgpack.encode(stored)

    def restore(self, data: bytes) -> None:
        """Take up a state of windows of the same length.

        Raises
        ------
        ValueError
            Bytes of something else.
        """
        try:
            visits, level, hours, *now = msgspec.msgpack.decode(data, type=_Stored)
        except msgspec.DecodeError as error:
            raise ValueError(f"expected the usual volume: {error}") from error
        numbers = [level, hours, *(rate for kept in visits for rate in kept)]
        fits = len(visits) == len(self.visits) and max(map(len, visits)) <= WEEKS and now[0] < len(visits)
        if not fits or not all(map(math.isfinite, numbers)):
            raise ValueError(f"expected the usual volume of {len(self.visits)} hours of the week")
        self.visits, self.level, self.hours = visits, level, hours
        self._cell, self._count, self._windows = now
        self.exposure = float(self._windows)
        self._found.clear()
