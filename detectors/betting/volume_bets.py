"""Bets that events come more, or less, often than is usual at that hour of the week, learned as they come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from detectors.betting.bank import Reading
from detectors.betting.calendar import HOUR_MS, HOURS_PER_DAY
from detectors.betting.pace import Pace, Unit
from detectors.betting.usual_volume import UsualVolume
from detectors.betting.volume_signals import cells_of, own_scatter, paces_of, slack_of_volume
from detectors.betting.watched import Watched, WatchedBanks
from detectors.detector import State
from detectors.state_values import value_in

DOUBT: Final = math.log(100.0)
"""While the evidence of any signal is higher, nothing is learned but the hours of the week."""
DAY_STEP_SDS: Final = 2.0
"""A day moves the level by at most so many standard deviations of days."""


class VolumeBets:
    """Bets on a flow of events.

    Windows are added up to units of two lengths: one window, which finds large changes at once, and an hour, which
    finds those that hide in the unrest of minutes. Each unit is put into one of a few cells by how far it lies
    beyond everything ordinary: `least`, and what hours and days usually differ by. The bets on the cells
    are those of `SignalBank`.

    Parameters
    ----------
    watched, bars
        The signals of `volume_signals`, and the log evidence at which they fire.
    window_ms
        Length of a window.
    zone
        The clock that hours are read from, such as Europe/Berlin.
    least
        The smallest relative change that matters.

    Attributes
    ----------
    enough
        Units in a row, of the shortest length, that held about as many events as usual or more.
    """

    def __init__(
        self, watched: Sequence[Watched], bars: Sequence[float], *, window_ms: int, zone: str, least: float
    ) -> None:
        self._window_ms, self._least = window_ms, least
        self._hours = window_ms / HOUR_MS
        self.banks = WatchedBanks(watched, bars, window_ms=window_ms, reference=f"{zone} {window_ms}")
        self.usual = UsualVolume(window_ms)
        self._paces = [
            Pace(max(1.0, self._hours), guess=0.25, trust=2),
            Pace(HOURS_PER_DAY, guess=0.15, trust=7),
        ]
        if self._window_ms < HOUR_MS:
            self._paces.insert(0, Pace(self._hours, guess=0.3, trust=2))
        self._pooled = np.zeros((len(watched), 2))
        self.calm = True
        self.enough = 0
        self.firing: list[Watched] = []

    def take(self, start_ms: int, hour: float, count: int, *, exposure: float = 1.0) -> dict[int, Reading]:
        """Count one window and return what fires or has just stopped, by place.

        Parameters
        ----------
        hour
            Of the week, in the middle of the window.
        exposure
            What the usual number is in proportion to, above 0.
        """
        usual = self.usual.expected(hour)
        expected = None if usual is None else usual * exposure
        self.usual.add(hour, count, exposure=exposure)
        found: dict[int, Reading] = {}
        for place, pace in enumerate(self._paces):
            if expected is None:
                pace.break_off()
                continue
            unit = pace.add(start_ms, count, expected, hours=self._hours, calm=self.calm)
            if unit is not None and pace is self._paces[-1]:
                self._grow(unit, pace)
            elif unit is not None:
                found |= self._bet(place, unit)
            if unit is not None:
                pace.heed(unit)
        return found

    def _grow(self, day: Unit, pace: Pace) -> None:
        if day.calm:
            most = DAY_STEP_SDS * math.sqrt(pace.scatter + 1 / day.expected)
            step = math.log(max(day.count, 1) / day.expected)
            self.usual.grow(min(max(step, -most), most))

    def _bet(self, place: int, unit: Unit) -> dict[int, Reading]:
        vector = cells_of(
            unit,
            place=place,
            paces=paces_of(self._window_ms),
            scatter=own_scatter(self._paces[place].scatter, self._paces[place + 1].scatter),
            slack=self.slack(place),
        )
        if place == 0:
            is_enough = unit.count >= unit.expected * math.exp(-self.slack(place))
            self.enough = self.enough + 1 if is_enough else 0
        readings = self.banks.update(vector, start_ms=unit.start_ms, hour=None)
        for signal, item in enumerate(self.banks.watched):
            if item.signal.cells[0] // len(item.signal.cells) // 2 == place:
                if self.banks.fresh[signal]:
                    self._pooled[signal] = 0.0
                self._pooled[signal] += (unit.count, unit.expected)
        if readings:  # without any nothing has begun or stopped to fire
            self.firing = self._fires()
        self.calm = not self.firing and float(self.banks.log_evidence.max()) < DOUBT
        return dict(readings)

    def stop(self) -> None:
        """Let all that fires be over, without waiting for the bets to say so."""
        self.banks.restart(range(len(self.banks.watched)))
        self.firing, self.calm = [], True

    def _fires(self) -> list[Watched]:
        return [self.banks.watched[place] for place in np.flatnonzero(self.banks.firing).tolist()]

    def slack(self, place: int) -> float:
        """Return how far the logarithm of volume may lie off, in units of a length, and still be usual."""
        return slack_of_volume([pace.scatter for pace in self._paces[place + 1 :]], least=self._least)

    def ratio(self, place: int) -> float:
        """Return the events since a signal's leading bet began, over the usual number."""
        return float(self._pooled[place, 0] / self._pooled[place, 1])

    def state(self) -> State:
        """Return what is usual, how it scatters, and the evidence against it."""
        paces = {f"pace{place}": pace.to_bytes() for place, pace in enumerate(self._paces)}
        return {
            "banks": self.banks.to_bytes(),
            "usual": self.usual.to_bytes(),
            "pooled": self._pooled.ravel().tolist(),
            "calm": int(self.calm),
            **paces,
        }

    def restore(self, state: State) -> bool:
        """Take up a remembered state; one of another clock or of other windows is left, which returns False.

        Raises
        ------
        ValueError
            If the state is not one of these bets.
        """
        if not self.banks.restore(value_in(state, "banks", bytes)):
            return False
        pooled = state.get("pooled")
        if (
            not isinstance(pooled, list)
            or len(pooled) != self._pooled.size
            or not all(map(math.isfinite, pooled))
        ):
            raise ValueError(f"expected {self._pooled.size} finite numbers as pooled")
        self.firing = self._fires()
        self.usual.restore(value_in(state, "usual", bytes))
        for place, pace in enumerate(self._paces):
            pace.restore(value_in(state, f"pace{place}", bytes))
        self._pooled = np.array(pooled, dtype=np.float64).reshape(self._pooled.shape)
        self.calm = bool(value_in(state, "calm", int))
        return True
