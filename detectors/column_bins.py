"""A profile's numeric columns on all their bins, as distances that know an order need them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.layout import ColumnCells, PredictionLayout
from detectors.profile import NumericColumn

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]

_NOWHERE: Final = np.zeros(0)


def bin_gaps(column: NumericColumn) -> Floats:
    """Return how far each bin lies from the next one, in standard deviations of the profile, 0 for the last.

    A bin lies at its upper edge, the last one at the 99.9 % quantile; what lies further out is not told apart.

    Returns
    -------
    numpy.ndarray
        Shape (bins,); NaN where no standard deviation measures the gaps, as of a constant.

    Examples
    --------
    >>> column = NumericColumn("age", (20.0, 40.0, 60.0), (1, 1, 1, 1), 40.0, 20.0, 0.0, 90.0, 40.0)
    >>> bin_gaps(column).tolist()
    [1.0, 1.0, 1.5, 0.0]
    """
    if not column.edges or column.sd <= 0:
        return np.full(len(column.counts), np.nan)
    ends = np.array([*column.edges, max(column.high, column.edges[-1])])
    with np.errstate(over="ignore", invalid="ignore"):
        gaps = np.append(np.diff(ends / column.sd), 0.0)
    return gaps if np.isfinite(gaps).all() else np.full(len(gaps), np.nan)


class ColumnBins:
    """The bins of the numeric ones of several columns in flat arrays, worked out once per profile.

    Parameters
    ----------
    columns
        Which columns of the layout; only their present values count.

    Attributes
    ----------
    places
        Shape (numeric columns,): which of `columns` each of them is.
    starts
        Shape (numeric columns,): first bin of each.
    has_scale
        Shape (numeric columns,): where a standard deviation measures the gaps.
    reference, gaps
        Shape (bins of all numeric columns,): rows of the profile, and what `bin_gaps` says, 0 without a scale.
    """

    def __init__(self, columns: Iterable[ColumnCells]) -> None:
        cells: list[npt.NDArray[np.int64]] = []
        places: list[int] = []
        reference: list[int] = []
        starts: list[int] = []
        gaps: list[Floats] = []
        for place, column in enumerate(columns):
            if isinstance(column.column, NumericColumn):
                places.append(place)
                starts.append(len(reference))
                cells.append(PredictionLayout.COLUMNS + column.offset + np.arange(column.bins))
                gaps.append(bin_gaps(column.column))
                reference += column.column.counts
        self._cells = np.concatenate([_NOWHERE, *cells]).astype(np.intp)
        self.places: Places = np.array(places, dtype=np.intp)
        self.starts: Places = np.array(starts, dtype=np.intp)
        self.reference: Counts = np.array(reference, dtype=np.int64)
        self.has_scale: Mask = np.array([np.isfinite(found).all() for found in gaps], dtype=np.bool_)
        self.gaps: Floats = np.nan_to_num(np.concatenate([_NOWHERE, *gaps]))

    def counts(self, vector: Counts) -> Counts:
        """Return the events of a prediction summary per bin, shape as `reference`."""
        return vector[self._cells]
