"""What an id's predictions and labels come to: the definition of every count, in one place.

The outcome of an id is a function of its entry alone, so it does not matter in which order the two
topics were read; what a batch changes is the outcome after it minus the outcome before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from consumers.pending import Entry, PendingLabel, PendingPrediction

COUNTERS: Final = (
    "predictions",
    "labels",
    "joined",
    "duplicate_predictions",
    "duplicate_labels",
    "corrections",
    "conflicts",
    "late",
    "ok",
    "fallback",
    "error",
    "late_events",
    "unobservable",
)
"""Counters per model and version, in the order of their columns; new ones come last, for what is stored."""

COLUMN: Final = {name: place for place, name in enumerate(COUNTERS)}


@dataclass(slots=True)
class Outcome:
    """What the labels of an id mean for one version's prediction.

    Parameters
    ----------
    standing
        The label that counts now, or None.
    first
        The label that was accepted first; corrections do not change it.
    forgotten
        Labels so late that they count as orphans.
    """

    labels: int = 0
    duplicates: int = 0
    corrections: int = 0
    conflicts: int = 0
    late: int = 0
    forgotten: int = 0
    standing: PendingLabel | None = None
    first: PendingLabel | None = None


def outcome(
    prediction: PendingPrediction, labels: tuple[PendingLabel, ...], *, horizon_ms: int, memory_ms: int
) -> Outcome:
    """Fold the labels of an id, in the order of their topic, onto one prediction.

    Parameters
    ----------
    horizon_ms
        A label whose time is more than this after the prediction's is late: counted, not joined.
    memory_ms
        One later still by more than this is an orphan.
    """
    result = Outcome()
    for label in labels:
        age_ms = label.time_ms - prediction.time_ms
        times = label.repeats + 1
        if age_ms > horizon_ms + memory_ms:
            result.forgotten += times
            continue
        result.labels += times
        if age_ms > horizon_ms:
            result.late += times
        elif result.standing is None:
            result.standing = result.first = label
            result.duplicates += label.repeats
        else:
            _revise(result, result.standing, label)
    return result


def _revise(result: Outcome, standing: PendingLabel, label: PendingLabel) -> None:
    if label.revision > standing.revision:
        result.corrections += 1
        result.duplicates += label.repeats
        result.standing = label
    elif label.revision < standing.revision or label.truth == standing.truth:
        result.duplicates += label.repeats + 1
    else:
        result.conflicts += label.repeats + 1


def is_orphan(entry: Entry, *, horizon_ms: int, memory_ms: int) -> bool:
    """Return whether an id has a label that belongs to no prediction."""
    if not entry.labels:
        return False
    if not entry.predictions:
        return True
    # Entries keep the latest prediction first, and a label forgotten by that one is forgotten by all.
    latest = outcome(entry.predictions[0], entry.labels, horizon_ms=horizon_ms, memory_ms=memory_ms)
    return latest.forgotten > 0
