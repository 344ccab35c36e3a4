"""What is bet on about labels: how often the model is wrong, within each true class.

Labels of one class often come sooner than those of another, so the mix of what has arrived says nothing about
the model. Within a true class the share of wrong answers does not depend on that mix.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.feature_signals import rate_signal
from detectors.betting.signal import quantile_for, rate_slack, rhythms_of
from detectors.betting.watched import Watched
from detectors.classes import ClassNames
from detectors.profile import ReferenceProfile
from detectors.summary import Pairs
from schemas.finding import Kind
from schemas.model_parts import MinEffect
from schemas.monitor_settings import MetricRule

CLASSES_MAX: Final = 8
"""True classes that are bet on one by one; the rarer ones together."""
LABELS_MIN: Final = 30
"""A class with fewer labelled rows in the reference counts among the rest."""
METRICS: Final = ("accuracy", "recall", "precision")
"""Metrics whose limits are shares of wrong answers: of all, of the truly positive, of those called positive."""

_TWO: Final = 2


class ErrorCells:
    """Counts right and wrong answers per true class, of all, and of those called positive.

    Parameters
    ----------
    names
        Decides which answers are right.
    classes
        True classes with cells of their own.
    """

    def __init__(self, names: ClassNames, classes: tuple[str, ...]) -> None:
        self._names = names
        self.classes = classes
        self._place = {name: place for place, name in enumerate(classes)}
        self.rest = len(classes)
        self.all = len(classes) + 1
        self.called_positive = len(classes) + 2
        self.size = _TWO * (len(classes) + 3)

    @property
    def positive_place(self) -> int | None:
        """Row of the positive class, None without one."""
        return None if self._names.positive is None else self._place.get(self._names.positive)

    def vector(self, pairs: Pairs) -> npt.NDArray[np.int64]:
        """Return the counts, shape (size,): right and wrong in turn."""
        found = np.zeros(self.size, dtype=np.int64)
        for (predicted, true), n in pairs.items():
            wrong = not self._names.same(predicted, true)
            rows = [self._place.get(true, self.rest), self.all]
            if predicted == self._names.positive:
                rows.append(self.called_positive)
            for row in rows:
                found[_TWO * row + wrong] += n
        return found


def error_cells(profile: ReferenceProfile | None, names: ClassNames) -> ErrorCells:
    """Return cells for the classes that the reference has labels of, and for the positive one."""
    rows: dict[str, int] = {}
    for _, true, n in () if profile is None else profile.confusion:
        rows[true] = rows.get(true, 0) + n
    frequent = sorted(
        (name for name, n in rows.items() if n >= LABELS_MIN), key=lambda name: (-rows[name], name)
    )
    kept = frequent[:CLASSES_MAX]
    if names.positive is not None and names.positive not in kept:
        kept.append(names.positive)
    return ErrorCells(names, tuple(kept))


def error_signals(cells: ErrorCells, profile: ReferenceProfile, *, least: MinEffect) -> list[Watched]:
    """Return bets that answers are wrong more often than in the reference.

    With a profile that does not know which classes were mixed up, of all answers together.
    """
    if profile.confusion:
        counts = cells.vector({(p, t): n for p, t, n in profile.confusion})
        rows = {
            name: place
            for place, name in enumerate(cells.classes)
            if counts[_TWO * place : _TWO * place + _TWO].sum() >= LABELS_MIN
        }
        if counts[_TWO * cells.rest : _TWO * cells.rest + _TWO].sum() >= LABELS_MIN:
            rows["(rest)"] = cells.rest
    elif "accuracy" in profile.metrics and profile.labelled >= LABELS_MIN:
        wrong = round((1 - profile.metrics["accuracy"]) * profile.labelled)
        counts = np.zeros(cells.size, dtype=np.int64)
        counts[_TWO * cells.all : _TWO * cells.all + _TWO] = profile.labelled - wrong, wrong
        rows = {"": cells.all}
    else:
        return []
    z = quantile_for(len(rows))
    found: list[Watched] = []
    for name, place in rows.items():
        right, wrong = counts[_TWO * place : _TWO * place + _TWO].tolist()
        share, rhythms = wrong / (right + wrong), rhythms_of(profile.error_rhythms, [name])
        minimum = share * least.relative_error
        slack = rate_slack(np.array([share]), rhythms, n=right + wrong, z=z, minimum=np.array([minimum]))
        signal = rate_signal(
            f"wrong:{name}",
            "performance",
            *_cells_of(place),
            share=share,
            slack=slack,
            minimum=max(minimum, float(slack[0, 0])),
            rhythms=rhythms,
        )
        found.append(Watched(signal, Kind.PERFORMANCE, "performance"))
    return found


def limit_signals(
    cells: ErrorCells, rules: Mapping[str, MetricRule], reference: Mapping[str, float]
) -> list[Watched]:
    """Return bets that a user's limit of a metric of `METRICS` is broken.

    The limit itself is the null: a model that sits at it breaks the budget no more often than one far inside.
    """
    found: list[Watched] = []
    places = {"accuracy": cells.all, "precision": cells.called_positive}
    positive = cells.positive_place
    if positive is not None:
        places["recall"] = positive
    for metric, rule in rules.items():
        if metric not in places:
            continue
        before = reference.get(metric)
        limits = {
            "min": rule.min,
            "drop": None if before is None or rule.drop is None else before - rule.drop,
        }
        for key, limit in limits.items():
            if limit is None:
                continue
            share = min(max(1 - limit, 0.0), 1.0)
            signal = rate_signal(
                f"{metric}_{key}",
                "performance",
                *_cells_of(places[metric]),
                share=share,
                slack=np.zeros((1, _TWO)) + np.finfo(np.float64).eps,
                minimum=max(share / 10, 0.001),
            )
            found.append(Watched(signal, Kind.PERFORMANCE, f"{metric}_{key}"))
    return found


def _cells_of(place: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    return np.array([_TWO * place, _TWO * place + 1], dtype=np.intp), np.array([False, True])
