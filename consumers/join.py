"""The join: a model's batch of predictions and labels against what is remembered of their ids.

Most predictions are new, and most labels are for ids with one prediction; those go through array arithmetic, corrections
and repetitions too (`consumers.further_labels`). Everything else (several versions of one id, repeated predictions, several
labels before the prediction) goes through `consumers.fold`, one id at a time. Both ways end in the same table of joined rows and counter changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from consumers.class_probabilities import block_of
from consumers.columns import Floats, LabelColumns, PredictionColumns
from consumers.fold import COLUMN, COUNTERS, Outcome, is_orphan, outcome
from consumers.further_labels import FurtherLabels, further_labels, is_repetition
from consumers.joined import JoinResult, joined_type, labelled_rows
from consumers.pair_events import PAIRED, new_pairs
from consumers.pending import (
    ENDS,
    FLAGS_AT,
    PER_ID_MAX,
    SHADOW_FLAG,
    Entry,
    Integers,
    PendingLabel,
    PendingPrediction,
    Records,
    Rows,
    decode_entry,
    encode_entry,
    encode_joined,
    encode_labelled,
    encode_labels,
    encode_predictions,
    label_records,
    label_type,
    labelled_records,
    one_label,
    prediction_records,
    stored_records,
    times_of,
)
from consumers.plan import ModelPlan
from consumers.rejects import Reason, Rejected
from detectors.label_layout import LabelCell
from schemas.errors import Reject

ARRAY_MIN: Final = 4
"""Ids whose entries are alike, below which arithmetic one by one is quicker."""


def _turns(ids: Sequence[bytes]) -> list[list[int]]:
    """Return the places of ids, so that each id comes once in a turn and its places are in order."""
    turns: list[list[int]] = []
    times: dict[bytes, int] = {}
    for place, key in enumerate(ids):
        turn = times.get(key, 0)
        times[key] = turn + 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(place)
    return turns


class Join:
    """One model's join over one batch.

    Parameters
    ----------
    plan
        The model.
    model_code
        Its number in the stored entries.
    found
        Stored entries of the batch's ids; ids that are not there are new.
    versions
        Number of version codes of the partition.
    """

    def __init__(self, plan: ModelPlan, model_code: int, found: Mapping[bytes, bytes], versions: int) -> None:
        self._plan = plan
        self._model = model_code
        self._found = found
        self._regression = plan.is_regression
        self._slow: list[tuple[object, ...]] = []
        self._fast: list[npt.NDArray[np.void]] = []
        self._pairs: list[tuple[object, ...]] = []
        self._kind = joined_type(probabilities=plan.keeps_probabilities)
        self._result = JoinResult(
            accepted=np.zeros(0, dtype=np.bool_),
            joined=np.zeros(0, dtype=self._kind),
            pairs=np.zeros(0, dtype=PAIRED),
            counters=np.zeros((versions, len(COUNTERS)), dtype=np.int64),
        )

    def run(self, predictions: PredictionColumns | None, labels: LabelColumns | None) -> JoinResult:
        """Join a batch; either side may be None. All predictions are taken before all labels."""
        if predictions is not None:
            self._predictions(predictions)
        if labels is not None:
            self._labels(labels)
        slow = np.array(self._slow, dtype=self._kind)
        self._result.joined = np.concatenate([*self._fast, slow])
        if self._pairs:
            self._result.pairs = np.array(self._pairs, dtype=PAIRED)
        return self._result

    def _predictions(self, columns: PredictionColumns) -> None:
        result, found = self._result, self._found
        fresh: dict[bytes, int] = {}
        awaited: dict[bytes, int] = {}
        known: list[int] = []
        one_label_size = one_label(regression=self._regression)
        for row, key in enumerate(columns.ids):
            if key in fresh or key in awaited:
                known.append(row)
            elif (entry := found.get(key)) is None:
                fresh[key] = row
            elif len(entry) == one_label_size:
                awaited[key] = row
            else:
                known.append(row)
        rows = np.array(list(fresh.values()), dtype=np.intp)
        result.accepted = np.zeros(len(columns), dtype=np.bool_)
        result.accepted[rows] = True
        result.entries.update(zip(fresh, encode_predictions(self._model, columns, rows), strict=True))
        if awaited:
            self._awaited_predictions(columns, awaited)
        for row in known:
            self._known_prediction(columns, row)
        result.events.add_predictions(columns, result.accepted)
        version = columns.version[result.accepted]
        add_counts(result.counters, version, "predictions")
        np.add.at(result.counters, (version, COLUMN["ok"] + columns.status[result.accepted]), 1)
        add_counts(result.counters, columns.version[result.accepted & columns.unobservable], "unobservable")

    def _awaited_predictions(self, columns: PredictionColumns, awaited: Mapping[bytes, int]) -> None:
        """Join new predictions whose one label came first."""
        rows = np.array(list(awaited.values()), dtype=np.intp)
        kind = label_type(regression=self._regression)
        labels = stored_records([self._found[key] for key in awaited], kind)
        repeated = labels["repeats"] > 0
        for row in rows[repeated].tolist():
            self._known_prediction(columns, row)
        rows, labels = rows[~repeated], labels[~repeated]
        keys = [key for key, again in zip(awaited, repeated.tolist(), strict=True) if not again]
        self._result.accepted[rows] = True
        records = prediction_records(columns, rows)
        self._result.orphans -= len(rows)
        self._result.events.add(times_of(labels), columns.mark_ms[rows], LabelCell.ORPHANS, -1)
        self._book_first(records, labels["truth"].astype(np.float64), times_of(labels), columns.mark_ms[rows])
        values = encode_joined(self._model, records, labels, rows, regression=self._regression)
        self._result.entries.update(zip(keys, values, strict=True))

    def _known_prediction(self, columns: PredictionColumns, row: int) -> None:
        key = columns.ids[row]
        before = self._entry(key)
        prediction = PendingPrediction(
            int(columns.time_ms[row]),
            int(columns.version[row]),
            int(columns.segment[row]),
            int(columns.status[row]),
            bool(columns.shadow[row]),
            int(columns.predicted[row]),
            float(columns.value[row]),
            bool(columns.unobservable[row]),
            1.0 if columns.weight is None else float(columns.weight[row]),
            bool(columns.assumed[row]),
            b"" if columns.probabilities is None else columns.probabilities.stored(row),
        )
        if any(p.version == prediction.version for p in before.predictions):
            self._result.counters[prediction.version, COLUMN["duplicate_predictions"]] += 1
            return
        try:
            after = before.with_prediction(prediction)
        except Reject as error:
            rejected = Rejected(int(columns.index[row]), Reason(error.reason), str(error), self._plan.name)
            self._result.prediction_rejects.append(rejected)
            return
        self._result.accepted[row] = True
        label_ms = before.labels[0].time_ms if before.labels else prediction.time_ms
        self._change(key, before, after, label_ms, mark_ms=int(columns.mark_ms[row]))

    def _labels(self, columns: LabelColumns) -> None:
        for turn in _turns(columns.ids):
            self._labels_once(columns, turn)

    def _labels_once(self, columns: LabelColumns, turn: Sequence[int]) -> None:
        """Take labels of different ids."""
        entries, found = self._result.entries, self._found
        early: list[int] = []
        alike: dict[tuple[int, int, int], list[int]] = {}
        for row in turn:
            key = columns.ids[row]
            entry = entries.get(key) or found.get(key)
            if entry is None:
                early.append(row)
            else:
                alike.setdefault((entry[0], len(entry), entry[FLAGS_AT] & ENDS), []).append(row)
        if early:
            self._early_labels(columns, np.array(early, dtype=np.intp))
        for (counts, _, kind), some in alike.items():
            labels, rows = counts >> 4, np.array(some, dtype=np.intp)
            if counts & 15 != 1 or labels == PER_ID_MAX or len(some) < ARRAY_MIN:
                for row in some:
                    self._other_label(columns, row)
            elif labels:
                self._further_labels(columns, rows, self._read(columns, some, labels, kind))
            else:
                self._first_labels(columns, rows, self._read(columns, some, labels, kind)[0])

    def _read(
        self, columns: LabelColumns, rows: Sequence[int], labels: int, kind: int
    ) -> tuple[Records, Records]:
        """Return the prediction and the labels of entries of one prediction, all of one length."""
        entries, found = self._result.entries, self._found
        data = [entries.get(key) or found[key] for key in (columns.ids[row] for row in rows)]
        return labelled_records(data, labels, kind=kind, regression=self._regression)

    def _early_labels(self, columns: LabelColumns, rows: Rows) -> None:
        """Keep labels whose prediction has not come yet."""
        values = encode_labels(self._model, columns, rows, regression=self._regression)
        self._result.entries.update(zip([columns.ids[row] for row in rows], values, strict=True))
        self._result.orphans += len(rows)
        self._result.events.add(columns.time_ms[rows], columns.mark_ms[rows], LabelCell.ORPHANS)

    def _first_labels(self, columns: LabelColumns, rows: Rows, records: Records) -> None:
        """Join labels whose id has one prediction and no label yet."""
        self._book_first(records, columns.truth[rows], columns.time_ms[rows], columns.mark_ms[rows])
        values = encode_joined(self._model, records, columns, rows, regression=self._regression)
        self._result.entries.update(zip([columns.ids[row] for row in rows], values, strict=True))

    def _book_first(self, predictions: Records, truth: Floats, label_ms: Integers, mark_ms: Integers) -> None:
        """Book pairs of one prediction and its first label."""
        plan, counters = self._plan, self._result.counters
        joined = labelled_rows(predictions, truth, label_ms, kind=self._kind)
        age = label_ms - joined["time_ms"]
        late = age > plan.horizon_ms
        forgotten = age > plan.horizon_ms + plan.memory_ms
        version = joined["version"]
        add_counts(counters, version[~forgotten], "labels")
        add_counts(counters, version[late & ~forgotten], "late")
        add_counts(counters, version[~late], "joined")
        add_counts(counters, version[~late & joined["unobservable"]], "unobservable", -1)
        self._result.orphans += int(forgotten.sum())
        self._result.events.add_first(joined, mark_ms, late=late, forgotten=forgotten)
        self._fast.append(joined[~late])

    def _further_labels(self, columns: LabelColumns, rows: Rows, known: tuple[Records, Records]) -> None:
        """Take one more label of ids with one prediction and labels."""
        predictions, stored = known
        plan, new = self._plan, label_records(columns, rows, regression=self._regression)
        further = further_labels(
            times_of(predictions), stored, new, horizon_ms=plan.horizon_ms, memory_ms=plan.memory_ms
        )
        self._book_further(predictions, new, columns.mark_ms[rows], further)
        again = is_repetition(stored[:, -1], new)
        counted = stored.copy()
        counted["repeats"][again, -1] += 1
        longer = np.concatenate([stored, new[:, None]], axis=1)
        for which, labels in ((again, counted), (~again, longer)):
            keys = [columns.ids[row] for row in rows[which].tolist()]
            values = encode_labelled(self._model, predictions[which], labels[which])
            self._result.entries.update(zip(keys, values, strict=True))

    def _book_further(
        self, predictions: Records, new: Records, mark_ms: Integers, further: FurtherLabels
    ) -> None:
        """Book what further labels change."""
        counters, events = self._result.counters, self._result.events
        made_ms, label_ms = times_of(predictions), times_of(new)
        arrival_ms = np.maximum(made_ms, label_ms)
        version = predictions["version"].astype(np.int64)
        own = predictions["flags"] & SHADOW_FLAG == 0
        kept, first = ~further.forgotten, further.first
        add_counts(counters, version[kept & ~first], "labels")
        for name, cell, which in (
            ("corrections", LabelCell.CORRECTIONS, further.corrects),
            ("duplicate_labels", LabelCell.DUPLICATES, further.repeats),
            ("conflicts", LabelCell.CONFLICTS, further.contradicts),
            ("late", LabelCell.LATE, further.late & kept),
        ):
            add_counts(counters, version[which], name)
            events.add(arrival_ms[which & own], mark_ms[which & own], cell)
        self._result.orphans += int(further.orphaned.sum())
        events.add(label_ms[further.orphaned], mark_ms[further.orphaned], LabelCell.ORPHANS)
        truth = new["truth"].astype(np.float64)
        if first.any():
            self._book_first(predictions[first], truth[first], label_ms[first], mark_ms[first])
        which = further.corrects
        standing = further.standing[which]
        back = labelled_rows(predictions[which], standing["truth"], times_of(standing), kind=self._kind)
        instead = labelled_rows(predictions[which], truth[which], label_ms[which], kind=self._kind)
        back["sign"] = -1
        back["first"] = instead["first"] = False
        self._fast += [back, instead]

    def _other_label(self, columns: LabelColumns, row: int) -> None:
        key = columns.ids[row]
        before = self._entry(key)
        label = PendingLabel(int(columns.time_ms[row]), int(columns.revision[row]), float(columns.truth[row]))
        try:
            after = before.with_label(label)
        except Reject as error:
            rejected = Rejected(int(columns.index[row]), Reason(error.reason), str(error), self._plan.name)
            self._result.label_rejects.append(rejected)
            return
        self._change(key, before, after, label.time_ms, mark_ms=int(columns.mark_ms[row]))

    def _entry(self, key: bytes) -> Entry:
        data = self._result.entries.get(key) or self._found.get(key)
        return Entry(self._model) if data is None else decode_entry(data, regression=self._regression)

    def _change(self, key: bytes, before: Entry, after: Entry, label_ms: int, *, mark_ms: int) -> None:
        """Book the difference between what an id came to before and what it comes to now.

        Parameters
        ----------
        label_ms
            Time of the label that makes it.
        mark_ms
            Watermark before the event that makes it.
        """
        limits = {"horizon_ms": self._plan.horizon_ms, "memory_ms": self._plan.memory_ms}
        events = self._result.events
        old = {p.version: outcome(p, before.labels, **limits) for p in before.predictions}
        outcomes = {p.version: outcome(p, after.labels, **limits) for p in after.predictions}
        if len(outcomes) > 1 and self._plan.compares:
            self._pairs += new_pairs(self._plan, after, outcomes, old)
        for prediction in after.predictions:
            new, was = outcomes[prediction.version], old.get(prediction.version) or Outcome()
            self._book(prediction, was, new)
            if not prediction.shadow:
                events.add_change(prediction.time_ms, label_ms, was, new, mark_ms=mark_ms)
        orphans = is_orphan(after, **limits) - is_orphan(before, **limits)
        events.add_orphans(label_ms, orphans, mark_ms=mark_ms)
        self._result.orphans += orphans
        self._result.entries[key] = encode_entry(after, regression=self._regression)

    def _book(self, prediction: PendingPrediction, old: Outcome, new: Outcome) -> None:
        row = self._result.counters[prediction.version]
        row[COLUMN["labels"]] += new.labels - old.labels
        row[COLUMN["duplicate_labels"]] += new.duplicates - old.duplicates
        row[COLUMN["corrections"]] += new.corrections - old.corrections
        row[COLUMN["conflicts"]] += new.conflicts - old.conflicts
        row[COLUMN["late"]] += new.late - old.late
        joined = (new.standing is not None) - (old.standing is not None)
        row[COLUMN["joined"]] += joined
        row[COLUMN["unobservable"]] -= joined * prediction.unobservable
        if new.first is not None and old.first is None:
            self._contribute(1, prediction, new.first, first=True, standing=False)
        if _content(new.standing) != _content(old.standing):
            if old.standing is not None:
                self._contribute(-1, prediction, old.standing, first=False, standing=True)
            if new.standing is not None:
                self._contribute(1, prediction, new.standing, first=False, standing=True)

    def _contribute(
        self, sign: int, p: PendingPrediction, label: PendingLabel, *, first: bool, standing: bool
    ) -> None:
        own = block_of(p.probabilities)[1:] if self._plan.keeps_probabilities else ()
        self._slow.append(
            (sign, p.version, p.segment, p.status, p.shadow, p.unobservable, p.predicted, p.value,
             label.truth, p.time_ms, label.time_ms, first, standing, p.weight, p.assumed, *own)
        )  # fmt: skip


def _content(label: PendingLabel | None) -> tuple[int, float, int] | None:
    """Return what a row is made of, so that taking it back takes back the same."""
    return None if label is None else (label.revision, label.truth, label.time_ms)


def add_counts(
    counters: npt.NDArray[np.int64], versions: npt.NDArray[np.int64], name: str, one: int = 1
) -> None:
    """Count one for each of these version codes under a counter's name."""
    np.add.at(counters[:, COLUMN[name]], versions, one)
