"""What is remembered of an id: its predictions (one per version) and its labels, in a few dozen bytes.

Layout, little end first: a head of 3 bytes (low half of byte 0: number of predictions, high half: number
of labels; then the model's code), then the predictions, latest event time first, then the labels in the
order of their topic. Byte 3 to 8 are thus always an event time, by which the store lets entries go. Two
versions and one label fit the 64 bytes up to which Redis keeps a small hash compact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from consumers.columns import LabelColumns, PredictionColumns
from schemas.errors import Reject

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
CLASS_LABEL: Final = np.dtype(
    [("time_low", "<u4"), ("time_high", "<u2"), ("revision", "<u4"), ("repeats", "u1"), ("truth", "<u2")]
)
NUMBER_LABEL: Final = np.dtype(
    [("time_low", "<u4"), ("time_high", "<u2"), ("revision", "<u4"), ("repeats", "u1"), ("truth", "<f8")]
)
SHADOW_FLAG: Final = 4

ONE_PREDICTION: Final = HEAD.itemsize + PREDICTION.itemsize
"""Length of the commonest entry: one prediction that waits for its label."""


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
    head = np.array([(len(entry.predictions) | len(entry.labels) << 4, entry.model)], dtype=HEAD)
    predictions = [
        (*_halves(p.time_ms), p.version, p.segment, p.status | p.shadow * SHADOW_FLAG, p.predicted, p.value)
        for p in entry.predictions
    ]
    labels = [(*_halves(x.time_ms), x.revision, x.repeats, x.truth) for x in entry.labels]
    kind = label_type(regression=regression)
    return b"".join(
        (head.tobytes(), np.array(predictions, PREDICTION).tobytes(), np.array(labels, kind).tobytes())
    )


def decode_entry(data: bytes, *, regression: bool) -> Entry:
    """Read an entry's bytes."""
    counts, model = np.frombuffer(data, HEAD, 1)[0].item()
    predicted, labelled = counts & 15, counts >> 4
    predictions = np.frombuffer(data, PREDICTION, predicted, HEAD.itemsize)
    offset = HEAD.itemsize + predictions.nbytes
    labels = np.frombuffer(data, label_type(regression=regression), labelled, offset)
    return Entry(
        model,
        tuple(
            PendingPrediction(low | high << 32, v, s, flags & 3, bool(flags & SHADOW_FLAG), c, x)
            for low, high, v, s, flags, c, x in predictions.tolist()
        ),
        tuple(
            PendingLabel(low | high << 32, revision, float(truth), repeats)
            for low, high, revision, repeats, truth in labels.tolist()
        ),
    )


def encode_predictions(model: int, columns: PredictionColumns, rows: Sequence[int]) -> list[bytes]:
    """Return the entries of new ids, one prediction each, by array arithmetic."""
    take = np.asarray(rows, dtype=np.intp)
    out = np.zeros(len(take), dtype=np.dtype([("head", HEAD), ("prediction", PREDICTION)]))
    out["head"]["counts"] = 1
    out["head"]["model"] = model
    body = out["prediction"]
    time_ms = columns.time_ms[take]
    body["time_low"] = time_ms & 0xFFFF_FFFF
    body["time_high"] = time_ms >> 32
    body["version"] = columns.version[take]
    body["segment"] = columns.segment[take]
    body["flags"] = columns.status[take] | np.where(columns.shadow[take], SHADOW_FLAG, 0)
    body["predicted"] = columns.predicted[take]
    body["value"] = columns.value[take]
    return _slices(out)


def append_labels(
    entries: Sequence[bytes], columns: LabelColumns, rows: Sequence[int], *, regression: bool
) -> list[bytes]:
    """Return entries of one prediction each with their first label appended, by array arithmetic."""
    take = np.asarray(rows, dtype=np.intp)
    kind = label_type(regression=regression)
    out = np.zeros(len(take), dtype=np.dtype([("entry", f"V{ONE_PREDICTION}"), ("label", kind)]))
    out["entry"] = np.frombuffer(b"".join(entries), dtype=f"V{ONE_PREDICTION}")
    time_ms = columns.time_ms[take]
    label = out["label"]
    label["time_low"] = time_ms & 0xFFFF_FFFF
    label["time_high"] = time_ms >> 32
    label["revision"] = columns.revision[take]
    label["truth"] = columns.truth[take]
    bytes_view = out.view(np.uint8).reshape(len(take), -1)
    bytes_view[:, 0] = 1 | 1 << 4
    return _slices(out)


def _halves(time_ms: int) -> tuple[int, int]:
    return time_ms & 0xFFFF_FFFF, time_ms >> 32


def _slices(table: np.ndarray[tuple[int], np.dtype[np.void]]) -> list[bytes]:
    data, size = table.tobytes(), table.dtype.itemsize
    return [data[i : i + size] for i in range(0, len(data), size)]
