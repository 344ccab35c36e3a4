"""The budgeted detector of volume: traffic far from what is usual at that hour of the week."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from detectors.betting.bank import Reading
from detectors.betting.calendar import HOUR_MS, HOURS_PER_DAY, hour_of_week, local_ms
from detectors.betting.troubles import evidence_of, finding_of, one_each, standing_of, trouble_of
from detectors.betting.volume_bets import VolumeBets
from detectors.betting.volume_signals import DIRECTIONS, VOLUME, volume_signals
from detectors.detector import Evidence, PredictionWindow, State
from detectors.layout import PredictionLayout
from detectors.state_values import value_in
from schemas.finding import Finding, Severity, Stream, Topic

GAP_WINDOWS_MAX: Final = 3_000
"""Of a longer gap only so many empty windows are counted: two days of minutes."""
SEVERE_RATIO: Final = 3.0
"""A third of the usual volume, or three times as much, is an error and not a warning."""
GONE_RATIO: Final = 0.1
"""A tenth of it or less is critical."""
_NEVER: Final = -1


class BudgetedVolume:
    """Bets that traffic has left what is usual at its hour of the week; see `VolumeBets`.

    Parameters
    ----------
    bars
        Log evidence at which the signals of `volume_signals` fire.
    window_ms
        Length of a window.
    zone
        The clock that hours are read from, such as Europe/Berlin.
    least
        The smallest relative change that matters.

    Notes
    -----
    A window that is not delivered had no event; it is counted when the next one comes, so a complete silence is told
    when it ends. The first window may be a part of one and is left out; the last of a file may be too, but no single
    unit is enough to fire.
    """

    name: Final = VOLUME
    stream: Final = Stream.PREDICTIONS

    def __init__(self, bars: list[float], *, window_ms: int, zone: str, least: float) -> None:
        self._window_ms, self._zone, self._least = window_ms, zone, least
        self._bars = bars
        self._reset()

    def _reset(self) -> None:
        watched = volume_signals(self._window_ms)
        self._bets = VolumeBets(
            watched, self._bars, window_ms=self._window_ms, zone=self._zone, least=self._least
        )
        self._last_ms, self._worst = _NEVER, 0

    @property
    def standing(self) -> set[Topic]:
        """See `detectors.detector.Detector`."""
        return standing_of([self._bets.banks])

    def update(self, window: PredictionWindow) -> list[Finding]:
        """Take one window in, and the empty ones before it; a finding while volume is not as usual."""
        count = int(window.overall.vector[PredictionLayout.EVENTS])
        start_ms = window.span.start_ms
        if not count or start_ms <= self._last_ms:
            return []
        first_ms, self._last_ms = self._last_ms + self._window_ms, start_ms
        if first_ms < self._window_ms:
            return []
        empty = min((start_ms - first_ms) // self._window_ms, GAP_WINDOWS_MAX)
        starts = np.array([first_ms + i * self._window_ms for i in range(empty)] + [start_ms], dtype=np.int64)
        hours = hour_of_week(local_ms(starts + self._window_ms // 2, self._zone)).tolist()
        before = [item.signal.name for item in self._bets.firing]
        readings: dict[int, Reading] = {}
        for place, (start, hour) in enumerate(zip(starts.tolist(), hours, strict=True)):
            readings |= self._bets.take(start, hour, count if place == empty else 0)
        return self._findings(window, readings, before, hours[-1]) if readings else []

    def _findings(
        self, window: PredictionWindow, readings: dict[int, Reading], before: list[str], hour: float
    ) -> list[Finding]:
        """Return what the last reading of each signal says; what began and ended in one gap is not told."""
        now = {item.signal.name for item in self._bets.firing}
        found: list[Finding] = []
        for place, reading in readings.items():
            name = self._bets.banks.watched[place].signal.name
            if name in now or name in before:
                found.append(self._finding(window, place, reading, is_new=name not in before, hour=hour))
        told = one_each(found, firing={trouble_of(item) for item in self._bets.firing})
        if not now:
            self._worst = 0
        return told

    def _finding(
        self, window: PredictionWindow, place: int, reading: Reading, *, is_new: bool, hour: float
    ) -> Finding:
        ratio = self._bets.ratio(place)
        before = self._worst
        self._worst = max(before, severity_of(ratio).rank)
        is_told = is_new or reading.resolved or self._worst > before
        evidence = self._evidence(place, reading, ratio, hour) if is_told else {}
        severity = list(Severity)[self._worst]
        return finding_of(
            self._bets.banks.watched[place], reading, window, severity=severity, evidence=evidence
        )

    def _evidence(self, place: int, reading: Reading, ratio: float, hour: float) -> Evidence:
        usual = self._bets.usual.expected(hour)
        per_hour = 0.0 if usual is None else usual * HOUR_MS / self._window_ms
        return {
            **evidence_of(reading),
            "reference": 0.0,
            "direction": DIRECTIONS[place % 2],
            "usual_per_hour": per_hour,
            "seen_per_hour": per_hour * ratio,
            "ratio": ratio,
            "unchanged_within": math.expm1(self._bets.slack(place // 2)),
            "season": "weekly" if self._bets.usual.is_weekly(hour) else "daily",
            "learned_days": self._bets.usual.hours / HOURS_PER_DAY,
        }

    def state(self) -> State:
        """Return what is usual, how it scatters, and the evidence against it."""
        return {**self._bets.state(), "last_ms": self._last_ms, "worst": self._worst}

    def restore(self, state: State) -> None:
        """Take up a remembered state; one of another clock or of windows of another length starts over.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        self._reset()
        if not self._bets.restore(state):
            return
        worst = value_in(state, "worst", int)
        if worst not in {severity.rank for severity in Severity}:
            raise ValueError(f"expected the rank of a severity as worst, got {worst}")
        self._last_ms, self._worst = value_in(state, "last_ms", int), worst


def severity_of(ratio: float) -> Severity:
    """Return how bad it is that so many times the usual number of events come."""
    if ratio <= GONE_RATIO:
        return Severity.CRITICAL
    return Severity.ERROR if ratio <= 1 / SEVERE_RATIO or ratio >= SEVERE_RATIO else Severity.WARNING
