"""Distances that take counts as they are and do not ask in which order their groups stand.

The arguments are those of `detectors.distances`; nothing is added to empty groups here.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.bounds import chi_square_quantile, critical_rate
from detectors.distances import effective_n

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

EXPECTED_MIN: Final = 5
"""Events of the smaller side that a group needs to be well filled: the custom since Cochran (Biometrics 10, 1954)."""


def plain_shares(counts: npt.ArrayLike, starts: Places) -> Floats:
    """Return each group's share of its column, shape as `counts`; 0 in a column without events."""
    events = np.asarray(counts, np.float64)
    totals = np.maximum(np.add.reduceat(events, starts), 1)
    return np.asarray(events / np.repeat(totals, _sizes(events, starts)), dtype=np.float64)


def l_infinity(counts: npt.ArrayLike, reference: npt.ArrayLike, starts: Places) -> Floats:
    """Return the largest difference of a group's share, shape (columns,), from 0 to 1.

    What NannyML calls the L-infinity distance of categories.

    Examples
    --------
    >>> l_infinity([50, 50, 10, 90], [500, 500, 500, 500], np.array([0, 2])).round(2).tolist()
    [0.0, 0.4]
    """
    apart = np.abs(plain_shares(counts, starts) - plain_shares(reference, starts))
    return np.asarray(np.maximum.reduceat(apart, starts), dtype=np.float64)


def l_infinity_by_chance(
    groups: npt.ArrayLike, n: npt.ArrayLike, n_reference: npt.ArrayLike, *, alpha: float
) -> Floats:
    """Return what the largest difference of an unchanged column exceeds with at most `alpha`, elementwise.

    The difference of two shares is a sum of independent terms, n of size 1 / n and m of size 1 / m. So it
    exceeds t with probability at most 2 exp(-2 t² nm / (n + m)) (Hoeffding, Journal of the American
    Statistical Association 58, 1963, theorem 2), whatever the share; and there are as many as groups.

    Examples
    --------
    >>> l_infinity_by_chance(10, [200, 5000], 1000, alpha=1e-5).round(2).tolist()
    [0.21, 0.09]
    """
    needed = np.log(2 * np.asarray(groups, np.float64) / alpha)
    size = 2 * effective_n(n, n_reference)
    bound: Floats = np.full(np.broadcast_shapes(needed.shape, size.shape), np.inf)
    np.divide(needed, size, out=bound, where=size > 0)
    return np.sqrt(bound)


def chi_square(counts: npt.ArrayLike, reference: npt.ArrayLike, starts: Places) -> Floats:
    """Return Pearson's statistic of homogeneity per degree of freedom, shape (columns,), from 0 up.

    About 1 where nothing has changed, whatever the number of groups; after a change it grows with the number
    of events. Groups that are empty on both sides do not count.

    Examples
    --------
    >>> chi_square([50, 50, 10, 90], [500, 500, 500, 500], np.array([0, 2])).round(1).tolist()
    [0.0, 58.5]

    References
    ----------
    Pearson, "On the probability that two independent distributions of frequency are really samples from the
    same population", Biometrika 8 (1911).
    """
    events, both, share = _pooled(counts, reference, starts)
    scale = both * share * (1 - share)
    terms = np.divide((events - share * both) ** 2, scale, out=np.zeros_like(both), where=scale > 0)
    return np.asarray(
        np.add.reduceat(terms, starts) / np.maximum(_degrees(both, starts), 1), dtype=np.float64
    )


def chi_square_by_chance(
    counts: npt.ArrayLike, reference: npt.ArrayLike, starts: Places, *, alpha: float
) -> Floats:
    """Return what the statistic of an unchanged column exceeds with probability `alpha`, shape (columns,).

    The chi-square law holds for groups of many events only. Given the events that a group has on both sides,
    those of the smaller side are a binomial number, and `bounds.critical_rate` says how many are ruled out.
    So the law's quantile is stretched as much as the least of the well filled groups can stray beyond the
    normal law, and what each sparse group can reach is added whole: one event in a group that the reference
    hardly knows may well exceed the law by chance.

    Examples
    --------
    >>> starts = np.array([0])
    >>> bounds = [
    ...     chi_square_by_chance([90, 110, new], [2500, 2500, 0], starts, alpha=1e-5) for new in (0, 1)
    ... ]
    >>> np.round(bounds, 1).ravel().tolist()
    [24.9, 26.6]
    """
    _, both, share = _pooled(counts, reference, starts)
    smaller = np.minimum(share, 1 - share)
    farthest = np.minimum(critical_rate(smaller, both, alpha=alpha), 1.0) - smaller
    scale = smaller * (1 - smaller)
    reach = np.divide(both * farthest**2, scale, out=np.zeros_like(both), where=scale > 0)
    is_sparse = smaller * both < EXPECTED_MIN
    stretch = np.where(is_sparse, 1.0, np.maximum(reach / (-2 * math.log(alpha)), 1.0))
    degrees = _degrees(both, starts)
    law = chi_square_quantile(degrees, alpha=alpha) * np.maximum.reduceat(stretch, starts)
    added = np.add.reduceat(np.where(is_sparse, reach, 0.0), starts)
    return np.asarray((law + added) / np.maximum(degrees, 1), np.float64)


def _pooled(counts: npt.ArrayLike, reference: npt.ArrayLike, starts: Places) -> tuple[Floats, Floats, Floats]:
    """Return per group: events, those of both sides, and the window's share of the column's of both sides."""
    events, before = np.asarray(counts, np.float64), np.asarray(reference, np.float64)
    both = events + before
    n, n_both = np.add.reduceat(events, starts), np.add.reduceat(both, starts)
    return events, both, np.repeat(n / np.maximum(n_both, 1), _sizes(both, starts))


def _degrees(both: Floats, starts: Places) -> Floats:
    known = np.add.reduceat((both > 0).astype(np.float64), starts)
    return np.asarray(np.maximum(known - 1, 0), dtype=np.float64)


def _sizes(counts: Floats, starts: Places) -> Places:
    return np.diff(starts, append=len(counts)).astype(np.intp)
