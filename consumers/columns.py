"""What a batch is once it is decoded: one set of columns per model and topic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Final

import numpy as np
import numpy.typing as npt

from consumers.class_probabilities import Probabilities
from consumers.rejects import Rejected

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NO_MARKS: Final = np.zeros(0, dtype=np.int64)
"""Before the clocks have seen a batch."""

OK, FALLBACK, ERROR = range(3)
"""Codes of the three statuses, in the order of `detectors.layout.STATUSES`."""


@dataclass(frozen=True, slots=True)
class Records:
    """Raw messages of one topic and partition, in log order.

    Parameters
    ----------
    values
        Message bytes; None for a tombstone.
    timestamps_ms
        Each record's own time, or None for files, which have none.
    """

    values: Sequence[bytes | None]
    timestamps_ms: Integers | None = None


@dataclass(slots=True)
class JointRows:
    """What windows keep of each prediction's features together, beside its cells and moments.

    Parameters
    ----------
    followed
        Shape (n, followed features + 1): see `detectors.joint_pairs`.
    distance
        Shape (n,): `joint.distance`, NaN for none.
    unfamiliar
        Shape (n,): where it lies above what all but 0.1 % of the reference have.
    names
        Digest to prediction id, of the unfamiliar ones.
    """

    followed: Floats
    distance: Floats
    unfamiliar: npt.NDArray[np.bool_]
    names: dict[bytes, str]

    def take(self, keep: npt.NDArray[np.bool_]) -> JointRows:
        """Return the rows where `keep` is true."""
        return JointRows(self.followed[keep], self.distance[keep], self.unfamiliar[keep], self.names)


@dataclass(slots=True)
class PredictionColumns:
    """Well-formed predictions of one model, in log order; every array has length n.

    Parameters
    ----------
    index
        Place of the message in its batch.
    ids
        12-byte digests of model and prediction id.
    time_ms, version, segment, status, shadow, unobservable, assumed, predicted, value, latency_ms
        `version`, `segment` and `predicted` are codes of the partition's tables (`NO_CLASS` for none);
        `value` is the score of the positive or of the predicted class, or the predicted number, NaN for
        none. `unobservable` ones never get a label, by the settings; those `assumed` count as if silence had spoken.
    cells, moments
        Shape (n, columns) and (n, 2 * numeric columns): see `consumers.cells`.
    joint
        None where the profile has nothing of the features together.
    weight
        None where every prediction weighs 1.
    probabilities
        None where no prediction has any of all classes, and for other tasks than multiclass.
    unlisted
        By feature name that the profile does not list: where it has a value, shape (n,).
    raw
        The messages themselves, where the model learns its reference from them.
    mark_ms
        Shape (n,): the topic's watermark before each, set when the partition's clocks have seen them.
    """

    index: Integers
    ids: list[bytes]
    time_ms: Integers
    version: Integers
    segment: Integers
    status: Integers
    shadow: npt.NDArray[np.bool_]
    unobservable: npt.NDArray[np.bool_]
    assumed: npt.NDArray[np.bool_]
    predicted: Integers
    value: Floats
    latency_ms: Floats
    cells: Integers
    moments: Integers
    joint: JointRows | None = None
    raw: list[bytes] | None = None
    weight: Floats | None = None
    probabilities: Probabilities | None = None
    unlisted: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    mark_ms: Integers = field(default_factory=lambda: NO_MARKS)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, keep: npt.NDArray[np.bool_]) -> PredictionColumns:
        """Return the rows where `keep` is true."""
        kept = keep.tolist()
        return PredictionColumns(
            self.index[keep],
            list(compress(self.ids, kept)),
            self.time_ms[keep],
            self.version[keep],
            self.segment[keep],
            self.status[keep],
            self.shadow[keep],
            self.unobservable[keep],
            self.assumed[keep],
            self.predicted[keep],
            self.value[keep],
            self.latency_ms[keep],
            self.cells[keep],
            self.moments[keep],
            None if self.joint is None else self.joint.take(keep),
            None if self.raw is None else list(compress(self.raw, kept)),
            None if self.weight is None else self.weight[keep],
            None if self.probabilities is None else self.probabilities.take(keep),
            {name: there[keep] for name, there in self.unlisted.items()},
            self.mark_ms[keep] if len(self.mark_ms) else NO_MARKS,
        )


@dataclass(slots=True)
class LabelColumns:
    """Well-formed ground truth of one model, in log order.

    Parameters
    ----------
    truth
        Class code, or the true number for a regression.
    mark_ms
        As of `PredictionColumns`.
    """

    index: Integers
    ids: list[bytes]
    time_ms: Integers
    revision: Integers
    truth: Floats
    mark_ms: Integers = field(default_factory=lambda: NO_MARKS)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(slots=True)
class DecodedBatch:
    """Both topics' messages of one partition, decoded.

    Parameters
    ----------
    prediction_rejects, label_rejects
        Inputs that could not be used, by place in their own topic's batch.
    """

    predictions: dict[str, PredictionColumns] = field(default_factory=dict)
    labels: dict[str, LabelColumns] = field(default_factory=dict)
    prediction_rejects: list[Rejected] = field(default_factory=list)
    label_rejects: list[Rejected] = field(default_factory=list)

    def ids(self) -> list[bytes]:
        """Return the distinct ids of the batch, in a fixed order."""
        seen: dict[bytes, None] = {}
        for predictions in self.predictions.values():
            seen.update(dict.fromkeys(predictions.ids))
        for labels in self.labels.values():
            seen.update(dict.fromkeys(labels.ids))
        return list(seen)
