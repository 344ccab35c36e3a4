"""What a join comes to: rows that add pairs of a prediction and a label to figures, or take them back, and changes of counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from consumers.class_probabilities import CLASSES_MAX
from consumers.columns import Floats
from consumers.label_events import LabelEvents
from consumers.pending import (
    ASSUMED_FLAG,
    FULL,
    PREDICTION,
    SHADOW_FLAG,
    UNOBSERVABLE_FLAG,
    Integers,
    Records,
    times_of,
)
from consumers.rejects import Rejected

JOINED: Final = np.dtype(
    [
        ("sign", "<i8"),
        ("version", "<i8"),
        ("segment", "<i8"),
        ("status", "<i8"),
        ("shadow", "?"),
        ("unobservable", "?"),
        ("predicted", "<i8"),
        ("value", "<f8"),
        ("truth", "<f8"),
        ("time_ms", "<i8"),
        ("label_ms", "<i8"),
        ("first", "?"),
        ("standing", "?"),
        ("weight", "<f8"),
        ("assumed", "?"),
    ]
)
"""One contribution of a (prediction, label) pair: `sign` adds it or takes it back. `first` rows feed the
error windows (the first accepted label only), `standing` rows the figures of the version's life."""

JOINED_CLASSES: Final = np.dtype([*JOINED.descr, ("listed", "u1"), ("levels", "<u2", (CLASSES_MAX,))])
"""The same with the prediction's `consumers.class_probabilities`, of a model that keeps them."""


@dataclass(slots=True)
class JoinResult:
    """What a batch changed.

    Parameters
    ----------
    accepted
        Shape (predictions of the batch,): false for duplicates and rejected rows.
    joined
        Rows of type `JOINED` or `JOINED_CLASSES`.
    pairs
        Rows of type `consumers.pair_events.PAIRED`.
    counters
        Shape (versions, len(COUNTERS)): changes by version code.
    orphans
        Change of the number of ids whose labels have no prediction.
    entries
        New bytes of each changed id.
    events
        How labels came.
    """

    accepted: npt.NDArray[np.bool_]
    joined: npt.NDArray[np.void]
    pairs: npt.NDArray[np.void]
    counters: npt.NDArray[np.int64]
    orphans: int = 0
    entries: dict[bytes, bytes] = field(default_factory=dict)
    events: LabelEvents = field(default_factory=LabelEvents)
    prediction_rejects: list[Rejected] = field(default_factory=list)
    label_rejects: list[Rejected] = field(default_factory=list)


def joined_type(*, probabilities: bool) -> np.dtype[np.void]:
    """Return the type of joined rows of a model that keeps the probabilities of all classes, or does not."""
    return JOINED_CLASSES if probabilities else JOINED


def labelled_rows(
    predictions: Records, truth: Floats | int, label_ms: Integers, *, kind: np.dtype[np.void]
) -> npt.NDArray[np.void]:
    """Return records of predictions with their first labels, as rows of type `kind`."""
    joined = np.zeros(len(predictions), dtype=kind)
    joined["sign"] = 1
    for name in ("version", "segment", "predicted", "value"):
        joined[name] = predictions[name]
    joined["status"] = predictions["flags"] & 3
    joined["shadow"] = predictions["flags"] & SHADOW_FLAG != 0
    joined["unobservable"] = predictions["flags"] & UNOBSERVABLE_FLAG != 0
    joined["assumed"] = predictions["flags"] & ASSUMED_FLAG != 0
    joined["truth"] = truth
    joined["time_ms"] = times_of(predictions)
    joined["label_ms"] = label_ms
    joined["first"] = joined["standing"] = True
    joined["weight"] = 1.0 if predictions.dtype == PREDICTION else predictions["weight"]
    if predictions.dtype == FULL and kind == JOINED_CLASSES:
        joined["listed"], joined["levels"] = predictions["listed"], predictions["levels"]
    return joined
