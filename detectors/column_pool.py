"""Adds windows up, column by column, until a column has enough values to be judged."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.codec import decode_summary, encode_summary
from detectors.detector import PredictionWindow, State
from detectors.layout import ColumnCells, PredictionLayout
from detectors.profile import JOINT_COLUMNS, NumericColumn
from detectors.state_values import integers_in, value_in
from detectors.summary import Summary
from detectors.worst import Worst, merge_worst
from schemas.errors import Stop
from schemas.finding import WindowSpan

Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]
Vector = npt.NDArray[np.int64]

_CLOSED: Final = -1


class ColumnPool:
    """Windows since each column was last judged; a busy column is judged in every window.

    Parameters
    ----------
    layout
        The columns.
    values_min
        Values a column needs to be judged.
    present_only
        Whether missing and invalid values count as values.

    Attributes
    ----------
    vector
        A prediction summary's vector: per column, what was counted since it was last judged.
    worst
        The most unfamiliar events since a joint figure was last judged.
    n
        Shape (columns,): values so far.

    Notes
    -----
    Memory is that of one summary, whatever the number of windows. Cost per window: a few array operations
    over its cells.
    """

    def __init__(self, layout: PredictionLayout, *, values_min: int, present_only: bool) -> None:
        self._layout = layout
        self._values_min = values_min
        self._column_of = np.repeat(np.arange(len(layout.columns)), [c.size for c in layout.columns])
        self._counted = _counted_cells(layout, present_only=present_only)
        self._numeric = _numeric_places(layout)
        self._joint = [i for i, c in enumerate(layout.columns) if c.column.name in JOINT_COLUMNS]
        self._empty()

    def _empty(self) -> None:
        width = len(self._layout.columns)
        self.vector: Vector = np.zeros(self._layout.size, dtype=np.int64)
        self.worst: Worst = ()
        self.n: Vector = np.zeros(width, dtype=np.int64)
        self._start_ms: Vector = np.full(width, _CLOSED, dtype=np.int64)

    @property
    def ready(self) -> Mask:
        """Shape (columns,): which columns have enough values."""
        return self.n >= self._values_min

    def add(self, window: PredictionWindow) -> None:
        """Add a window up."""
        self.vector += window.overall.vector
        self.vector[self._layout.answer_cells] = 0  # those are no column's
        self.worst = merge_worst(self.worst, window.overall.worst)
        added = self._values(window.overall.vector)
        self._start_ms[(self.n <= 0) & (added > 0)] = window.span.start_ms
        self.n = self.n + added

    def _values(self, vector: Vector) -> Vector:
        values = vector[PredictionLayout.COLUMNS + self._counted]
        total = np.bincount(self._column_of[self._counted], values, minlength=len(self.n))
        return total.astype(np.int64)

    def span(self, column: int, window: PredictionWindow) -> WindowSpan:
        """Return what a judgement of a column is about: from its first values to the end of `window`."""
        start = int(self._start_ms[column])
        return WindowSpan(
            window.span.start_ms if start == _CLOSED else start, window.span.end_ms, int(self.n[column])
        )

    def clear(self, columns: Mask) -> None:
        """Start anew with the columns that have been judged, shape (columns,)."""
        section = self.vector[PredictionLayout.COLUMNS : self._layout.first_answer]
        section[columns[self._column_of]] = 0
        moments = self.vector[self._layout.counts : self._layout.pairs].reshape(2, -1)
        moments[:, columns[self._numeric]] = 0
        if columns[self._joint].any():
            self.vector[self._layout.pairs :] = 0
            self.worst = ()
        self.vector[: PredictionLayout.COLUMNS] = 0
        self.n[columns] = 0
        self._start_ms[columns] = _CLOSED

    def state(self) -> State:
        """Return what must be remembered; short while every window suffices."""
        return {
            "layout": self._layout.hash,
            "pool": encode_summary(Summary(self._layout, self.vector, {}, self.worst)),
            "pool_start_ms": self._start_ms.tolist(),
        }

    def restore(self, state: State) -> None:
        """Take up a remembered state; one that was counted on another profile's cells starts over.

        Raises
        ------
        ValueError
            If the state is not one of a pool.
        """
        self._empty()
        if value_in(state, "layout", str) != self._layout.hash:
            return
        pool, start_ms = value_in(state, "pool", bytes), integers_in(state, "pool_start_ms")
        if len(start_ms) != len(self.n):
            raise ValueError(f"expected {len(self.n)} window starts, got {len(start_ms)}")
        try:
            summary = decode_summary(self._layout, pool)
        except Stop as error:
            raise ValueError(str(error)) from error
        self.vector, self.worst = summary.vector, summary.worst
        self.n = self._values(self.vector)
        self._start_ms = np.array(start_ms, dtype=np.int64)


def _counted_cells(layout: PredictionLayout, *, present_only: bool) -> Places:
    def last(cells: ColumnCells) -> int:
        return cells.missing if present_only else cells.offset + cells.size

    ranges = [np.arange(c.offset, last(c), dtype=np.intp) for c in layout.columns]
    return np.concatenate([np.zeros(0, dtype=np.intp), *ranges])


def _numeric_places(layout: PredictionLayout) -> Places:
    places = [i for i, c in enumerate(layout.columns) if isinstance(c.column, NumericColumn)]
    return np.array(places, dtype=np.intp)
