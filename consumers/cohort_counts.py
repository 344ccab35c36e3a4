"""What a batch changes in the cohorts of one model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from consumers.answers import answer_cells
from consumers.cohorts import CohortDelta, CohortRow, encode_rows
from consumers.columns import ERROR, PredictionColumns
from consumers.interning import Tables
from consumers.losses import Losses
from consumers.plan import ModelPlan
from consumers.row_names import RowKey, RowNames
from detectors.codec import take_all
from detectors.estimation.cells import AnswerLayout
from detectors.layout import ErrorLayout
from detectors.summary import SummaryTable

Joined = npt.NDArray[np.void]
Table = SummaryTable[RowKey, ErrorLayout]

CELLS_MAX: Final = 65_536
"""Cohorts, one after another in time, are counted side by side up to so many cells: times versions and segments, of which each has rows."""


class CohortCounts:
    """The changes of a batch to the cohorts of one model, until they are taken.

    Parameters
    ----------
    plan
        The model.
    tables
        The partition's names behind codes.
    """

    def __init__(self, plan: ModelPlan, tables: Tables) -> None:
        self._plan = plan
        self._names = RowNames(plan, tables)
        self._figures, self._assumed, self._overtaken = (Table(plan.errors) for _ in range(3))
        answers = plan.answers
        self._answers = None if answers is None else SummaryTable[RowKey, AnswerLayout](answers)
        self._tables = tables
        self._predictions: Counter[RowKey] = Counter()
        self._unobservable: Counter[RowKey] = Counter()
        self._counted: dict[int, list[CohortRow]] = {}

    def add_predictions(self, columns: PredictionColumns, accepted: npt.NDArray[np.bool_]) -> None:
        """Count the accepted predictions that have an answer, late and shadow ones too."""
        counted = accepted & (columns.status != ERROR)
        if not counted.any():
            return
        version = self._names.manner_codes(columns.version, columns.status, columns.shadow)
        for counter, kept, sign in (
            (self._predictions, counted, 1),
            (self._unobservable, counted & columns.unobservable, 1),
        ):
            self._count(counter, columns.time_ms[kept], version[kept], columns.segment[kept], sign)
        if self._answers is not None:
            self._count_answers(self._answers, columns, counted, version)

    def _count_answers(
        self,
        table: SummaryTable[RowKey, AnswerLayout],
        columns: PredictionColumns,
        counted: npt.NDArray[np.bool_],
        version: npt.NDArray[np.int64],
    ) -> None:
        known, cells = answer_cells(table.layout, self._plan, self._tables, columns)
        kept = counted[known]
        known, cells = known[kept], cells[kept]
        if len(known):
            length_ms = self._plan.settings.cohort_window_ms
            start, one = columns.time_ms[known] // length_ms, np.ones(len(cells), dtype=np.int64)
            for some in self._stretches(start):
                for part in self._names.parts(columns.segment[known[some]]):
                    places = self._names.rows(
                        table,
                        start[some],
                        version[known[some]],
                        part,
                        self._names.manner,
                        length_ms=length_ms,
                    )
                    table.add_counts(places, cells[some], one[some])

    def add_joined(self, rows: Joined, losses: Losses) -> None:
        """Count answered rows of `JOINED`, whose losses these are: standing labels, and first ones of the unobservable."""
        self._add(self._figures, rows, losses, np.flatnonzero(rows["standing"]))
        seen = rows[rows["first"] & rows["unobservable"]]
        if len(seen):
            version = self._manners(seen)
            self._count(self._unobservable, seen["time_ms"], version, seen["segment"], -1)

    def add_assumed(self, rows: Joined, losses: Losses) -> None:
        """Count rows of `consumers.implicit` whose losses these are."""
        self._add(self._assumed, rows, losses, np.arange(len(rows)))

    def add_overtaken(self, rows: Joined, losses: Losses) -> None:
        """Count implicit labels that real ones came after."""
        self._add(self._overtaken, rows, losses, np.arange(len(rows)))

    def _manners(self, rows: Joined) -> npt.NDArray[np.int64]:
        return self._names.manner_codes(rows["version"], rows["status"], rows["shadow"])

    def _count(
        self,
        counter: Counter[RowKey],
        time_ms: npt.NDArray[np.int64],
        version: npt.NDArray[np.int64],
        segment: npt.NDArray[np.int64],
        sign: int,
    ) -> None:
        if not len(time_ms):
            return
        length_ms = self._plan.settings.cohort_window_ms
        for part in self._names.parts(segment):
            keys, inverse = self._names.keys(
                time_ms // length_ms, version, part, self._names.manner, length_ms=length_ms
            )
            for key, n in zip(keys, np.bincount(inverse, minlength=len(keys)).tolist(), strict=True):
                counter[key] += sign * n

    def _add(self, table: Table, rows: Joined, losses: Losses, pick: npt.NDArray[np.intp]) -> None:
        picked, length_ms = rows[pick], self._plan.settings.cohort_window_ms
        start, version = picked["time_ms"] // length_ms, self._manners(picked)
        for some in self._stretches(start):
            for part in self._names.parts(picked["segment"][some]):
                places = self._names.rows(
                    table, start[some], version[some], part, self._names.manner, length_ms=length_ms
                )
                losses.add_to(table, places, pick=pick[some])

    def _stretches(self, start: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.intp]]:
        """Yield events by stretches of time whose rows fit into memory; what was counted of others is set aside."""
        distinct, inverse = np.unique(start, return_inverse=True)
        most = max(CELLS_MAX // self._plan.errors.size, 1)
        for first in range(0, len(distinct), most):
            if first:
                self._set_aside()
            yield np.flatnonzero((inverse >= first) & (inverse < first + most))

    def _set_aside(self) -> None:
        """Turn what has been counted into bytes."""
        figures, assumed, overtaken = map(take_all, (self._figures, self._assumed, self._overtaken))
        answers = {} if self._answers is None else take_all(self._answers)
        predictions, unobservable = self._predictions, self._unobservable
        for key in {*predictions, *unobservable, *figures, *assumed, *overtaken, *answers}:
            start, version, segment = key
            row = CohortRow(
                version,
                segment,
                predictions[key],
                figures.get(key, b""),
                unobservable[key],
                assumed=assumed.get(key, b""),
                overtaken=overtaken.get(key, b""),
                answers=answers.get(key, b""),
            )
            self._counted.setdefault(int(start), []).append(row)
        predictions.clear()
        unobservable.clear()

    def take(self) -> list[CohortDelta]:
        """Return everything since the last call, a difference per start of a cohort."""
        self._set_aside()
        counted, self._counted = self._counted, {}
        return [CohortDelta(self._plan.name, at, encode_rows(counted[at])) for at in sorted(counted)]
