"""How sure metrics of the confusion counts are, by the delta method.

A metric of the counts changes by its influence when one more row of a kind comes, and its variance is the sum of the
squared influences of all rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.confidence import Estimate, normal
from detectors.metrics_classes import Costs, Pairs, binary_pairs, by_class

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Table:
    """Counts by class, each of shape (classes,)."""

    right: Floats
    predicted: Floats
    true: Floats

    @property
    def n(self) -> float:
        """Rows."""
        return float(self.true.sum())


@dataclass(frozen=True, slots=True)
class _Slopes:
    """Derivatives of a metric by the counts of each class, each of shape (classes,)."""

    right: Floats
    predicted: Floats
    true: Floats

    def times(self, factor: Floats | float) -> _Slopes:
        return _Slopes(self.right * factor, self.predicted * factor, self.true * factor)


def _over(part: Floats | float, whole: Floats) -> Floats:
    wide = np.broadcast_to(np.asarray(part, dtype=np.float64), whole.shape)
    return np.divide(wide, whole, out=np.zeros(len(whole)), where=whole > 0)


def _precision(t: _Table) -> tuple[Floats, _Slopes]:
    value, one = _over(t.right, t.predicted), _over(1.0, t.predicted)
    return value, _Slopes(one, -value * one, np.zeros_like(one))


def _recall(t: _Table) -> tuple[Floats, _Slopes]:
    value, one = _over(t.right, t.true), _over(1.0, t.true)
    return value, _Slopes(one, np.zeros_like(one), -value * one)


def _f1(t: _Table) -> tuple[Floats, _Slopes]:
    both = t.predicted + t.true
    value, one = _over(2 * t.right, both), _over(1.0, both)
    return value, _Slopes(2 * one, -value * one, -value * one)


def _weighted(t: _Table, values: Floats, slopes: _Slopes) -> _Slopes:
    mean = float(values @ t.true) / t.n
    own = slopes.times(t.true / t.n)
    return _Slopes(own.right, own.predicted, own.true + (values - mean) / t.n)


def _correlation(t: _Table) -> _Slopes | None:
    n, right = t.n, float(t.right.sum())
    of_predicted, of_true = n * n - float(t.predicted @ t.predicted), n * n - float(t.true @ t.true)
    if of_predicted <= 0 or of_true <= 0:
        return None
    root = math.sqrt(of_predicted) * math.sqrt(of_true)
    value = (right * n - float(t.predicted @ t.true)) / root
    by_true = (right - t.predicted) / root - value * (n / of_predicted + (n - t.true) / of_true)
    return _Slopes(
        np.full(len(t.true), n / root), -t.true / root + value * t.predicted / of_predicted, by_true
    )


_SHARES: Final[dict[str, Callable[[_Table], tuple[Floats, _Slopes]]]] = {
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
}


def _slopes(name: str, table: _Table, places: dict[str, int]) -> _Slopes | None:
    if name == "mcc":
        return _correlation(table)
    if name == "balanced_accuracy":
        return _recall(table)[1].times(1 / max(int((table.true > 0).sum()), 1))
    kind, _, share = name.rpartition("_")
    if share not in _SHARES:
        return None
    values, slopes = _SHARES[share](table)
    if kind == "weighted":
        return _weighted(table, values, slopes)
    if kind == "macro":
        return slopes.times(1 / len(values))
    own = np.zeros(len(values))
    own[places.get("1", 0)] = 1.0
    return slopes.times(own)


def of_classes(name: str, value: float, pairs: Pairs, *, positive: str | None) -> Estimate:
    """Return a metric of the confusion counts with its interval; without one where no row is a mistake.

    Parameters
    ----------
    name
        `mcc`, `balanced_accuracy`, `precision`, `recall` or `f1` of a binary model, or one of their means.
    positive
        The positive class of a binary model.
    """
    own = {
        p: n for p, n in (pairs if positive is None else binary_pairs(pairs, positive=positive)).items() if n
    }
    classes = by_class(own)
    if not classes:
        return Estimate(value)
    counts = np.array([(c.right, c.predicted, c.true) for c in classes.values()], dtype=np.float64)
    places = {label: place for place, label in enumerate(classes)}
    slopes = _slopes(name, _Table(*counts.T), places)
    if slopes is None:
        return Estimate(value)
    variance = 0.0
    for (said, true), n in own.items():
        moved = slopes.predicted[places[said]] + slopes.true[places[true]]
        moved += slopes.right[places[said]] if said == true else 0.0
        variance += n * float(moved) ** 2
    return normal(value, variance).within(-1.0 if name == "mcc" else 0.0, 1.0)


def of_cost(value: float, pairs: Pairs, costs: Costs) -> Estimate:
    """Return the mean cost with its interval."""
    n = sum(pairs.values())
    spread = sum((costs.get(true, {}).get(said, 0.0) - value) ** 2 * k for (said, true), k in pairs.items())
    return normal(value, spread / n / (n - 1)) if n > 1 else Estimate(value)
