"""The budgeted detector of errors: windows by label arrival."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.bank import Reading
from detectors.betting.calendar import HOUR_MS, hour_of_week, local_ms
from detectors.betting.error_cells import ErrorCells
from detectors.betting.error_signals import BIAS, BRIER, CALIBRATION, LABEL_DRIFT, PERFORMANCE
from detectors.betting.troubles import leaders, one_each, trouble_of
from detectors.betting.watched import AT_ONCE, LN_10, Watched, WatchedBanks
from detectors.confusion import UsualConfusion
from detectors.detector import ErrorWindow, Evidence, State
from detectors.label_pool import LabelPool
from detectors.layout import DEVIANCE, ErrorLayout
from detectors.metrics import metrics_of
from detectors.profile import ReferenceProfile
from detectors.sketch import LABEL_LAG_S
from detectors.state_values import integers_in, value_in
from schemas.finding import Finding, Kind, Severity, Stream, Verdict

EVIDENCE_LABELS: Final = 200
"""The figures of an alert are read from the newest windows with so many labels."""
SEVERE_TIMES: Final = 3.0
SEVERE_RATE_MIN: Final = 0.1
SEVERE_EFFECT: Final = 1.0
"""So many times the usual share of wrong answers is critical, from this share on; and a loss that
has grown by so many of its standard deviations."""
LAG_SPREAD_MAX_MS: Final = 3 * HOUR_MS
"""Labels that come with a wider spread of delays belong to no hour of the day."""
PROMPT_MS: Final = HOUR_MS
PROMPT_WINDOWS: Final = 10
"""Labels are prompt when 95 of 100 come within an hour, or within ten windows."""


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
        What is bet on in every window, and the log evidence at which each fires.
    prompt, prompt_bars
        The same of what is bet on only in windows whose labels came promptly: where labels of one kind come
        later than others, the order of arrival would feign a change.
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
        profile: ReferenceProfile | None,
        cells: ErrorCells,
        watched: Sequence[Watched],
        bars: Sequence[float],
        *,
        prompt: Sequence[Watched] = (),
        prompt_bars: Sequence[float] = (),
        positive: str | None,
        window_ms: int,
    ) -> None:
        self._cells = cells
        self._is_regression = cells.layout.task == "regression"
        reference = "" if profile is None else profile.content_hash
        self._banks = WatchedBanks(watched, bars, window_ms=window_ms, reference=reference)
        self._prompt = WatchedBanks(prompt, prompt_bars, window_ms=window_ms, reference=reference)
        self._watched = (*self._banks.watched, *self._prompt.watched)
        self._leaders = leaders(self._watched)
        self._worst = [0] * len(self._watched)
        self._reference = {} if profile is None else profile.metrics
        self._zone = "UTC" if profile is None else profile.timezone
        self._positive = positive
        self._window_ms = window_ms
        self._pool = LabelPool(cells.layout, labels=EVIDENCE_LABELS)
        self._usual = UsualConfusion()

    def update(self, window: ErrorWindow) -> list[Finding]:
        """Take one window in; a finding for each trouble that fires or has just stopped."""
        if window.span.n <= 0:
            return []
        self._pool.add(window)
        vector, hour = self._cells.vector(window.overall), self._hour(window)
        start_ms = window.span.start_ms
        told = self._banks.update(vector, start_ms=start_ms, hour=hour)
        if self._is_prompt(window):
            found = self._prompt.update(vector, start_ms=start_ms, hour=hour)
            told += [(len(self._banks.watched) + place, reading) for place, reading in found]
        if not told:
            self._usual.add(window.overall.pairs)
        firing = {trouble_of(item) for item in (*self._banks.firing, *self._prompt.firing)}
        findings = one_each([self._finding(window, *reading) for reading in told], firing=firing)
        for place, reading in told:
            if reading.resolved and trouble_of(self._watched[place]) not in firing:
                self._worst[self._leaders[place]] = 0
        return findings

    def _lags(self, window: ErrorWindow) -> npt.NDArray[np.int64]:
        start = ErrorLayout.LAG
        return window.overall.vector[start : start + LABEL_LAG_S.size]

    def _is_prompt(self, window: ErrorWindow) -> bool:
        late = LABEL_LAG_S.quantile(self._lags(window), 0.95) or 0.0
        return late * 1_000 <= max(PROMPT_MS, PROMPT_WINDOWS * self._window_ms)

    def _hour(self, window: ErrorWindow) -> float | None:
        """Return the hour that the labels' predictions belong to; None where they belong to many."""
        lags = self._lags(window)
        low, middle, high = (LABEL_LAG_S.quantile(lags, share) or 0.0 for share in (0.1, 0.5, 0.9))
        if (high - low) * 1_000 > LAG_SPREAD_MAX_MS:
            return None
        predicted = window.span.start_ms + self._window_ms // 2 - int(middle * 1_000)
        return float(hour_of_week(local_ms(np.array([predicted], dtype=np.int64), self._zone))[0])

    def _finding(self, window: ErrorWindow, place: int, reading: Reading) -> Finding:
        item, leader = self._watched[place], self._leaders[place]
        before = self._worst[leader]
        self._worst[leader] = max(before, self._severity(item, reading).rank)
        told = reading.fired or reading.resolved or self._worst[leader] > before
        return Finding(
            kind=item.kind,
            check=item.check,
            model=window.model,
            window=window.span,
            verdict=Verdict.CLEAR if reading.resolved else Verdict.BREACH,
            score=reading.log_evidence / LN_10,
            fire=reading.bar / LN_10,
            clear=reading.bar / LN_10,
            severity=list(Severity)[self._worst[leader]],
            hysteresis=AT_ONCE,
            onset_ms=reading.since_ms if reading.since_ms >= 0 and not reading.resolved else None,
            evidence=self._told(item, reading) if told else {},
        )

    def _severity(self, item: Watched, reading: Reading) -> Severity:
        if item.kind is not Kind.PERFORMANCE:
            return Severity.WARNING
        if self._is_regression:
            return Severity.CRITICAL if abs(reading.effect) >= SEVERE_EFFECT else Severity.ERROR
        before, now = _shares(item, reading)
        is_severe = now >= max(SEVERE_TIMES * before, SEVERE_RATE_MIN)
        return Severity.CRITICAL if is_severe else Severity.ERROR

    def _told(self, item: Watched, reading: Reading) -> Evidence:
        before, now = _shares(item, reading)
        evidence: Evidence = {
            "statistic": "log10_e_value",
            "value": reading.log_e_value / LN_10,
            "threshold": reading.bar / LN_10,
            "budgeted": True,
            "signal": item.signal.name,
            "effect": reading.effect,
        }
        if item.check == LABEL_DRIFT:
            share = float(-item.signal.values[:, reading.functional].min())
            moved = reading.effect * float(item.signal.sds[reading.functional])
            name = (*self._cells.classes, "(rest)")[reading.functional]
            shares: Evidence = {"top_category": name, "share_before": share, "share_now": share + moved}
            return evidence | shares | {"direction": "changed"}
        up_is_worse = self._is_regression or item.signal.name in (BRIER, CALIBRATION)
        direction = ("up" if reading.direction > 0 else "down") if up_is_worse else "down"
        if not up_is_worse:
            evidence |= {"wrong_before": before, "wrong_now": now}
        return evidence | {"direction": direction} | self._metric(item.check, item.signal.name)

    def _metric(self, check: str, signal: str) -> Evidence:
        """Return the metric of the check before and now, and the mistakes that have become more frequent."""
        plain = {
            PERFORMANCE: "mae" if self._is_regression else "accuracy",
            CALIBRATION: "ece",
            BRIER: BRIER,
            BIAS: BIAS,
            DEVIANCE: DEVIANCE,
        }
        metric = plain.get(signal) or plain.get(check) or check.rsplit("_", 1)[0]
        pool = self._pool.newest(EVIDENCE_LABELS) or self._pool.newest(1)
        if pool is None:
            return {"metric": metric}
        now = metrics_of(pool.summary, positive=self._positive).get(metric)
        told: Evidence = {
            "metric": metric,
            f"{metric}_before": self._reference.get(metric),
            f"{metric}_now": now,
            "n": pool.n,
        }
        if self._is_regression:
            return told
        return told | self._usual.shift(pool.summary.pairs, positive=self._positive)

    def state(self) -> State:
        """Return the evidence of every signal, the newest labels, the usual confusion and the worst severities."""
        return {
            "banks": self._banks.to_bytes(),
            "prompt": self._prompt.to_bytes(),
            "pool": self._pool.to_bytes(),
            "usual": self._usual.to_bytes(),
            "worst": list(self._worst),
        }

    def restore(self, state: State) -> None:
        """Take up a remembered state; one of another profile or of other signals starts over.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        worst = integers_in(state, "worst")
        known = self._banks.restore(value_in(state, "banks", bytes))
        if self._prompt.restore(value_in(state, "prompt", bytes)) and known:
            if len(worst) != len(self._worst) or not set(worst) <= {s.rank for s in Severity}:
                raise ValueError(f"expected {len(self._worst)} severities as worst")
            self._worst = worst
        self._pool.restore(value_in(state, "pool", bytes))
        self._usual.restore(value_in(state, "usual", bytes))


def _shares(item: Watched, reading: Reading) -> tuple[float, float]:
    """Return the share of bad events in the reference and since the change, of a signal that is a rate."""
    before = float(-item.signal.values[:, 0].min())
    return before, before + reading.effect * float(item.signal.sds[0])
