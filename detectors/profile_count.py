"""Second look at a column of the reference: exact counts on the bins of the first, exact moments."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np

from detectors import exact
from detectors.profile import CATEGORIES_MAX, CategoricalColumn, NumericColumn
from detectors.profile_sample import quantile, quantile_edges
from detectors.profile_values import INVALID, MISSING, Floats, Values, category_names, numbers

LOW_SHARE, HIGH_SHARE = 0.001, 0.999


class NumericCount:
    """Counts a numeric column.

    Parameters
    ----------
    ordered
        The sample of its values, smallest first, that gives edges and quantiles.
    largest
        The largest absolute value of all rows.
    """

    def __init__(self, name: str, ordered: Floats, largest: float) -> None:
        self._name = name
        self._low, self._high = quantile(ordered, LOW_SHARE), quantile(ordered, HIGH_SHARE)
        self._edges = np.array(quantile_edges(ordered), dtype=np.float64)
        self._counts = np.zeros(len(self._edges) + 1, dtype=np.int64)
        self._missing = self._invalid = 0
        # Sums of x, x - median and its square, all scaled by 2**-exponent: squares cannot overflow, and a
        # mean far from 0 costs the deviation no digits.
        self._exponent = math.frexp(largest)[1]
        self._centre = quantile(ordered, 0.5)
        self._sums = np.zeros((3, exact.LIMBS), dtype=np.int64)

    def add(self, values: Values) -> None:
        """Count values."""
        column = numbers(values)
        finite = column.finite
        found = column.values[finite]
        missing = int(column.missing.sum())
        self._missing += missing
        self._invalid += len(column.values) - missing - len(found)
        if not len(found):
            return
        bins = self._edges.searchsorted(found)  # as consumers.cells does: side="left"
        self._counts += np.bincount(bins, minlength=len(self._counts))
        scaled = np.ldexp(found, -self._exponent)
        off = scaled - math.ldexp(self._centre, -self._exponent)
        terms = np.column_stack([scaled, off, off * off])
        self._sums += exact.limbs(terms, np.zeros(len(found), dtype=np.intp), 1)[0]

    def add_missing(self, n: int) -> None:
        """Count rows that do not name the column."""
        self._missing += n

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
        )

    def _moments(self) -> tuple[float, float]:
        n = int(self._counts.sum())
        if not n:
            return 0.0, 0.0
        mean, off, square = (exact.to_float(limbs) / n for limbs in self._sums)
        sd = math.sqrt(max(square - off * off, 0.0))
        return math.ldexp(mean, self._exponent), math.ldexp(sd, self._exponent)


class CategoryCount:
    """Counts a categorical column.

    Parameters
    ----------
    candidates
        The names that may become categories.
    """

    def __init__(self, name: str, candidates: Iterable[str]) -> None:
        self._name = name
        self._counts: Counter[str] = Counter(dict.fromkeys(candidates, 0))
        self._other = self._missing = self._invalid = 0

    def add(self, values: Values) -> None:
        """Count values."""
        for name, n in Counter(category_names(values)).items():
            if name == MISSING:
                self._missing += n
            elif name == INVALID:
                self._invalid += n
            elif name in self._counts:
                self._counts[name] += n
            else:
                self._other += n

    def add_missing(self, n: int) -> None:
        """Count rows that do not name the column."""
        self._missing += n

    def column(self) -> CategoricalColumn:
        """Return the profile's column: the most frequent names, equals in alphabetical order."""
        ranked = sorted(
            (item for item in self._counts.items() if item[1]), key=lambda item: (-item[1], item[0])
        )
        kept, rest = ranked[:CATEGORIES_MAX], ranked[CATEGORIES_MAX:]
        return CategoricalColumn(
            name=self._name,
            categories=tuple(name for name, _ in kept),
            counts=tuple(n for _, n in kept),
            other=self._other + sum(n for _, n in rest),
            missing=self._missing,
            invalid=self._invalid,
        )
