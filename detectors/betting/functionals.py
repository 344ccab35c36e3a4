"""Numbers to bet on: one per cell of a column, with mean 0 over the reference.

They are functions of ranks alone, so no unit and no monotone transform of a feature changes a decision.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.normal import normal_density, normal_quantiles
from detectors.profile import NumericColumn

Floats = npt.NDArray[np.float64]

LOCATION, TAILS, SPREAD, SHAPE = "location", "tails", "spread", "shape"
NUMERIC: Final = (LOCATION, TAILS, SPREAD, SHAPE)
"""The functionals of a number, in the order of the columns of `numeric_functionals`."""

LOSS_SHARE: Final = 0.99
"""Losses are clipped at this quantile of the reference's, so that no single one decides."""

GRAIN: Final = 2.0**-20
"""Values are multiples of this, so sums of them are exact whatever their order."""


def numeric_functionals(counts: npt.ArrayLike) -> Floats:
    """Return the functionals of a number's bins, shape (bins, 4), not yet centred.

    Parameters
    ----------
    counts
        Shape (bins,): rows of the reference in each bin, in order of value.

    Returns
    -------
    numpy.ndarray
        `location`: the mean normal score of the bin's ranks, which moves with the middle of the values.
        `tails`: the mean of its square, which grows with their spread. `spread`: distance of the rank from
        the middle, from 0 to 1, which falls when they draw together. `shape`: the third Legendre
        polynomial of the rank, which moves when a side bulges.

    Notes
    -----
    Normal scores lose nothing against the mean for normal values and little for others (Chernoff and Savage,
    Annals of Mathematical Statistics 29, 1958); Legendre polynomials of ranks are Neyman's smooth
    alternatives (Skandinavisk Aktuarietidskrift 20, 1937). A bin without rows counts as half a row, so that
    a value outside everything seen has the most extreme rank, and not an infinite one.

    Examples
    --------
    >>> numeric_functionals([25, 25, 25, 25]).round(2).tolist()[0]
    [-1.27, 1.86, 0.75, 0.07]
    """
    weights = np.maximum(np.asarray(counts, np.float64), 0.5)
    upper = np.cumsum(weights) / weights.sum()
    share = weights / weights.sum()
    lower = np.concatenate([[0.0], upper[:-1]])
    low, high = normal_quantiles(lower), normal_quantiles(upper)
    at_low, at_high = normal_density(low), normal_density(high)
    location = (at_low - at_high) / share
    tails = 1 + (_product(low, at_low) - _product(high, at_high)) / share
    centred = lower + upper - 1  # twice the middle rank, less one
    shape = (5 * centred**3 - 3 * centred) / 2
    stacked = np.column_stack([location, tails, np.abs(centred), shape])
    grains: Floats = np.rint(stacked / GRAIN) * GRAIN
    return grains


def _product(place: Floats, density: Floats) -> Floats:
    """Return place times density, 0 at both infinities."""
    return np.where(np.isfinite(place), place, 0.0) * density


def bin_middles(column: NumericColumn) -> Floats:
    """Return the middle of each bin of a column's values, the outer ones as far as the 0.1 and 99.9 % quantiles."""
    edges = np.array([column.low, *column.edges, column.high])
    edges[0], edges[-1] = min(edges[0], edges[1]), max(edges[-1], edges[-2])
    middles: Floats = edges[:-1] / 2 + edges[1:] / 2
    return middles


def loss_cap(losses: Floats, counts: Floats) -> float:
    """Return the `LOSS_SHARE` quantile of the losses of bins: no loss counts for more."""
    order = np.argsort(losses, kind="stable")
    reached = np.cumsum(counts[order])
    return float(losses[order][np.searchsorted(reached, LOSS_SHARE * reached[-1])])


def clipped_losses(losses: Floats, counts: Floats) -> Floats:
    """Return the losses of bins in units of their `LOSS_SHARE` quantile, from 0 to 1; shape (bins,)."""
    most = loss_cap(losses, counts)
    clipped: Floats = np.minimum(losses, most) / most if most > 0 else np.zeros_like(losses)
    return clipped


def centred(values: Floats, counts: npt.ArrayLike) -> Floats:
    """Return functionals of mean 0 over the reference, shape (cells, functionals).

    Parameters
    ----------
    values
        Shape (cells, functionals).
    counts
        Shape (cells,): rows of the reference; without any the values stay as they are.
    """
    weights = np.asarray(counts, np.float64)
    total = weights.sum()
    return values - (weights @ values) / total if total > 0 else values
