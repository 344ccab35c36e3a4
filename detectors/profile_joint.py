"""The joint figures of a reference's rows: what they are learned from, and their columns in the profile."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.rhythm_fit import Grid
from detectors.joint import FIGURE_MAX, Joint, JointScore
from detectors.joint_fit import fit_joint
from detectors.profile import JOINT_COLUMNS, NumericColumn, ReferenceProfile
from detectors.profile_count import NumericCount
from detectors.profile_values import Floats, Mask, Numbers, Times, Values, numbers

ROWS_MIN: Final = 100
ROWS_MAX: Final = 20_000
CELLS_MAX: Final = 8_000_000
"""Sampled numbers of all columns together; many columns share them."""
_SLACK: Final = 4
"""The sample may grow by one part in this many before it is cut back to size."""

_Part = tuple[Floats, dict[str, Floats]]


class RowSample:
    """The numbers of the rows with the smallest random keys, as in `detectors.profile_sample`.

    Notes
    -----
    Memory: 64 MB, a quarter of it more while it grows, and one batch.
    """

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._names: dict[str, None] = {}
        self._size = 0
        self._below = math.inf

    def add(self, features: Mapping[str, Values], numeric: Sequence[str], keys: Floats) -> None:
        """Take rows in.

        Parameters
        ----------
        features
            Values by name, each of n rows.
        numeric
            Names that have held a number so far.
        keys
            Shape (n,).
        """
        self._names.update(dict.fromkeys(numeric))
        rows = np.flatnonzero(keys < self._below)
        columns = {name: _taken(features[name], rows) for name in numeric if name in features}
        self._parts.append((keys[rows], columns))
        self._size += len(rows)
        if self._size > self._rows_max + self._rows_max // _SLACK:
            self._cut()

    @property
    def _rows_max(self) -> int:
        return min(ROWS_MAX, CELLS_MAX // max(len(self._names), 1))

    def _cut(self) -> None:
        keys = np.concatenate([np.zeros(0), *(part[0] for part in self._parts)])
        order = np.argsort(keys, kind="stable")[: self._rows_max]
        if len(order) < len(keys):
            self._below = float(keys[order[-1]])
        found = {name: self._column(name)[order] for name in self._names}
        self._parts, self._size = [(keys[order], found)], len(order)

    def _column(self, name: str) -> Floats:
        return np.concatenate(
            [part[name] if name in part else np.full(len(keys), np.nan) for keys, part in self._parts]
        )

    def rows(self, names: Sequence[str]) -> tuple[Floats, Floats]:
        """Return the keys, smallest first, shape (n,), and the rows in that order, shape (n, names)."""
        self._cut()
        keys, columns = self._parts[0]
        nothing = np.full(len(keys), np.nan)
        return keys, np.column_stack([np.zeros((len(keys), 0)), *(columns.get(n, nothing) for n in names)])


def _taken(values: Values, rows: npt.NDArray[np.intp]) -> Floats:
    """Return some rows of a column as numbers, NaN for none."""
    if isinstance(values, Numbers):
        column = Numbers(values.values[rows], values.missing[rows])
    else:
        column = numbers([values[row] for row in rows.tolist()])
    return np.where(column.finite, column.values, np.nan)


class JointColumns:
    """Sees every row twice: `sample`, then `start`, then `count`.

    The rows that the joint reference is learned from are not counted: a row lies nearer to what was learned from
    it than any new row will, and with many features that alone would look like drift.

    References
    ----------
    Papadopoulos et al., "Inductive confidence machines for regression", European Conference on Machine Learning
    (2002): figures of rows that were set apart are exchangeable with those of new rows.
    """

    def __init__(self) -> None:
        self._sample = RowSample()
        self._learned_until = math.inf
        self._score: JointScore | None = None
        self._counts: list[NumericCount] = []
        self.joint: Joint | None = None

    def sample(self, features: Mapping[str, Values], numeric: Sequence[str], keys: Floats) -> None:
        """Take rows in, first pass, as `RowSample.add` does."""
        self._sample.add(features, numeric, keys)

    def start(
        self, numeric: Sequence[str], grid: Grid | None, *, bins_of: ReferenceProfile | None = None
    ) -> None:
        """Learn the joint reference, if there is one, and let the sample go.

        Parameters
        ----------
        numeric
            The numeric columns in order of preference.
        grid
            Blocks of time for rhythms; None where rows have no time.
        bins_of
            The joint reference, and its cells, are those of this one, which has learned nothing from these rows.
        """
        if bins_of is not None:
            self._take_over(bins_of, grid)
            return
        keys, rows = self._sample.rows(numeric)
        self._sample = RowSample()
        learned = len(keys) // 2
        if len(keys) >= ROWS_MIN:
            self.joint = fit_joint(numeric, rows[:learned])
        if self.joint is None:
            return
        self._learned_until = float(keys[learned - 1])
        self._score = JointScore(self.joint)
        places = [numeric.index(name) for name in self.joint.features]
        for name, column in zip(JOINT_COLUMNS, self._score.figures(rows[learned:][:, places]).T, strict=True):
            ordered = np.sort(column[np.isfinite(column)])
            self._counts.append(NumericCount(name, ordered, FIGURE_MAX, grid))

    def _take_over(self, other: ReferenceProfile, grid: Grid | None) -> None:
        self.joint = other.joint
        if self.joint is None:
            return
        _, rows = self._sample.rows(self.joint.features)
        self._sample = RowSample()
        self._learned_until, self._score = -math.inf, JointScore(self.joint)
        edges = {c.name: c.edges for c in other.columns if isinstance(c, NumericColumn)}
        for name, column in zip(JOINT_COLUMNS, self._score.figures(rows).T, strict=True):
            ordered = np.sort(column[np.isfinite(column)])
            self._counts.append(NumericCount(name, ordered, FIGURE_MAX, grid, edges=edges[name]))

    def count(self, features: Mapping[str, Values], keys: Floats, places: Times | None = None) -> None:
        """Take rows in, second pass, with the keys of the first; `places`, shape (n,), are their blocks of time."""
        if self.joint is None or self._score is None:
            return
        apart: Mask = keys > self._learned_until
        rows = np.flatnonzero(apart)
        columns = [
            _taken(features[name], rows) if name in features else np.full(len(rows), np.nan)
            for name in self.joint.features
        ]
        figures = self._score.figures(np.column_stack(columns))
        for count, column in zip(self._counts, figures.T, strict=True):
            count.add(Numbers(column, np.isnan(column)), None if places is None else places[rows])

    def columns(self) -> list[NumericColumn]:
        """Return the columns of the three figures; none without a joint reference."""
        return [count.column() for count in self._counts]
