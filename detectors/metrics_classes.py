"""Metrics of the confusion counts: exact, whatever the number of events."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Pairs = Mapping[tuple[str, str], float]
"""Counts by (predicted, true); of weights they are in multiples of any one unit."""

Costs = Mapping[str, Mapping[str, float]]
"""True class to predicted class to what one such answer costs; what is not listed costs nothing."""

_AVERAGED: Final = ("precision", "recall", "f1")


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """One class of a confusion table: answers that are right, that name it, and that should have."""

    right: float
    predicted: float
    true: float

    @property
    def precision(self) -> float | None:
        """Share of the answers that name the class which are right."""
        return _ratio(self.right, self.predicted)

    @property
    def recall(self) -> float | None:
        """Share of the class that is named."""
        return _ratio(self.right, self.true)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of the two."""
        return _ratio(2 * self.right, self.predicted + self.true)


def by_class(pairs: Pairs) -> dict[str, ClassCounts]:
    """Return the counts of every class that was predicted or true, in order of the names.

    Examples
    --------
    >>> by_class({("a", "a"): 3, ("a", "b"): 1})["b"]
    ClassCounts(right=0, predicted=0, true=1)
    """
    right: dict[str, float] = {}
    predicted: dict[str, float] = {}
    true: dict[str, float] = {}
    for (said, truth), count in pairs.items():
        predicted[said] = predicted.get(said, 0) + count
        true[truth] = true.get(truth, 0) + count
        if said == truth:
            right[said] = right.get(said, 0) + count
    names = sorted({*predicted, *true})
    return {
        name: ClassCounts(right.get(name, 0), predicted.get(name, 0), true.get(name, 0)) for name in names
    }


def binary_pairs(pairs: Pairs, *, positive: str) -> Pairs:
    """Return counts of the positive class ("1") against all others ("0")."""
    found: dict[tuple[str, str], float] = {}
    for (predicted, truth), count in pairs.items():
        key = (str(int(predicted == positive)), str(int(truth == positive)))
        found[key] = found.get(key, 0) + count
    return found


def binary_confusion(pairs: Pairs, *, positive: str) -> dict[str, float | None]:
    """Return the metrics of the positive class against all others; None where a metric is undefined.

    Examples
    --------
    >>> pairs = {("fraud", "fraud"): 3, ("fraud", "ok"): 1, ("ok", "ok"): 5, ("ok", "fraud"): 1}
    >>> binary_confusion(pairs, positive="fraud")["precision"]
    0.75
    """
    classes = by_class(binary_pairs(pairs, positive=positive))
    nothing = ClassCounts(0, 0, 0)
    own, others = classes.get("1", nothing), classes.get("0", nothing)
    balanced = None
    if own.recall is not None and others.recall is not None:
        balanced = (own.recall + others.recall) / 2
    return {
        "balanced_accuracy": balanced,
        "precision": own.precision,
        "recall": own.recall,
        "f1": own.f1,
        "mcc": _correlation((own, others)),
    }


def multiclass_confusion(pairs: Pairs) -> dict[str, float | None]:
    """Return the metrics of more than two classes; None where a metric is undefined."""
    classes = by_class({pair: count for pair, count in pairs.items() if count})
    true = np.array([c.true for c in classes.values()], dtype=np.float64)
    total = true.sum()
    if not total > 0:
        return {}
    scores = {
        name: np.array([getattr(c, name) or 0.0 for c in classes.values()], dtype=np.float64)
        for name in _AVERAGED
    }
    seen = true > 0
    found: dict[str, float | None] = {
        "balanced_accuracy": float(scores["recall"][seen].mean()),
        "mcc": _correlation(classes.values()),
    }
    for name, values in scores.items():
        found[f"macro_{name}"] = float(values.mean())
        found[f"weighted_{name}"] = float(values @ true / total)
    return found


def mean_cost(pairs: Pairs, costs: Costs) -> float | None:
    """Return what an answer costs on average, None without any.

    Examples
    --------
    >>> mean_cost({("ok", "fraud"): 1, ("ok", "ok"): 3}, {"fraud": {"ok": 100.0}})
    25.0
    """
    total = sum(pairs.values())
    spent = math.fsum(costs.get(true, {}).get(said, 0.0) * n for (said, true), n in pairs.items())
    return spent / total if total > 0 else None


def _correlation(classes: Iterable[ClassCounts]) -> float | None:
    """Return Matthews' coefficient (Gorodkin 2004 for more than two classes)."""
    # Products of counts in Python integers: they leave 64 bits for busy models.
    known = list(classes)
    total, right = sum(c.true for c in known), sum(c.right for c in known)
    covariance = right * total - sum(c.predicted * c.true for c in known)
    spread_predicted = total * total - sum(c.predicted * c.predicted for c in known)
    spread_true = total * total - sum(c.true * c.true for c in known)
    if spread_predicted <= 0 or spread_true <= 0:
        return None
    return covariance / (math.sqrt(spread_predicted) * math.sqrt(spread_true))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
