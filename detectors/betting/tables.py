"""Everything about signals that does not change from window to window, padded to arrays of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.calendar import HOUR_MS, HOURS_PER_WEEK
from detectors.betting.signal import Signal
from detectors.rhythm import STAKE_SHARE_MAX

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]
Vector = npt.NDArray[np.int64]

_HALF: Final = 0.5
_MOMENT_HOURS: Final = 0.25
"""Windows of more than an hour have the mean of the cycle at moments this far apart."""


def _moments(window_hours: float) -> list[float]:
    """Return the moments that a window's cycle is taken at, in hours from its middle: one for up to an hour."""
    count = int(np.ceil(window_hours / _MOMENT_HOURS)) if window_hours > 1 else 1
    return [(place + _HALF) * window_hours / count - window_hours / 2 for place in range(count)]


class BetTables:
    """The bets of signals.

    Parameters
    ----------
    window_ms
        Length of a window; the cycle's mean over it is what counts.

    Attributes
    ----------
    shape
        (signals, bets, functionals).
    functional, stake, log_prior, inflation
        Shape (signals, bets); padding has the log prior minus infinity.
    sd, variance, minimum
        Shape (signals, functionals).
    rate
        Shape (signals,): events per millisecond in the reference, infinite where it has no times, so that no window is busier than usual.
    upward
        Shape (signals,): signals that are bet on in one direction alone, upward.
    unknown, unknown_bets
        Where the reference does not know the inertia.
    """

    def __init__(self, signals: Sequence[Signal], *, window_ms: int) -> None:
        stakes = [signal.stakes() for signal in signals]
        count = len(signals)
        width = max((len(signal.cells) for signal in signals), default=0)
        bets = max((len(stake) for _, stake, _, _ in stakes), default=1)
        functionals = max((signal.values.shape[1] for signal in signals), default=1)
        self.shape = (count, bets, functionals)
        self._cells = np.full((count, width), -1, dtype=np.intp)
        self._values = np.zeros((count, width, functionals))
        self._logs = np.zeros((count, width, bets))
        self._season = np.zeros((HOURS_PER_WEEK, count, functionals))
        self._smooth = np.zeros((count, functionals), dtype=np.bool_)
        self._null = np.zeros((count, bets))
        self.functional = np.zeros((count, bets), dtype=np.intp)
        self.stake = np.zeros((count, bets))
        self.log_prior = np.full((count, bets), -np.inf)
        self.inflation = np.ones((count, bets))
        self.sd, self.minimum = np.ones((count, functionals)), np.zeros((count, functionals))
        self.rate = np.zeros(count)
        for place, (signal, found) in enumerate(zip(signals, stakes, strict=True)):
            self._put(place, signal, found)
        self.rate[self.rate == 0] = np.inf
        self.variance = np.square(self.sd)
        self.upward: Mask = np.all(self.stake >= 0, axis=1).reshape(count)
        self._has_season, self._is_smooth = bool(self._season.any()), bool(self._smooth.any())
        self._moments = _moments(window_ms / HOUR_MS)
        padded = self._cells < 0
        self._there = None if not padded.any() else (~padded).astype(np.float64)
        self._cells[padded] = 0
        rows = np.arange(count)[:, None] * functionals
        self._own: Places = rows + self.functional
        self._log_fair = self._log_of_fair(self._null)
        self.void: Mask = np.isneginf(self.log_prior)
        self.unknown_bets: Mask = np.isnan(self.inflation)
        self.inflation[self.unknown_bets] = 1.0
        self.unknown: Mask = np.any(self.unknown_bets, axis=1).reshape(count)

    def _put(self, place: int, signal: Signal, found: tuple[Places, Floats, Floats, Floats]) -> None:
        functional, stake, log_prior, inflation = found
        cells, bets, width = len(signal.cells), len(stake), signal.values.shape[1]
        self._cells[place, :cells] = signal.cells
        self._values[place, :cells, :width] = signal.values
        self._logs[place, :cells, :bets] = np.log1p(signal.values[:, functional] * stake)
        self.functional[place, :bets], self.stake[place, :bets] = functional, stake
        self.log_prior[place, :bets], self.inflation[place, :bets] = log_prior, inflation
        self._null[place, :bets] = np.where(
            stake > 0, signal.slack[functional, 0], -signal.slack[functional, 1]
        )
        self.sd[place, :width], self.minimum[place, :width] = signal.sds, signal.minimum
        for column, rhythm in enumerate(signal.rhythms):
            if rhythm is not None:
                self.rate[place] = max(self.rate[place], rhythm.rate)
                self._smooth[place, column] = rhythm.smooth
                if rhythm.season:
                    season = np.array(rhythm.season)
                    self._season[:, place, column] = np.tile(season, HOURS_PER_WEEK // len(season))

    def counts(self, vector: Vector) -> tuple[Floats, Floats]:
        """Return the counts of every signal's cells, shape (signals, cells), and their sums."""
        counts = vector.take(self._cells).astype(np.float64)
        if self._there is not None:
            counts *= self._there
        return counts, counts.sum(axis=1)

    def of_bets(self, found: Floats) -> Floats:
        """Return what belongs to functionals, shape (signals, functionals), by bet, shape (signals, bets)."""
        return found.take(self._own)

    def sums(self, counts: Floats) -> Floats:
        """Return the sums of the functionals over a window's events, shape (signals, functionals)."""
        found: Floats = np.matmul(counts[:, None, :], self._values)[:, 0, :]
        return found

    def offsets(self, hour: float | None) -> Floats | None:
        """Return what the cycle adds to the mean of a window, shape (signals, functionals).

        None where there is no cycle. `hour` is the hour of the week of the window's middle.
        """
        if hour is None or not self._has_season:
            return None
        found = [self._offsets_at(hour + moment) for moment in self._moments]
        return found[0] if len(found) == 1 else np.asarray(np.mean(found, axis=0))

    def _offsets_at(self, hour: float) -> Floats:
        steps: Floats = self._season[int(np.floor(hour)) % HOURS_PER_WEEK]
        if not self._is_smooth:
            return steps
        place = hour - _HALF
        before = int(np.floor(place))
        part = place - before
        lines = (
            self._season[before % HOURS_PER_WEEK] * (1 - part)
            + self._season[(before + 1) % HOURS_PER_WEEK] * part
        )
        return np.where(self._smooth, lines, steps)

    def gains(self, counts: Floats, n: Floats, offsets: Floats | None) -> Floats:
        """Return the log factor of every bet over a window, shape (signals, bets), not yet divided by inflation.

        The factor of an event is (1 + stake * value) / (1 + stake * mean), with the mean at the end of its
        interval that is the hardest for the bet; its expectation is at most 1 wherever the mean lies inside.
        """
        won = np.matmul(counts[:, None, :], self._logs)[:, 0, :]
        log_fair = self._log_fair
        if offsets is not None:
            log_fair = self._log_of_fair(self.of_bets(offsets) + self._null)
        gains: Floats = won - n[:, None] * log_fair
        return gains

    def _log_of_fair(self, mean: Floats) -> Floats:
        """Return the log of what a bet comes to on average per event, shape (signals, bets)."""
        found: Floats = np.log(np.maximum(1 + self.stake * mean, 1 - STAKE_SHARE_MAX))
        return found

    def recovery_gain(self, place: int, functional: int, total: float, n: float, least: float) -> float:
        """Return the log factor of a bet that the mean lies within `least` of what is usual: the worse of two.

        Of a signal that is bet on upward alone any mean that is not so far up will do: a rate that has fallen
        below the usual one is over too.

        To second order in the stake, half of the one at which the bet grows fastest once all is as it was: so
        it grows after any shift, however large against the standard deviation.

        Parameters
        ----------
        total, n
            Sum of the functional less what is usual, and events.
        least
            Half width of what counts as over, in the functional's unit.
        """
        square = float(self.variance[place, functional]) + least * least
        stake = least / square / 2
        shift = least * n - total
        if not self.upward[place]:
            shift = min(shift, least * n + total)
        return stake * shift - stake * stake * n * square / 2
