"""Every distance by its name: how it compares a window with the profile, and what chance alone would give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from detectors.column_bins import ColumnBins
from detectors.column_groups import ColumnGroups
from detectors.count_distances import chi_square, chi_square_by_chance, l_infinity, l_infinity_by_chance
from detectors.distances import jensen_shannon, jensen_shannon_by_chance, psi, psi_by_chance
from detectors.layout import PredictionLayout
from detectors.ordered_distances import (
    kolmogorov_smirnov,
    kolmogorov_smirnov_by_chance,
    wasserstein,
    wasserstein_by_chance,
)
from detectors.profile import CategoricalColumn

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

DistanceName: TypeAlias = Literal[
    "psi", "jensen_shannon", "kolmogorov_smirnov", "wasserstein", "chi_square", "l_infinity"
]


class Comparison:
    """A window's counts beside the profile's, for every column.

    Categories and about ten groups of each number are compared as groups; what needs an order is compared on
    all bins of the numbers.

    Parameters
    ----------
    layout
        The profile's columns.

    Attributes
    ----------
    n, n_reference
        Shape (columns,): present values of the window and of the profile, 1 where there is none.
    counts, bin_counts
        Events per group and per bin.
    """

    def __init__(self, layout: PredictionLayout) -> None:
        self.groups = ColumnGroups(layout.columns)
        self.bins = ColumnBins(layout.columns)
        self.n_reference: Counts = np.maximum(self.groups.totals(self.groups.reference), 1)
        self.is_category = np.array(
            [isinstance(c.column, CategoricalColumn) for c in layout.columns], np.bool_
        )
        self.take(np.zeros(layout.size, dtype=np.int64))

    def take(self, vector: Counts) -> None:
        """Take up a window, a prediction summary's vector."""
        self.counts = self.groups.counts(vector)
        self.bin_counts = self.bins.counts(vector)
        self.n: Counts = np.maximum(self.groups.totals(self.counts), 1)

    def of_numbers(self, values: Floats) -> Floats:
        """Return values of the numeric columns as values of all, shape (columns,), NaN for categories."""
        found = np.full(len(self.n), np.nan)
        found[self.bins.places] = values
        return found

    def of_categories(self, values: Floats) -> Floats:
        """Return values of all columns with NaN for the numeric ones."""
        return np.where(self.is_category, values, np.nan)


@dataclass(frozen=True, slots=True)
class Distance:
    """A distance of every column, shape (columns,); NaN where a column's type has no such distance.

    Parameters
    ----------
    measure
        The distance.
    by_chance
        What it exceeds with the given probability while nothing has changed.
    """

    measure: Callable[[Comparison], Floats]
    by_chance: Callable[[Comparison, float], Floats]


def _wasserstein(of: Comparison) -> Floats:
    bins = of.bins
    moved = wasserstein(of.bin_counts, bins.reference, bins.gaps, bins.starts)
    return of.of_numbers(np.where(bins.has_scale, moved, np.nan))


def _wasserstein_by_chance(of: Comparison, alpha: float) -> Floats:
    bins = of.bins
    return of.of_numbers(
        wasserstein_by_chance(of.bin_counts, bins.reference, bins.gaps, bins.starts, alpha=alpha)
    )


DISTANCES: Final[Mapping[DistanceName, Distance]] = {
    "psi": Distance(
        lambda of: psi(of.counts, of.groups.reference, of.groups.starts),
        lambda of, alpha: psi_by_chance(of.groups.sizes, of.n, of.n_reference, alpha=alpha),
    ),
    "jensen_shannon": Distance(
        lambda of: jensen_shannon(of.counts, of.groups.reference, of.groups.starts),
        lambda of, alpha: jensen_shannon_by_chance(of.groups.sizes, of.n, of.n_reference, alpha=alpha),
    ),
    "kolmogorov_smirnov": Distance(
        lambda of: of.of_numbers(kolmogorov_smirnov(of.bin_counts, of.bins.reference, of.bins.starts)),
        lambda of, alpha: kolmogorov_smirnov_by_chance(of.n, of.n_reference, alpha=alpha),
    ),
    "wasserstein": Distance(_wasserstein, _wasserstein_by_chance),
    "chi_square": Distance(
        lambda of: chi_square(of.counts, of.groups.reference, of.groups.starts),
        lambda of, alpha: chi_square_by_chance(of.counts, of.groups.reference, of.groups.starts, alpha=alpha),
    ),
    "l_infinity": Distance(
        lambda of: of.of_categories(l_infinity(of.counts, of.groups.reference, of.groups.starts)),
        lambda of, alpha: l_infinity_by_chance(of.groups.sizes, of.n, of.n_reference, alpha=alpha),
    ),
}
"""The distances in the order in which findings list them; only `psi` has a threshold of its own."""
