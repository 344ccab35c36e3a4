"""How sure metrics of numbers are, and means that are weighted."""

from __future__ import annotations

import math

from detectors import exact
from detectors.confidence import Z95, Estimate, normal
from detectors.error_quantiles import QUANTILES, error_bins
from detectors.tally import ErrorSummary, error_counts, tally_of, weighted_sum
from detectors.weight_cells import ROWS


def of_quantile(name: str, value: float, summary: ErrorSummary) -> Estimate:
    """Return a quantile of the errors with the interval that the binomial law gives its rank."""
    bins, (share, absolute) = error_bins(summary), QUANTILES[name]
    if bins is None or bins.n < 2:
        return Estimate(value)
    half = Z95 * math.sqrt(share * (1 - share) / bins.n)
    if not half < share < 1 - half:
        return Estimate(value)
    low, high = (bins.quantile(share + side, absolute=absolute) for side in (-half, half))
    return Estimate(value) if low is None or high is None else Estimate(value, low, high)


def of_quotient(value: float, summary: ErrorSummary) -> Estimate:
    """Return the actual to the expected with the delta method's interval of a quotient of sums.

    There is none where some rows are older than the sum of squared predictions.
    """
    layout, vector, tally = summary.layout, summary.vector, tally_of(summary)
    n = tally.rows
    if layout.numbers is None or n < 2 or vector[layout.known + layout.numbers.N] != n:
        return Estimate(value)
    prediction2 = exact.to_float(vector[layout.further :])
    truth2 = tally.sum("truth_squared")
    product = (prediction2 + truth2 - tally.sum("squared")) / 2
    spread = truth2 - 2 * value * product + value * value * prediction2
    expected = tally.sum("prediction")
    return normal(value, spread / expected**2 * n / (n - 1)) if expected else Estimate(value)


def of_weighted(name: str, value: float, summary: ErrorSummary) -> Estimate:
    """Return a weighted mean over rows with the normal interval of its linearisation; `name` is without `weighted.`."""
    weights, rows = summary.weights, error_counts(summary)[ROWS]
    if weights is None or rows < 2 or name not in _WEIGHTED:
        return Estimate(value)
    first, square = _WEIGHTED[name]
    whole = weighted_sum(summary, weights, (ROWS, 1))
    own = 1 - value if name == "accuracy" else value
    spread = weighted_sum(summary, weights, (square, 2))
    spread += own * own * weighted_sum(summary, weights, (ROWS, 2))
    spread -= 2 * own * weighted_sum(summary, weights, (first, 2))
    found = normal(value, spread / whole**2 * rows / (rows - 1)) if whole else Estimate(value)
    return found.within(0.0, 1.0) if name == "accuracy" else found


_WEIGHTED = {"accuracy": ("wrong", "wrong"), "mae": ("absolute", "squared"), "bias": ("error", "squared")}
"""Metric to the sums, times squared weights, of what it is the mean of and of the squares of that."""
