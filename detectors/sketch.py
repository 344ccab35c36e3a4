"""Quantiles with a stated relative error from counts in logarithmic cells.

The cells of DDSketch (Masson, Rim, Lee, "DDSketch", VLDB 2019): cell i holds the values in
(g**(i-1), g**i] with g = (1 + a) / (1 - a), so the answer is off by at most the share a of the true
value. Cells are counters, so sketches merge by adding them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class LogCells:
    """A fixed row of logarithmic cells for values of at least 0.

    Parameters
    ----------
    lowest, highest
        Values up to `lowest` share the first cell, values above `highest` the last; unit is the user's.
    relative_error
        Largest error of a quantile, as a share of the true value, between `lowest` and `highest`.
    """

    lowest: float
    highest: float
    relative_error: float = 0.02

    @property
    def _log_gamma(self) -> float:
        return math.log((1 + self.relative_error) / (1 - self.relative_error))

    @property
    def size(self) -> int:
        """Number of cells."""
        return math.ceil(math.log(self.highest / self.lowest) / self._log_gamma) + 2

    def index(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """Return the cell of each finite value, shape as given."""
        safe = np.maximum(values, self.lowest)
        cell = np.ceil(np.log(safe / self.lowest) / self._log_gamma).astype(np.intp)
        return np.minimum(cell, self.size - 1)

    def values(self) -> npt.NDArray[np.float64]:
        """Return a value of each cell, shape (size,), off by at most `relative_error` between the two ends."""
        upper = self.lowest * np.exp(np.arange(self.size) * self._log_gamma)
        return np.where(np.arange(self.size) == 0, self.lowest, upper * (1 - self.relative_error))

    def quantile(self, counts: npt.NDArray[np.int64], share: float) -> float | None:
        """Return the value below which `share` of the counted values lie, or None if there are none.

        Examples
        --------
        >>> import numpy as np
        >>> cells = LogCells(lowest=0.01, highest=1e7)
        >>> values = np.arange(1.0, 1001.0)
        >>> counts = np.bincount(cells.index(values), minlength=cells.size)
        >>> abs(cells.quantile(counts, 0.5) / 500 - 1) < 0.02
        True
        """
        total = int(counts.sum())
        if total <= 0:
            return None
        rank = share * (total - 1)
        cell = int(np.searchsorted(np.cumsum(counts), rank, side="right"))
        if cell == 0:
            return self.lowest
        upper = self.lowest * math.exp(cell * self._log_gamma)
        return upper * (1 - self.relative_error)


LATENCY_MS = LogCells(lowest=0.01, highest=1e7)
"""Cells of a latency in milliseconds: 10 microseconds to 2.8 hours."""

LABEL_LAG_S = LogCells(lowest=1.0, highest=4e7)
"""Cells of a label's delay in seconds: one second to 460 days."""
