"""Second look at a column of the reference: exact counts on the bins of the first, exact moments."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from detectors import exact
from detectors.betting.functionals import NUMERIC, numeric_functionals
from detectors.betting.rhythm_fit import Grid
from detectors.block_sums import BlockSums
from detectors.profile import CATEGORIES_MAX, CategoricalColumn, NumericColumn
from detectors.profile_sample import quantile, quantile_edges
from detectors.profile_values import INVALID, MISSING, Floats, Mask, Numbers, Values, category_names, numbers
from detectors.rhythm import Rhythm

Integers = npt.NDArray[np.int64]

LOW_SHARE, HIGH_SHARE = 0.001, 0.999
WATCHED_CATEGORIES_MAX = 12
"""So many of a column's categories, the most frequent ones, have a rhythm and are bet on one by one."""


class _Flaws:
    """Sums of missing and invalid values per block of time."""

    def __init__(self, grid: Grid) -> None:
        self._sums = BlockSums(grid, 2)

    def add(self, places: Integers, missing: Mask, invalid: Mask) -> None:
        self._sums.add(places, np.column_stack([missing, invalid]).astype(np.float64))

    def rhythms(self) -> dict[str, Rhythm]:
        found = {name: self._sums.rate_rhythm(place) for place, name in enumerate(("missing", "invalid"))}
        return {name: rhythm for name, rhythm in found.items() if rhythm is not None}


class NumericCount:
    """Counts a numeric column.

    Parameters
    ----------
    ordered
        The sample of its values, smallest first, that gives edges and quantiles.
    largest
        The largest absolute value of all rows.
    grid
        Blocks of time for the column's rhythms; None where rows have no time.
    edges
        Inner edges of the bins, where they are those of another reference; None for quantiles of the sample.
    """

    def __init__(
        self,
        name: str,
        ordered: Floats,
        largest: float,
        grid: Grid | None = None,
        *,
        edges: Sequence[float] | None = None,
    ) -> None:
        self._name = name
        self._low, self._high = quantile(ordered, LOW_SHARE), quantile(ordered, HIGH_SHARE)
        self._edges = np.array(quantile_edges(ordered) if edges is None else edges, dtype=np.float64)
        self._counts = np.zeros(len(self._edges) + 1, dtype=np.int64)
        self._missing = self._invalid = 0
        # Sums of x, x - median and its square, all scaled by 2**-exponent: squares cannot overflow, and a
        # mean far from 0 costs the deviation no digits.
        self._exponent = math.frexp(largest)[1]
        self._centre = quantile(ordered, 0.5)
        self._sums = np.zeros((3, exact.LIMBS), dtype=np.int64)
        self._functionals = numeric_functionals(
            np.bincount(self._edges.searchsorted(ordered), minlength=len(self._counts))
        )
        self._values = None if grid is None else BlockSums(grid, len(NUMERIC))
        self._flaws = None if grid is None else _Flaws(grid)

    def add(self, values: Values, places: Integers | None = None) -> None:
        """Count values; `places`, shape (n,), are their blocks of time."""
        column = numbers(values)
        finite = column.finite
        if self._flaws is not None and places is not None:
            self._flaws.add(places, column.missing, ~finite & ~column.missing)
        found = column.values[finite]
        missing = int(column.missing.sum())
        self._missing += missing
        self._invalid += len(column.values) - missing - len(found)
        if not len(found):
            return
        bins = self._edges.searchsorted(found)  # as consumers.cells does: side="left"
        self._counts += np.bincount(bins, minlength=len(self._counts))
        if self._values is not None and places is not None:
            self._values.add(places[finite], self._functionals[bins])
        scaled = np.ldexp(found, -self._exponent)
        off = scaled - math.ldexp(self._centre, -self._exponent)
        terms = np.column_stack([scaled, off, off * off])
        self._sums += exact.limbs(terms, np.zeros(len(found), dtype=np.intp), 1)[0]

    def add_missing(self, n: int, places: Integers | None = None) -> None:
        """Count rows that do not name the column."""
        self._missing += n
        if self._flaws is not None and places is not None:
            self._flaws.add(places, np.ones(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_))

    def column(self) -> NumericColumn:
        """Return the profile's column."""
        mean, sd = self._moments()
        return NumericColumn(
            name=self._name,
            edges=tuple(self._edges.tolist()),
            counts=tuple(self._counts.tolist()),
            mean=mean,
            sd=sd,
            low=self._low,
            high=self._high,
            median=self._centre,
            missing=self._missing,
            invalid=self._invalid,
            rhythms=self._rhythms(),
        )

    def _rhythms(self) -> dict[str, Rhythm]:
        n = int(self._counts.sum())
        if self._values is None or self._flaws is None or not n:
            return {}
        mean = self._counts @ self._functionals / n
        variance = self._counts @ np.square(self._functionals - mean) / n
        found = {
            name: self._values.rhythm(place, variance=float(variance[place]))
            for place, name in enumerate(NUMERIC)
        }
        return {name: rhythm for name, rhythm in found.items() if rhythm is not None} | self._flaws.rhythms()

    def _moments(self) -> tuple[float, float]:
        n = int(self._counts.sum())
        if not n:
            return 0.0, 0.0
        mean, off, square = (exact.to_float(limbs) / n for limbs in self._sums)
        sd = math.sqrt(max(square - off * off, 0.0))
        return math.ldexp(mean, self._exponent), math.ldexp(sd, self._exponent)


def sampled_column(name: str, ordered: Floats, *, edges: Sequence[float] | None = None) -> NumericColumn:
    """Return the column of a sample alone, smallest value first; `edges` as for `NumericCount`."""
    largest = float(np.abs(ordered[[0, -1]]).max())
    count = NumericCount(name, ordered, largest, edges=edges)
    count.add(Numbers(ordered, np.zeros(len(ordered), dtype=np.bool_)))
    return count.column()


class CategoryCount:
    """Counts a categorical column.

    Parameters
    ----------
    candidates
        The names that may become categories.
    frequent
        The names to learn the rhythm of.
    grid
        Blocks of time for the column's rhythms; None where rows have no time.
    fixed
        Whether the candidates are the categories, in their order and without rows too, as those of another reference.
    """

    def __init__(
        self,
        name: str,
        candidates: Iterable[str],
        frequent: Sequence[str] = (),
        grid: Grid | None = None,
        *,
        fixed: bool = False,
    ) -> None:
        self._name, self._fixed = name, fixed
        self._counts: Counter[str] = Counter(dict.fromkeys(candidates, 0))
        self._other = self._missing = self._invalid = 0
        distinct = list(dict.fromkeys(frequent))[:WATCHED_CATEGORIES_MAX]
        self._watched = {name: place for place, name in enumerate(distinct)}
        self._values = None if grid is None else BlockSums(grid, len(self._watched))
        self._flaws = None if grid is None else _Flaws(grid)

    def add(self, values: Values, places: Integers | None = None) -> None:
        """Count values; `places`, shape (n,), are their blocks of time."""
        names = category_names(values)
        if places is not None:
            self._add_blocks(names, places)
        for name, n in Counter(names).items():
            if name == MISSING:
                self._missing += n
            elif name == INVALID:
                self._invalid += n
            elif name in self._counts:
                self._counts[name] += n
            else:
                self._other += n

    def _add_blocks(self, names: list[str], places: Integers) -> None:
        if self._values is None or self._flaws is None:
            return
        missing = np.array([name == MISSING for name in names], dtype=np.bool_)
        invalid = np.array([name == INVALID for name in names], dtype=np.bool_)
        self._flaws.add(places, missing, invalid)
        codes = np.array([self._watched.get(name, -1) for name in names], dtype=np.int64)
        there = ~missing & ~invalid
        hits = codes[there, None] == np.arange(len(self._watched))
        self._values.add(places[there], hits.astype(np.float64))

    def add_missing(self, n: int, places: Integers | None = None) -> None:
        """Count rows that do not name the column."""
        self._missing += n
        if self._flaws is not None and places is not None:
            self._flaws.add(places, np.ones(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_))

    def _rhythms(self) -> dict[str, Rhythm]:
        if self._values is None or self._flaws is None:
            return {}
        found = {f"={name}": self._values.rate_rhythm(place) for name, place in self._watched.items()}
        return {name: rhythm for name, rhythm in found.items() if rhythm is not None} | self._flaws.rhythms()

    def column(self) -> CategoricalColumn:
        """Return the profile's column: the most frequent names, equals in alphabetical order, unless they are fixed."""
        ranked = list(self._counts.items())
        if not self._fixed:
            ranked = sorted((item for item in ranked if item[1]), key=lambda item: (-item[1], item[0]))
        kept, rest = ranked[:CATEGORIES_MAX], ranked[CATEGORIES_MAX:]
        return CategoricalColumn(
            name=self._name,
            categories=tuple(name for name, _ in kept),
            counts=tuple(n for _, n in kept),
            other=self._other + sum(n for _, n in rest),
            missing=self._missing,
            invalid=self._invalid,
            rhythms=self._rhythms(),
        )
