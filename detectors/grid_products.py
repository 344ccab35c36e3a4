"""Matrix products of numbers on a grid: exact, and so the same bits in whatever order they are summed.

A product of two floats whose factors are multiples of powers of two, and few enough of them, is exact: there is
nothing to round. So the fast product of a BLAS may be used although its order of summation changes with the
number of rows, with threads and with the processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_STEP: Final = 1 << 18
"""Multiplications at a time: OpenBLAS hands more of them to threads, which spin when they have nothing to do."""


def on_grid(values: Floats, grain: float) -> Floats:
    """Return the nearest multiples of `grain`, a power of two."""
    found: Floats = np.rint(values / grain) * grain
    return found


def product(left: Floats, right: Floats) -> Floats:
    """Return left @ right, shapes (n, k) and (k, m).

    Exact where the sum of |left| * |right| over k stays below 2**53 in units of the product of both grains.
    """
    found = np.empty((len(left), right.shape[1]))
    for rows in _steps(len(left), right.size):
        np.matmul(left[rows], right, out=found[rows])
    return found


def second_moments(values: Floats) -> Floats:
    """Return the sums of products of every two columns, shape (k, k), of values of shape (n, k).

    Exact where the sums stay below 2**53 in units of the square of the values' grain.
    """
    width = values.shape[1]
    found = np.zeros((width, width))
    for rows in _steps(len(values), width * width):
        found += values[rows].T @ values[rows]
    return found


def _steps(n: int, cost: int) -> Iterator[slice]:
    step = max(_STEP // max(cost, 1), 1)
    return (slice(start, start + step) for start in range(0, n, step))
