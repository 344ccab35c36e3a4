"""What the bets on labels count: one vector per error window, made of its cells and of its confusion counts."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.class_cells import BRIER, CLASS_CELLS
from detectors.classes import ClassNames
from detectors.layout import ErrorLayout
from detectors.profile import ReferenceProfile
from detectors.summary import Pairs, Summary

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

CLASSES_MAX: Final = 8
"""True classes with cells of their own; the rarer ones share some."""
LABELS_MIN: Final = 30
"""A class with fewer labelled rows in the reference counts among the rest."""
_TWO: Final = 2


class ErrorCells:
    """Right and wrong answers per true class, of all, and of those called positive, behind the window's own cells.

    Behind them are the counts that only some layouts have (`ErrorLayout.behind`).

    Parameters
    ----------
    layout
        Of the error windows.
    names
        Decides which answers are right.
    classes
        True classes with cells of their own.
    """

    def __init__(self, layout: ErrorLayout, names: ClassNames, classes: tuple[str, ...]) -> None:
        self.layout = layout
        self.classes = classes
        self._names = names
        self._place = {name: place for place, name in enumerate(classes)}
        self.rest = len(classes)
        self.all = len(classes) + 1
        self.called_positive = len(classes) + 2

    @property
    def positive_place(self) -> int | None:
        """Row of the positive class, None without one."""
        return None if self._names.positive is None else self._place.get(self._names.positive)

    def vector(self, summary: Summary[ErrorLayout]) -> Counts:
        """Return the window's counts, then right and wrong of each row in turn, then the counts behind."""
        layout, counted = self.layout, summary.vector
        behind = counted[layout.known : layout.further]
        return np.concatenate([counted[: layout.counts], self.of_pairs(summary.pairs), behind])

    def of_pairs(self, pairs: Pairs) -> Counts:
        """Return right and wrong of each row in turn, shape (2 * rows,)."""
        found = np.zeros(_TWO * (len(self.classes) + 3), dtype=np.int64)
        for (predicted, true), n in pairs.items():
            wrong = not self._names.same(predicted, true)
            rows = [self._place.get(true, self.rest), self.all]
            if predicted == self._names.positive:
                rows.append(self.called_positive)
            for row in rows:
                found[_TWO * row + wrong] += n
        return found

    def row(self, place: int) -> tuple[Places, Mask]:
        """Return the cells of a row, right and wrong, and which of them is bad."""
        start = self.layout.counts + _TWO * place
        return np.array([start, start + 1], dtype=np.intp), np.array([False, True])

    def true_classes(self) -> Places:
        """Return the cells of the true classes and of the rest, two of each."""
        return np.arange(self.layout.counts, self.layout.counts + _TWO * (self.rest + 1), dtype=np.intp)

    def section(self) -> Places:
        """Return the cells of scores, or of a regression's errors."""
        is_regression = self.layout.task == "regression"
        stop = self.layout.deviances if is_regression else self.layout.counts
        return np.arange(ErrorLayout.SCORES, stop, dtype=np.intp)

    @property
    def _behind(self) -> int:
        """First of the counts behind."""
        return self.layout.counts + _TWO * (len(self.classes) + 3)

    def places(self, part: slice) -> Places:
        """Return where counts of the layout's vector, or counts behind, lie in `vector`."""
        moved = self._behind - self.layout.known if part.start >= self.layout.known else 0
        return np.arange(part.start + moved, part.stop + moved, dtype=np.intp)

    def errors(self) -> tuple[Places, Floats] | None:
        """Return the cells of a regression's errors and the inner edges of their bins; None without any."""
        layout = self.layout
        if layout.edges:
            return self.section(), np.array(layout.edges)
        if layout.numbers is None or not layout.numbers.error_edges:
            return None
        first = self._behind + layout.numbers.ERRORS
        places = np.arange(first, first + layout.numbers.error_bins, dtype=np.intp)
        return places, np.array(layout.numbers.error_edges)

    def losses(self, metric: str) -> tuple[Places, Floats]:
        """Return the cells of a classification's losses (`log_loss`, `brier`), and the least that is lost in each."""
        if self.layout.task == "binary":
            return self.section(), least_losses(self.layout.score_bins, metric)
        bins = CLASS_CELLS.section(metric)
        places = self._behind + np.arange(bins.start, bins.stop, dtype=np.intp)
        return places, CLASS_CELLS.lowest(metric)

    def deviances(self) -> Places:
        """Return the cells of a regression's deviances; the last one is of rows that the loss does not allow."""
        return np.arange(self.layout.deviances, self.layout.outcomes, dtype=np.intp)


def error_cells(layout: ErrorLayout, profile: ReferenceProfile | None, names: ClassNames) -> ErrorCells:
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
    return ErrorCells(layout, names, tuple(kept))


def least_losses(score_bins: int, metric: str) -> Floats:
    """Return the least that a binary answer can lose in each cell of its score, truth negative and then positive.

    Examples
    --------
    >>> least_losses(4, "brier").tolist()
    [0.0, 0.0625, 0.25, 0.5625, 0.5625, 0.25, 0.0625, 0.0]
    """
    edges = np.arange(score_bins + 1) / score_bins
    off = np.concatenate([edges[:-1], 1 - edges[1:]])
    least: Floats = np.square(off) if metric == BRIER else -np.log1p(-off)
    return least
