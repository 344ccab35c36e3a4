"""How long answers took in the reference, on the cells of a window."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detectors.betting.functionals import NUMERIC, numeric_functionals
from detectors.betting.rhythm_fit import Grid
from detectors.block_sums import BlockSums
from detectors.profile_values import Floats, Times
from detectors.rhythm import Rhythm
from detectors.sketch import LATENCY_MS


class LatencyCount:
    """Counts latencies twice: in cells, then in blocks of time."""

    def __init__(self) -> None:
        self._cells: npt.NDArray[np.int64] = np.zeros(LATENCY_MS.size, dtype=np.int64)
        self._functionals: Floats = np.zeros((0, len(NUMERIC)))
        self._sums: BlockSums | None = None

    def sample(self, latency_ms: Floats | None) -> None:
        """Take rows in, first pass."""
        if latency_ms is not None:
            known = latency_ms[np.isfinite(latency_ms)]
            self._cells += np.bincount(LATENCY_MS.index(known), minlength=LATENCY_MS.size)

    def start(self, grid: Grid | None) -> None:
        """Begin the second pass; without times there is none."""
        self._functionals = numeric_functionals(self._cells)
        if grid is not None and self._cells.any():
            self._sums = BlockSums(grid, len(NUMERIC))

    def count(self, latency_ms: Floats | None, places: Times | None) -> None:
        """Take rows in, second pass; `places`, shape (n,), are their blocks of time."""
        if latency_ms is None or places is None or self._sums is None:
            return
        known = np.isfinite(latency_ms)
        self._sums.add(places[known], self._functionals[LATENCY_MS.index(latency_ms[known])])

    def cells(self) -> tuple[tuple[int, int], ...]:
        """Return (cell, rows) of the cells that have rows, in order."""
        return tuple((int(cell), int(self._cells[cell])) for cell in np.flatnonzero(self._cells))

    def rhythms(self) -> dict[str, Rhythm]:
        """Return the rhythms by functional."""
        n = int(self._cells.sum())
        if self._sums is None or not n:
            return {}
        mean = self._cells @ self._functionals / n
        variance = self._cells @ np.square(self._functionals - mean) / n
        found = {
            name: self._sums.rhythm(place, variance=float(variance[place]))
            for place, name in enumerate(NUMERIC)
        }
        return {name: rhythm for name, rhythm in found.items() if rhythm is not None}
