"""Quantiles of a regression's errors from their bins."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.layout import ErrorLayout
from detectors.tally import ErrorSummary

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

QUANTILES: Final = {
    "error_p05": (0.05, False),
    "error_p50": (0.5, False),
    "error_p95": (0.95, False),
    "absolute_error_p50": (0.5, True),
    "absolute_error_p95": (0.95, True),
}
"""Metric to its share, and whether it is of the absolute error."""


class ErrorBins:
    """The distribution of errors (prediction minus truth) that bins tell: even inside a bin.

    Parameters
    ----------
    edges
        Shape (k,): inner edges; bin i holds edges[i-1] < x <= edges[i].
    counts
        Shape (k + 1,). Where the first and the last one, which are open, hold anything, nothing is known of how it lies.
    """

    def __init__(self, edges: Floats, counts: Integers) -> None:
        self.n = int(counts.sum())
        self._edges = edges
        self._reached = np.cumsum(counts[:-1]) / max(self.n, 1)
        self._absolute = _absolute_reached(edges, self._reached)

    def quantile(self, share: float, *, absolute: bool = False) -> float | None:
        """Return the value that this share of the errors does not exceed; None where it lies in an open bin.

        It is off by at most the width of the bin that it lies in.

        Examples
        --------
        >>> bins = ErrorBins(np.array([-1.0, 0.0, 1.0, 3.0]), np.array([0, 25, 25, 50, 0]))
        >>> bins.quantile(0.5), bins.quantile(0.75), bins.quantile(0.5, absolute=True)
        (1.0, 2.0, 1.0)
        """
        edges, reached = self._absolute if absolute else (self._edges, self._reached)
        if not self.n or not len(edges):
            return None
        place = int(np.searchsorted(reached, share - 1e-12))
        if place == len(edges) or (place == 0 and reached[0] > share):
            return None
        if place == 0:
            return float(edges[0])
        low, high = reached[place - 1], reached[place]
        return float(edges[place - 1] + (edges[place] - edges[place - 1]) * (share - low) / (high - low))


def _absolute_reached(edges: Floats, reached: Floats) -> tuple[Floats, Floats]:
    """Return sizes, and the share of errors up to each; as far as both sides are known."""
    sizes = np.unique(np.concatenate([[0.0], np.abs(edges)]))
    if not len(edges):
        return sizes[:0], sizes[:0]
    ends = {"left": 0.0 if reached[0] == 0 else np.nan, "right": 1.0 if reached[-1] == 1 else np.nan}
    upper, lower = (np.interp(x, edges, reached, **ends) for x in (sizes, -sizes))
    known = ~np.isnan(upper) & ~np.isnan(lower)
    return sizes[known], (upper - lower)[known]


def error_bins(summary: ErrorSummary) -> ErrorBins | None:
    """Return the errors of a summary; None where it has no bins of them."""
    layout, vector = summary.layout, summary.vector
    if layout.edges:
        return ErrorBins(np.array(layout.edges), vector[ErrorLayout.SCORES : layout.deviances])
    if layout.numbers is None or not layout.numbers.error_edges:
        return None
    first = layout.known + layout.numbers.ERRORS
    return ErrorBins(
        np.array(layout.numbers.error_edges), vector[first : layout.known + layout.numbers.predictions]
    )


def error_quantiles(summary: ErrorSummary) -> dict[str, float | None]:
    """Return the quantiles of the errors by the names of `QUANTILES`, None where the bins do not tell one."""
    bins = error_bins(summary)
    if bins is None:
        return {}
    return {name: bins.quantile(share, absolute=absolute) for name, (share, absolute) in QUANTILES.items()}
