"""Sums over successive blocks of time while a reference is counted: what rhythms are learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.rhythm_fit import OUTSIDE, Grid, fit_rhythm
from detectors.profile_values import NO_TIME
from detectors.rhythm import Rhythm

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BLOCKS_MAX: Final = 4096
"""At an hour each they hold 170 days; of a longer reference the newest part gives the rhythm."""
BLOCK_MINUTES: Final = (1, 2, 5, 10, 15, 30, 60)


@dataclass(slots=True)
class TimeSpan:
    """The first and the last time of the rows seen so far."""

    first_ms: int | None = None
    last_ms: int | None = None

    def add(self, time_ms: Integers | None) -> None:
        """Take the times of rows in; rows without one say nothing."""
        if time_ms is None or not (known := time_ms[time_ms != NO_TIME]).size:
            return
        first, last = int(known.min()), int(known.max())
        self.first_ms = first if self.first_ms is None else min(self.first_ms, first)
        self.last_ms = last if self.last_ms is None else max(self.last_ms, last)

    @property
    def length_ms(self) -> int:
        """From the first to the last; 0 without times."""
        return 0 if self.first_ms is None or self.last_ms is None else self.last_ms - self.first_ms

    def grid(self, *, zone: str, seasonality: str) -> Grid | None:
        """Return blocks that cover the rows, as short as their number allows; None without times."""
        if self.first_ms is None or self.last_ms is None:
            return None
        for minutes in BLOCK_MINUTES:
            block_ms = minutes * 60_000
            start_ms = self.first_ms // block_ms * block_ms
            blocks = (self.last_ms - start_ms) // block_ms + 1
            if blocks <= BLOCKS_MAX:
                return Grid(start_ms, block_ms, blocks, zone, seasonality)
        start_ms += (blocks - BLOCKS_MAX) * block_ms
        return Grid(start_ms, block_ms, BLOCKS_MAX, zone, seasonality)


class BlockSums:
    """Sums of several functionals per block, and the number of values.

    Parameters
    ----------
    width
        Number of functionals.

    Notes
    -----
    Exact, and so independent of the order of rows, for values that are multiples of 2**-20. Memory: 8 bytes
    per block and functional.
    """

    def __init__(self, grid: Grid, width: int) -> None:
        self._grid = grid
        self._sums = np.zeros((width, grid.blocks))
        self._n = np.zeros(grid.blocks)

    def add(self, places: Integers, values: Floats) -> None:
        """Add rows up: their blocks, shape (n,), and their values, shape (n, functionals)."""
        inside = places != OUTSIDE
        places = places[inside]
        self._n += np.bincount(places, minlength=self._grid.blocks)
        for place, column in enumerate(values.T):
            self._sums[place] += np.bincount(places, column[inside], minlength=self._grid.blocks)

    def rhythm(self, place: int, *, variance: float) -> Rhythm | None:
        """Return the rhythm of one functional."""
        return fit_rhythm(self._grid, self._sums[place], self._n, variance=variance)

    def rate_rhythm(self, place: int) -> Rhythm | None:
        """Return the rhythm of a functional that is 0 or 1."""
        total = float(self._n.sum())
        share = float(self._sums[place].sum()) / total if total else 0.0
        variance = share * (1 - share)
        return fit_rhythm(self._grid, self._sums[place], self._n, variance=variance, is_share=True)
