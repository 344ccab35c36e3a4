"""How far a metric of so many labels strays from its true value by chance."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias

from detectors.class_cells import CLASS_CELLS, LOG_LOSS, PROBABLE
from detectors.confidence import Z95
from detectors.error_quantiles import QUANTILES, error_bins
from detectors.intervals_classes import of_cost
from detectors.layout import ErrorLayout
from detectors.metrics_classes import Costs
from detectors.summary import Summary
from detectors.tally import error_counts, tally_of, weighted_sum, weighted_tally_of
from detectors.weight_cells import ROWS
from schemas.metric_settings import WEIGHTED

ErrorSummary = Summary[ErrorLayout]

_Error: TypeAlias = Callable[[float, ErrorSummary, "str | None"], float]


def standard_error(
    name: str, limit: float, summary: ErrorSummary, *, positive: str | None, costs: Costs | None = None
) -> float:
    """Return about one standard deviation of a metric whose true value is `limit`; 0 for an unknown metric.

    Parameters
    ----------
    name
        A metric of `detectors.metrics`.
    limit
        In the metric's unit.

    Notes
    -----
    Exact for shares of events (accuracy, precision, recall) and for means of errors (mae, bias). The others
    are bounds or approximations on the safe side: a ranking metric has at most the spread of a share of its
    rarer class (Birnbaum 1956), a mean of losses about the spread of an exponential variable, and a Gini coefficient
    at most that of a mean of the truth. A weighted metric has that of its plain one over as many rows as the weights
    are worth (Kish 1965).
    """
    if name.startswith(WEIGHTED):
        plain = standard_error(name.removeprefix(WEIGHTED), limit, summary, positive=positive, costs=costs)
        return plain * _design_effect(summary)
    if name in QUANTILES:
        return _of_quantile(name, summary)
    if name == "cost":
        return 0.0 if costs is None else _of_cost(limit, summary, costs)
    found = _ERRORS.get(name)
    if found is None and name.startswith("macro_"):
        found = _of_rarer_class
    elif found is None and name.startswith("weighted_"):
        found = _of_all
    return 0.0 if found is None else found(limit, summary, positive)


def _share(limit: float, n: int) -> float:
    inside = min(max(limit, 0.0), 1.0)
    return math.sqrt(inside * (1 - inside) / max(n, 1))


def _of_all(limit: float, summary: ErrorSummary, _positive: str | None) -> float:
    return _share(limit, error_counts(summary)["n"])


def _of_predicted(limit: float, summary: ErrorSummary, positive: str | None) -> float:
    return _share(limit, sum(n for (predicted, _), n in summary.pairs.items() if predicted == positive))


def _of_true(limit: float, summary: ErrorSummary, positive: str | None) -> float:
    return _share(limit, sum(n for (_, true), n in summary.pairs.items() if true == positive))


def _of_positive(limit: float, summary: ErrorSummary, positive: str | None) -> float:
    return max(_of_predicted(limit, summary, positive), _of_true(limit, summary, positive))


def _rarest(summary: ErrorSummary, positive: str | None) -> int:
    """Return the size of the rarest true class; with a positive class, of it or all others."""
    sizes: dict[object, int] = {}
    for (_, true), n in summary.pairs.items():
        key = true if positive is None else true == positive
        sizes[key] = sizes.get(key, 0) + n
    return min(sizes.values(), default=0)


def _of_rarer_class(limit: float, summary: ErrorSummary, positive: str | None) -> float:
    return _share(limit, _rarest(summary, positive))


def _of_correlation(limit: float, summary: ErrorSummary, positive: str | None) -> float:
    return (1 - limit * limit) / math.sqrt(max(_rarest(summary, positive), 1))


def _of_log_loss(limit: float, summary: ErrorSummary, positive: str | None) -> float:
    if summary.layout.task != "multiclass":
        return _of_loss(limit, summary, positive)
    variance = CLASS_CELLS.variance(summary.vector[summary.layout.known :], LOG_LOSS)
    return max(math.sqrt(variance), abs(limit)) / math.sqrt(max(tally_of(summary).sum(PROBABLE), 1))


def _of_brier(limit: float, summary: ErrorSummary, positive: str | None) -> float:
    """Return that of the most spread loss with this mean: one that is 0 or as large as it can be."""
    if summary.layout.task != "multiclass":
        return _of_all(limit, summary, positive)
    return 2 * _share(limit / 2, round(tally_of(summary).sum(PROBABLE)))


def _of_loss(limit: float, summary: ErrorSummary, _positive: str | None) -> float:
    return abs(limit) / math.sqrt(max(error_counts(summary)["n"], 1))


def _spread(first: str, summary: ErrorSummary) -> float:
    """Return the standard error of the mean of one sum whose squares are the squared errors."""
    n = max(error_counts(summary)["n"], 1)
    mean = summary.layout.sum(summary.vector, first) / n
    square = summary.layout.sum(summary.vector, "squared") / n
    return math.sqrt(max(square - mean * mean, 0.0) / n)


def _of_mae(_limit: float, summary: ErrorSummary, _positive: str | None) -> float:
    return _spread("absolute", summary)


def _of_bias(_limit: float, summary: ErrorSummary, _positive: str | None) -> float:
    return _spread("error", summary)


def _of_explained(limit: float, summary: ErrorSummary, _positive: str | None) -> float:
    return 2 * (1 - limit) / math.sqrt(max(error_counts(summary)["n"], 1))


def _of_quotient(_limit: float, summary: ErrorSummary, _positive: str | None) -> float:
    n = max(error_counts(summary)["n"], 1)
    expected = abs(summary.layout.sum(summary.vector, "prediction")) / n
    return _spread("error", summary) / expected if expected > 0 else 0.0


def _of_gini(_limit: float, summary: ErrorSummary, _positive: str | None) -> float:
    tally = tally_of(summary)
    mean, square = (tally.mean(name) or 0.0 for name in ("truth", "truth_squared"))
    return math.sqrt(square / max(tally.rows, 1)) / mean if mean > 0 else 0.0


def _of_quantile(name: str, summary: ErrorSummary) -> float:
    """Return the error of a quantile from the distance of its neighbours in rank."""
    bins, (share, absolute) = error_bins(summary), QUANTILES[name]
    if bins is None or not bins.n:
        return 0.0
    step = math.sqrt(share * (1 - share) / bins.n)
    ends = (
        bins.quantile(share + side * step, absolute=absolute)
        for side in (-1, 1)
        if 0 < share + side * step < 1
    )
    known = [end for end in ends if end is not None]
    return (known[-1] - known[0]) / 2 if len(known) == 2 else math.inf


def _of_cost(limit: float, summary: ErrorSummary, costs: Costs) -> float:
    found = of_cost(limit, summary.pairs, costs)
    return 0.0 if found.high is None else (found.high - limit) / Z95


def _design_effect(summary: ErrorSummary) -> float:
    """Return how many times a standard error grows as rows weigh unequally."""
    weights, tally = summary.weights, weighted_tally_of(summary)
    if weights is None or tally is None:
        return 1.0
    whole = tally.sum(ROWS)
    return math.sqrt(tally.rows * weighted_sum(summary, weights, (ROWS, 2))) / whole if whole > 0 else 1.0


_ERRORS: Final[dict[str, _Error]] = {
    "accuracy": _of_all,
    "balanced_accuracy": _of_rarer_class,
    "precision": _of_predicted,
    "recall": _of_true,
    "f1": _of_positive,
    "mcc": _of_correlation,
    "roc_auc": _of_rarer_class,
    "pr_auc": _of_rarer_class,
    "log_loss": _of_log_loss,
    "brier": _of_brier,
    "ece": _of_all,
    "mae": _of_mae,
    "rmse": _of_loss,
    "bias": _of_bias,
    "mape": _of_loss,
    "smape": _of_loss,
    "deviance": _of_loss,
    "r2": _of_explained,
    "actual_to_expected": _of_quotient,
    "gini": _of_gini,
}
