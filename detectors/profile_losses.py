"""Rhythms of the losses that are bet on, learned while a reference is counted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.betting.functionals import GRAIN, bin_middles, clipped_losses
from detectors.betting.rhythm_fit import Grid
from detectors.block_sums import BlockSums
from detectors.profile import NumericColumn
from detectors.profile_values import Floats, Times
from detectors.rhythm import Rhythm


class LossRhythms:
    """Sums losses over blocks of time.

    Parameters
    ----------
    edges
        Inner edges of the bins of the number that has the losses.
    losses
        By name, shape (bins,): the loss of each bin, from 0 to 1.
    """

    def __init__(self, grid: Grid, edges: tuple[float, ...], losses: Mapping[str, Floats]) -> None:
        self._edges = np.array(edges, dtype=np.float64)
        self._names = tuple(losses)
        self._losses = np.rint(np.column_stack(list(losses.values())) / GRAIN) * GRAIN
        self._sums = BlockSums(grid, len(self._names))

    def add(self, values: Floats, places: Times) -> None:
        """Take rows in: finite values or infinity, which is the worst there is; and their blocks of time."""
        losses = self._losses[self._edges.searchsorted(np.where(np.isinf(values), 0.0, values))]
        losses[np.isinf(values)] = 1.0
        self._sums.add(places, losses)

    def rhythms(self, counts: Floats) -> dict[str, Rhythm]:
        """Return the rhythms by name; `counts` are the rows of each bin, and of infinity where there is any."""
        losses = np.vstack([self._losses, np.ones((len(counts) - len(self._losses), len(self._names)))])
        n = max(float(counts.sum()), 1.0)
        variance = counts @ np.square(losses - counts @ losses / n) / n
        found = {
            name: self._sums.rhythm(i, variance=float(variance[i])) for i, name in enumerate(self._names)
        }
        return {name: rhythm for name, rhythm in found.items() if rhythm is not None}


def losses_of_errors(error: NumericColumn) -> dict[str, Floats]:
    """Return the losses of the bins of errors by name, shape (bins,), clipped and from 0 to 1."""
    sizes, counts = np.abs(bin_middles(error)), np.array(error.counts, dtype=np.float64)
    with np.errstate(over="ignore"):
        squares = np.nan_to_num(np.square(sizes))
    return {"absolute": clipped_losses(sizes, counts), "squared": clipped_losses(squares, counts)}


def losses_of_deviances(deviance: NumericColumn) -> Floats:
    """Return the losses of the bins of deviances, shape (bins,), clipped and from 0 to 1."""
    return clipped_losses(bin_middles(deviance), np.array(deviance.counts, dtype=np.float64))
