"""The user's own limits of metrics: `min`, `max` and `drop`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from detectors.bounds import normal_quantile
from detectors.detector import ErrorWindow, Evidence, State
from detectors.label_pool import LabelPool, Pooled
from detectors.layout import ErrorLayout
from detectors.metric_margin import standard_error
from detectors.metrics import metrics_of
from detectors.metrics_classes import Costs
from detectors.performance import LABELS_MIN
from detectors.state_values import value_in
from schemas.finding import Finding, Hysteresis, Kind, Severity, Stream, verdict_of
from schemas.metric_settings import LOWER_IS_BETTER, WEIGHTED, MetricRule

ALPHA: Final = 1e-3
"""Chance that a metric at its limit breaches in one window."""

_SMALLEST: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of one metric.

    Parameters
    ----------
    value
        The metric's last good value; None where the profile does not have the metric that it may drop from.
    upward
        True where a higher metric is the bad one.
    """

    metric: str
    key: str
    value: float | None
    upward: bool

    def shortfall(self, found: float) -> float:
        """Return how far a value is beyond the limit, in the metric's unit; negative inside."""
        if self.value is None:
            return 0.0
        return found - self.value if self.upward else self.value - found


def limits_of(rules: Mapping[str, MetricRule], reference: Mapping[str, float]) -> list[Limit]:
    """Return the limits that rules stand for.

    Parameters
    ----------
    reference
        The profile's metrics, which `drop` counts from.

    Examples
    --------
    >>> limits_of({"mae": MetricRule(drop=0.5)}, {"mae": 2.0})
    [Limit(metric='mae', key='drop', value=2.5, upward=True)]
    """
    limits: list[Limit] = []
    for metric, rule in rules.items():
        if rule.min is not None:
            limits.append(Limit(metric, "min", rule.min, upward=False))
        if rule.max is not None:
            limits.append(Limit(metric, "max", rule.max, upward=True))
        if rule.drop is not None:
            upward = metric.removeprefix(WEIGHTED) in LOWER_IS_BETTER
            before = reference.get(metric)
            value = None if before is None else before + (rule.drop if upward else -rule.drop)
            limits.append(Limit(metric, "drop", value, upward=upward))
    return limits


class MetricLimits:
    """Metrics of recent labels against the limits that a user set.

    Every metric is taken over the newest windows that hold `labels_min` labels. A limit fires when the
    metric is beyond it by more than chance explains at that number of labels, so that a metric which sits at
    its limit does not flicker.

    Parameters
    ----------
    layout
        Of the error windows.
    rules
        Limits by metric.
    reference
        The profile's metrics.
    positive
        The positive class of a binary model.
    costs
        What the metric `cost` is made of.
    labels_min
        Labels that a judgement needs.
    hysteresis
        Windows to fire and to resolve; only windows with new labels count.

    Examples
    --------
    >>> from detectors.detector import ClosedWindow
    >>> from detectors.summary import Summary
    >>> from schemas.finding import WindowSpan
    >>> layout = ErrorLayout("binary")
    >>> limits = MetricLimits(layout, {"accuracy": MetricRule(min=0.9)})
    >>> summary = Summary.empty(layout)
    >>> summary.vector[:2] = 1000, 150
    >>> window = ClosedWindow("fraud", Stream.ERRORS, WindowSpan(0, 60_000, 1000), summary)
    >>> [finding] = limits.update(window)
    >>> finding.check, finding.verdict, round(finding.score, 2), round(finding.fire, 3)
    ('accuracy_min', <Verdict.BREACH: 'breach'>, 0.05, 0.029)
    """

    name: Final = "metrics"
    stream: Final = Stream.ERRORS
    standing: Final = ()

    def __init__(  # noqa: PLR0913 - the tuning of a monitor
        self,
        layout: ErrorLayout,
        rules: Mapping[str, MetricRule],
        *,
        reference: Mapping[str, float] | None = None,
        positive: str | None = None,
        costs: Costs | None = None,
        labels_min: int = LABELS_MIN,
        hysteresis: Hysteresis | None = None,
    ) -> None:
        self._reference = reference or {}
        self._limits = limits_of(rules, self._reference)
        self._positive = positive
        self._costs = costs
        self._labels_min = labels_min
        self._hysteresis = hysteresis or Hysteresis()
        self._pool = LabelPool(layout, labels=labels_min)

    def update(self, window: ErrorWindow) -> list[Finding]:
        """Take one window in; one finding per limit."""
        if window.span.n > 0:
            self._pool.add(window)
        pool = self._pool.newest(self._labels_min) if window.span.n > 0 else None
        found = {} if pool is None else metrics_of(pool.summary, positive=self._positive, costs=self._costs)
        return [self._finding(window, limit, pool, found.get(limit.metric)) for limit in self._limits]

    def _finding(
        self, window: ErrorWindow, limit: Limit, pool: Pooled | None, found: float | None
    ) -> Finding:
        fire = _SMALLEST
        if pool is not None and limit.value is not None:
            error = standard_error(
                limit.metric, limit.value, pool.summary, positive=self._positive, costs=self._costs
            )
            fire = max(normal_quantile(ALPHA) * error, _SMALLEST)
        score = 0.0 if found is None else limit.shortfall(found)
        enough = pool is not None and found is not None and limit.value is not None and math.isfinite(fire)
        return Finding(
            kind=Kind.PERFORMANCE,
            check=f"{limit.metric}_{limit.key}",
            model=window.model,
            window=window.span,
            verdict=verdict_of(score, fire=fire, clear=fire / 2, enough=enough),
            score=score,
            fire=fire,
            clear=fire / 2,
            severity=Severity.ERROR,
            hysteresis=self._hysteresis,
            evidence=self._evidence(window, limit, pool, found),
        )

    def _evidence(
        self, window: ErrorWindow, limit: Limit, pool: Pooled | None, found: float | None
    ) -> Evidence:
        before = self._reference.get(limit.metric)
        evidence: Evidence = {
            "statistic": limit.metric,
            "value": found,
            "threshold": limit.value,
            "reference": before,
            "effect": None if found is None or before is None else found - before,
            "direction": "up" if limit.upward else "down",
            "budgeted": False,
            "metric": limit.metric,
            "limit": limit.key,
            f"{limit.metric}_before": before,
            f"{limit.metric}_now": found,
            "n": 0 if pool is None else pool.n,
        }
        if limit.value is None:
            return evidence | {"reason": f"the profile has no {limit.metric} to drop from"}
        if pool is None:
            held = sum(piece.n for piece in self._pool)
            short = f"not enough data: {held} labels so far"
            return evidence | {"reason": short if window.span.n > 0 else "no new labels"}
        return evidence if found is not None else evidence | {"reason": "these labels do not give the metric"}

    def state(self) -> State:
        """Return the pooled labels."""
        return {"pool": self._pool.to_bytes()}

    def restore(self, state: State) -> None:
        """Take up a remembered state.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        self._pool.restore(value_in(state, "pool", bytes))
