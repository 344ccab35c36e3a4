"""What joined rows that weigh other than 1 add to an error summary beside what every row adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from consumers.interning import NO_CLASS
from detectors.exact import LIMBS, limbs
from detectors.fixed import fixed, planes, to_integers
from detectors.layout import ErrorLayout
from detectors.summary import KeyT, Pairs, SummaryTable, Weights
from detectors.tally import ONE

Rows = npt.NDArray[np.intp]
Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CellsOf = Callable[[ErrorLayout, Rows], tuple[Rows, Floats]]
"""From a layout and the picked rows to places and values."""

_CODES = NO_CLASS + 1


@dataclass(frozen=True, slots=True)
class WeightedLosses:
    """The losses of a batch of joined rows with their weights; arrays are of shape (n,).

    Parameters
    ----------
    sign
        1 adds a row, -1 takes it back.
    values
        What a row adds to a count or an exact sum, by the names of `detectors.weight_cells`.
    cells
        From a layout and picks of shape (k,) to the sums in fixed point that each belongs to, shape (k, m), below 0 for
        none, and to the values that go times its weight, the same shape.
    pairs
        Codes of predicted and true class; None for a regression.
    class_names
        The partition's classes of the model, by code.
    """

    weight: Floats
    sign: Integers
    values: Mapping[str, npt.NDArray[np.generic]]
    cells: CellsOf
    pairs: tuple[Integers, Integers] | None
    class_names: Sequence[str]

    def add_to(self, table: SummaryTable[KeyT, ErrorLayout], rows: Rows, *, pick: Rows) -> None:
        """Add what the weights of the picked rows add to rows of a table; parameters as of `Losses.add_to`."""
        cells = table.layout.weights
        distinct, groups = np.unique(rows, return_inverse=True)
        vectors = np.zeros((len(distinct), cells.size), dtype=np.int64)
        sums = self._sums(table.layout, groups, len(distinct), pick)
        vectors[:, : cells.counts] = sums.reshape(len(distinct), len(cells.terms) * LIMBS)
        parts = np.zeros((len(distinct), 2, cells.width), dtype=np.int64)
        self._add_cells(parts, table.layout, groups, pick)
        vectors[:, cells.counts :] = parts.reshape(len(distinct), -1)
        pairs = self._pairs(groups, len(distinct), pick)
        for row, vector, own in zip(distinct.tolist(), vectors, pairs, strict=True):
            table.add_weights(row, Weights(vector.copy(), own))

    def _sums(self, layout: ErrorLayout, groups: Rows, count: int, pick: Rows) -> Integers:
        terms = layout.weights.terms
        plain = np.column_stack([self.values[name][pick] for name, _ in terms]).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            factors = np.column_stack([self.weight[pick] ** power for _, power in terms])
            weighted = np.nan_to_num(plain * factors)
        sign = self.sign[pick][:, None]
        return limbs(weighted * sign, groups, count) - limbs(plain * sign, groups, count)

    def _add_cells(self, parts: Integers, layout: ErrorLayout, groups: Rows, pick: Rows) -> None:
        """Add to the high and low parts of the sums in fixed point, shape (groups, 2, width)."""
        places, values = self.cells(layout, pick)
        weight, sign = self.weight[pick], self.sign[pick]
        for place, value in zip(places.T, values.T, strict=True):
            kept = place >= 0
            with np.errstate(over="ignore"):
                added = fixed(np.nan_to_num(value * weight)) - fixed(value)
            high, low = planes(added[kept]) * sign[kept]
            np.add.at(parts, (groups[kept], 0, place[kept]), high)
            np.add.at(parts, (groups[kept], 1, place[kept]), low)

    def _pairs(self, groups: Rows, count: int, pick: Rows) -> list[Pairs]:
        found: list[Pairs] = [{} for _ in range(count)]
        if self.pairs is None:
            return found
        predicted, true = (codes[pick] for codes in self.pairs)
        distinct, inverse = np.unique((groups * _CODES + predicted) * _CODES + true, return_inverse=True)
        parts = np.zeros((2, len(distinct)), dtype=np.int64)
        np.add.at(parts.T, inverse, (planes(fixed(self.weight[pick]) - ONE) * self.sign[pick]).T)
        for code, high, low in zip(distinct.tolist(), *parts.tolist(), strict=True):
            rest, truth = divmod(code, _CODES)
            group, said = divmod(rest, _CODES)
            [total] = to_integers(np.array([[high], [low]]))
            if total:
                found[group][self.class_names[said], self.class_names[truth]] = total
        return found
