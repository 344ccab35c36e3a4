"""How good the model was on the labelled rows of the reference, by the definitions of a stream's metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from detectors import exact
from detectors.betting.rhythm_fit import Grid
from detectors.block_sums import BlockSums
from detectors.class_cells import BRIER, CLASS_CELLS, LOG_LOSS, ClassCells
from detectors.classes import ClassNames
from detectors.layout import ERROR_COUNTS, TOTAL_SCORE_BINS, WINDOW_SCORE_BINS, ErrorLayout
from detectors.metrics import metrics_of
from detectors.number_losses import number_losses
from detectors.profile_values import Answers, Floats, Mask, Times
from detectors.rank_counts import RankCounts
from detectors.rhythm import Rhythm
from detectors.summary import Summary
from detectors.tally import error_counts
from schemas.metric_settings import Task

RHYTHMS_MAX: Final = 8
"""True classes whose errors are bet on one by one."""

PROBABILITY_MIN: Final = 1e-15
"""Probabilities are kept this far from 0 and 1 in the log loss, as in the metrics of a stream."""

_N, _WRONG, _SCORED, _APE_N = range(len(ERROR_COUNTS))


class Quality:
    """Gathers the losses of labelled rows in one error summary.

    Parameters
    ----------
    names
        Decides which answers are right.
    grid
        Blocks of time for the rhythms of errors; None where rows have no time.
    classes
        True classes, most frequent first; the first ones have rhythms.
    power
        Of the deviance that is a regression's loss, None where its loss is none.
    """

    def __init__(
        self,
        task: Task,
        names: ClassNames,
        *,
        grid: Grid | None = None,
        classes: Sequence[str] = (),
        power: float | None = None,
    ) -> None:
        self._task = task
        self._names = names
        self._summary = Summary.empty(ErrorLayout(task, TOTAL_SCORE_BINS, power=power))
        self._ranks = RankCounts()
        self.labelled = 0
        watched = [] if grid is None else classes[:RHYTHMS_MAX]
        self._wrong = {name: BlockSums(grid, 1) for name in watched if grid is not None}

    def add(self, answers: Answers, places: Times | None = None) -> None:
        """Take rows in; `places`, shape (n,), are their blocks of time."""
        if self._task == "regression":
            self._add_numbers(answers)
        elif answers.truth is not None:
            known = np.array([name is not None for name in answers.truth], dtype=np.bool_)
            self._add_classes(answers, known, places)

    def _add_classes(self, answers: Answers, known: Mask, places: Times | None) -> None:
        self.labelled += int(known.sum())
        truth, predicted = answers.truth, answers.predicted
        if truth is None or predicted is None:
            return
        answered = np.array([name is not None for name in predicted], dtype=np.bool_)
        rows = np.flatnonzero(known & answered & measured_rows(answers, len(known)))
        right = np.zeros(len(rows), dtype=np.bool_)
        pairs = self._summary.pairs
        for place, row in enumerate(rows.tolist()):
            pair = (predicted[row] or "", truth[row] or "")
            pairs[pair] = pairs.get(pair, 0) + 1
            right[place] = self._names.same(*pair)
        self._summary.vector[_N] += len(rows)
        self._summary.vector[_WRONG] += int((~right).sum())
        if places is not None:
            self._add_blocks([truth[row] for row in rows.tolist()], places[rows], ~right)
        if answers.value is not None:
            positive = np.array([truth[row] == self._names.positive for row in rows.tolist()], dtype=np.bool_)
            self._add_scores(answers.value[rows], positive if self._task == "binary" else right)
        if answers.class_losses is not None and self._task == "multiclass":
            self._add_class_losses(answers.class_losses[rows])

    def _add_blocks(self, truth: Sequence[str | None], places: Times, wrong: Mask) -> None:
        for name, sums in self._wrong.items():
            own = np.array([other == name for other in truth], dtype=np.bool_)
            sums.add(places[own], wrong[own, None].astype(np.float64))

    def confusion(self) -> tuple[tuple[str, str, int], ...]:
        """Return (predicted class, true class, rows) of what was labelled, in order of the names."""
        return tuple((p, t, n) for (p, t), n in sorted(self._summary.pairs.items()))

    def rhythms(self) -> dict[str, Rhythm]:
        """Return the rhythm of being wrong, by true class."""
        found = {name: sums.rate_rhythm(0) for name, sums in self._wrong.items()}
        return {name: rhythm for name, rhythm in found.items() if rhythm is not None}

    def _add_scores(self, score: Floats, true: Mask) -> None:
        """Count scores; `true` says whether what the score is the probability of came true."""
        scored = np.isfinite(score)
        score, true = score[scored], true[scored]
        if not len(score):
            return
        self._ranks.add(score, true)
        cell = np.minimum((score * TOTAL_SCORE_BINS).astype(np.int64), TOTAL_SCORE_BINS - 1)
        cell += ErrorLayout.SCORES + np.where(true, TOTAL_SCORE_BINS, 0)
        np.add.at(self._summary.vector, cell, 1)
        self._summary.vector[_SCORED] += len(score)
        likelihood = np.clip(np.where(true, score, 1 - score), PROBABILITY_MIN, 1 - PROBABILITY_MIN)
        self._add_sums(np.column_stack([-np.log(likelihood), (score - true) ** 2, score]))

    def _add_class_losses(self, losses: Floats) -> None:
        losses = losses[np.isfinite(losses).all(axis=1)]
        layout, vector = self._summary.layout, self._summary.vector
        vector[layout.known + ClassCells.N] += len(losses)
        for values, name in zip(losses.T, (LOG_LOSS, BRIER), strict=True):
            np.add.at(vector, layout.known + CLASS_CELLS.places(name, values), 1)
        vector[layout.further :] += exact.limbs(losses, np.zeros(len(losses), dtype=np.intp), 1).ravel()

    def _add_numbers(self, answers: Answers) -> None:
        if answers.true_value is None:
            return
        known = np.isfinite(answers.true_value)
        self.labelled += int(known.sum())
        if answers.value is None:
            return
        rows = known & np.isfinite(answers.value) & measured_rows(answers, len(known))
        truth, value = answers.true_value[rows], answers.value[rows]
        if len(truth):
            layout = self._summary.layout
            losses = number_losses(truth, value, power=layout.power)
            self._summary.vector[_N] += len(truth)
            self._summary.vector[_SCORED] += len(truth)
            self._summary.vector[_APE_N] += int(losses.has_ape.sum())
            if layout.power is not None:
                self._summary.vector[layout.refused] += int((~losses.has_deviance).sum())
            self._add_sums(losses.terms)

    def _add_sums(self, terms: Floats) -> None:
        added = exact.limbs(terms, np.zeros(len(terms), dtype=np.intp), 1)[0]
        layout = self._summary.layout
        self._summary.vector[layout.counts : layout.known] += added.ravel()

    def metrics(self) -> dict[str, float]:
        """Return the metrics by the names of the settings; the area under the ROC curve is exact."""
        found = metrics_of(self._summary, positive=self._names.positive)
        area = self._ranks.area()
        if "roc_auc" in found and area is not None:
            found["roc_auc"] = area
        return found

    def score_cells(self) -> tuple[int, ...]:
        """Return labelled rows per cell of the score as a window counts them; empty without scores."""
        if self._task == "regression" or not self._summary.vector[_SCORED]:
            return ()
        start = ErrorLayout.SCORES
        fine = self._summary.vector[start : start + 2 * TOTAL_SCORE_BINS]
        return tuple(fine.reshape(2 * WINDOW_SCORE_BINS, -1).sum(axis=1).tolist())

    @property
    def error_sd(self) -> float:
        """Standard deviation of a row's loss: of being wrong (0 or 1), or of the absolute error."""
        counts, layout = error_counts(self._summary), self._summary.layout
        if not counts["n"]:
            return 0.0
        if self._task == "regression":
            sums = (layout.sum(self._summary.vector, name) for name in ("absolute", "squared"))
            mean, square = (total / counts["n"] for total in sums)
        else:
            mean = square = counts["wrong"] / counts["n"]
        variance = square - mean * mean
        return math.sqrt(variance) if 0 < variance < math.inf else 0.0


def measured_rows(answers: Answers, n: int) -> Mask:
    """Return where an answer is the model's own, shape (n,)."""
    return np.ones(n, dtype=np.bool_) if answers.measured is None else answers.measured
