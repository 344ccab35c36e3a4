"""Adds windows up to units of some length, and measures how far units scatter about what is usual."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from detectors.betting.calendar import HOURS_PER_DAY

ENOUGH: Final = 20.0
"""A unit holds at least so many expected events: fewer say little, and they scatter lopsidedly."""
BURST: Final = 4 * ENOUGH
"""Or so many events that came where hardly any were expected."""
MEMORY_DAYS: Final = 28.0
"""How far back scatter remembers."""
OUTLIER_SDS: Final = 2.5
"""One unit counts as at most so many standard deviations."""
_ROUNDING: Final = 1e-6

_Stored: TypeAlias = tuple[float, float, int, int, float, float, bool]


@dataclass(frozen=True, slots=True)
class Unit:
    """Successive windows together.

    Parameters
    ----------
    start_ms
        Start of the first one.
    count, expected
        Events, and how many are usual; above 0.
    hours
        Length.
    calm
        Whether nothing spoke against what is usual meanwhile, so that the unit may be learned from.
    """

    start_ms: int
    count: int
    expected: float
    hours: float
    calm: bool


class Pace:
    """Units of one length.

    Parameters
    ----------
    hours
        Of a unit; it gets longer where few events are expected.
    guess
        Standard deviation of a unit's relative departure before it was measured.
    trust
        How many days of measuring weigh as much as the guess.
    """

    def __init__(self, hours: float, *, guess: float, trust: float) -> None:
        self._unit_hours = hours
        self._guess, self._trust = guess * guess, trust
        self._sum = self._weight = 0.0
        self.break_off()

    def break_off(self) -> None:
        """Forget the unit that has begun."""
        self._start_ms, self._count, self._expected, self._hours, self._calm = 0, 0, 0.0, 0.0, True

    def add(self, start_ms: int, count: int, expected: float, *, hours: float, calm: bool) -> Unit | None:
        """Take a window in and return the unit that it completes, if it does."""
        if not self._hours:
            self._start_ms = start_ms
        self._count += count
        self._expected += expected
        self._hours += hours
        self._calm &= calm
        if self._hours < self._unit_hours - _ROUNDING:
            return None
        if self._expected < ENOUGH and self._count < BURST:
            return None
        unit = Unit(self._start_ms, self._count, self._expected, self._hours, self._calm)
        self.break_off()
        return unit

    @property
    def scatter(self) -> float:
        """Mean square of the relative departures of units, beyond that of independent events; 0 or more."""
        return max((self._sum + self._guess * self._trust) / (self._weight + self._trust), 0.0)

    def heed(self, unit: Unit) -> None:
        """Let a calm unit tell how far units scatter."""
        if not unit.calm:
            return
        independent = 1 / unit.expected
        most = OUTLIER_SDS**2 * (self.scatter + independent)
        square = min((unit.count / unit.expected - 1) ** 2, most) - independent
        days = unit.hours / HOURS_PER_DAY
        kept = math.exp(-days / MEMORY_DAYS)
        self._sum = self._sum * kept + square * days
        self._weight = self._weight * kept + days

    def to_bytes(self) -> bytes:
        """Return the state for `restore`."""
        stored: _Stored = (
            *(self._sum, self._weight, self._start_ms, self._count),
            *(self._expected, self._hours, self._calm),
        )
        return msgspec.msgpack.encode(stored)

    def restore(self, data: bytes) -> None:
        """Take up a state.

        Raises
        ------
        ValueError
            Bytes of something else.
        """
        try:
            stored = msgspec.msgpack.decode(data, type=_Stored)
        except msgspec.DecodeError as error:
            raise ValueError(f"expected the scatter of volume: {error}") from error
        if not all(map(math.isfinite, stored)):
            raise ValueError("expected a finite scatter of volume")
        self._sum, self._weight, self._start_ms, self._count = stored[:4]
        self._expected, self._hours, self._calm = stored[4:]
