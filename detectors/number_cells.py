"""What an error summary of a regression counts for its quantiles, deciles and Gini coefficient.

These cells lie behind the older sections of a summary: one that was stored without them loads, and has none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors import exact
from detectors.equal_groups import equal_groups
from detectors.fixed import to_floats
from detectors.profile import OUTPUT_PREFIX, NumericColumn, ReferenceProfile

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_SIZES = tuple(2.0 ** (k / 4) for k in range(-80, 121))
LEARNED_EDGES: Final = (*(-size for size in reversed(_SIZES)), *_SIZES)
"""Inner edges of bins of numbers where no profile of the user's says more: a fifth apart, from 1e-6 to 1e9."""

_PREDICTIONS = tuple(2.0 ** (k / 2) for k in range(-20, 61))
OUTCOME_PREDICTIONS: Final = (*(-size for size in reversed(_PREDICTIONS)), *_PREDICTIONS)
"""Inner edges of the bins of predictions by which a model that learns counts its errors: half an octave apart, from 1e-3 to 1e9."""
OUTCOME_SIZES: Final = tuple(4.0**k for k in range(-5, 16))
"""Inner edges of the bins of the sizes of those errors: two octaves apart, from 1e-3 to 1e9."""

WINDOW_PREDICTION_BINS: Final = 20
"""Bins of the prediction in a window at most; a version's life has all those of the profile."""

DECILES: Final = 10
PREDICTION_SQUARED: Final = "prediction_squared"
"""The exact sum of these cells."""

_PLANES: Final = 5


@dataclass(frozen=True)
class NumberCells:
    """Slices of the cells, relative to their first one.

    Sections: the number of rows (those that came before the cells are not in it), the bins of errors, then per bin of
    the prediction five rows of cells: rows, the two parts (`detectors.fixed`) of the sum of predictions, and the two
    of the sum of truths; then predictions by the size of their errors; then the exact sum of squared predictions.

    Parameters
    ----------
    error_edges
        Inner edges of bins of errors (prediction minus truth), where the layout's older section has none.
    prediction_edges
        Inner edges of the bins of the prediction.
    deciles
        Per bin of the prediction: which tenth of the profile's rows it belongs to, numbered from 0; empty without a
        profile of the user's.
    unit
        Predictions and truths are summed as multiples of 2**-24 of this, a power of two.
    outcome_edges, sizes
        Inner edges of bins of predictions, and of the sizes of errors, that are counted together; without sizes there are
        no such cells. They are no part of `key`: what was stored without them has none.
    """

    error_edges: tuple[float, ...] = ()
    prediction_edges: tuple[float, ...] = ()
    deciles: tuple[int, ...] = ()
    unit: float = 1.0
    outcome_edges: tuple[float, ...] = ()
    sizes: tuple[float, ...] = ()

    N = 0
    ERRORS = 1

    @cached_property
    def error_bins(self) -> int:
        """Number of bins of errors, 0 for none."""
        return len(self.error_edges) + 1 if self.error_edges else 0

    @cached_property
    def bins(self) -> int:
        """Number of bins of the prediction, 0 for none."""
        return len(self.prediction_edges) + 1 if self.prediction_edges else 0

    @cached_property
    def predictions(self) -> int:
        """First of the cells of the prediction's bins."""
        return self.ERRORS + self.error_bins

    @cached_property
    def outcomes(self) -> int:
        """First of the cells of predictions and sizes of errors, those of one bin of predictions in a row."""
        return self.predictions + _PLANES * self.bins

    @cached_property
    def counts(self) -> int:
        """Number of cells before the exact sum."""
        return self.outcomes + (len(self.outcome_edges) + 1) * (len(self.sizes) + 1) * bool(self.sizes)

    @cached_property
    def size(self) -> int:
        """Number of cells."""
        return self.counts + exact.LIMBS

    @cached_property
    def key(self) -> tuple[str, ...]:
        """What makes these cells those, and not others."""
        return tuple(map(repr, (self.error_edges, self.prediction_edges, self.unit)))

    def with_outcomes(self) -> NumberCells:
        """Return these cells with those that errors are learned from; the same whatever is learned."""
        return replace(self, outcome_edges=OUTCOME_PREDICTIONS, sizes=OUTCOME_SIZES)

    def rows_of(self, cells: Integers) -> Integers:
        """Return the cells of the prediction's bins, shape (5, bins), of all cells of a summary."""
        return cells[self.predictions : self.outcomes].reshape(_PLANES, self.bins)


@dataclass(frozen=True, slots=True)
class PredictionBins:
    """Sums by bin of the prediction, each of shape (bins,).

    Parameters
    ----------
    weight
        Rows, or what they weigh.
    prediction, truth
        Sums over them, in the unit of the model.
    """

    weight: Floats
    prediction: Floats
    truth: Floats

    @classmethod
    def of(cls, weight: Floats, parts: Integers, unit: float) -> PredictionBins:
        """Return the sums; `parts`, shape (4, bins), are those of predictions and of truths."""
        return cls(weight, unit * to_floats(parts[:2]), unit * to_floats(parts[2:]))

    def grouped(self, groups: tuple[int, ...]) -> PredictionBins:
        """Return the sums of groups of bins; `groups` has the group of each."""
        added = [np.bincount(groups, values) for values in (self.weight, self.prediction, self.truth)]
        return PredictionBins(*(np.asarray(values, dtype=np.float64) for values in added))


def number_cells(
    profile: ReferenceProfile | None, *, error_edges: tuple[float, ...] = (), bins_max: int | None = None
) -> NumberCells:
    """Return the cells of a regression.

    The bins of a learned profile are not used: cells must stay the same while a reference is learned.

    Parameters
    ----------
    bins_max
        The profile's bins are put together to so many; None for all of them.
    """
    column = None if profile is None or profile.learned is not None else _predictions_of(profile)
    if column is None or not column.edges:
        return NumberCells(error_edges, LEARNED_EDGES)
    return cells_of_column(column, error_edges=error_edges, bins_max=bins_max)


def cells_of_column(
    column: NumericColumn, *, error_edges: tuple[float, ...] = (), bins_max: int | None = None
) -> NumberCells:
    """Return the cells whose bins of the prediction are those of a column of the reference."""
    every = np.arange(len(column.counts), dtype=np.intp)
    groups = every if bins_max is None else equal_groups(column.counts, groups=bins_max)
    last = np.flatnonzero(np.diff(groups))
    counts = np.bincount(groups, column.counts).astype(np.int64)
    deciles = equal_groups(counts.tolist(), groups=DECILES)
    edges = tuple(column.edges[place] for place in last.tolist())
    if not edges:
        return NumberCells(error_edges, LEARNED_EDGES)
    return NumberCells(error_edges, edges, tuple(deciles.tolist()), _unit(column))


def _predictions_of(profile: ReferenceProfile) -> NumericColumn | None:
    for column in profile.columns:
        if column.name == f"{OUTPUT_PREFIX}value" and isinstance(column, NumericColumn):
            return column
    return None


def _unit(column: NumericColumn) -> float:
    """Return the power of two just below the spread of the predictions, or below their size where they do not vary."""
    size = column.sd or abs(column.mean)
    return 2.0 ** (math.frexp(size)[1] - 1) if 0 < size < math.inf else 1.0
