"""Counts the answers of the reference for their calibration: a lookup at run time (see `detectors.estimation`)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from detectors.betting.rhythm_fit import OUTSIDE, Grid, fit_rhythm
from detectors.classes import ClassNames
from detectors.estimation.calibration import LABELS_MIN, Calibration
from detectors.estimation.cells import AnswerLayout, score_edges
from detectors.estimation.losses import relative_losses
from detectors.layout import WINDOW_SCORE_BINS
from detectors.number_cells import OUTCOME_PREDICTIONS, OUTCOME_SIZES
from detectors.profile_quality import measured_rows
from detectors.profile_sample import quantile_edges
from detectors.profile_values import Answers, Floats, Mask, Times
from detectors.rhythm import Rhythm

SIZES: Final = 16
"""Bins of the sizes of errors."""
LEARNED_SCORES: Final = tuple(math.nextafter(i / WINDOW_SCORE_BINS, 0.0) for i in range(1, WINDOW_SCORE_BINS))
"""Edges of the scores of a learned profile: the cells of error windows, from which its labels are read."""


def learned_layout(task: str) -> AnswerLayout:
    """Return the cells for answers of a model that learns: those of its error windows, whatever it learns."""
    return AnswerLayout(task, OUTCOME_PREDICTIONS if task == "regression" else LEARNED_SCORES)


def sampled_layout(task: str, ordered: Floats) -> AnswerLayout:
    """Return cells for answers by a sample of the scores or of the predicted numbers, smallest first."""
    quantiles = quantile_edges(ordered)
    return AnswerLayout(task, quantiles if task == "regression" else score_edges(quantiles))


class AnswerCounts:
    """Counts answers per cell, and what became of the labelled ones.

    Parameters
    ----------
    layout
        The cells.
    names
        Decides which answers are right.
    errors
        A sample of a regression's errors; none of a classification.
    grid
        Blocks of time for the rhythm of the expected loss; None where rows have no time.
    sizes
        Inner edges of the bins of the sizes of errors, where they are those of another reference.

    Notes
    -----
    Memory: 8 bytes per cell and block of time, at most 7 MB.
    """

    def __init__(
        self,
        layout: AnswerLayout,
        names: ClassNames,
        errors: Floats,
        grid: Grid | None,
        *,
        sizes: tuple[float, ...] | None = None,
    ) -> None:
        if sizes is None and layout.task == "regression":
            sizes = quantile_edges(np.sort(np.abs(errors)), bins_max=SIZES)
        self._layout = layout
        self._names = names
        self._grid = grid
        bins = self._layout.bins
        self._counts = np.zeros(self._layout.counts, dtype=np.int64)
        self._labelled, self._hits = (np.zeros(bins, dtype=np.int64) for _ in range(2))
        self._absolute, self._squared = (np.zeros(bins) for _ in range(2))
        self._sizes = sizes or ()
        self._outcomes = np.zeros((bins, len(self._sizes) + 1), dtype=np.int64)
        blocks = 0 if grid is None else grid.blocks
        self._blocks = np.zeros((blocks, self._layout.counts), dtype=np.int64)

    def add(self, answers: Answers, places: Times | None) -> None:
        """Take rows in; `places`, shape (n,), are their blocks of time."""
        if answers.value is None:
            return
        known = np.isfinite(answers.value) & measured_rows(answers, len(answers.value))
        if self._layout.task != "regression":
            if answers.predicted is None:
                return
            known &= np.array([name is not None for name in answers.predicted], dtype=np.bool_)
        rows = np.flatnonzero(known)
        predicted = answers.predicted or ()
        positive = np.zeros(len(rows), dtype=np.bool_)
        if self._layout.rows > 1:
            positive = np.array(
                [predicted[row] == self._names.positive for row in rows.tolist()], dtype=np.bool_
            )
        cells = self._layout.cells(answers.value[rows], positive)
        np.add.at(self._counts, cells, 1)
        if places is not None and len(self._blocks):
            inside = places[rows] != OUTSIDE
            np.add.at(self._blocks, (places[rows][inside], cells[inside]), 1)
        bins = cells % self._layout.bins
        if self._layout.task == "regression":
            self._add_errors(answers, rows, bins)
        else:
            self._add_hits(answers, rows, bins)

    def _add_errors(self, answers: Answers, rows: Times, bins: Times) -> None:
        if answers.value is None or answers.true_value is None:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            size = np.abs(answers.value[rows] - answers.true_value[rows])
            square = np.square(size)
        known = np.isfinite(size)
        np.add.at(self._labelled, bins[known], 1)
        np.add.at(self._absolute, bins[known], size[known])
        np.add.at(self._squared, bins[known], square[known])
        np.add.at(self._outcomes, (bins[known], np.searchsorted(self._sizes, size[known])), 1)

    def _add_hits(self, answers: Answers, rows: Times, bins: Times) -> None:
        if answers.truth is None or answers.predicted is None:
            return
        truth = [answers.truth[row] for row in rows.tolist()]
        known = np.array([name is not None for name in truth], dtype=np.bool_)
        hit = self._came_true(answers, rows[known])
        np.add.at(self._labelled, bins[known], 1)
        np.add.at(self._hits, bins[known], hit.astype(np.int64))

    def _came_true(self, answers: Answers, rows: Times) -> Mask:
        """Return where what the score is the probability of came true."""
        truth, predicted = answers.truth or (), answers.predicted or ()
        if self._layout.rows > 1:
            return np.array([truth[row] == self._names.positive for row in rows.tolist()], dtype=np.bool_)
        pairs = ((predicted[row] or "", truth[row] or "") for row in rows.tolist())
        return np.array([self._names.same(*pair) for pair in pairs], dtype=np.bool_)

    def uncalibrated(self) -> Calibration | None:
        """Return the answers alone, without labels, on the cells of `learned_layout`; None without any."""
        if not self._counts.any():
            return None
        bins = self._layout.bins
        nothing = (0,) * bins
        found = Calibration(self._layout.edges, tuple(self._counts.tolist()), nothing)
        if self._layout.task != "regression":
            return replace(found, hits=nothing)
        outcomes = (0,) * (bins * (len(OUTCOME_SIZES) + 1))
        return replace(
            found, absolute=(0.0,) * bins, squared=(0.0,) * bins, sizes=OUTCOME_SIZES, outcomes=outcomes
        )

    def calibration(self) -> Calibration | None:
        """Return what was counted; None with too few labels, or where they are all of one kind."""
        is_regression = self._layout.task == "regression"
        n, hits = int(self._labelled.sum()), int(self._hits.sum())
        is_finite = np.isfinite(self._squared).all()
        if n < LABELS_MIN or not is_finite or not (is_regression or 0 < hits < n):
            return None
        found = Calibration(
            edges=self._layout.edges,
            counts=tuple(self._counts.tolist()),
            labelled=tuple(self._labelled.tolist()),
            hits=() if is_regression else tuple(self._hits.tolist()),
            absolute=tuple(self._absolute.tolist()) if is_regression else (),
            squared=tuple(self._squared.tolist()) if is_regression else (),
            sizes=self._sizes,
            outcomes=tuple(self._outcomes.ravel().tolist()) if is_regression else (),
        )
        return replace(found, rhythm=self._rhythm(relative_losses(found, self._layout)))

    def _rhythm(self, losses: Floats) -> Rhythm | None:
        if self._grid is None:
            return None
        n = float(max(self._counts.sum(), 1))
        mean = float(self._counts @ losses) / n
        variance = float(self._counts @ np.square(losses - mean)) / n
        return fit_rhythm(self._grid, self._blocks @ losses, self._blocks.sum(axis=1), variance=variance)
