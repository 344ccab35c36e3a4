"""Columns of values to the cells they are counted in, by the bins of the profile."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from consumers.features import RawColumns
from detectors.layout import MOMENT_CLIP, MOMENT_SCALE, SQUARE_SCALE, PredictionLayout
from detectors.profile import NumericColumn
from detectors.profile_values import INVALID, MISSING

Integers = npt.NDArray[np.int64]


class CellMap:
    """The profile's bins as arrays and dictionaries, made once per model.

    Parameters
    ----------
    layout
        The columns and where their cells lie.
    """

    def __init__(self, layout: PredictionLayout) -> None:
        self._width = len(layout.columns)
        self._numeric: list[tuple[int, npt.NDArray[np.float64], int, int, int]] = []
        self._categorical: list[tuple[int, dict[str, int], int]] = []
        means: list[float] = []
        sds: list[float] = []
        for place, cells in enumerate(layout.columns):
            column = cells.column
            if isinstance(column, NumericColumn):
                edges = np.array(column.edges, dtype=np.float64)
                self._numeric.append((place, edges, cells.offset, cells.missing, cells.invalid))
                means.append(column.mean)
                sds.append(column.sd if column.sd > 0 else 1.0)
            else:
                index = {name: cells.offset + i for i, name in enumerate(column.categories)}
                index |= {MISSING: cells.missing, INVALID: cells.invalid}
                self._categorical.append((place, index, cells.offset + cells.bins))
        self._mean = np.array(means, dtype=np.float64)
        self._sd = np.array(sds, dtype=np.float64)

    def cells(self, raw: RawColumns) -> Integers:
        """Return the cell of every value, shape (n, columns), relative to the column section."""
        n = len(raw.numbers)
        cells = np.empty((self._width, n), dtype=np.int64)
        missing = np.isnan(raw.numbers)
        any_missing = np.any(missing, axis=0).tolist()
        for index, (place, edges, offset, missing_cell, _) in enumerate(self._numeric):
            row = cells[place]
            np.add(edges.searchsorted(raw.numbers[:, index]), offset, out=row)
            if any_missing[index]:
                row[missing[:, index]] = missing_cell
        for index, (place, known, unseen) in enumerate(self._categorical):
            cells[place] = [known.get(name, unseen) for name in raw.categories[index]]
        for row_index, index in raw.invalid:
            place, _, _, _, invalid_cell = self._numeric[index]
            cells[place, row_index] = invalid_cell
        return cells.T

    def moments(self, raw: RawColumns) -> Integers:
        """Return standardised values and their squares as integers, shape (n, 2 * numeric columns)."""
        standard = (raw.numbers - self._mean) / self._sd
        np.nan_to_num(standard, copy=False, posinf=MOMENT_CLIP, neginf=-MOMENT_CLIP)
        np.clip(standard, -MOMENT_CLIP, MOMENT_CLIP, out=standard)
        n, width = standard.shape
        moments = np.empty((n, 2 * width), dtype=np.int64)
        np.rint(standard * MOMENT_SCALE, out=moments[:, :width], casting="unsafe")
        np.rint(standard * standard * SQUARE_SCALE, out=moments[:, width:], casting="unsafe")
        return moments
