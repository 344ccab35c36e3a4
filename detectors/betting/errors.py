"""The budgeted detector of errors: windows by label arrival."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from detectors.betting.bank import Reading
from detectors.betting.calendar import HOUR_MS, hour_of_week, local_ms
from detectors.betting.error_signals import ErrorCells
from detectors.betting.watched import AT_ONCE, LN_10, Watched, WatchedBanks
from detectors.confusion import UsualConfusion
from detectors.detector import ErrorWindow, Evidence, State
from detectors.label_pool import LabelPool, Pooled
from detectors.layout import ErrorLayout
from detectors.metrics import metrics_of
from detectors.profile import ReferenceProfile
from detectors.sketch import LABEL_LAG_S
from detectors.state_values import value_in
from detectors.summary import Summary
from schemas.finding import Finding, Severity, Stream, Verdict

POOL_LABELS: Final = 1_000
"""Evidence is read from the newest windows with so many labels."""
SEVERE_TIMES: Final = 3.0
SEVERE_RATE_MIN: Final = 0.1
"""So many times the usual share of wrong answers is critical, from this share on."""
LAG_SPREAD_MAX_MS: Final = 3 * HOUR_MS
"""Labels that come with a wider spread of delays belong to no hour of the day."""


class BudgetedErrors:
    """Sequential bets that the model is wrong more often, within each true class, and on limits of metrics.

    Parameters
    ----------
    layout
        Of the error windows.
    profile
        The reference; None where only limits of metrics are watched.
    cells
        What is counted.
    watched, bars
        What is bet on, and the log evidence at which each fires.
    positive
        The positive class of a binary model.
    window_ms
        Length of a window.

    Notes
    -----
    Findings come as those of `columns.BudgetedColumns`; see there for the sources.
    """

    name: Final = "budget_errors"
    stream: Final = Stream.ERRORS

    def __init__(  # noqa: PLR0913 - the parts of a detector
        self,
        layout: ErrorLayout,
        profile: ReferenceProfile | None,
        cells: ErrorCells,
        watched: Sequence[Watched],
        bars: Sequence[float],
        *,
        positive: str | None,
        window_ms: int,
    ) -> None:
        self._cells = cells
        reference = "" if profile is None else profile.content_hash
        self._banks = WatchedBanks(watched, bars, window_ms=window_ms, reference=reference)
        self._reference = {} if profile is None else profile.metrics
        self._zone = "UTC" if profile is None else profile.timezone
        self._positive = positive
        self._window_ms = window_ms
        self._pool = LabelPool(layout, labels=POOL_LABELS)
        self._usual = UsualConfusion()

    def update(self, window: ErrorWindow) -> list[Finding]:
        """Take one window in; a finding for each signal that fires or has just stopped."""
        if window.span.n <= 0:
            return []
        self._pool.add(window)
        vector = self._cells.vector(window.overall.pairs)
        readings = self._banks.update(vector, start_ms=window.span.start_ms, hour=self._hour(window))
        findings = [self._finding(window, place, reading) for place, reading in readings]
        if not findings:
            self._usual.add(window.overall.pairs)
        return findings

    def _hour(self, window: ErrorWindow) -> float | None:
        """Return the hour that the labels' predictions belong to; None where they belong to many."""
        start = ErrorLayout.LAG
        lags = window.overall.vector[start : start + LABEL_LAG_S.size]
        low, middle, high = (LABEL_LAG_S.quantile(lags, share) or 0.0 for share in (0.1, 0.5, 0.9))
        if (high - low) * 1_000 > LAG_SPREAD_MAX_MS:
            return None
        predicted = window.span.start_ms + self._window_ms // 2 - int(middle * 1_000)
        return float(hour_of_week(local_ms(np.array([predicted], dtype=np.int64), self._zone))[0])

    def _finding(self, window: ErrorWindow, place: int, reading: Reading) -> Finding:
        item = self._banks.watched[place]
        signal = item.signal
        before = float(-signal.values.min())
        now = before + reading.effect * float(signal.sds[0])
        critical = now >= max(SEVERE_TIMES * before, SEVERE_RATE_MIN)
        newest = self._pool.newest(min(POOL_LABELS, max(window.span.n, 1)))
        evidence: Evidence = {
            "statistic": "log10_e_value",
            "value": reading.log_e_value / LN_10,
            "threshold": reading.bar / LN_10,
            "reference": before,
            "effect": now - before,
            "direction": "down",
            "budgeted": True,
            "wrong": signal.name,
            "wrong_before": before,
            "wrong_now": now,
        }
        return Finding(
            kind=item.kind,
            check=item.check,
            model=window.model,
            window=window.span,
            verdict=Verdict.CLEAR if reading.resolved else Verdict.BREACH,
            score=reading.log_evidence,
            fire=reading.bar,
            clear=reading.bar,
            severity=Severity.CRITICAL if critical else Severity.ERROR,
            hysteresis=AT_ONCE,
            onset_ms=reading.since_ms if reading.since_ms >= 0 and not reading.resolved else None,
            evidence=evidence | self._metric(item.check, newest),
        )

    def _metric(self, check: str, pool: Pooled | None) -> Evidence:
        """Return the metric of the check before and now, and the mistakes that have become more frequent."""
        metric = check.rsplit("_", 1)[0] if check != "performance" else "accuracy"
        summary: Summary[ErrorLayout] | None = None if pool is None else pool.summary
        found = {} if summary is None else metrics_of(summary, positive=self._positive)
        told: Evidence = {
            "metric": metric,
            f"{metric}_before": self._reference.get(metric),
            f"{metric}_now": found.get(metric),
            "n": 0 if pool is None else pool.n,
        }
        return told if summary is None else told | self._usual.shift(summary.pairs, positive=self._positive)

    def state(self) -> State:
        """Return the evidence of every signal, the newest labels and the usual confusion."""
        return {
            "banks": self._banks.to_bytes(),
            "pool": self._pool.to_bytes(),
            "usual": self._usual.to_bytes(),
        }

    def restore(self, state: State) -> None:
        """Take up a remembered state; one of another profile or of other signals starts over.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        self._banks.restore(value_in(state, "banks", bytes))
        self._pool.restore(value_in(state, "pool", bytes))
        self._usual.restore(value_in(state, "usual", bytes))
