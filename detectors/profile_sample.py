"""A random sample of a column in bounded memory, and the quantile bins that come from it."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from detectors.profile_values import Floats

BINS_MAX: Final = 64
_SLACK: Final = 4
"""A sample may grow by one part in this many before it is cut back to size."""


class Sample:
    """The values of the rows with the smallest random keys: which rows is decided by the keys alone.

    A row's key is drawn once, in row order. So the sample is the same however the rows come in batches, and
    a smaller sample is part of a larger one.

    Parameters
    ----------
    size_max
        Number of values kept. Memory: at most 20 bytes for each of them, and one batch.
    """

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._parts: list[tuple[Floats, Floats]] = []
        self._size = 0
        self._below = math.inf

    def add(self, values: Floats, keys: Floats) -> None:
        """Take rows in; both of shape (n,), values finite."""
        wanted = keys < self._below
        if not wanted.all():
            values, keys = values[wanted], keys[wanted]
        self._parts.append((values, keys))
        self._size += len(values)
        if self._size > self._size_max + self._size_max // _SLACK:
            self._cut()

    def limit(self, size_max: int) -> None:
        """Keep fewer values from now on."""
        if size_max < self._size_max:
            self._size_max = size_max
            self._cut()

    def _cut(self) -> None:
        if not self._parts:
            return
        values = np.concatenate([part[0] for part in self._parts])
        keys = np.concatenate([part[1] for part in self._parts])
        if len(keys) > self._size_max:
            smallest = np.argpartition(keys, self._size_max - 1)[: self._size_max]
            values, keys = values[smallest], keys[smallest]
            self._below = float(keys.max())
        self._parts = [(values, keys)]
        self._size = len(values)

    def ordered(self) -> Floats:
        """Return the sample's values, smallest first."""
        self._cut()
        return np.sort(self._parts[0][0]) if self._parts else np.zeros(0)


def quantile(ordered: Floats, share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed; 0 of no values.

    Parameters
    ----------
    ordered
        Shape (n,), smallest first. The answer is one of them: no average of two can overflow, and a
        discrete number's median is a value it takes.
    """
    if not len(ordered):
        return 0.0
    place = max(math.ceil(share * len(ordered)) - 1, 0)
    return float(ordered[place]) + 0.0  # a negative zero becomes a plain one


def quantile_edges(ordered: Floats, *, bins_max: int = BINS_MAX) -> tuple[float, ...]:
    """Return the inner edges of up to `bins_max` bins of equal weight, strictly increasing.

    Equal quantiles give one edge, so a number that takes few values gets few bins. Where the lowest value is
    an edge itself, one more edge lies just below it, so that something lower still is seen.

    Examples
    --------
    >>> import numpy as np
    >>> quantile_edges(np.arange(1.0, 9.0), bins_max=4)
    (2.0, 4.0, 6.0)
    >>> quantile_edges(np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]))
    (-5e-324, 0.0, 1.0)
    """
    if not len(ordered):
        return ()
    edges = dict.fromkeys(quantile(ordered, i / bins_max) for i in range(1, bins_max))
    lowest = float(ordered[0])
    below = math.nextafter(lowest, -math.inf)
    return (below, *edges) if lowest in edges and math.isfinite(below) else tuple(edges)
