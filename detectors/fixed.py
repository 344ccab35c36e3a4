"""Sums in fixed point that no number of rows overflows: two integers per cell instead of one."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

STEP_BITS: Final = 24
"""A value counts in multiples of 2**-24, about 6e-8."""

LARGEST: Final = float(1 << 38)
"""A value of a greater size, about 2.7e11, counts as this one."""

_LOW_BITS: Final = 32
_MASK: Final = (1 << _LOW_BITS) - 1


def fixed(values: Floats) -> Integers:
    """Return finite values in multiples of 2**-24, each off by at most half of one.

    Examples
    --------
    >>> fixed(np.array([1.0, -0.5, 0.0])).tolist()
    [16777216, -8388608, 0]
    """
    kept = np.clip(values, -LARGEST, LARGEST)
    return np.rint(kept * float(1 << STEP_BITS)).astype(np.int64)


def planes(numbers: Integers) -> Integers:
    """Return numbers of shape (n,) as high and low parts, shape (2, n); sums of either part stay in 64 bits.

    Up to 2**31 numbers may be added up; adding parts adds numbers.
    """
    return np.stack([numbers >> _LOW_BITS, numbers & _MASK])


def of_counts(counts: Integers) -> Integers:
    """Return plain counts, shape (n,), as the parts of so many values of 1, shape (2, n)."""
    kept = _LOW_BITS - STEP_BITS
    return np.stack([counts >> kept, (counts & ((1 << kept) - 1)) << STEP_BITS])


def to_floats(parts: Integers) -> Floats:
    """Return what sums of parts, shape (2, n), stand for, shape (n,).

    Examples
    --------
    >>> to_floats(planes(fixed(np.array([2.5])))).tolist()
    [2.5]
    """
    high, low = parts.astype(np.float64)
    return np.asarray((high * float(1 << _LOW_BITS) + low) / float(1 << STEP_BITS))


def to_integers(parts: Integers) -> list[int]:
    """Return what sums of parts, shape (2, n), stand for, exactly, in multiples of 2**-24."""
    return [(high << _LOW_BITS) + low for high, low in parts.T.tolist()]
