"""What is remembered of an id: its predictions (one per version) and its labels, in a few dozen bytes.

Layout, little end first: a head of 3 bytes (low half of byte 0: number of predictions, high half: number
of labels; then the model's code), then the predictions, latest event time first, then the labels in the
order of their topic, then 8 bytes more for each prediction that weighs other than 1. Byte 3 to 8 are thus always
an event time, by which the store lets entries go. Two versions and one label fit the 64 bytes up to which Redis
keeps a small hash compact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from struct import Struct
from typing import Final

import numpy as np
import numpy.typing as npt

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
ASSUMED_FLAG: Final = 32
"""The prediction counts already as if silence had spoken, so its first label has something to take back."""

_HEAD: Final = Struct("<BH")
_PREDICTION: Final = Struct("<IHHHBHd")
_CLASS_LABEL: Final = Struct("<IHIBH")
_NUMBER_LABEL: Final = Struct("<IHIBd")
_WEIGHT: Final = Struct("<d")
"""The same layouts again, for one entry at a time."""

ONE_PREDICTION: Final = HEAD.itemsize + PREDICTION.itemsize
"""Length of the commonest entry: one prediction that waits for its label."""
ONE_WEIGHTED: Final = HEAD.itemsize + WEIGHTED.itemsize
"""Length of the same where the prediction has a weight; no other entry is as long."""


@dataclass(frozen=True, slots=True)
class PendingPrediction:
    """One version's prediction of an id; fields as in `consumers.columns.PredictionColumns`."""

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
    return b"".join(pieces)


def decode_entry(data: bytes, *, regression: bool) -> Entry:
    """Read an entry's bytes."""
    counts, model = _HEAD.unpack_from(data)
    middle = _HEAD.size + (counts & 15) * _PREDICTION.size
    label = _NUMBER_LABEL if regression else _CLASS_LABEL
    end = middle + (counts >> 4) * label.size
    weights = _WEIGHT.iter_unpack(data[end:])
    return Entry(
        model,
        tuple(
            PendingPrediction(
                low | high << 32,
                v,
                s,
                flags & 3,
                bool(flags & SHADOW_FLAG),
                c,
                x,
                bool(flags & UNOBSERVABLE_FLAG),
                next(weights)[0] if flags & WEIGHT_FLAG else 1.0,
                bool(flags & ASSUMED_FLAG),
            )
            for low, high, v, s, flags, c, x in _PREDICTION.iter_unpack(data[_HEAD.size : middle])
        ),
        tuple(
            PendingLabel(low | high << 32, revision, float(truth), repeats)
            for low, high, revision, repeats, truth in label.iter_unpack(data[middle:end])
        ),
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
        Records of type `PREDICTION` or `WEIGHTED`.
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
    found = _slices(_table(model, counts, _parts(plain, labels)))
    heavy = np.flatnonzero(plain["flags"] & WEIGHT_FLAG)
    parts = [*_parts(plain[heavy], None if labels is None else labels[heavy])]
    longer = _slices(_table(model, counts, [*parts, ("weight", predictions["weight"][heavy])]))
    for place, data in zip(heavy.tolist(), longer, strict=True):
        found[place] = data
    return found


def _parts(predictions: Records, labels: Records | None) -> Parts:
    return [("prediction", predictions), *([] if labels is None else [("label", labels)])]


def prediction_records(columns: PredictionColumns, rows: Rows) -> Records:
    """Return rows of a batch as records of type `PREDICTION`, or `WEIGHTED` where any of the batch has a weight."""
    out = np.zeros(len(rows), dtype=PREDICTION if columns.weight is None else WEIGHTED)
    set_times(out, columns.time_ms[rows])
    out["version"] = columns.version[rows]
    out["segment"] = columns.segment[rows]
    flags = columns.status[rows] | np.where(columns.shadow[rows], SHADOW_FLAG, 0)
    flags |= np.where(columns.assumed[rows], ASSUMED_FLAG, 0)
    out["flags"] = flags | np.where(columns.unobservable[rows], UNOBSERVABLE_FLAG, 0)
    out["predicted"] = columns.predicted[rows]
    out["value"] = columns.value[rows]
    if columns.weight is not None:
        out["weight"] = columns.weight[rows]
        out["flags"] |= np.where(out["weight"] != 1.0, WEIGHT_FLAG, 0).astype(np.uint8)
    return out


def records_of(predictions: Sequence[PendingPrediction]) -> Records:
    """Return predictions as records of type `WEIGHTED`."""
    return np.array([(*_fields_of(p), p.weight) for p in predictions], dtype=WEIGHTED)


def _fields_of(p: PendingPrediction) -> tuple[int | float, ...]:
    flags = p.status | SHADOW_FLAG * p.shadow | UNOBSERVABLE_FLAG * p.unobservable
    flags |= WEIGHT_FLAG * (p.weight != 1.0) | ASSUMED_FLAG * p.assumed
    return (p.time_ms & 0xFFFF_FFFF, p.time_ms >> 32, p.version, p.segment, flags, p.predicted, p.value)


def stored_records(entries: Sequence[bytes], kind: np.dtype[np.void]) -> Records:
    """Return the records of entries that hold just one record, of that type."""
    return np.frombuffer(b"".join(entries), dtype=[("head", HEAD), ("record", kind)])["record"]


def labelled_records(
    entries: Sequence[bytes], labels: int, *, weighted: bool, regression: bool
) -> tuple[Records, Records]:
    """Return what entries of one prediction and so many labels hold.

    Parameters
    ----------
    weighted
        Whether the predictions have a weight.

    Returns
    -------
    tuple of Records
        Predictions of shape (n,), of type `PREDICTION` or `WEIGHTED`, and labels of shape (n, labels).
    """
    weight = [("weight", "<f8")] if weighted else []
    kind = [
        ("head", HEAD),
        ("one", PREDICTION),
        ("labels", label_type(regression=regression), (labels,)),
        *weight,
    ]
    table = np.frombuffer(b"".join(entries), dtype=kind)
    if not weighted:
        return table["one"], table["labels"]
    predictions = np.empty(len(table), dtype=WEIGHTED)
    predictions[list(PREDICTION.names or ())] = table["one"]
    predictions["weight"] = table["weight"]
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
