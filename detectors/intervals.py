"""How sure a metric is: its value with a 95 % confidence interval, from an error summary alone.

An interval is given where the summary can tell one honestly, and left out elsewhere (`rmse`, `r2`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.metrics import ErrorSummary, error_counts, metrics_of
from detectors.metrics_scores import score_counts

MAIN_METRICS: Final = {
    "binary": ("accuracy", "recall", "precision", "roc_auc", "brier"),
    "multiclass": ("accuracy", "macro_f1"),
    "regression": ("mae", "rmse", "bias", "r2"),
}
"""By task: what a report shows, the first one first."""

Z95: Final = 1.959963984540054
CLASS_ROWS_MIN: Final = 10
"""With fewer rows of a class a ranking metric has no interval: its spread cannot be told from so few."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric, or a difference of two, and its 95 % confidence interval; None for an end that is not known."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class MeanSums:
    """The sums behind a metric that is a mean over rows: number of rows, sum and sum of squares."""

    n: int
    total: float
    squares: float


def wilson(part: int, n: int) -> Estimate:
    """Return a share with its score interval (Wilson 1927); `n` is at least 1.

    Examples
    --------
    >>> found = wilson(90, 100)
    >>> round(found.value, 3), round(found.low, 4), round(found.high, 4)
    (0.9, 0.8256, 0.9448)
    """
    share, z2 = part / n, Z95 * Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Estimate(share, min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share))


def difference(now: Estimate, before: Estimate) -> Estimate:
    """Return `now` minus `before` with its interval (Newcombe 1998, method 10), where both have one.

    The two must come from different rows.
    """
    value = now.value - before.value
    if now.low is None or now.high is None or before.low is None or before.high is None:
        return Estimate(value)
    down = math.hypot(now.value - now.low, before.high - before.value)
    up = math.hypot(now.high - now.value, before.value - before.low)
    return Estimate(value, value - down, value + up)


def estimates_of(summary: ErrorSummary, *, positive: str | None) -> dict[str, Estimate]:
    """Return the main metrics of the task that the summary can give, in their order.

    Notes
    -----
    Shares have Wilson's interval. `roc_auc` has that of DeLong, DeLong and Clarke-Pearson (1988), counted on
    the score bins and drawn on the logit scale. `mae` and `bias` have the normal one from their exact sums;
    that of `brier` takes its spread from the score bins; `macro_f1` has the delta method's.
    """
    values = metrics_of(summary, positive=positive)
    found: dict[str, Estimate] = {}
    for name in MAIN_METRICS[summary.layout.task]:
        if name not in values:
            continue
        sums = mean_sums(name, summary, positive=positive) if name in _SHARES else None
        if sums is not None and sums.n > 0:
            found[name] = wilson(round(sums.total), sums.n)
        else:
            interval = _INTERVALS.get(name)
            found[name] = Estimate(values[name]) if interval is None else interval(values[name], summary)
    return found


def mean_sums(name: str, summary: ErrorSummary, *, positive: str | None) -> MeanSums | None:
    """Return the sums of a metric that is a mean over rows whose spread is known; None for any other.

    Examples
    --------
    >>> from detectors.layout import ErrorLayout
    >>> from detectors.summary import Summary
    >>> summary = Summary.empty(ErrorLayout("multiclass"))
    >>> summary.vector[:2] = 10, 3
    >>> mean_sums("accuracy", summary, positive=None)
    MeanSums(n=10, total=7.0, squares=7.0)
    """
    counts = error_counts(summary)
    if name == "accuracy":
        right = float(counts["n"] - counts["wrong"])
        return MeanSums(counts["n"], right, right)
    if name in ("recall", "precision"):
        side = 1 if name == "recall" else 0
        rows = sum(n for pair, n in summary.pairs.items() if pair[side] == positive)
        both = float(sum(n for pair, n in summary.pairs.items() if pair == (positive, positive)))
        return MeanSums(rows, both, both)
    if name in _REGRESSION_SUMS:
        layout, vector = summary.layout, summary.vector
        return MeanSums(
            counts["n"], layout.sum(vector, _REGRESSION_SUMS[name]), layout.sum(vector, "squared")
        )
    return None


def _normal(value: float, variance: float, n: int) -> Estimate:
    if n < 2 or not 0 < variance < math.inf:
        return Estimate(value)
    half = Z95 * math.sqrt(variance / (n - 1))
    return Estimate(value, value - half, value + half)


def _of_mean(name: str) -> Callable[[float, ErrorSummary], Estimate]:
    def interval(value: float, summary: ErrorSummary) -> Estimate:
        sums = mean_sums(name, summary, positive=None)
        if sums is None or sums.n < 1:
            return Estimate(value)
        return _normal(value, sums.squares / sums.n - value * value, sums.n)

    return interval


def _of_brier(value: float, summary: ErrorSummary) -> Estimate:
    counts = score_counts(summary)
    n = int(counts.sum())
    middles = (np.arange(counts.shape[1]) + 0.5) / counts.shape[1]
    losses = np.stack([middles**2, (1 - middles) ** 2])
    mean = float((counts * losses).sum()) / n
    found = _normal(value, float((counts * losses**2).sum()) / n - mean * mean, n)
    return Estimate(value, None if found.low is None else max(found.low, 0.0), found.high)


def _of_area(value: float, summary: ErrorSummary) -> Estimate:
    negative, positive = score_counts(summary)
    negatives, positives = int(negative.sum()), int(positive.sum())
    if min(negatives, positives) < CLASS_ROWS_MIN or not 0 < value < 1:
        return Estimate(value)
    beaten = (np.cumsum(negative) - negative / 2) / negatives
    beating = (positives - np.cumsum(positive) + positive / 2) / positives
    variance = float(positive @ (beaten - value) ** 2) / (positives - 1) / positives
    variance += float(negative @ (beating - value) ** 2) / (negatives - 1) / negatives
    middle, half = math.log(value / (1 - value)), Z95 * math.sqrt(variance) / (value * (1 - value))
    return Estimate(value, _logistic(middle - half), _logistic(middle + half))


def _logistic(value: float) -> float:
    return 0.5 * (1 + math.tanh(value / 2))


def _of_macro_f1(value: float, summary: ErrorSummary) -> Estimate:
    """Take the variance of the rows' influences: how far one row more of each kind would move the mean F1."""
    pairs = summary.pairs
    n, classes = sum(pairs.values()), {name for pair in pairs for name in pair}
    sizes = {c: sum(((p == c) + (t == c)) * k for (p, t), k in pairs.items()) for c in classes}
    f1 = {c: 2 * pairs.get((c, c), 0) / sizes[c] for c in classes if sizes[c] > 0}
    variance = 0.0
    for (predicted, true), k in pairs.items():
        hit = float(predicted == true)
        moved = sum((hit - f1[c]) * n / sizes[c] for c in (predicted, true) if c in f1)
        variance += k * (moved / len(classes)) ** 2 / n
    found = _normal(value, variance, n)
    if found.low is None or found.high is None:
        return found
    return Estimate(value, max(found.low, 0.0), min(found.high, 1.0))


_SHARES: Final = ("accuracy", "recall", "precision")
_REGRESSION_SUMS: Final = {"mae": "absolute", "bias": "error"}
_INTERVALS: Final[dict[str, Callable[[float, ErrorSummary], Estimate]]] = {
    "roc_auc": _of_area,
    "brier": _of_brier,
    "macro_f1": _of_macro_f1,
    "mae": _of_mean("mae"),
    "bias": _of_mean("bias"),
}
