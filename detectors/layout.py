"""The order of the integers in a window summary.

A summary is one vector of 64-bit integers, and a layout says which slice means what. Counts come first
and are small; sums (fixed-point moments, exact-sum limbs) follow. Two summaries of the same layout merge
by adding their vectors, whatever they count.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from detectors import exact
from detectors.class_cells import CLASS_CELLS, CLASS_SUMS, ClassCells
from detectors.deviance import deviance_power
from detectors.estimation.cells import AnswerLayout
from detectors.joint import Joint
from detectors.label_layout import LabelLayout
from detectors.number_cells import LEARNED_EDGES, WINDOW_PREDICTION_BINS, NumberCells, number_cells
from detectors.pair_layout import PairLayout
from detectors.profile import OUTPUT_PREFIX, CategoricalColumn, Column, NumericColumn, ReferenceProfile
from detectors.sketch import LABEL_LAG_S, LATENCY_MS
from detectors.split_layout import SplitLayout
from detectors.weight_cells import WeightCells, weight_cells
from schemas.model_parts import Loss

WINDOW_SCORE_BINS = 128
"""Uniform bins of a score in [0, 1] in a window, one row of them per truth."""

TOTAL_SCORE_BINS = 1024
"""The same in the figures of a version's whole life."""

STATUSES = ("ok", "fallback", "error")

MOMENT_SCALE = 1 << 16
"""Standardised values are summed as multiples of 2**-16 standard deviations."""

SQUARE_SCALE = 1 << 12
"""Their squares as multiples of 2**-12."""

MOMENT_CLIP = 4096.0
"""Values further than this many standard deviations out count as this far."""

CLASSIFICATION_SUMS = ("log_loss", "brier", "score")
REGRESSION_SUMS = ("error", "absolute", "squared", "truth", "truth_squared", "prediction", "ape", "smape")
DEVIANCE = "deviance"
"""The sum that a regression has where its loss is a deviance."""
ERROR_COUNTS = ("n", "wrong", "scored", "ape_n")


@dataclass(frozen=True, slots=True)
class ColumnCells:
    """Where one column's cells lie, relative to the column section.

    Parameters
    ----------
    offset
        First cell.
    bins
        Number of value cells; after them come, for categories, `unseen`, then `missing`, then `invalid`.
    """

    column: Column
    offset: int
    bins: int

    @property
    def unseen(self) -> int | None:
        """Cell of categories that the profile does not know; None for numbers."""
        return self.offset + self.bins if isinstance(self.column, CategoricalColumn) else None

    @property
    def missing(self) -> int:
        """Cell of absent and null values."""
        return self.offset + self.bins + isinstance(self.column, CategoricalColumn)

    @property
    def invalid(self) -> int:
        """Cell of values of a wrong type, NaN and infinity."""
        return self.missing + 1

    @property
    def size(self) -> int:
        """Number of cells, the special ones included."""
        return self.invalid + 1 - self.offset


@dataclass(frozen=True)
class PredictionLayout:
    """Slices of a summary by prediction time.

    Sections: events, one count per status, latency cells, then the cells of every profiled column, then those of
    answers, then two fixed-point moments for every numeric column, then the sums of `detectors.joint_pairs`.

    Parameters
    ----------
    columns
        The profile's columns in order; empty when there is no profile.
    joint
        The profile's numeric features together, where it has them.
    answers
        What the model's own answers are counted in, where their quality can be estimated without labels.
    """

    columns: tuple[ColumnCells, ...]
    binning: str
    joint: Joint | None = None
    answers: AnswerLayout | None = None

    EVENTS = 0
    STATUS = 1
    LATENCY = 1 + len(STATUSES)
    COLUMNS = LATENCY + LATENCY_MS.size

    @cached_property
    def numeric(self) -> tuple[ColumnCells, ...]:
        """The numeric columns, in order."""
        return tuple(c for c in self.columns if isinstance(c.column, NumericColumn))

    @cached_property
    def counts(self) -> int:
        """Number of leading entries that are plain counts."""
        return self.first_answer + (0 if self.answers is None else self.answers.counts)

    @cached_property
    def first_answer(self) -> int:
        """First of the cells of answers."""
        return self.COLUMNS + sum(c.size for c in self.columns)

    @cached_property
    def pairs(self) -> int:
        """First of the sums of products of the features whose correlations are followed."""
        return self.counts + 2 * len(self.numeric)

    @cached_property
    def size(self) -> int:
        """Length of the vector."""
        return self.pairs + (0 if self.joint is None else pair_sums_of(self.joint))

    @cached_property
    def hash(self) -> str:
        """Names the layout: vectors of different hashes must not be added."""
        answers = [] if self.answers is None else [self.answers.hash]
        return _hash("predictions", self.binning, str(self.size), *answers)

    @property
    def known(self) -> int:
        """Number of leading entries that every release has had; the rest is named by `further_hash`."""
        return self.size

    further = known
    further_hash = ""

    def cells(self, cells: ColumnCells) -> slice:
        """Return the slice of one column's cells in the vector."""
        start = self.COLUMNS + cells.offset
        return slice(start, start + cells.size)

    @property
    def answer_cells(self) -> slice:
        """The slice of the cells of answers; empty where there are none."""
        return slice(self.first_answer, self.counts)


@dataclass(frozen=True)
class ErrorLayout:
    """Slices of a summary of joined predictions.

    Sections: the counts of `ERROR_COUNTS`, label-lag cells, two rows of score cells (truth negative,
    truth positive; for more than two classes: prediction wrong, prediction right) or, for a regression, the
    profile's bins of errors, where its loss is a deviance the profile's bins of deviances and the rows that
    the loss does not allow, and predictions by the size of their errors; then exact sums; then, of a regression, the
    cells of `detectors.number_cells`, and with more than two classes those of `detectors.class_cells`.

    Parameters
    ----------
    task
        Decides whether there are score cells, and which sums.
    score_bins
        Score cells per row.
    edges
        Inner edges of the bins of a regression's errors (prediction minus truth); without any there are none.
    power
        Of a regression's deviance (see `detectors.deviance`); None where its loss is none.
    deviance_edges
        Inner edges of the bins of deviances; without any there are none.
    predictions, sizes
        Of a regression whose quality can be estimated without labels: inner edges of the bins of predictions, and of
        the sizes of errors, which are counted together.
    numbers
        Further cells of a regression.
    """

    task: str
    score_bins: int = WINDOW_SCORE_BINS
    edges: tuple[float, ...] = ()
    power: float | None = None
    deviance_edges: tuple[float, ...] = ()
    predictions: tuple[float, ...] = ()
    sizes: tuple[float, ...] = ()
    numbers: NumberCells | None = None

    LAG = len(ERROR_COUNTS)
    SCORES = LAG + LABEL_LAG_S.size

    @cached_property
    def sums(self) -> tuple[str, ...]:
        """Names of the exact sums."""
        if self.task != "regression":
            return CLASSIFICATION_SUMS
        return REGRESSION_SUMS if self.power is None else (*REGRESSION_SUMS, DEVIANCE)

    @cached_property
    def counts(self) -> int:
        """Number of leading entries that are plain counts."""
        if self.task != "regression":
            return self.SCORES + 2 * self.score_bins
        return self.outcomes + (len(self.predictions) + 1) * (len(self.sizes) + 1) * bool(self.sizes)

    @cached_property
    def outcomes(self) -> int:
        """First of the cells of predictions and sizes of errors, those of one bin of predictions in a row."""
        return self.deviances if self.power is None else self.refused + 1

    @cached_property
    def outcome_cells(self) -> slice:
        """What answers came to, by score or prediction: of a regression that learns behind the rest, or empty."""
        if self.task != "regression" or self.numbers is None or self.sizes:
            return slice(self.outcomes if self.task == "regression" else self.SCORES, self.counts)
        return slice(self.known + self.numbers.outcomes, self.known + self.numbers.counts)

    @cached_property
    def error_bins(self) -> int:
        """Number of bins of a regression's errors, 0 where the profile has none."""
        return len(self.edges) + 1 if self.edges else 0

    @cached_property
    def deviances(self) -> int:
        """First of the bins of deviances."""
        return self.SCORES + self.error_bins

    @cached_property
    def refused(self) -> int:
        """Cell of the rows that the loss does not allow; behind the bins of deviances."""
        return self.deviances + (len(self.deviance_edges) + 1 if self.deviance_edges else 0)

    @cached_property
    def known(self) -> int:
        """Number of leading entries that every release has had; behind them are those of `behind`."""
        return self.counts + len(self.sums) * exact.LIMBS

    @cached_property
    def behind(self) -> NumberCells | ClassCells | None:
        """The cells behind those that every release has had."""
        return CLASS_CELLS if self.task == "multiclass" else self.numbers

    @cached_property
    def further(self) -> int:
        """First entry after the counts of `behind`."""
        return self.known + (0 if self.behind is None else self.behind.counts)

    @cached_property
    def size(self) -> int:
        """Length of the vector."""
        return self.known + (0 if self.behind is None else self.behind.size)

    @cached_property
    def weights(self) -> WeightCells:
        """Cells of the weights of rows, beside the vector."""
        regression = self.task == "regression"
        return weight_cells(
            self.sums,
            score_bins=0 if regression else self.score_bins,
            prediction_bins=0 if self.numbers is None else self.numbers.bins,
            refused=self.power is not None,
            by_class=self.task == "multiclass",
        )

    @cached_property
    def further_hash(self) -> str:
        """Names the cells of `behind`."""
        if self.behind is None:
            return ""
        return _hash("classes" if self.task == "multiclass" else "numbers", *self.behind.key)

    @cached_property
    def hash(self) -> str:
        """Names the layout without `behind`: vectors of different hashes must not be added."""
        edges = [_hash(*map(repr, self.edges))] if self.edges else []
        loss = [] if self.power is None else [_hash(*map(repr, (self.power, *self.deviance_edges)))]
        outcomes = [_hash(*map(repr, (*self.predictions, "sizes", *self.sizes)))] if self.sizes else []
        return _hash("errors", self.task, str(self.score_bins), *edges, *loss, *outcomes)

    def sum(self, vector: np.ndarray[tuple[int], np.dtype[np.int64]], name: str) -> float:
        """Return one exact sum of a vector, correctly rounded."""
        start = self.first_limb(name)
        return exact.to_float(vector[start : start + exact.LIMBS])

    def first_limb(self, name: str) -> int:
        """Return where an exact sum begins."""
        if name in CLASS_SUMS:
            return self.further + CLASS_SUMS.index(name) * exact.LIMBS
        return self.counts + self.sums.index(name) * exact.LIMBS


Layout = PredictionLayout | ErrorLayout | LabelLayout | AnswerLayout | PairLayout | SplitLayout
LayoutT = TypeVar("LayoutT", bound=Layout)


def pair_sums_of(joint: Joint) -> int:
    """Return the number of sums: over every two of the followed features and the constant 1, each once."""
    width = len(joint.followed) + 1
    return width * (width + 1) // 2


def prediction_layout(profile: ReferenceProfile | None) -> PredictionLayout:
    """Lay a profile's columns out one after the other."""
    if profile is None:
        return PredictionLayout(columns=(), binning="none")
    placed: list[ColumnCells] = []
    offset = 0
    for column in profile.columns:
        bins = len(column.counts)
        placed.append(ColumnCells(column, offset, bins))
        offset += placed[-1].size
    return PredictionLayout(
        columns=tuple(placed),
        binning=profile.binning_hash,
        joint=profile.joint,
        answers=calibrated_answers(profile),
    )


def calibrated_answers(profile: ReferenceProfile | None) -> AnswerLayout | None:
    """Return what answers are counted in; None where nothing tells of their quality without labels."""
    if profile is None or profile.calibration is None:
        return None
    return AnswerLayout(profile.task, profile.calibration.edges)


def answer_layout(
    layout: PredictionLayout,
) -> tuple[PredictionLayout, np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Return the layout of the answers alone, without features, and where its entries lie in the whole one."""
    placed: list[ColumnCells] = []
    cells = [np.arange(PredictionLayout.COLUMNS)]
    offset = 0
    for column in layout.columns:
        if column.column.name.startswith(OUTPUT_PREFIX):
            placed.append(ColumnCells(column.column, offset, column.bins))
            offset += column.size
            own = layout.cells(column)
            cells.append(np.arange(own.start, own.stop))
    answers = PredictionLayout(columns=tuple(placed), binning=f"{layout.binning}:answers")
    names = [column.column.name for column in layout.numeric]
    moments = np.array([names.index(column.column.name) for column in answers.numeric], dtype=np.intp)
    first = layout.counts + moments
    return answers, np.concatenate([*cells, first, first + len(names)]).astype(np.intp)


def error_layout(task: str, profile: ReferenceProfile | None, loss: Loss) -> ErrorLayout:
    """Return the layout of a model's error windows; it stays the same while a reference is learned.

    A learned profile, or one that was built for another loss, has no bins of deviances.
    """
    if task != "regression":
        return ErrorLayout(task)
    power, numbers = deviance_power(loss), number_cells(profile, bins_max=WINDOW_PREDICTION_BINS)
    if profile is None or profile.learned is not None:
        return ErrorLayout(task, edges=LEARNED_EDGES, power=power, numbers=numbers.with_outcomes())
    if profile.error is None:
        return ErrorLayout(task, power=power, numbers=numbers)
    deviance = profile.deviance if power is not None and profile.deviance_power == power else None
    known = profile.calibration
    return ErrorLayout(
        task,
        edges=profile.error.edges,
        power=power,
        deviance_edges=() if deviance is None else deviance.edges,
        predictions=() if known is None else known.edges,
        sizes=() if known is None else known.sizes,
        numbers=numbers,
    )


def life_layout(task: str, profile: ReferenceProfile | None, loss: Loss) -> ErrorLayout:
    """Return the layout of the figures of a version's whole life."""
    if task != "regression":
        return ErrorLayout(task, TOTAL_SCORE_BINS)
    numbers = number_cells(profile, error_edges=LEARNED_EDGES)
    return ErrorLayout(task, TOTAL_SCORE_BINS, power=deviance_power(loss), numbers=numbers)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]
