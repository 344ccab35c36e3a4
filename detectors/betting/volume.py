"""The budgeted detector of volume: traffic far from what is usual at that hour of the week."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from detectors.betting.bank import Reading
from detectors.betting.calendar import HOUR_MS, HOURS_PER_DAY, hour_of_week, local_ms
from detectors.betting.pace import Pace, Unit
from detectors.betting.troubles import finding_of, one_each, trouble_of
from detectors.betting.usual_volume import UsualVolume
from detectors.betting.volume_signals import (
    DIRECTIONS,
    VOLUME,
    cells_of,
    own_scatter,
    paces_of,
    slack_of_volume,
    volume_signals,
)
from detectors.betting.watched import LN_10, Watched, WatchedBanks
from detectors.detector import Evidence, PredictionWindow, State
from detectors.layout import PredictionLayout
from detectors.state_values import value_in
from schemas.finding import Finding, Severity, Stream

GAP_WINDOWS_MAX: Final = 3_000
"""Of a longer gap only so many empty windows are counted: two days of minutes."""
DOUBT: Final = math.log(100.0)
"""While the evidence of any signal is higher, nothing is learned but the hours of the week."""
DAY_STEP_SDS: Final = 2.0
"""A day moves the level by at most so many standard deviations of days."""
SEVERE_RATIO: Final = 3.0
"""A third of the usual volume, or three times as much, is an error and not a warning."""
GONE_RATIO: Final = 0.1
"""A tenth of it or less is critical."""
_NEVER: Final = -1


class BudgetedVolume:
    """Bets that traffic has left what is usual at its hour of the week.

    Windows are added up to units of two lengths: one window, which finds large changes at once, and an hour, which
    finds those that hide in the unrest of minutes. Each unit is put into one of a few cells by how far it lies
    beyond everything ordinary: `min_effect.volume`, and what hours and days usually differ by. The bets on the cells
    are those of `SignalBank`.

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
        self._hours = window_ms / HOUR_MS
        self._bars = bars
        self._reset()

    def _reset(self) -> None:
        watched = volume_signals(self._window_ms)
        reference = f"{self._zone} {self._window_ms}"
        self._banks = WatchedBanks(watched, self._bars, window_ms=self._window_ms, reference=reference)
        self._usual = UsualVolume(self._window_ms)
        self._paces = [
            Pace(max(1.0, self._hours), guess=0.25, trust=2),
            Pace(HOURS_PER_DAY, guess=0.15, trust=7),
        ]
        if self._window_ms < HOUR_MS:
            self._paces.insert(0, Pace(self._hours, guess=0.3, trust=2))
        self._pooled = np.zeros((len(watched), 2))
        self._last_ms, self._worst, self._calm = _NEVER, 0, True
        self._firing: list[Watched] = []

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
        before = [item.signal.name for item in self._firing]
        readings: dict[int, Reading] = {}
        for place, (start, hour) in enumerate(zip(starts.tolist(), hours, strict=True)):
            readings |= self._take(start, hour, count if place == empty else 0)
        return self._findings(window, readings, before, hours[-1]) if readings else []

    def _take(self, start_ms: int, hour: float, count: int) -> dict[int, Reading]:
        """Count one window and return what fires or has just stopped."""
        expected = self._usual.expected(hour)
        self._usual.add(hour, count)
        found: dict[int, Reading] = {}
        for place, pace in enumerate(self._paces):
            if expected is None:
                pace.break_off()
                continue
            unit = pace.add(start_ms, count, expected, hours=self._hours, calm=self._calm)
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
            self._usual.grow(min(max(step, -most), most))

    def _bet(self, place: int, unit: Unit) -> dict[int, Reading]:
        vector = cells_of(
            unit,
            place=place,
            paces=paces_of(self._window_ms),
            scatter=own_scatter(self._paces[place].scatter, self._paces[place + 1].scatter),
            slack=self._slack(place),
        )
        readings = self._banks.update(vector, start_ms=unit.start_ms, hour=None)
        sides = slice(2 * place, 2 * place + 2)
        fresh = self._banks.fresh[sides]
        self._pooled[sides][fresh] = 0.0
        self._pooled[sides] += (unit.count, unit.expected)
        if readings:  # without any nothing has begun or stopped to fire
            self._firing = self._fires()
        self._calm = not self._firing and float(self._banks.log_evidence.max()) < DOUBT
        return dict(readings)

    def _fires(self) -> list[Watched]:
        return [self._banks.watched[place] for place in np.flatnonzero(self._banks.firing).tolist()]

    def _slack(self, place: int) -> float:
        return slack_of_volume([pace.scatter for pace in self._paces[place + 1 :]], least=self._least)

    def _findings(
        self, window: PredictionWindow, readings: dict[int, Reading], before: list[str], hour: float
    ) -> list[Finding]:
        """Return what the last reading of each signal says; what began and ended in one gap is not told."""
        now = {item.signal.name for item in self._firing}
        found: list[Finding] = []
        for place, reading in readings.items():
            name = self._banks.watched[place].signal.name
            if name in now or name in before:
                found.append(self._finding(window, place, reading, is_new=name not in before, hour=hour))
        told = one_each(found, firing={trouble_of(item) for item in self._firing})
        if not now:
            self._worst = 0
        return told

    def _finding(
        self, window: PredictionWindow, place: int, reading: Reading, *, is_new: bool, hour: float
    ) -> Finding:
        ratio = float(self._pooled[place, 0] / self._pooled[place, 1])
        before = self._worst
        self._worst = max(before, _severity(ratio).rank)
        is_told = is_new or reading.resolved or self._worst > before
        evidence = self._evidence(place, reading, ratio, hour) if is_told else {}
        severity = list(Severity)[self._worst]
        return finding_of(self._banks.watched[place], reading, window, severity=severity, evidence=evidence)

    def _evidence(self, place: int, reading: Reading, ratio: float, hour: float) -> Evidence:
        usual = self._usual.expected(hour)
        per_hour = 0.0 if usual is None else usual / self._hours
        return {
            "statistic": "log10_e_value",
            "value": reading.log_e_value / LN_10,
            "threshold": reading.bar / LN_10,
            "reference": 0.0,
            "budgeted": True,
            "direction": DIRECTIONS[place % 2],
            "usual_per_hour": per_hour,
            "seen_per_hour": per_hour * ratio,
            "ratio": ratio,
            "unchanged_within": math.expm1(self._slack(place // 2)),
            "season": "weekly" if self._usual.is_weekly(hour) else "daily",
            "learned_days": self._usual.hours / HOURS_PER_DAY,
        }

    def state(self) -> State:
        """Return what is usual, how it scatters, and the evidence against it."""
        paces = {f"pace{place}": pace.to_bytes() for place, pace in enumerate(self._paces)}
        return {
            "banks": self._banks.to_bytes(),
            "usual": self._usual.to_bytes(),
            "pooled": self._pooled.ravel().tolist(),
            "last_ms": self._last_ms,
            "worst": self._worst,
            "calm": int(self._calm),
            **paces,
        }

    def restore(self, state: State) -> None:
        """Take up a remembered state; one of another clock or of windows of another length starts over.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        if not self._banks.restore(value_in(state, "banks", bytes)):
            self._reset()
            return
        worst, pooled = value_in(state, "worst", int), state.get("pooled")
        if (
            not isinstance(pooled, list)
            or len(pooled) != self._pooled.size
            or not all(map(math.isfinite, pooled))
        ):
            raise ValueError(f"expected {self._pooled.size} finite numbers as pooled")
        if worst not in {severity.rank for severity in Severity}:
            raise ValueError(f"expected the rank of a severity as worst, got {worst}")
        self._firing = self._fires()
        self._usual.restore(value_in(state, "usual", bytes))
        for place, pace in enumerate(self._paces):
            pace.restore(value_in(state, f"pace{place}", bytes))
        self._pooled = np.array(pooled, dtype=np.float64).reshape(self._pooled.shape)
        self._last_ms, self._worst = value_in(state, "last_ms", int), worst
        self._calm = bool(value_in(state, "calm", int))


def _severity(ratio: float) -> Severity:
    if ratio <= GONE_RATIO:
        return Severity.CRITICAL
    return Severity.ERROR if ratio <= 1 / SEVERE_RATIO or ratio >= SEVERE_RATIO else Severity.WARNING
