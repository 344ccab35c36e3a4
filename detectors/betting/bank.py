"""Many signals at once: their evidence, their alarms and their recovery, as arrays.

Each bet multiplies its fortune, event by event, by 1 + stake * value over what that is on average while nothing
has changed. Over a window the product is one dot product of counts with a table made once. The
Shiryaev-Roberts statistic R <- (R + 1) * factor restarts the game at every window; its weighted mean over the
bets of a signal is the signal's evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.bank_state import bank_bytes, restore_bank
from detectors.betting.budget import E_VALUE_MIN
from detectors.betting.inertia import Inertia
from detectors.betting.rows import adopt_rows
from detectors.betting.signal import Signal
from detectors.betting.tables import BetTables

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Vector = npt.NDArray[np.int64]

RECOVERED: Final = float(np.log(1_000.0))
"""Log evidence that a change is over, at which an alarm resolves."""
INSIDE_WINDOWS: Final = 3
"""And so many informed windows in a row that lie inside."""
_NEVER: Final = -1
_LOG_E_VALUE_MIN: Final = float(np.log(E_VALUE_MIN))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a window says of one signal that is firing, or has just stopped.

    Parameters
    ----------
    signal
        Its place in the bank.
    fired, resolved
        Whether this window made it so.
    log_evidence, bar
        The signal's evidence, and the evidence at which it fires. An alarm stands until it is over, so
        while it does, the evidence is said to be no less than the bar; once it is over, it is the bar less
        the evidence that it is over.
    log_e_value
        Of the best single bet since it was last even.
    functional, direction
        What that bet is on.
    since_ms
        Start of the window in which it began to win.
    effect
        Mean of the functional since then, less what is usual at these hours, in its standard deviations.
    first_effect
        The same of the signal's first functional, which says where values lie.
    error
        Standard error of both, with the inertia that the reference knows.
    dated_anew
        `since_ms` is a better guess than what was said when it fired.
    """

    signal: int
    fired: bool
    resolved: bool
    log_evidence: float
    bar: float
    log_e_value: float
    functional: int
    direction: int
    since_ms: int
    effect: float
    first_effect: float
    error: float
    dated_anew: bool = False


class SignalBank:
    """Watches signals that are counted in one vector.

    Parameters
    ----------
    signals
        Of any kinds; their number and order decide the stored state.
    bars
        Log evidence at which each fires.
    window_ms
        Length of a window.

    Attributes
    ----------
    fresh
        Shape (signals,): signals whose leading bet began to win in the last window; what they show began there.

    Notes
    -----
    State: about (2 * bets + 10 * functionals + 60) numbers of 8 bytes a signal, and 1.2 kB where inertia is
    measured in the stream.
    """

    def __init__(self, signals: Sequence[Signal], bars: Sequence[float], *, window_ms: int) -> None:
        self.signals = tuple(signals)
        self._tables = BetTables(self.signals, window_ms=window_ms)
        self._bars = np.array(bars, dtype=np.float64)
        self._window_ms = window_ms
        self._inertia = Inertia(self._tables.variance) if self._tables.unknown.any() else None
        count, bets, functionals = self._tables.shape
        self._evidence = np.full((count, bets), -np.inf)
        self._runs = np.where(self._tables.void, -np.inf, 0.0)
        self._since = np.full((count, bets), _NEVER, dtype=np.int64)
        self._sums, self._n = np.zeros((count, functionals)), np.zeros(count)
        self.firing = np.zeros(count, dtype=np.bool_)
        self._told = np.zeros((count, 3))  # functional, direction, smallest shift that is not over
        self._over, self._inside = np.full(count, -np.inf), np.zeros(count, dtype=np.int64)
        self.fresh = np.ones(count, dtype=np.bool_)

    def restart(self, which: Mask) -> None:
        """Let signals start over; what was measured of their inertia stays."""
        self._evidence[which], self._runs[which], self._since[which] = -np.inf, 0.0, _NEVER
        self._sums[which], self._n[which] = 0.0, 0.0
        self.firing[which], self._over[which], self._inside[which] = False, -np.inf, 0

    def update(self, vector: Vector, *, start_ms: int, hour: float | None) -> list[Reading]:
        """Take one window in.

        Parameters
        ----------
        vector
            What was counted.
        start_ms
            Start of the window, epoch milliseconds.
        hour
            Hour of the week of its middle, by the reference's clock; None leaves the cycle out.

        Returns
        -------
        list of Reading
            Of the signals that fire or have just resolved.
        """
        counts, n = self._tables.counts(vector)
        offsets = self._tables.offsets(hour)
        sums = self._tables.sums(counts)
        if offsets is not None:
            sums -= n[:, None] * offsets
        inflation = self._inflation(n)
        gains = self._tables.gains(counts, n, offsets) / inflation
        informed = n > 0
        if self._inertia is not None:
            self._inertia.add(sums, n, informed & ~self.firing & self._tables.unknown)
        self._bet(gains, informed, start_ms)
        best = self._runs.argmax(axis=1)
        every = np.arange(len(best))
        self.fresh = informed & ~self.firing & (self._since[every, best] == start_ms)
        self._sums[self.fresh], self._n[self.fresh] = 0.0, 0.0
        self._sums += sums  # both are 0 where nothing informs
        self._n += n
        fired = self._fire(informed & ~self.firing & (self._runs[every, best] >= _LOG_E_VALUE_MIN))
        told = np.flatnonzero(self.firing & informed)
        if not len(told):
            return []
        resolved = self._recover(sums, n, inflation, informed & ~fired)
        evidence = self._log_evidence(told)
        readings = [
            self._reading(place, log_evidence, fired=bool(fired[place]), resolved=bool(resolved[place]))
            for place, log_evidence in zip(told.tolist(), evidence.tolist(), strict=True)
        ]
        self.restart(resolved)
        return readings

    def effects(self) -> list[tuple[int, float]]:
        """Return (signal, how far it is off in its standard deviations) of those that fire."""
        firing = np.flatnonzero(self.firing).tolist()
        return [(place, self._effect(place, int(self._told[place, 0]))) for place in firing]

    def _inflation(self, n: Floats) -> Floats:
        """Return by how much the log evidence of this window's bets is divided, shape (signals, bets)."""
        busier = np.maximum(n / self._window_ms / self._tables.rate, 1.0)
        found = 1 + (self._tables.inflation - 1) * busier[:, None]
        if self._inertia is not None:
            measured = self._tables.of_bets(self._inertia.inflation())
            found = np.where(self._tables.unknown_bets, measured, found)
        return found

    def _bet(self, gains: Floats, informed: Mask, start_ms: int) -> None:
        whom: Mask | slice = slice(None) if informed.all() else informed
        runs, gained = self._runs[whom], gains[whom]
        self._since[whom] = np.where(runs <= 0, start_ms, self._since[whom])
        self._runs[whom] = np.maximum(runs, 0.0) + gained
        self._evidence[whom] = np.logaddexp(self._evidence[whom], 0.0) + gained
        if self._tables.void.any():
            self._runs[self._tables.void] = -np.inf  # no bet at all, so never the best one

    @property
    def log_evidence(self) -> Floats:
        """Shape (signals,): the log of each signal's evidence."""
        return self._log_evidence(np.arange(len(self.signals)))

    def _log_evidence(self, places: npt.NDArray[np.intp]) -> Floats:
        terms = self._evidence[places] + self._tables.log_prior[places]
        most = terms.max(axis=1, initial=-np.inf)
        with np.errstate(invalid="ignore"):
            total: Floats = most + np.log(np.exp(terms - most[:, None]).sum(axis=1))
        return np.where(np.isfinite(most), total, -np.inf)

    def _fire(self, may: Mask) -> Mask:
        """Return which of those that may fire do."""
        fired = np.zeros(len(may), dtype=np.bool_)
        if not may.any():
            return fired
        places = np.flatnonzero(may)
        fired[places] = self._log_evidence(places) >= self._bars[places]
        for place in np.flatnonzero(fired):
            bet = int(self._runs[place].argmax())
            functional = int(self._tables.functional[place, bet])
            direction = 1.0 if self._tables.stake[place, bet] > 0 else -1.0
            shift = abs(self._mean(int(place), functional))
            least = max(float(self._tables.minimum[place, functional]), shift / 2)
            self._told[place] = functional, direction, least
        self.firing |= fired
        return fired

    def _mean(self, place: int, functional: int) -> float:
        n = float(self._n[place])
        return float(self._sums[place, functional]) / n if n else 0.0

    def _effect(self, place: int, functional: int) -> float:
        return self._mean(place, functional) / float(self._tables.sd[place, functional])

    def _recover(self, sums: Floats, n: Floats, inflation: Floats, informed: Mask) -> Mask:
        """Bet that what fired is over, and return the signals of which that is now sure."""
        resolved = np.zeros(len(self.firing), dtype=np.bool_)
        for place in np.flatnonzero(self.firing & informed).tolist():
            functional, least = int(self._told[place, 0]), float(self._told[place, 2])
            total = float(sums[place, functional])
            gain = self._tables.recovery_gain(place, functional, total, float(n[place]), least)
            self._over[place] = np.logaddexp(self._over[place], 0.0) + gain / float(inflation[place].max())
            off = total if self._tables.upward[place] else abs(total)
            inside = off < least * float(n[place])
            self._inside[place] = self._inside[place] + 1 if inside else 0
            resolved[place] = self._over[place] >= RECOVERED and self._inside[place] >= INSIDE_WINDOWS
        return resolved

    def _reading(self, place: int, log_evidence: float, *, fired: bool, resolved: bool) -> Reading:
        bet = int(self._runs[place].argmax())
        functional, direction, _ = self._told[place]
        bar = float(self._bars[place])
        return Reading(
            signal=place,
            fired=fired,
            resolved=resolved,
            log_evidence=bar - float(self._over[place]) if resolved else max(log_evidence, bar),
            bar=bar,
            log_e_value=float(self._runs[place, bet]),
            functional=int(functional),
            direction=int(direction),
            since_ms=int(self._since[place, bet]),
            effect=self._effect(place, int(functional)),
            first_effect=self._effect(place, 0),
            error=float(np.sqrt(self._tables.inflation[place].max() / max(self._n[place], 1.0))),
        )

    def adopt(self, other: SignalBank, rows: Sequence[tuple[int, int]]) -> None:
        """Take over what another bank remembers of the same signals; `rows` are places here and there."""
        adopt_rows(self._arrays(), other._arrays(), rows)
        if self._inertia is not None and other._inertia is not None:
            self._inertia.adopt(other._inertia, rows)

    def to_bytes(self) -> bytes:
        """Return the state for `restore`."""
        return bank_bytes(self._arrays(), self._inertia)

    def restore(self, data: bytes) -> None:
        """Take up a state of the same signals.

        Raises
        ------
        ValueError
            Bytes of something else, or of other signals.
        """
        restore_bank(self._arrays(), self._inertia, data)

    def _arrays(self) -> list[npt.NDArray[np.float64] | npt.NDArray[np.int64] | npt.NDArray[np.bool_]]:
        return [
            *(self._evidence, self._runs, self._since, self._sums, self._n),
            *(self.firing, self._told, self._over, self._inside),
        ]
