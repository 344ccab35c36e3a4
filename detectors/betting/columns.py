"""The budgeted detector of features, answers and statuses: windows by prediction time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.bank import Reading
from detectors.betting.calendar import hour_of_week, local_ms
from detectors.betting.functionals import LOCATION, NUMERIC
from detectors.betting.troubles import leaders, one_each, trouble_of
from detectors.betting.watched import AT_ONCE, LN_10, Watched, WatchedBanks
from detectors.column_pool import ColumnPool
from detectors.detector import Evidence, PredictionWindow, State
from detectors.distance_table import DISTANCES, Comparison
from detectors.drift_evidence import DriftEvidence
from detectors.joint_evidence import joint_evidence
from detectors.layout import PredictionLayout
from detectors.profile import JOINT_PREFIX, CategoricalColumn, ReferenceProfile
from detectors.sketch import LATENCY_MS
from detectors.state_values import integers_in, value_in
from detectors.summary import Summary
from schemas.finding import Finding, Kind, Severity, Stream, Verdict

SEVERE_EFFECT: Final = 1.0
"""A shift by so many standard deviations, of a feature of mean importance, is an error and not a warning."""
SEVERE_RATE: Final = 0.5
TWO_SIDED_95: Final = 1.96
MOVED_MIN: Final = 0.25
"""Values that lie so many standard deviations elsewhere have moved, whatever else they do."""
IMPORTANCE_RANGE: Final = (0.5, 2.0)
SEASON_UNKNOWN_MS: Final = 2 * 86_400_000
"""A reference of less than two days knows no cycle."""


class BudgetedColumns:
    """Sequential bets on every feature, answer and status under one budget of false alarms.

    Parameters
    ----------
    layout
        The profile's columns.
    profile
        The reference; None where only statuses are watched.
    watched, bars
        What is bet on, and the log evidence at which each fires.
    window_ms
        Length of a window.

    References
    ----------
    Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
    New England Journal of Statistics in Data Science 2 (2024); Waudby-Smith and Ramdas, "Estimating means of
    bounded random variables by betting", Journal of the Royal Statistical Society B 86 (2024); Shiryaev, "On
    optimum methods in quickest detection problems", Theory of Probability and its Applications 8 (1963).

    Notes
    -----
    A finding comes only for what fires, in every informed window until it is over, and once when it is over;
    its absence means that nothing fires. Evidence comes with the news only, as measuring it costs more than
    finding it.
    """

    name: Final = "budget_columns"
    stream: Final = Stream.PREDICTIONS

    def __init__(
        self,
        layout: PredictionLayout,
        profile: ReferenceProfile | None,
        watched: Sequence[Watched],
        bars: Sequence[float],
        *,
        window_ms: int,
    ) -> None:
        self._layout = layout
        reference = "" if profile is None else profile.inputs_hash
        self._banks = WatchedBanks(watched, bars, window_ms=window_ms, reference=reference)
        self._profile = profile
        self._zone = "UTC" if profile is None else profile.timezone
        self._span_ms = 0 if profile is None else profile.span_ms
        self._window_ms = window_ms
        self._pool = ColumnPool(layout, values_min=1, present_only=False)
        self._drift = {
            place: item.column
            for place, item in enumerate(self._banks.watched)
            if item.column is not None
            and item.kind in (Kind.DATA_DRIFT, Kind.PREDICTION_DRIFT, Kind.OOD_RATE)
        }
        self._evidence = DriftEvidence(layout)
        self._usual_latency = np.zeros(LATENCY_MS.size, dtype=np.int64)
        for cell, rows in () if profile is None else profile.latency:
            self._usual_latency[cell] = rows
        self._comparison = Comparison(layout) if layout.columns else None
        self._worst = np.zeros(len(self._banks.watched), dtype=np.int64)
        self._leaders = leaders(self._banks.watched)

    def update(self, window: PredictionWindow) -> list[Finding]:
        """Take one window in; a finding for each trouble that fires or has just stopped."""
        middle = np.array([window.span.start_ms + self._window_ms // 2], dtype=np.int64)
        hour = float(hour_of_week(local_ms(middle, self._zone))[0])
        readings = self._banks.update(window.overall.vector, start_ms=window.span.start_ms, hour=hour)
        self._pool.clear(self._begun())
        self._pool.add(window)
        firing = {trouble_of(item) for item in self._banks.firing}
        findings = one_each([self._finding(window, *found) for found in readings], firing=firing)
        for place, reading in readings:
            if reading.resolved and trouble_of(self._banks.watched[place]) not in firing:
                self._worst[self._leaders[place]] = 0
        return findings

    def _begun(self) -> npt.NDArray[np.bool_]:
        """Return the columns of which what speaks against them began in this window."""
        fresh = self._banks.fresh
        begun = np.zeros(len(self._layout.columns), dtype=np.bool_)
        for place, column in self._drift.items():
            begun[column] = fresh[place]
        return begun

    def _finding(self, window: PredictionWindow, place: int, reading: Reading) -> Finding:
        item = self._banks.watched[place]
        before = int(self._worst[self._leaders[place]])
        severity = self._severity(place, reading)
        told = reading.fired or reading.resolved or severity.rank > before
        n = int(self._pool.n[item.column]) if item.column is not None else window.span.n
        since_ms = reading.since_ms if reading.since_ms >= 0 else window.span.start_ms
        return Finding(
            kind=item.kind,
            check=item.check,
            model=window.model,
            feature=item.feature,
            window=window.span,
            verdict=Verdict.CLEAR if reading.resolved else Verdict.BREACH,
            score=reading.log_evidence / LN_10,
            fire=reading.bar / LN_10,
            clear=reading.bar / LN_10,
            severity=severity,
            hysteresis=AT_ONCE,
            onset_ms=None if reading.resolved else since_ms,
            evidence=self._told(window, place, reading, n) if told else {},
        )

    def _severity(self, place: int, reading: Reading) -> Severity:
        """Return the severity: it may rise while a trouble lasts, and falls only when it is over."""
        item = self._banks.watched[place]
        size = abs(reading.effect) * min(max(item.importance, IMPORTANCE_RANGE[0]), IMPORTANCE_RANGE[1])
        if item.kind is Kind.ERROR_RATE:
            found = Severity.CRITICAL if self._rate(place, reading) >= SEVERE_RATE else Severity.ERROR
        elif item.kind is Kind.FALLBACK_RATE or item.kind is Kind.DATA_QUALITY:
            found = Severity.ERROR if self._rate(place, reading) >= SEVERE_RATE else Severity.WARNING
        else:
            found = Severity.ERROR if size >= SEVERE_EFFECT else Severity.WARNING
        leader = self._leaders[place]
        self._worst[leader] = max(int(self._worst[leader]), found.rank)
        return list(Severity)[int(self._worst[leader])]

    def _rate(self, place: int, reading: Reading) -> float:
        signal = self._banks.watched[place].signal
        return float(-signal.values.min() + reading.effect * signal.sds[0])

    def _told(self, window: PredictionWindow, place: int, reading: Reading, n: int) -> Evidence:
        item = self._banks.watched[place]
        evidence: Evidence = {
            "statistic": "log10_e_value",
            "value": reading.log_e_value / LN_10,
            "threshold": reading.bar / LN_10,
            "reference": 0.0,
            "budgeted": True,
            "season": self._season(place),
            "unchanged_within": self._slack(place, reading),
            "n": n,
        }
        if place in self._drift and item.column is not None:
            return evidence | self._values(item.column, reading)
        if item.kind is Kind.LATENCY:
            return evidence | self._latency(window, reading)
        before = float(-item.signal.values.min())
        return evidence | {
            "direction": "up",
            "effect": reading.effect * float(item.signal.sds[0]),
            "rate_before": before,
            "rate_now": before + reading.effect * float(item.signal.sds[0]),
        }

    def _latency(self, window: PredictionWindow, reading: Reading) -> Evidence:
        """Return the median and the slow end of the reference's latencies and of the window's."""
        start = PredictionLayout.LATENCY
        now = window.overall.vector[start : start + LATENCY_MS.size]
        return {
            "direction": "up",
            "effect": reading.effect,
            "unit_hint": "ms",
            "profile_median": LATENCY_MS.quantile(self._usual_latency, 0.5),
            "window_median": LATENCY_MS.quantile(now, 0.5),
            "profile_p95": LATENCY_MS.quantile(self._usual_latency, 0.95),
            "window_p95": LATENCY_MS.quantile(now, 0.95),
        }

    def _slack(self, place: int, reading: Reading) -> float:
        signal = self._banks.watched[place].signal
        side = 0 if reading.direction > 0 else 1
        return float(signal.slack[reading.functional, side] / signal.sds[reading.functional])

    def _season(self, place: int) -> str:
        if self._span_ms < SEASON_UNKNOWN_MS:
            return "unknown"
        longest = max((len(r.season) for r in self._banks.watched[place].signal.rhythms if r), default=0)
        return {0: "none", 24: "daily", 168: "weekly"}[longest]

    def _values(self, column: int, reading: Reading) -> Evidence:
        """Return how the values of a column lie since the change began."""
        found = self._evidence.of(column, self._pool.vector)
        if self._comparison is not None:
            self._comparison.take(self._pool.vector)
            distances = {name: float(d.measure(self._comparison)[column]) for name, d in DISTANCES.items()}
            found |= {name: value for name, value in distances.items() if not np.isnan(value)}
        known = self._layout.columns[column].column
        if isinstance(known, CategoricalColumn):
            return found
        if self._profile is not None and known.name.startswith(JOINT_PREFIX):
            pooled = Summary(self._layout, self._pool.vector, {}, self._pool.worst)
            found |= joint_evidence(self._profile, pooled)
        functional, moved = NUMERIC[reading.functional], reading.first_effect
        sideways = functional == LOCATION or abs(moved) >= MOVED_MIN
        direction = ("up" if moved > 0 else "down") if sideways else "changed"
        half = TWO_SIDED_95 * reading.error
        return found | {
            "functional": functional,
            "shift": reading.effect,
            "shift_low": reading.effect - half,
            "shift_high": reading.effect + half,
            "direction": direction,
        }

    def state(self) -> State:
        """Return the evidence of every signal, the pools and the worst severities so far."""
        return {"banks": self._banks.to_bytes(), "worst": self._worst.tolist(), **self._pool.state()}

    def restore(self, state: State) -> None:
        """Take up a remembered state; one of another profile or of other signals starts over.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        worst = integers_in(state, "worst")
        if self._banks.restore(value_in(state, "banks", bytes)):
            if len(worst) != len(self._worst) or not set(worst) <= {s.rank for s in Severity}:
                raise ValueError(f"expected {len(self._worst)} severities as worst")
            self._worst = np.array(worst, dtype=np.int64)
        self._pool.restore(state)
