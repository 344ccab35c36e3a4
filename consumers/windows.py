"""The open windows of one model in one partition, and the figures of its versions' lives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from consumers.answers import answer_cells
from consumers.cohorts import CohortChanges
from consumers.columns import ERROR, FALLBACK, OK, JointRows, PredictionColumns
from consumers.interning import Tables
from consumers.join import measurable
from consumers.losses import Losses
from consumers.plan import ModelPlan
from detectors.codec import take_encoded
from detectors.detector import FALLBACK_SUFFIX
from detectors.joint_pairs import pair_sums
from detectors.layout import ErrorLayout, LayoutT, PredictionLayout
from detectors.profile import OUTPUT_PREFIX
from detectors.sketch import LATENCY_MS
from detectors.summary import Summary, SummaryTable
from detectors.worst import SCORE_DIGITS, WORST_MAX
from schemas.finding import Stream

Integers = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]
WindowKey = tuple[str, str, str]
"""(window start in epoch milliseconds as text, version, segment or "")."""

_CODES = 1 << 17
"""More than there are codes of versions (doubled) or segments."""


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
        self._outputs = _outputs_of(plan)
        self.predictions: SummaryTable[WindowKey, PredictionLayout] = SummaryTable(plan.predictions)
        self.segments: SummaryTable[WindowKey, PredictionLayout] = SummaryTable(plan.service)
        self.errors: SummaryTable[WindowKey, ErrorLayout] = SummaryTable(plan.errors)
        self.totals: SummaryTable[tuple[str], ErrorLayout] = SummaryTable(plan.totals)
        self.cohorts = CohortChanges(plan)

    def add_predictions(self, columns: PredictionColumns) -> None:
        """Count predictions that are neither duplicates, nor shadow, nor late for their window."""
        if not len(columns):
            return
        table, layout = self.predictions, self._plan.predictions
        start = columns.time_ms // self._plan.window_ms
        rows = self._rows(table, start, columns.version, None)
        _count_service(table, rows, columns)
        answered = columns.status == OK
        features = columns.cells.shape[1] - self._outputs
        self._count_cells(rows, columns.cells[:, :features])
        self._count_cells(rows[answered], columns.cells[answered, features:])
        self._count_answers(rows, columns)
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
        for names in self._segment_names(columns.segment):
            _count_service(self.segments, self._rows(self.segments, start, columns.version, names), columns)

    def add_to_cohorts(self, columns: PredictionColumns, accepted: npt.NDArray[np.bool_]) -> None:
        """Count the accepted predictions that have an answer, late and shadow ones too, into their cohorts."""
        counted = accepted & (columns.status != ERROR)
        length_ms = self._plan.settings.cohort_window_ms
        start = columns.time_ms[counted] // length_ms * length_ms
        version = (columns.version * 2 + (columns.status == FALLBACK))[counted]
        for names in (None, *self._segment_names(columns.segment[counted])):
            codes, labels = names if names is not None else (np.zeros_like(version), [""])
            keys, counts = np.unique(np.stack([start, version, codes]), axis=1, return_counts=True)
            for (at, code, segment), n in zip(keys.T.tolist(), counts.tolist(), strict=True):
                self.cohorts.predictions[str(at), self._version(code), labels[segment]] += n

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

    def _count_answers(self, rows: Rows, columns: PredictionColumns) -> None:
        layout = self._plan.predictions
        if layout.answers is not None:
            known, cells = answer_cells(layout.answers, self._plan, self._tables, columns)
            one = np.ones(len(known), dtype=np.int64)
            self.predictions.add_counts(rows[known], layout.first_answer + cells, one)

    def _without_outputs(self, moments: Integers, answered: npt.NDArray[np.bool_]) -> Integers:
        """Return moments in which answers that are not the model's count for nothing."""
        numeric = self._plan.predictions.numeric
        places = [i for i, c in enumerate(numeric) if c.column.name.startswith(OUTPUT_PREFIX)]
        kept = moments.copy()
        for place in (*places, *(len(numeric) + i for i in places)):
            kept[~answered, place] = 0
        return kept

    def add_joined(self, joined: npt.NDArray[np.void]) -> None:
        """Count joined rows: first labels into error windows, standing ones into the totals."""
        rows = measurable(joined)
        if not len(rows):
            return
        losses = Losses(self._plan, rows, self._tables.classes.get(self._plan.name, []))
        first = np.flatnonzero(rows["first"] & ~rows["shadow"])
        if len(first):
            picked = rows[first]
            start = np.maximum(picked["time_ms"], picked["label_ms"]) // self._plan.window_ms
            version = picked["version"] * 2 + (picked["status"] == FALLBACK)
            for names in (None, *self._segment_names(picked["segment"])):
                losses.add_to(self.errors, self._error_rows(start, version, names), pick=first)
        standing = np.flatnonzero(rows["standing"])
        if len(standing):
            picked = rows[standing]
            version = picked["version"] * 2 + (picked["status"] == FALLBACK)
            distinct, inverse = np.unique(version, return_inverse=True)
            opened = [self.totals.row((self._version(code),)) for code in distinct.tolist()]
            losses.add_to(self.totals, np.array(opened, dtype=np.intp)[inverse], pick=standing)
            table, length_ms = self.cohorts.table, self._plan.settings.cohort_window_ms
            start = picked["time_ms"] // length_ms
            for names in (None, *self._segment_names(picked["segment"])):
                opened_rows = self._open(table, start, version, names, self._version, length_ms=length_ms)
                losses.add_to(table, opened_rows, pick=standing)

    def _version(self, doubled: int) -> str:
        """Return the name of a version code, its fallback answers apart."""
        name = self._tables.versions[doubled >> 1][1]
        return name + FALLBACK_SUFFIX if doubled & 1 else name

    def _rows(
        self,
        table: SummaryTable[WindowKey, PredictionLayout],
        start: Integers,
        version: Integers,
        names: tuple[Integers, list[str]] | None,
    ) -> Rows:
        return self._open(table, start, version, names, lambda code: self._tables.versions[code][1])

    def _error_rows(
        self, start: Integers, version: Integers, names: tuple[Integers, list[str]] | None
    ) -> Rows:
        return self._open(self.errors, start, version, names, self._version)

    def _open(  # noqa: PLR0913 - a row has so many names
        self,
        table: SummaryTable[WindowKey, LayoutT],
        start: Integers,
        version: Integers,
        names: tuple[Integers, list[str]] | None,
        name_of: Callable[[int], str],
        *,
        length_ms: int | None = None,
    ) -> Rows:
        """Return the table row of every event, opening the rows that are not there yet."""
        codes, labels = names if names is not None else (np.zeros_like(version), [""])
        first = int(start.min())
        key = ((start - first) * _CODES + version) * _CODES + codes
        distinct, inverse = np.unique(key, return_inverse=True)
        opened = np.empty(len(distinct), dtype=np.intp)
        window_ms = self._plan.window_ms if length_ms is None else length_ms
        for place, code in enumerate(distinct.tolist()):
            rest, segment = divmod(code, _CODES)
            window, version_code = divmod(rest, _CODES)
            window_key = (str((first + window) * window_ms), name_of(version_code), labels[segment])
            opened[place] = table.row(window_key)
        return opened[inverse]

    def _segment_names(self, segment: Integers) -> Iterator[tuple[Integers, list[str]]]:
        """Yield, per declared dimension, each event's place in a list of segment names."""
        rows = self._tables.segments.get(self._plan.name, [])
        for dimension in range(len(self._plan.settings.segments)):
            labels = sorted({row[dimension] for row in rows})
            place = {label: i for i, label in enumerate(labels)}
            codes = np.array([place[row[dimension]] for row in rows], dtype=np.int64)
            yield codes[segment], labels

    def take_changed(self) -> list[WindowBlob]:
        """Return the bytes of every window changed since the last call."""
        blobs: list[WindowBlob] = []
        for stream, encoded in (
            (Stream.PREDICTIONS, take_encoded(self.predictions)),
            (Stream.PREDICTIONS, take_encoded(self.segments)),
            (Stream.ERRORS, take_encoded(self.errors)),
        ):
            for (start, version, segment), data in encoded:
                blobs.append(WindowBlob(self._plan.name, stream, int(start), version, segment, data))
        return blobs

    def take_changed_totals(self) -> list[tuple[str, bytes]]:
        """Return (version, bytes) of every total changed since the last call."""
        return [(key[0], data) for key, data in take_encoded(self.totals)]

    def adopt(self, plan: ModelPlan) -> None:
        """Count on the cells of another reference from now on; open windows keep their service figures."""
        old, self._plan = self._plan, plan
        if plan.predictions.hash == old.predictions.hash:
            return
        self._outputs = _outputs_of(plan)
        counted, self.predictions = self.predictions, SummaryTable(plan.predictions)
        for key in counted.keys():  # noqa: SIM118 - not a mapping
            row = self.predictions.row(key)
            service = counted.get(key).vector[: PredictionLayout.COLUMNS]
            self.predictions.matrix[row, : PredictionLayout.COLUMNS] = service

    def load(self, blobs: Sequence[WindowBlob]) -> None:
        """Take up windows that an earlier owner of the partition had open."""
        for blob in blobs:
            key = (str(blob.start_ms), blob.version, blob.segment)
            summary: Summary[Any] = self._plan.window(blob.stream, blob.segment, blob.data)
            if blob.stream is Stream.ERRORS:
                self.errors.put(key, summary)
            elif blob.segment:
                self.segments.put(key, summary)
            else:
                self.predictions.put(key, summary)

    def forget(self, *, predictions_ms: int, errors_ms: int) -> None:
        """Let windows go that ended at or before these times; they are in the store."""
        tables: list[tuple[SummaryTable[WindowKey, Any], int]] = [
            (self.predictions, predictions_ms),
            (self.segments, predictions_ms),
            (self.errors, errors_ms),
        ]
        for table, until in tables:
            for key in table.keys():  # noqa: SIM118 - not a mapping
                if int(key[0]) + self._plan.window_ms <= until:
                    table.drop(key)


def _outputs_of(plan: ModelPlan) -> int:
    return sum(c.column.name.startswith(OUTPUT_PREFIX) for c in plan.predictions.columns)


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
