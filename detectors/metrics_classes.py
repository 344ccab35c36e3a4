"""Metrics of the confusion counts: exact, whatever the number of events."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.summary import Pairs

Counts = npt.NDArray[np.int64]

_AVERAGED: Final = ("precision", "recall", "f1")


def binary_confusion(pairs: Pairs, *, positive: str) -> dict[str, float | None]:
    """Return the metrics of the positive class against all others; None where a metric is undefined.

    Examples
    --------
    >>> pairs = {("fraud", "fraud"): 3, ("fraud", "ok"): 1, ("ok", "ok"): 5, ("ok", "fraud"): 1}
    >>> binary_confusion(pairs, positive="fraud")["precision"]
    0.75
    """
    both, false_alarm, missed, neither = _quarters(pairs, positive)
    recall = _ratio(both, both + missed)
    specificity = _ratio(neither, neither + false_alarm)
    table = np.array([[neither, false_alarm], [missed, both]], dtype=np.int64)
    return {
        "balanced_accuracy": None if recall is None or specificity is None else (recall + specificity) / 2,
        "precision": _ratio(both, both + false_alarm),
        "recall": recall,
        "f1": _ratio(2 * both, 2 * both + false_alarm + missed),
        "mcc": _correlation(table),
    }


def _quarters(pairs: Pairs, positive: str) -> tuple[int, int, int, int]:
    """Return true positives, false positives, false negatives, true negatives."""
    counts = {(said, true): 0 for said in (True, False) for true in (True, False)}
    for (predicted, truth), count in pairs.items():
        counts[predicted == positive, truth == positive] += count
    return counts[True, True], counts[True, False], counts[False, True], counts[False, False]


def multiclass_confusion(pairs: Pairs) -> dict[str, float | None]:
    """Return the metrics of more than two classes; None where a metric is undefined."""
    classes = sorted({name for pair in pairs for name in pair})
    table = _table(pairs, classes)
    right, predicted, true = np.diagonal(table), table.sum(axis=0), table.sum(axis=1)
    total = int(table.sum())
    if total <= 0:
        return {}
    seen = true > 0
    scores = (_shares(right, predicted), _shares(right, true), _shares(2 * right, predicted + true))
    found: dict[str, float | None] = {
        "balanced_accuracy": float(scores[1][seen].mean()) if seen.any() else None,
        "mcc": _correlation(table),
    }
    for name, values in zip(_AVERAGED, scores, strict=True):
        found[f"macro_{name}"] = float(values.mean())
        found[f"weighted_{name}"] = float(values @ true / total)
    return found


def _table(pairs: Pairs, classes: Sequence[str]) -> Counts:
    """Return counts, shape (true, predicted)."""
    place = {name: i for i, name in enumerate(classes)}
    table = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for (predicted, truth), count in pairs.items():
        table[place[truth], place[predicted]] += count
    return table


def _correlation(table: Counts) -> float | None:
    """Return Matthews' coefficient of a table of counts (Gorodkin 2004 for more than two classes)."""
    predicted: list[int] = table.sum(axis=0).tolist()
    true: list[int] = table.sum(axis=1).tolist()
    total = sum(true)
    # Products of counts in Python integers: they leave 64 bits for busy models.
    covariance = int(np.trace(table)) * total - sum(p * t for p, t in zip(predicted, true, strict=True))
    spread_predicted = total * total - sum(p * p for p in predicted)
    spread_true = total * total - sum(t * t for t in true)
    if spread_predicted <= 0 or spread_true <= 0:
        return None
    return covariance / (math.sqrt(spread_predicted) * math.sqrt(spread_true))


def _shares(part: Counts, whole: Counts) -> npt.NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(whole), dtype=np.float64), where=whole > 0)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole > 0 else None
