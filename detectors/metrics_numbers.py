"""Metrics of numbers: from exact sums, and from the bins of predictions."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from detectors.layout import DEVIANCE
from detectors.number_cells import PredictionBins
from detectors.tally import Tally
from detectors.weight_cells import REFUSED, ROWS

VARIANCE_SHARE_MIN: Final = 1e-12
"""Below this share of the mean square a variance is rounding error: `r2` is then left out."""

GINI_ERROR_MAX: Final = 0.1


def number_metrics(tally: Tally) -> dict[str, float | None]:
    """Return the metrics of a regression; None where a metric is undefined."""
    mean_square = tally.mean("squared")
    return {
        "mae": tally.mean("absolute"),
        "rmse": None if mean_square is None else math.sqrt(max(mean_square, 0.0)),
        "bias": tally.mean("error"),
        "mape": tally.mean("ape", "ape_n"),
        "smape": tally.mean("smape"),
        "r2": _explained(tally),
        "actual_to_expected": tally.mean("truth", "prediction"),
        "gini": None if tally.bins is None else gini(tally.bins),
        "deviance": _mean_deviance(tally),
    }


def _mean_deviance(tally: Tally) -> float | None:
    """Return the mean over the rows that the loss allows, None where the loss is no deviance."""
    if tally.power is None:
        return None
    allowed = tally.sum(ROWS) - tally.sum(REFUSED)
    return tally.sum(DEVIANCE) / allowed if allowed > 0 else None


def _explained(tally: Tally) -> float | None:
    """Return 1 - (squared errors / squared distances of the truth from its mean), None without a spread."""
    whole = tally.sum(ROWS)
    if tally.rows < 2 or not whole > 0:
        return None
    truth, square = tally.sum("truth"), tally.sum("truth_squared")
    spread = square - truth * (truth / whole)
    if not spread > VARIANCE_SHARE_MIN * square:
        return None
    return 1 - tally.sum("squared") / spread


def gini(bins: PredictionBins) -> float | None:
    """Return the Gini coefficient of the truth in the order of the prediction; None without a truth above 0.

    It is left out where the bins are too wide for it: where it could be off by more than `GINI_ERROR_MAX`. One minus twice the area under the ordered Lorenz curve: the share of the truth that the lowest predictions have,
    against their share of the rows (of the weight). 0 for an order that says nothing, higher for a better one.

    References
    ----------
    Frees, Meyers and Cummings, "Summarizing insurance scores using a Gini index", JASA 106 (2011).

    Examples
    --------
    >>> rows, sums = np.full(20, 2.0), np.arange(20.0)  # the same truth as prediction, even
    >>> round(gini(PredictionBins(rows, sums, sums)), 3)
    0.35
    """
    weight, truth = float(bins.weight.sum()), float(bins.truth.sum())
    error = gini_error(bins)
    if error is None or error > GINI_ERROR_MAX:
        return None
    below = np.cumsum(bins.truth) - bins.truth / 2
    return 1 - 2 * float(bins.weight @ below) / weight / truth


def gini_error(bins: PredictionBins) -> float | None:
    """Return how far `gini` may be off because the rows of a bin count as equal; for truths of 0 or more."""
    weight, truth = float(bins.weight.sum()), float(bins.truth.sum())
    return float(bins.weight @ bins.truth) / weight / truth if weight > 0 and truth > 0 else None
