"""What is remembered of an id: its predictions (one per version) and its labels, in a few dozen bytes.

Layout, little end first: a head of 3 bytes (low half of byte 0: number of predictions, high half: number
of labels; then the model's code), then the predictions, latest event time first, then the labels in the
order of their topic, then 8 bytes more for each prediction that weighs other than 1, then for each that has
probabilities of all classes their number, the code of their list, and 2 bytes each. Byte 3 to 8 are thus always
an event time, by which the store lets entries go. Two versions and one label fit the 64 bytes up to which Redis
keeps a small hash compact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from struct import Struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from consumers.class_probabilities import CLASSES_MAX, block_of
from consumers.columns import LabelColumns, PredictionColumns
from schemas.errors import Reject

Records = npt.NDArray[np.void]
Rows = npt.NDArray[np.intp]
Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Parts = Sequence[tuple[str, Records | Floats]]
"""What lies behind the head of entries, by name, in order."""

PER_ID_MAX: Final = 15
"""Versions, and differing labels, that are kept of one id."""

HEAD: Final = np.dtype([("counts", "u1"), ("model", "<u2")])
PREDICTION: Final = np.dtype(
    [
        ("time_low", "<u4"),
        ("time_high", "<u2"),
        ("version", "<u2"),
        ("segment", "<u2"),
        ("flags", "u1"),
        ("predicted", "<u2"),
        ("value", "<f8"),
    ]
)
WEIGHTED: Final = np.dtype([*PREDICTION.descr, ("weight", "<f8")])
"""The same with its weight, as it lies in an entry that has nothing else."""
FULL: Final = np.dtype([*WEIGHTED.descr, ("size", "u1"), ("listed", "u1"), ("levels", "<u2", (CLASSES_MAX,))])
"""The same with its `consumers.class_probabilities`."""
CLASS_LABEL: Final = np.dtype(
    [("time_low", "<u4"), ("time_high", "<u2"), ("revision", "<u4"), ("repeats", "u1"), ("truth", "<u2")]
)
NUMBER_LABEL: Final = np.dtype(
    [("time_low", "<u4"), ("time_high", "<u2"), ("revision", "<u4"), ("repeats", "u1"), ("truth", "<f8")]
)
SHADOW_FLAG: Final = 4
WEIGHT_FLAG: Final = 8
"""The prediction has a weight at the end of the entry."""
UNOBSERVABLE_FLAG: Final = 16
PROBABILITIES_FLAG: Final = 64
"""The prediction has probabilities at the end of the entry."""
ASSUMED_FLAG: Final = 32
"""The prediction counts already as if silence had spoken, so its first label has something to take back."""

_HEAD: Final = Struct("<BH")
_PREDICTION: Final = Struct("<IHHHBHd")
_CLASS_LABEL: Final = Struct("<IHIBH")
_NUMBER_LABEL: Final = Struct("<IHIBd")
_WEIGHT: Final = Struct("<d")
FLAGS_AT: Final = HEAD.itemsize + 10
"""Place of the latest prediction's flags in an entry that has one."""
ENDS: Final = WEIGHT_FLAG | PROBABILITIES_FLAG
"""Flags that say what lies at the end of an entry."""
"""The same layouts again, for one entry at a time."""


@dataclass(frozen=True, slots=True)
class PendingPrediction:
    """One version's prediction of an id; fields as in `consumers.columns.PredictionColumns`.

    `probabilities` is as it lies at the end of an entry; empty for none.
    """

    time_ms: int
    version: int
    segment: int
    status: int
    shadow: bool
    predicted: int
    value: float
    unobservable: bool = False
    weight: float = 1.0
    assumed: bool = False
    probabilities: bytes = b""


@dataclass(frozen=True, slots=True)
class PendingLabel:
    """One ground-truth event of an id; `repeats` more came right after it with the same content."""

    time_ms: int
    revision: int
    truth: float
    repeats: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """Everything remembered of an id."""

    model: int
    predictions: tuple[PendingPrediction, ...] = ()
    labels: tuple[PendingLabel, ...] = ()

    def with_prediction(self, prediction: PendingPrediction) -> Entry:
        """Return the entry with one more version's prediction, the latest first."""
        if len(self.predictions) >= PER_ID_MAX:
            raise Reject(
                "label_flood", f"one prediction_id has been predicted by {PER_ID_MAX} versions already"
            )
        ordered = sorted((*self.predictions, prediction), key=lambda p: -p.time_ms)
        return replace(self, predictions=tuple(ordered))

    def with_label(self, label: PendingLabel) -> Entry:
        """Return the entry with one more label; an exact repetition of the last one is only counted."""
        last = self.labels[-1] if self.labels else None
        if last is not None and replace(last, repeats=0) == label and last.repeats < 255:
            return replace(self, labels=(*self.labels[:-1], replace(last, repeats=last.repeats + 1)))
        if len(self.labels) >= PER_ID_MAX:
            raise Reject("label_flood", f"one prediction_id has had {PER_ID_MAX} differing labels already")
        return replace(self, labels=(*self.labels, label))


def label_type(*, regression: bool) -> np.dtype[np.void]:
    """Return the record type of a stored label."""
    return NUMBER_LABEL if regression else CLASS_LABEL


def encode_entry(entry: Entry, *, regression: bool) -> bytes:
    """Return an entry's bytes."""
    pieces = [_HEAD.pack(len(entry.predictions) | len(entry.labels) << 4, entry.model)]
    pieces += [_PREDICTION.pack(*_fields_of(p)) for p in entry.predictions]
    pack = _NUMBER_LABEL.pack if regression else _CLASS_LABEL.pack
    for x in entry.labels:
        truth = x.truth if regression else int(x.truth)
        pieces.append(pack(x.time_ms & 0xFFFF_FFFF, x.time_ms >> 32, x.revision, x.repeats, truth))
    pieces += [_WEIGHT.pack(p.weight) for p in entry.predictions if p.weight != 1.0]
    pieces += [p.probabilities for p in entry.predictions]
    return b"".join(pieces)


def decode_entry(data: bytes, *, regression: bool) -> Entry:
    """Read an entry's bytes."""
    counts, model = _HEAD.unpack_from(data)
    middle = _HEAD.size + (counts & 15) * _PREDICTION.size
    label = _NUMBER_LABEL if regression else _CLASS_LABEL
    end = middle + (counts >> 4) * label.size
    return Entry(
        model,
        _predictions_of(data, middle, end),
        tuple(
            PendingLabel(low | high << 32, revision, float(truth), repeats)
            for low, high, revision, repeats, truth in label.iter_unpack(data[middle:end])
        ),
    )


def _predictions_of(data: bytes, stop: int, end: int) -> tuple[PendingPrediction, ...]:
    """Return the predictions, which lie before `stop`, with what lies of them from `end` on."""
    rows = list(_PREDICTION.iter_unpack(data[_HEAD.size : stop]))
    weights = [1.0] * len(rows)
    probabilities = [b""] * len(rows)
    for place, row in enumerate(rows):
        if row[4] & WEIGHT_FLAG:
            [weights[place]] = _WEIGHT.unpack_from(data, end)
            end += _WEIGHT.size
    for place, row in enumerate(rows):
        if row[4] & PROBABILITIES_FLAG:
            size = 2 + 2 * data[end]
            probabilities[place] = data[end : end + size]
            end += size
    return tuple(
        PendingPrediction(
            low | high << 32,
            v,
            s,
            flags & 3,
            bool(flags & SHADOW_FLAG),
            c,
            x,
            bool(flags & UNOBSERVABLE_FLAG),
            weight,
            bool(flags & ASSUMED_FLAG),
            block,
        )
        for (low, high, v, s, flags, c, x), weight, block in zip(rows, weights, probabilities, strict=True)
    )


def model_of(data: bytes) -> int:
    """Return the model's code of an entry's bytes."""
    code: int = _HEAD.unpack_from(data)[1]
    return code


def one_label(*, regression: bool) -> int:
    """Return the length of an entry that holds one label and waits for its prediction."""
    return HEAD.itemsize + label_type(regression=regression).itemsize


def encode_predictions(model: int, columns: PredictionColumns, rows: Rows) -> list[bytes]:
    """Return the entries of new ids, one prediction each, by array arithmetic."""
    return _encode(model, 1, prediction_records(columns, rows), None)


def encode_labels(model: int, columns: LabelColumns, rows: Rows, *, regression: bool) -> list[bytes]:
    """Return the entries of ids whose label came first, one label each."""
    return _slices(_table(model, 1 << 4, [("label", label_records(columns, rows, regression=regression))]))


def encode_joined(
    model: int, predictions: Records, labels: Records | LabelColumns, rows: Rows, *, regression: bool
) -> list[bytes]:
    """Return the entries of ids with one prediction and one label.

    Parameters
    ----------
    predictions
        Records of type `PREDICTION`, `WEIGHTED` or `FULL`.
    labels
        Records of the label type, or columns of which `rows` are taken.
    """
    if isinstance(labels, LabelColumns):
        labels = label_records(labels, rows, regression=regression)
    return _encode(model, 1 | 1 << 4, predictions, labels)


def encode_labelled(model: int, predictions: Records, labels: Records) -> list[bytes]:
    """Return the entries of ids with one prediction and as many labels each as `labels`, shape (n, k), has columns."""
    return _encode(model, 1 | labels.shape[1] << 4, predictions, labels)


def _encode(model: int, counts: int, predictions: Records, labels: Records | None) -> list[bytes]:
    if predictions.dtype == PREDICTION:
        return _slices(_table(model, counts, _parts(predictions, labels)))
    plain = np.empty(len(predictions), dtype=PREDICTION)
    plain[:] = predictions[list(PREDICTION.names or ())]
    found = [b""] * len(plain)
    kind = (plain["flags"] & WEIGHT_FLAG).astype(np.int64)
    if predictions.dtype == FULL:
        kind |= predictions["size"].astype(np.int64) << 8
    for code in np.unique(kind).tolist():
        rows = np.flatnonzero(kind == code)
        parts = [*_parts(plain[rows], None if labels is None else labels[rows])]
        if code & WEIGHT_FLAG:
            parts.append(("weight", predictions["weight"][rows]))
        if code >> 8:
            parts += [(name, predictions[name][rows]) for name in ("size", "listed")]
            parts.append(("levels", predictions["levels"][rows, : code >> 8]))
        for place, data in zip(rows.tolist(), _slices(_table(model, counts, parts)), strict=True):
            found[place] = data
    return found


def _parts(predictions: Records, labels: Records | None) -> Parts:
    return [("prediction", predictions), *([] if labels is None else [("label", labels)])]


def prediction_records(columns: PredictionColumns, rows: Rows) -> Records:
    """Return rows of a batch as records, of the shortest type that holds what any of the batch has."""
    given, weight = columns.probabilities, columns.weight
    out = np.zeros(len(rows), dtype=FULL if given is not None else PREDICTION if weight is None else WEIGHTED)
    set_times(out, columns.time_ms[rows])
    out["version"] = columns.version[rows]
    out["segment"] = columns.segment[rows]
    flags = columns.status[rows] | np.where(columns.shadow[rows], SHADOW_FLAG, 0)
    flags |= np.where(columns.assumed[rows], ASSUMED_FLAG, 0)
    out["flags"] = flags | np.where(columns.unobservable[rows], UNOBSERVABLE_FLAG, 0)
    out["predicted"] = columns.predicted[rows]
    out["value"] = columns.value[rows]
    if out.dtype != PREDICTION:
        out["weight"] = 1.0 if weight is None else weight[rows]
        out["flags"] |= np.where(out["weight"] != 1.0, WEIGHT_FLAG, 0).astype(np.uint8)
    if given is not None:
        out["listed"], out["size"], out["levels"] = given.listed[rows], given.size[rows], given.levels[rows]
        out["flags"] |= np.where(out["size"] > 0, PROBABILITIES_FLAG, 0).astype(np.uint8)
    return out


def records_of(predictions: Sequence[PendingPrediction]) -> Records:
    """Return predictions as records of type `FULL`."""
    return np.array([(*_fields_of(p), p.weight, *block_of(p.probabilities)) for p in predictions], dtype=FULL)


def _fields_of(p: PendingPrediction) -> tuple[int | float, ...]:
    flags = p.status | SHADOW_FLAG * p.shadow | UNOBSERVABLE_FLAG * p.unobservable
    flags |= WEIGHT_FLAG * (p.weight != 1.0) | ASSUMED_FLAG * p.assumed
    flags |= PROBABILITIES_FLAG * bool(p.probabilities)
    return (p.time_ms & 0xFFFF_FFFF, p.time_ms >> 32, p.version, p.segment, flags, p.predicted, p.value)


def stored_records(entries: Sequence[bytes], kind: np.dtype[np.void]) -> Records:
    """Return the records of entries that hold just one record, of that type."""
    return np.frombuffer(b"".join(entries), dtype=[("head", HEAD), ("record", kind)])["record"]


def labelled_records(
    entries: Sequence[bytes], labels: int, *, kind: int, regression: bool
) -> tuple[Records, Records]:
    """Return what entries of one prediction and so many labels hold, all of one length.

    Parameters
    ----------
    kind
        The flags of `ENDS` that all of them have.

    Returns
    -------
    tuple of Records
        Predictions of shape (n,), of type `PREDICTION`, `WEIGHTED` or `FULL`, and labels of shape (n, labels).
    """
    label = label_type(regression=regression)
    fields: list[Any] = [("head", HEAD), ("one", PREDICTION), ("labels", label, (labels,))]
    further: list[Any] = [("weight", "<f8")] if kind & WEIGHT_FLAG else []
    if kind & PROBABILITIES_FLAG:
        size = entries[0][HEAD.itemsize + PREDICTION.itemsize + labels * label.itemsize + 8 * len(further)]
        further += [("size", "u1"), ("listed", "u1"), ("levels", "<u2", (size,))]
    table = np.frombuffer(b"".join(entries), dtype=[*fields, *further])
    if not kind:
        return table["one"], table["labels"]
    predictions = np.zeros(len(table), dtype=FULL if kind & PROBABILITIES_FLAG else WEIGHTED)
    predictions[list(PREDICTION.names or ())] = table["one"]
    predictions["weight"] = table["weight"] if kind & WEIGHT_FLAG else 1.0
    if kind & PROBABILITIES_FLAG:
        predictions["size"], predictions["listed"] = table["size"], table["listed"]
        predictions["levels"][:, :size] = table["levels"]
    return predictions, table["labels"]


def times_of(records: Records) -> Integers:
    """Return the event times of records, epoch milliseconds."""
    time_ms: Integers = records["time_low"] | records["time_high"].astype(np.int64) << 32
    return time_ms


def set_times(records: Records, time_ms: Integers) -> None:
    """Set the event times of records."""
    records["time_low"] = time_ms & 0xFFFF_FFFF
    records["time_high"] = time_ms >> 32


def label_records(columns: LabelColumns, rows: Rows, *, regression: bool) -> Records:
    """Return rows of a batch as records of the label type."""
    out = np.zeros(len(rows), dtype=label_type(regression=regression))
    set_times(out, columns.time_ms[rows])
    out["revision"] = columns.revision[rows]
    out["truth"] = columns.truth[rows]
    return out


def _table(model: int, counts: int, parts: Parts) -> Records:
    out = np.zeros(
        len(parts[0][1]),
        dtype=[("head", HEAD), *((name, part.dtype, part.shape[1:]) for name, part in parts)],
    )
    out["head"]["counts"] = counts
    out["head"]["model"] = model
    for name, part in parts:
        out[name] = part
    return out


def _slices(table: Records) -> list[bytes]:
    data, size = table.tobytes(), table.dtype.itemsize
    return [data[i : i + size] for i in range(0, len(data), size)]
