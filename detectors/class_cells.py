"""What an error summary of more than two classes counts of the probabilities of all of them.

These cells lie behind the older sections of a summary, as those of `detectors.number_cells` do.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from detectors import exact

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LOG_LOSS: Final = "log_loss"
BRIER: Final = "brier"
PROBABLE: Final = "probable"
"""Name of the count of rows with probabilities of all classes, the true one among them."""
CLASS_SUMS: Final = ("class_log_loss", "class_brier")
"""Names of the exact sums over these rows."""


def _edges(bins: int, most: float, power: int) -> Floats:
    return most * (np.arange(bins) / bins) ** power


_LOWEST: Final = {LOG_LOSS: _edges(128, 34.54, 3), BRIER: _edges(64, 2.0, 2)}
"""Lower ends of the bins of each loss: narrow where losses are small."""


class ClassCells:
    """Slices of the cells, relative to their first one.

    Sections: the number of rows, the bins of the log loss, those of the Brier loss; then the exact sums of `CLASS_SUMS`.
    """

    N = 0
    STARTS: Final = {LOG_LOSS: 1, BRIER: 129}
    counts = 193
    size = counts + len(CLASS_SUMS) * exact.LIMBS
    key = ("1",)

    def lowest(self, loss: str) -> Floats:
        """Return the lower end of each bin of a loss."""
        return _LOWEST[loss]

    def section(self, loss: str) -> slice:
        """Return the slice of the bins of a loss."""
        start = self.STARTS[loss]
        return slice(start, start + len(_LOWEST[loss]))

    def places(self, loss: str, values: Floats) -> Integers:
        """Return the cell of each loss."""
        return self.STARTS[loss] + np.searchsorted(_LOWEST[loss][1:], values, side="right")

    def variance(self, cells: Integers, loss: str) -> float:
        """Return the variance of a loss over the rows of a summary, by the middles of its bins; 0 without rows."""
        counts, lowest = cells[self.section(loss)], _LOWEST[loss]
        n = int(counts.sum())
        if not n:
            return 0.0
        middles = np.append((lowest[:-1] + lowest[1:]) / 2, lowest[-1])
        mean = float(counts @ middles) / n
        return float(counts @ np.square(middles - mean)) / n


CLASS_CELLS: Final = ClassCells()
