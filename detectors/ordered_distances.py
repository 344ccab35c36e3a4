"""Distances of numbers, which have an order: between the distribution functions at the profile's bin edges.

Bins lie one after the other in flat arrays of counts, as groups do in `detectors.distances`. A value counts
as the upper edge of its bin, so data that lies on the edges, as a discrete number's does, is compared exactly.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from detectors.distances import effective_n

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


def distribution(counts: npt.ArrayLike, starts: Places) -> Floats:
    """Return the share of values up to the end of each bin, shape as `counts`; 0 in a column without values."""
    running = np.cumsum(np.asarray(counts, np.float64))
    sizes = np.diff(starts, append=len(running))
    before = np.repeat(np.append(0.0, running)[starts], sizes)
    totals = np.repeat(np.append(running, 0.0)[starts + sizes - 1], sizes) - before
    return np.asarray((running - before) / np.maximum(totals, 1), dtype=np.float64)


def kolmogorov_smirnov(counts: npt.ArrayLike, reference: npt.ArrayLike, starts: Places) -> Floats:
    """Return the largest difference of the distribution functions, shape (columns,), from 0 to 1.

    Examples
    --------
    >>> kolmogorov_smirnov([50, 50, 10, 90], [500, 500, 500, 500], np.array([0, 2])).round(2).tolist()
    [0.0, 0.4]

    References
    ----------
    Smirnov, "Table for estimating the goodness of fit of empirical distributions", Annals of Mathematical
    Statistics 19 (1948).
    """
    apart = np.abs(distribution(counts, starts) - distribution(reference, starts))
    return np.asarray(np.maximum.reduceat(apart, starts), dtype=np.float64)


def kolmogorov_smirnov_by_chance(n: npt.ArrayLike, n_reference: npt.ArrayLike, *, alpha: float) -> Floats:
    """Return what the distance of an unchanged column exceeds with at most `alpha`, elementwise.

    The inequality of Dvoretzky, Kiefer and Wolfowitz for two samples, with the constant e: Wei and Dudley
    (Statistics and Probability Letters 82, 2012) prove that one for equal sizes; for unequal ones they find 2
    to be enough wherever they computed it. Bins only make the distance smaller.

    Examples
    --------
    >>> kolmogorov_smirnov_by_chance([200, 5000], 1000, alpha=1e-5).round(2).tolist()
    [0.19, 0.09]
    """
    size = 2 * effective_n(n, n_reference)
    needed = np.full_like(size, 1 - math.log(alpha))
    return np.sqrt(np.divide(needed, size, out=np.full_like(size, np.inf), where=size > 0))


def wasserstein(
    counts: npt.ArrayLike, reference: npt.ArrayLike, gaps: npt.ArrayLike, starts: Places
) -> Floats:
    """Return how far a value has moved on average, shape (columns,), from 0 up: the area between the functions.

    Parameters
    ----------
    gaps
        Shape as `counts`: from the position of each bin to that of the next one, 0 for a column's last. Its
        unit is that of the result.

    Examples
    --------
    >>> wasserstein([0, 50, 50], [50, 50, 0], [1.0, 2.0, 0.0], np.array([0])).tolist()
    [1.5]

    References
    ----------
    Vallender, "Calculation of the Wasserstein distance between probability distributions on the line", Theory
    of Probability and Its Applications 18 (1974).
    """
    apart = np.abs(distribution(counts, starts) - distribution(reference, starts))
    return np.asarray(np.add.reduceat(apart * np.asarray(gaps, np.float64), starts), dtype=np.float64)


def wasserstein_by_chance(
    counts: npt.ArrayLike, reference: npt.ArrayLike, gaps: npt.ArrayLike, starts: Places, *, alpha: float
) -> Floats:
    """Return what the distance of an unchanged column exceeds with probability `alpha`, shape (columns,).

    In the limit the difference of the functions is a Gaussian process (del Barrio, Giné and Matrán, Annals of
    Probability 27, 1999), so the distance has a mean that is a sum over the gaps, and exceeds it as a normal
    variable with the values' own variance would: no function of slope 1 or less has a larger one (Boucheron,
    Lugosi and Massart, "Concentration Inequalities", 2013, theorem 5.8). What single values far out can add to
    that is their term of Bernstein's inequality (theorem 2.10 there).
    """
    events, before = np.asarray(counts, np.float64), np.asarray(reference, np.float64)
    widths = np.asarray(gaps, np.float64)
    n, n_reference = np.add.reduceat(events, starts), np.add.reduceat(before, starts)
    size = np.maximum(effective_n(n, n_reference), 1)
    below = distribution(events + before, starts)
    mean = np.add.reduceat(widths * np.sqrt(below * (1 - below)), starts) * math.sqrt(2 / math.pi)
    needed = -math.log(alpha)
    reach = np.add.reduceat(widths, starts) / np.maximum(np.minimum(n, n_reference), 1)
    spread = np.sqrt(2 * needed * _variance(below, widths, starts))
    return np.asarray((mean + spread) / np.sqrt(size) + reach * needed / 3, dtype=np.float64)


def _variance(below: Floats, widths: Floats, starts: Places) -> Floats:
    """Return the variance of a value that lies at a bin's position, shape (columns,)."""
    sizes = np.diff(starts, append=len(below))
    # Positions are counted from the first bin of all columns; what lies before a column cancels.
    along = np.append(0.0, np.cumsum(widths))[:-1]
    along -= np.repeat(along[starts], sizes)
    shares = below - np.where(np.isin(np.arange(len(below)), starts), 0.0, np.append(0.0, below)[:-1])
    mean = np.add.reduceat(shares * along, starts)
    return np.asarray(np.maximum(np.add.reduceat(shares * along**2, starts) - mean**2, 0.0), dtype=np.float64)
