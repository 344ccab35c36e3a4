"""How sure a metric is: its value with a 95 % confidence interval, from an error summary alone.

An interval is given where the summary can tell one honestly, and left out elsewhere (`rmse`, `r2`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from detectors.class_cells import CLASS_CELLS, PROBABLE
from detectors.confidence import Estimate, normal, wilson
from detectors.error_quantiles import QUANTILES
from detectors.intervals_classes import of_classes, of_cost
from detectors.intervals_numbers import of_quantile, of_quotient, of_weighted
from detectors.intervals_scores import of_area, of_average_precision, of_brier, of_log_loss
from detectors.metrics import ErrorSummary, metrics_of
from detectors.metrics_classes import Costs
from detectors.metrics_scores import Counts
from detectors.tally import error_counts, score_counts, tally_of
from schemas.metric_settings import WEIGHTED

MAIN_METRICS: Final = {
    "binary": ("accuracy", "recall", "precision", "roc_auc", "brier"),
    "multiclass": ("accuracy", "macro_f1"),
    "regression": ("mae", "rmse", "bias", "r2", "actual_to_expected", "gini"),
}
"""By task: what a report shows, the first one first."""


@dataclass(frozen=True, slots=True)
class MeanSums:
    """The sums behind a metric that is a mean over rows: number of rows, sum and sum of squares."""

    n: int
    total: float
    squares: float


def estimates_of(
    summary: ErrorSummary,
    *,
    positive: str | None,
    names: Iterable[str] | None = None,
    costs: Costs | None = None,
) -> dict[str, Estimate]:
    """Return metrics that the summary can give, in their order.

    Parameters
    ----------
    names
        Which ones; None for the main ones of the task.
    costs
        What the metric `cost` is made of.

    Notes
    -----
    Shares have Wilson's interval, other figures of the confusion the delta method's. `roc_auc` has that of DeLong, DeLong
    and Clarke-Pearson (1988), counted on the score bins and drawn on the logit scale, `pr_auc` that of Boyd, Eng and Page
    (2013). `mae` and `bias` have the normal one from their exact sums; those of `brier` and `log_loss` take their spread
    from the score bins, or of more than two classes from bins of the loss. Quantiles of errors have that of their ranks.
    """
    values = metrics_of(summary, positive=positive, costs=costs)
    wanted = MAIN_METRICS[summary.layout.task] if names is None else names
    return {
        name: _estimate(name, values[name], summary, positive, costs) for name in wanted if name in values
    }


def _estimate(
    name: str, value: float, summary: ErrorSummary, positive: str | None, costs: Costs | None
) -> Estimate:
    if name.startswith(WEIGHTED):
        return of_weighted(name.removeprefix(WEIGHTED), value, summary)
    sums = mean_sums(name, summary, positive=positive)
    if sums is not None:
        return _of_sums(name, value, sums)
    if summary.layout.task == "regression":
        return _of_numbers(name, value, summary)
    if name in _OF_SCORES:
        return _of_scores(name, value, summary)
    if name == "cost" and costs is not None:
        return of_cost(value, summary.pairs, costs)
    return of_classes(name, value, summary.pairs, positive=positive)


def _of_scores(name: str, value: float, summary: ErrorSummary) -> Estimate:
    if summary.layout.task == "multiclass":
        return _of_class_loss(name, value, summary)
    return _OF_SCORES[name](value, score_counts(summary))


def _of_class_loss(name: str, value: float, summary: ErrorSummary) -> Estimate:
    n = round(tally_of(summary).sum(PROBABLE))
    if n < 2:
        return Estimate(value)
    variance = CLASS_CELLS.variance(summary.vector[summary.layout.known :], name)
    return normal(value, variance / (n - 1)).within(0.0, math.inf)


def _of_numbers(name: str, value: float, summary: ErrorSummary) -> Estimate:
    if name in QUANTILES:
        return of_quantile(name, value, summary)
    return of_quotient(value, summary) if name == "actual_to_expected" else Estimate(value)


def _of_sums(name: str, value: float, sums: MeanSums) -> Estimate:
    if name in _SHARES:
        return wilson(round(sums.total), sums.n) if sums.n > 0 else Estimate(value)
    if sums.n < 2:
        return Estimate(value)
    return normal(value, (sums.squares / sums.n - value * value) / (sums.n - 1))


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


_SHARES: Final = ("accuracy", "recall", "precision")
_REGRESSION_SUMS: Final = {"mae": "absolute", "bias": "error"}
_OF_SCORES: Final[dict[str, Callable[[float, Counts], Estimate]]] = {
    "roc_auc": of_area,
    "pr_auc": of_average_precision,
    "brier": of_brier,
    "log_loss": of_log_loss,
}
