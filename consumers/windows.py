"""The open windows of one model in one partition, and the figures of its versions' lives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from consumers.answers import answer_cells
from consumers.cohort_counts import CohortCounts
from consumers.columns import ERROR, OK, JointRows, PredictionColumns
from consumers.implicit import assumed_of, overtaken_of, taken_back
from consumers.interning import Tables
from consumers.losses import Losses
from consumers.pair_events import PairLosses, in_order_of_names, pair_name
from consumers.pending import Records, prediction_records
from consumers.plan import DUE, LABEL_LAYOUT, PAIRS, ModelPlan
from consumers.row_names import RowKey, RowNames, Segments
from consumers.split_rows import DueLabels, IsOpen
from detectors.codec import take_encoded
from detectors.joint_pairs import pair_sums
from detectors.label_layout import LabelLayout
from detectors.layout import ErrorLayout, LayoutT, PredictionLayout
from detectors.pair_layout import PairLayout
from detectors.profile import OUTPUT_PREFIX
from detectors.sketch import LATENCY_MS
from detectors.summary import Summary, SummaryTable
from detectors.worst import SCORE_DIGITS, WORST_MAX
from schemas.finding import Stream

Integers = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]
WindowKey = RowKey


@dataclass(frozen=True, slots=True)
class WindowBlob:
    """One changed window summary on its way to the store."""

    model: str
    stream: Stream
    start_ms: int
    version: str
    segment: str
    data: bytes


class ModelWindows:
    """Counts a model's accepted predictions and joined rows into windows.

    Parameters
    ----------
    plan
        The model.
    tables
        The partition's names behind codes.
    """

    def __init__(self, plan: ModelPlan, tables: Tables) -> None:
        self._plan = plan
        self._tables = tables
        self._names = RowNames(plan, tables)
        self._outputs = _outputs_of(plan)
        self.predictions: SummaryTable[WindowKey, PredictionLayout] = SummaryTable(plan.predictions)
        self.segments: SummaryTable[WindowKey, PredictionLayout] = SummaryTable(plan.service)
        self.errors: SummaryTable[WindowKey, ErrorLayout] = SummaryTable(plan.errors)
        self.labels: SummaryTable[WindowKey, LabelLayout] = SummaryTable(LABEL_LAYOUT)
        self.pairs: SummaryTable[WindowKey, PairLayout] = SummaryTable(plan.pairs)
        self.due = DueLabels(plan, tables)
        self.totals: SummaryTable[tuple[str], ErrorLayout] = SummaryTable(plan.totals)
        self.assumed: SummaryTable[tuple[str], ErrorLayout] = SummaryTable(plan.totals)
        self.cohorts = CohortCounts(plan, tables)

    def add_predictions(self, columns: PredictionColumns) -> None:
        """Count predictions that are neither duplicates, nor shadow, nor late for their window."""
        if not len(columns):
            return
        table, layout = self.predictions, self._plan.predictions
        start = columns.time_ms // self._plan.window_ms
        rows = self._open(table, start, columns.version, None, self._names.version)
        _count_service(table, rows, columns)
        answered = columns.status == OK
        features = columns.cells.shape[1] - self._outputs
        self._count_cells(rows, columns.cells[:, :features])
        self._count_cells(rows[answered], columns.cells[answered, features:])
        known = self._answers(columns)
        _count_answers(table, rows, known)
        self._count_unlisted(rows, columns)
        moments = columns.moments
        if self._outputs and not answered.all():
            moments = self._without_outputs(moments, answered)
        order = np.argsort(rows, kind="stable")
        distinct, starts = np.unique(rows[order], return_index=True)
        if moments.size:
            sums = np.add.reduceat(moments[order], starts, axis=0)
            table.matrix[distinct, layout.counts : layout.pairs] += sums
        if columns.joint is not None:
            followed = np.split(columns.joint.followed[order], starts[1:])
            for row, values in zip(distinct.tolist(), followed, strict=True):
                table.matrix[row, layout.pairs :] += pair_sums(values)
            self._keep_worst(rows, columns.ids, columns.joint)
        for part in self._names.segments(columns.segment):
            opened = self._open(self.segments, start, columns.version, part, self._names.version)
            _count_service(self.segments, opened, columns)
            _count_answers(self.segments, opened, known)

    def assume(self, columns: PredictionColumns, accepted: npt.NDArray[np.bool_], is_open: IsOpen) -> None:
        """Count accepted predictions as if silence had spoken, where it means a class; `is_open` as in `add_joined`."""
        if self._plan.implicit is not None:
            self.assume_records(prediction_records(columns, np.flatnonzero(accepted)), is_open)

    def assume_records(self, predictions: Records, is_open: IsOpen) -> None:
        """Count records of predictions in that way."""
        self._assume(assumed_of(self._plan, self._implicit_code(), predictions), is_open)

    def _assume(self, rows: npt.NDArray[np.void], is_open: IsOpen) -> None:
        if not len(rows):
            return
        losses = self._losses(rows)
        self.cohorts.add_assumed(rows, losses)
        self.due.add(rows, is_open)
        self._add_to_lives(self.assumed, rows, losses, np.arange(len(rows)))

    def _implicit_code(self) -> int:
        return self._tables.classes[self._plan.name].index(self._plan.implicit or "")

    def _losses(self, rows: npt.NDArray[np.void]) -> Losses:
        name = self._plan.name
        lists = self._tables.class_lists.get(name, [])
        return Losses(self._plan, rows, self._tables.classes.get(name, []), lists)

    def _keep_worst(self, rows: Rows, ids: Sequence[bytes], joint: JointRows) -> None:
        """Keep the ids of the most unfamiliar events of each row."""
        places = np.flatnonzero(joint.unfamiliar)
        scores = np.round(joint.distance[places], SCORE_DIGITS)
        for row in np.unique(rows[places]).tolist():
            here = rows[places] == row
            own, found = scores[here], places[here]
            if len(own) > WORST_MAX:
                enough = own >= np.partition(own, -WORST_MAX)[-WORST_MAX]
                own, found = own[enough], found[enough]
            names = [joint.names[ids[place]] for place in found.tolist()]
            self.predictions.add_worst(row, zip(own.tolist(), names, strict=True))

    def _count_cells(self, rows: Rows, cells: Integers) -> None:
        if cells.size:
            flat = (cells + PredictionLayout.COLUMNS).ravel()
            wide = np.repeat(rows, cells.shape[1])
            self.predictions.add_counts(wide, flat, np.ones(len(flat), dtype=np.int64))

    def _answers(self, columns: PredictionColumns) -> tuple[Rows, Integers]:
        """Return the rows with an answer that tells of its quality, and the cell of each."""
        layout = self._plan.answers
        if layout is None:
            return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.int64)
        return answer_cells(layout, self._plan, self._tables, columns)

    def _count_unlisted(self, rows: Rows, columns: PredictionColumns) -> None:
        for name, there in columns.unlisted.items():
            for row, n in zip(*np.unique(rows[there], return_counts=True), strict=True):
                self.predictions.add_pair(int(row), (name, ""), int(n))

    def _without_outputs(self, moments: Integers, answered: npt.NDArray[np.bool_]) -> Integers:
        """Return moments in which answers that are not the model's count for nothing."""
        numeric = self._plan.predictions.numeric
        places = [i for i, c in enumerate(numeric) if c.column.name.startswith(OUTPUT_PREFIX)]
        kept = moments.copy()
        for place in (*places, *(len(numeric) + i for i in places)):
            kept[~answered, place] = 0
        return kept

    def add_joined(self, joined: npt.NDArray[np.void], is_open: IsOpen) -> None:
        """Count joined rows: first labels into error windows, standing ones into lives and cohorts.

        Parameters
        ----------
        joined
            Shape (n,), of type `JOINED`.
        is_open
            Whether the error windows of these times may still change.
        """
        rows = joined[joined["status"] != ERROR]
        if not len(rows):
            return
        losses = self._losses(rows)
        arrival_ms = np.maximum(rows["time_ms"], rows["label_ms"])
        first = np.flatnonzero(rows["first"] & ~rows["shadow"] & is_open(arrival_ms))
        if len(first):
            picked = rows[first]
            start = arrival_ms[first] // self._plan.window_ms
            version = self._names.manner_codes(picked["version"], picked["status"])
            for part in self._names.parts(picked["segment"]):
                opened = self._open(self.errors, start, version, part, self._names.manner)
                losses.add_to(self.errors, opened, pick=first)
        self._add_to_lives(self.totals, rows, losses, np.flatnonzero(rows["standing"]))
        self.cohorts.add_joined(rows, losses)
        self.due.add(rows, is_open)
        if self._plan.implicit is not None:
            self._assume(taken_back(self._plan, self._implicit_code(), rows), is_open)
            late = overtaken_of(self._plan, self._implicit_code(), rows)
            if len(late):
                self.cohorts.add_overtaken(late, self._losses(late))
                self.due.add(late, is_open)

    def add_pairs(self, pairs: npt.NDArray[np.void]) -> None:
        """Count rows of `consumers.pair_events.PAIRED` whose error window may still change."""
        if not len(pairs):
            return
        names = [name for _, name in self._tables.versions]
        pairs = in_order_of_names(pairs, names)
        cells, counts = PairLosses(self._plan, pairs, self._tables.classes.get(self._plan.name, [])).rows()
        length_ms = self._plan.length_ms(Stream.ERRORS)
        starts = pairs["time_ms"] // length_ms * length_ms
        keys = np.column_stack([starts, pairs["version"]])
        distinct, inverse = np.unique(keys, axis=0, return_inverse=True)
        opened = np.array(
            [
                self.pairs.row((str(start), pair_name(names[one], names[other]), PAIRS))
                for start, one, other in distinct.tolist()
            ],
            dtype=np.intp,
        )
        rows = np.repeat(opened[inverse.ravel()], cells.shape[1])
        self.pairs.add_counts(rows, cells.ravel(), counts.ravel())

    def add_label_events(self, events: Integers) -> None:
        """Count rows of `LabelEvents.rows` into the windows of labels that they fall into."""
        if not len(events):
            return
        length_ms = self._plan.length_ms(Stream.LABELS)
        starts, inverse = np.unique(events[:, 0] // length_ms * length_ms, return_inverse=True)
        opened = np.array([self.labels.row((str(start), "", "")) for start in starts.tolist()], dtype=np.intp)
        self.labels.add_counts(opened[inverse], events[:, 1], events[:, 2])

    def _add_to_lives(
        self,
        table: SummaryTable[tuple[str], ErrorLayout],
        rows: npt.NDArray[np.void],
        losses: Losses,
        pick: Rows,
    ) -> None:
        if not len(pick):
            return
        version = self._names.manner_codes(rows["version"][pick], rows["status"][pick])
        distinct, inverse = np.unique(version, return_inverse=True)
        opened = [table.row((self._names.manner(code),)) for code in distinct.tolist()]
        losses.add_to(table, np.array(opened, dtype=np.intp)[inverse], pick=pick)

    def _open(
        self,
        table: SummaryTable[WindowKey, LayoutT],
        start: Integers,
        version: Integers,
        part: Segments | None,
        name_of: Callable[[int], str],
    ) -> Rows:
        return self._names.rows(table, start, version, part, name_of, length_ms=self._plan.window_ms)

    def take_changed(self) -> list[WindowBlob]:
        """Return the bytes of every window changed since the last call."""
        blobs: list[WindowBlob] = []
        for stream, encoded in (
            (Stream.PREDICTIONS, take_encoded(self.predictions)),
            (Stream.PREDICTIONS, take_encoded(self.segments)),
            (Stream.ERRORS, take_encoded(self.errors)),
            (Stream.LABELS, take_encoded(self.labels)),
            (Stream.ERRORS, take_encoded(self.pairs)),
            (Stream.ERRORS, [] if self.due.table is None else take_encoded(self.due.table)),
        ):
            for (start, version, segment), data in encoded:
                blobs.append(WindowBlob(self._plan.name, stream, int(start), version, segment, data))
        return blobs

    def adopt(self, plan: ModelPlan) -> None:
        """Count on the cells of another reference from now on; open windows keep their service figures."""
        old, self._plan = self._plan, plan
        self.due.adopt(plan)
        if plan.predictions.hash == old.predictions.hash:
            return
        self._outputs = _outputs_of(plan)
        counted, self.predictions = self.predictions, SummaryTable(plan.predictions)
        for key in counted.keys():  # noqa: SIM118 - not a mapping
            row = self.predictions.row(key)
            service = counted.get(key).vector[: PredictionLayout.COLUMNS]
            self.predictions.matrix[row, : PredictionLayout.COLUMNS] = service

    @property
    def open_starts(self) -> list[int]:
        """Starts of the open windows by prediction time."""
        return sorted({int(key[0]) for key in self.predictions.keys()})  # noqa: SIM118 - not a mapping

    def load(self, blobs: Sequence[WindowBlob]) -> None:
        """Take up windows that an earlier owner of the partition had open."""
        for blob in blobs:
            if blob.segment == DUE and self.due.table is None:
                continue
            key = (str(blob.start_ms), blob.version, blob.segment)
            summary: Summary[Any] = self._plan.window(blob.stream, blob.segment, blob.data)
            if blob.stream is Stream.LABELS:
                self.labels.put(key, summary)
            elif blob.segment == PAIRS:
                self.pairs.put(key, summary)
            elif blob.segment == DUE and self.due.table is not None:
                self.due.table.put(key, summary)
            elif blob.stream is Stream.ERRORS:
                self.errors.put(key, summary)
            elif blob.segment:
                self.segments.put(key, summary)
            else:
                self.predictions.put(key, summary)

    def forget(self, *, predictions_ms: int, errors_ms: int) -> None:
        """Let windows go that ended at or before these times; they are in the store."""
        tables: list[tuple[SummaryTable[WindowKey, Any], Stream, int]] = [
            (self.predictions, Stream.PREDICTIONS, predictions_ms),
            (self.segments, Stream.PREDICTIONS, predictions_ms),
            (self.errors, Stream.ERRORS, errors_ms),
            (self.labels, Stream.LABELS, errors_ms),
            (self.pairs, Stream.ERRORS, errors_ms),
        ]
        if self.due.table is not None:
            tables.append((self.due.table, Stream.ERRORS, errors_ms))
        for table, stream, until in tables:
            for key in table.keys():  # noqa: SIM118 - not a mapping
                if int(key[0]) + self._plan.length_ms(stream) <= until:
                    table.drop(key)


def _outputs_of(plan: ModelPlan) -> int:
    return sum(c.column.name.startswith(OUTPUT_PREFIX) for c in plan.predictions.columns)


def _count_answers(
    table: SummaryTable[WindowKey, PredictionLayout], rows: Rows, answers: tuple[Rows, Integers]
) -> None:
    """Count answers where a layout has cells for them: a model that learns has them in segments first."""
    if table.layout.answers is not None:
        known, cells = answers
        table.add_counts(rows[known], table.layout.first_answer + cells, np.ones(len(known), dtype=np.int64))


def _count_service(
    table: SummaryTable[WindowKey, PredictionLayout], rows: Rows, columns: PredictionColumns
) -> None:
    """Count events, statuses and latencies."""
    one = np.ones(len(rows), dtype=np.int64)
    table.add_counts(rows, np.full(len(rows), PredictionLayout.EVENTS), one)
    table.add_counts(rows, PredictionLayout.STATUS + columns.status, one)
    timed = ~np.isnan(columns.latency_ms)
    cells = PredictionLayout.LATENCY + LATENCY_MS.index(columns.latency_ms[timed])
    table.add_counts(rows[timed], cells, one[timed])
