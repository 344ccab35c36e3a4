"""Sums of floats that do not depend on the order of their terms.

A float is an integer times a power of two, so a sum of floats is an integer too. `limbs` spreads the
integer of every value over 32-bit limbs and adds limbs, which commutes and associates to the last bit:
any number of partitions gives the same sum. It is the superaccumulator of Kulisch, in the small form of
Neal, "Fast exact summation using small and large superaccumulators" (2015), arXiv:1505.05571.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

LIMB_BITS = 32
LIMBS = 68
"""Limbs per sum: the 2098 bits from 2**-1074 to 2**1024, and room for carries."""

_LOWEST_EXPONENT = -1074
_MANTISSA_BITS = 53
_MASK = (1 << LIMB_BITS) - 1


def limbs(
    values: npt.NDArray[np.float64], groups: npt.NDArray[np.intp], group_count: int
) -> npt.NDArray[np.int64]:
    """Add values up, exactly, group by group.

    Parameters
    ----------
    values
        Shape (n, s): s finite numbers per row.
    groups
        Shape (n,): the group of each row, 0 to `group_count` - 1.
    group_count
        Number of groups, g.

    Returns
    -------
    numpy.ndarray
        Shape (g, s, LIMBS), int64, little end first; add two of them to add the sums.

    Notes
    -----
    Exact for up to 2**20 rows in one call; limbs of accumulated results overflow after 2**30 calls.
    """
    s = values.shape[1]
    mantissa, exponent = np.frexp(values)
    integer = (mantissa * float(1 << _MANTISSA_BITS)).astype(np.int64)
    shift = np.maximum(exponent - _MANTISSA_BITS - _LOWEST_EXPONENT, 0)
    # A subnormal's exponent lies below the lowest: its mantissa has that many zero bits at the end.
    integer >>= np.maximum(_LOWEST_EXPONENT - (exponent - _MANTISSA_BITS), 0)
    sign = np.sign(integer)
    magnitude = np.abs(integer).astype(np.uint64)
    first = (shift >> 5).astype(np.intp)
    low_shift = (shift & 31).astype(np.uint64)
    high = magnitude >> np.uint64(LIMB_BITS)
    low = magnitude & np.uint64(_MASK)
    low_part = low << low_shift
    high_part = high << low_shift
    pieces = (
        low_part & np.uint64(_MASK),
        (low_part >> np.uint64(LIMB_BITS)) + (high_part & np.uint64(_MASK)),
        high_part >> np.uint64(LIMB_BITS),
    )
    base = (groups[:, None] * s + np.arange(s)) * LIMBS + first
    total = np.zeros(group_count * s * LIMBS, dtype=np.int64)
    for offset, piece in enumerate(pieces):
        weights = (piece.astype(np.int64) * sign).astype(np.float64).ravel()
        # Each piece is below 2**33, so float64 weights add exactly up to 2**20 rows.
        total += np.bincount((base + offset).ravel(), weights, minlength=total.size).astype(np.int64)
    return total.reshape(group_count, s, LIMBS)


def of_count(count: int) -> npt.NDArray[np.int64]:
    """Return a count below 2**44, or minus one, as a sum of as many ones, shape (LIMBS,).

    Examples
    --------
    >>> to_float(of_count(3))
    3.0
    """
    limb, shift = divmod(-_LOWEST_EXPONENT, LIMB_BITS)
    out = np.zeros(LIMBS, dtype=np.int64)
    out[limb] = count << shift
    return out


def to_float(sum_limbs: npt.NDArray[np.int64]) -> float:
    """Return the sum that the limbs hold, correctly rounded.

    Parameters
    ----------
    sum_limbs
        Shape (LIMBS,), as `limbs` gives it or any sum of such.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.array([[1e100], [1.0], [-1e100]])
    >>> to_float(limbs(values, np.zeros(3, dtype=np.intp), 1)[0, 0])
    1.0
    """
    integer = 0
    for limb in reversed(sum_limbs.tolist()):
        integer = (integer << LIMB_BITS) + limb
    if integer == 0:
        return 0.0
    try:
        return integer / (1 << -_LOWEST_EXPONENT)  # int / int is correctly rounded in Python
    except OverflowError:
        return math.inf if integer > 0 else -math.inf
