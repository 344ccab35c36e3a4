"""Distances between what a window counted and what the profile counted, for many columns at once.

Columns lie one after the other in flat arrays of counts (ragged, so `starts` says where each begins).
Half an event is added to every group of both sides before shares are taken, so that an empty group gives a
large term and not an infinite one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.bounds import chi_square_quantile

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

SMOOTHING: Final = 0.5
"""Events added to every group of both sides."""


def shares(counts: npt.ArrayLike, starts: Places) -> Floats:
    """Return each group's smoothed share of its column, shape as `counts`; they sum to 1 per column.

    Parameters
    ----------
    counts
        Shape (groups of all columns,).
    starts
        Shape (columns,): first group of each column.
    """
    filled = np.asarray(counts, np.float64) + SMOOTHING
    totals = np.add.reduceat(filled, starts)
    found: Floats = filled / np.repeat(totals, np.diff(starts, append=len(filled)))
    return found


def psi(counts: npt.ArrayLike, reference: npt.ArrayLike, starts: Places) -> Floats:
    """Return the population stability index of each column, shape (columns,), from 0 up.

    The sum over groups of (share - reference share) * log(share / reference share): the symmetric
    Kullback-Leibler divergence (Jeffreys 1946), in nats.

    Examples
    --------
    >>> psi([50, 50, 10, 90], [500, 500, 500, 500], np.array([0, 2])).round(2).tolist()
    [0.0, 0.85]
    """
    now, before = shares(counts, starts), shares(reference, starts)
    return np.add.reduceat((now - before) * np.log(now / before), starts)


def jensen_shannon(counts: npt.ArrayLike, reference: npt.ArrayLike, starts: Places) -> Floats:
    """Return the Jensen-Shannon distance of each column, shape (columns,), from 0 (equal) to 1 (apart).

    The root of the divergence in bits, as Endres and Schindelin made it a metric (IEEE Trans. Inf. Theory
    49, 2003).

    Examples
    --------
    >>> jensen_shannon([50, 50, 10, 90], [500, 500, 500, 500], np.array([0, 2])).round(2).tolist()
    [0.0, 0.38]
    """
    now, before = shares(counts, starts), shares(reference, starts)
    middle = (now + before) / 2
    terms = now * np.log2(now / middle) + before * np.log2(before / middle)
    # Rounding can leave a divergence of equal shares a hair below 0.
    return np.sqrt(np.clip(np.add.reduceat(terms, starts) / 2, 0.0, 1.0))


def effective_n(n: npt.ArrayLike, n_reference: npt.ArrayLike) -> Floats:
    """Return n * m / (n + m), elementwise: the sample size that counts when two samples are compared."""
    now, before = np.asarray(n, np.float64), np.asarray(n_reference, np.float64)
    return np.divide(now * before, now + before, out=np.zeros_like(now + before), where=now + before > 0)


def expected_psi(groups: npt.ArrayLike, n: npt.ArrayLike, n_reference: npt.ArrayLike) -> Floats:
    """Return the mean of the index when nothing has changed: (groups - 1) / effective n, elementwise.

    Times the effective n, the index is about chi-square distributed with groups - 1 degrees of freedom
    (Yurdakul and Naranjo, Journal of Risk Model Validation 14, 2020).
    """
    return _over(np.asarray(groups, np.float64) - 1, effective_n(n, n_reference))


def psi_by_chance(
    groups: npt.ArrayLike, n: npt.ArrayLike, n_reference: npt.ArrayLike, *, alpha: float
) -> Floats:
    """Return what the index of an unchanged column exceeds with probability `alpha`, elementwise.

    Examples
    --------
    >>> psi_by_chance(10, [200, 5000], 1000, alpha=1e-5).round(2).tolist()
    [0.24, 0.05]
    """
    degrees = np.asarray(groups, np.float64) - 1
    return _over(chi_square_quantile(degrees, alpha=alpha), effective_n(n, n_reference))


def jensen_shannon_by_chance(
    groups: npt.ArrayLike, n: npt.ArrayLike, n_reference: npt.ArrayLike, *, alpha: float
) -> Floats:
    """Return what the distance of an unchanged column exceeds with probability `alpha`, elementwise.

    Close to equality the squared distance is 1/8 of the index, in bits.
    """
    index = psi_by_chance(groups, n, n_reference, alpha=alpha)
    return np.asarray(np.sqrt(np.minimum(index / (8 * np.log(2)), 1.0)), dtype=np.float64)


def _over(part: Floats, size: Floats) -> Floats:
    """Return part / size; infinite where there is no size, for then chance can do anything."""
    filled: Floats = np.full(np.broadcast_shapes(part.shape, size.shape), np.inf)
    np.divide(part, size, out=filled, where=size > 0)
    return filled
