"""What bets on columns, statuses and latencies say: severity and evidence, in the user's units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.bank import Reading
from detectors.betting.functionals import LOCATION, NUMERIC
from detectors.betting.troubles import Troubles, evidence_of, finding_of
from detectors.betting.watched import Said, Watched
from detectors.column_pool import ColumnPool
from detectors.detector import Evidence, PredictionWindow, State
from detectors.distance_table import DISTANCES, Comparison
from detectors.drift_evidence import DriftEvidence
from detectors.joint_evidence import joint_evidence
from detectors.layout import PredictionLayout
from detectors.profile import JOINT_PREFIX, CategoricalColumn, ReferenceProfile
from detectors.sketch import LATENCY_MS
from detectors.state_values import integers_in
from detectors.summary import Summary
from schemas.finding import Finding, Kind, Severity

SEVERE_EFFECT: Final = 1.0
"""A shift by so many standard deviations, of a feature of mean importance, is an error and not a warning."""
SEVERE_RATE: Final = 0.5
TWO_SIDED_95: Final = 1.96
MOVED_MIN: Final = 0.25
"""Values that lie so many standard deviations elsewhere have moved, whatever else they do."""
IMPORTANCE_RANGE: Final = (0.5, 2.0)
SEASON_UNKNOWN_MS: Final = 2 * 86_400_000
"""A reference of less than two days knows no cycle."""


class ColumnFindings:
    """Makes findings of readings, with how the values lie since what speaks against them began.

    Parameters
    ----------
    layout
        The columns.
    profile
        The reference; None where only statuses are watched.
    watched
        What is bet on; their columns are places in the layout.
    """

    def __init__(
        self, layout: PredictionLayout, profile: ReferenceProfile | None, watched: Sequence[Watched]
    ) -> None:
        self.watched = tuple(watched)
        self.troubles = Troubles(watched)
        self.pool = None
        self._layout = layout
        self._profile = profile
        self._span_ms = 0 if profile is None else profile.span_ms
        self._pool = ColumnPool(layout, values_min=1, present_only=False)
        self._drift = {
            place: item.column
            for place, item in enumerate(self.watched)
            if item.column is not None
            and item.kind in (Kind.DATA_DRIFT, Kind.PREDICTION_DRIFT, Kind.OOD_RATE)
        }
        self._evidence = DriftEvidence(layout)
        self._usual_latency = np.zeros(LATENCY_MS.size, dtype=np.int64)
        for cell, rows in () if profile is None else profile.latency:
            self._usual_latency[cell] = rows
        self._comparison = Comparison(layout) if layout.columns else None

    def of(self, window: PredictionWindow, said: Said) -> list[Finding]:
        """Take a window in; a finding for each trouble that fires or has just stopped."""
        if self._layout.columns:
            self._pool.clear(self._begun(said.fresh))
            self._pool.add(window)
        return self.troubles.told(said, lambda place, reading: self._finding(window, place, reading))

    def _begun(self, fresh: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Return the columns of which what speaks against them began in this window."""
        begun = np.zeros(len(self._layout.columns), dtype=np.bool_)
        for place, column in self._drift.items():
            begun[column] = fresh[place]
        return begun

    def _finding(self, window: PredictionWindow, place: int, reading: Reading) -> Finding:
        item = self.watched[place]
        severity, is_news = self.troubles.raised(place, self._severity(place, reading))
        told = reading.fired or reading.resolved or is_news
        n = int(self._pool.n[item.column]) if item.column is not None else window.span.n
        evidence = self._told(window, place, reading, n) if told else {}
        return finding_of(item, reading, window, severity=severity, evidence=evidence)

    def _severity(self, place: int, reading: Reading) -> Severity:
        item = self.watched[place]
        size = abs(reading.effect) * min(max(item.importance, IMPORTANCE_RANGE[0]), IMPORTANCE_RANGE[1])
        if item.kind is Kind.ERROR_RATE:
            return Severity.CRITICAL if self._rate(place, reading) >= SEVERE_RATE else Severity.ERROR
        if item.kind is Kind.FALLBACK_RATE or item.kind is Kind.DATA_QUALITY:
            return Severity.ERROR if self._rate(place, reading) >= SEVERE_RATE else Severity.WARNING
        return Severity.ERROR if size >= SEVERE_EFFECT else Severity.WARNING

    def _rate(self, place: int, reading: Reading) -> float:
        signal = self.watched[place].signal
        return float(-signal.values.min() + reading.effect * signal.sds[0])

    def _told(self, window: PredictionWindow, place: int, reading: Reading, n: int) -> Evidence:
        item = self.watched[place]
        evidence: Evidence = {
            **evidence_of(reading),
            "reference": 0.0,
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
        signal = self.watched[place].signal
        side = 0 if reading.direction > 0 else 1
        return float(signal.slack[reading.functional, side] / signal.sds[reading.functional])

    def _season(self, place: int) -> str:
        if self._span_ms < SEASON_UNKNOWN_MS:
            return "unknown"
        longest = max((len(r.season) for r in self.watched[place].signal.rhythms if r), default=0)
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
        """Return the pools and the worst severities so far."""
        pool = self._pool.state() if self._layout.columns else {}
        return {"worst": self.troubles.ranks(), **pool}

    def restore(self, state: State, *, known: bool) -> None:
        """Take up a remembered state, where the evidence is `known`: of the same signals and reference.

        Raises
        ------
        ValueError
            If the state is not one of these findings.
        """
        worst = integers_in(state, "worst")
        if not known:
            return
        self.troubles.take(worst)
        if self._layout.columns:
            self._pool.restore(state)
