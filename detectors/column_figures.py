"""What a window's cells say of a column in the units people know: medians, means, shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from detectors.layout import MOMENT_SCALE, SQUARE_SCALE, PredictionLayout

if TYPE_CHECKING:
    from detectors.profile import CategoricalColumn, NumericColumn

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and standard deviation of numeric columns, each of shape (numeric columns,).

    Parameters
    ----------
    mean, sd
        In the profile's standard deviations, counted from the profile's mean; NaN without a value.
    """

    mean: Floats
    sd: Floats


def moments_of(layout: PredictionLayout, vector: Counts, n: Counts) -> Moments:
    """Return the moments that a prediction summary holds, in the order of `layout.numeric`.

    Parameters
    ----------
    n
        Shape (numeric columns,): present values.

    Notes
    -----
    Sums are of multiples of 2**-16 (values) and 2**-12 (squares) standard deviations, clipped at 4096: a
    mean is off by at most 2**-17, and a column of more extreme values shows that as its end.
    """
    width = len(layout.numeric)
    sums = vector[layout.counts : layout.pairs].astype(np.float64)
    size = np.where(n > 0, n, np.nan)
    mean = sums[:width] / MOMENT_SCALE / size
    square = sums[width:] / SQUARE_SCALE / size
    return Moments(mean, np.sqrt(np.maximum(square - mean * mean, 0.0)))


def quantile(column: NumericColumn, counts: Counts, share: float) -> float | None:
    """Return the value below which `share` of the counted values lie, read from the column's bins.

    Parameters
    ----------
    counts
        Shape (bins,): events per bin of the column.

    Returns
    -------
    float or None
        Interpolated inside its bin; None without values, and where it lies in one of the two end bins,
        which have no outer edge.

    Examples
    --------
    >>> from detectors.profile import NumericColumn
    >>> column = NumericColumn("age", (20.0, 40.0, 60.0), (1, 1, 1, 1), 40.0, 20.0, 0.0, 90.0, 40.0)
    >>> quantile(column, np.array([10, 40, 40, 10]), 0.5), quantile(column, np.array([0, 0, 0, 9]), 0.5)
    (40.0, None)
    """
    reached = np.cumsum(counts)
    total = int(reached[-1])
    if total <= 0:
        return None
    rank = share * total
    place = int(np.searchsorted(reached, rank))
    if place in (0, len(counts) - 1):
        return None
    low, high = column.edges[place - 1], column.edges[place]
    into = (rank - int(reached[place - 1])) / int(counts[place])
    return low + into * (high - low)


def rank_shift(counts: Counts, reference: Counts) -> float:
    """Return how much higher the counted values rank than the reference's, from -0.5 to 0.5; 0 if none.

    The chance that a value of the window is above one of the reference, minus one half (ties count half).
    """
    total, total_reference = int(counts.sum()), int(reference.sum())
    if total <= 0 or total_reference <= 0:
        return 0.0
    rank = (np.cumsum(reference) - reference / 2) / total_reference
    return float(counts @ rank) / total - 0.5


@dataclass(frozen=True, slots=True)
class ShareShift:
    """The category whose share changed most."""

    category: str
    before: float
    now: float


def largest_share_shift(column: CategoricalColumn, counts: Counts) -> ShareShift | None:
    """Return the category whose share of the present values changed most, None without values.

    Parameters
    ----------
    counts
        Shape (categories + 1,): events per category, then of categories that the profile does not know.
    """
    reference = np.array([*column.counts, column.other], dtype=np.float64)
    if counts.sum() <= 0 or reference.sum() <= 0:
        return None
    now, before = counts / counts.sum(), reference / reference.sum()
    place = int(np.argmax(np.abs(now - before)))
    name = column.categories[place] if place < len(column.categories) else "(unseen)"
    return ShareShift(name, float(before[place]), float(now[place]))
