"""What each joined row adds to an error summary: counts, score cells, exact sums, confusion pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from consumers.class_probabilities import PROBABILITY_MIN, ClassLosses, class_losses
from consumers.interning import NO_CLASS
from consumers.plan import ModelPlan
from consumers.weighted_losses import WeightedLosses
from detectors.class_cells import BRIER, CLASS_CELLS, CLASS_SUMS, LOG_LOSS, PROBABLE, ClassCells
from detectors.classes import NEGATIVE
from detectors.exact import limbs
from detectors.fixed import fixed, planes
from detectors.layout import ERROR_COUNTS, ErrorLayout
from detectors.number_cells import NumberCells
from detectors.number_losses import number_losses
from detectors.sketch import LABEL_LAG_S
from detectors.summary import KeyT, SummaryTable

_N, _WRONG, _SCORED, _APE_N = range(len(ERROR_COUNTS))

Rows = npt.NDArray[np.intp]
Joined = npt.NDArray[np.void]
Floats = npt.NDArray[np.float64]


def is_wrong(
    plan: ModelPlan,
    predicted: npt.NDArray[np.int64],
    truth: npt.NDArray[np.int64],
    class_names: Sequence[str],
) -> npt.NDArray[np.bool_]:
    """Return which answers are wrong.

    Parameters
    ----------
    predicted, truth
        Shape (n,): codes of classes.
    class_names
        The partition's classes of the model, by code.
    """
    wrong: npt.NDArray[np.bool_] = predicted != truth
    if NEGATIVE in class_names:
        negative = predicted == class_names.index(NEGATIVE)
        wrong &= ~(negative & (truth != _code_of_positive(plan, class_names)))
    return wrong


def _code_of_positive(plan: ModelPlan, class_names: Sequence[str]) -> int:
    positive = plan.classes.positive or ""
    return class_names.index(positive) if positive in class_names else -1


class Losses:
    """The losses of a batch of joined rows of one model, worked out once and added to many summaries.

    Parameters
    ----------
    joined
        Rows of `consumers.joined` that have an answer.
    class_names
        The partition's classes of the model, by code.
    class_lists
        Its lists of classes that probabilities are given of, by code.
    """

    def __init__(
        self,
        plan: ModelPlan,
        joined: Joined,
        class_names: Sequence[str],
        class_lists: Sequence[Sequence[int]] = (),
    ) -> None:
        self._plan = plan
        self._names = class_names
        self._sign: npt.NDArray[np.int64] = joined["sign"]
        lag_s = np.maximum(joined["label_ms"] - joined["time_ms"], 0) / 1000.0
        self._lag = ErrorLayout.LAG + LABEL_LAG_S.index(lag_s)
        self._predicted: npt.NDArray[np.int64] = joined["predicted"]
        if plan.is_regression:
            self._truth = np.zeros(0, dtype=np.int64)
            self._regression(joined["value"], joined["truth"])
        else:
            self._truth = joined["truth"].astype(np.int64)
            self._classification(joined["value"])
        self._by_class = class_losses(joined, class_lists) if plan.keeps_probabilities else None
        weight: Floats = joined["weight"]
        self._heavy = weight != 1.0
        self._weighted = self._with_weights(weight) if self._heavy.any() else None

    def _with_weights(self, weight: Floats) -> WeightedLosses:
        values: dict[str, npt.NDArray[np.generic]] = {
            "n": np.ones(len(weight)),
            "wrong": self._wrong,
            "scored": self._scored,
            "ape_n": self._has_ape,
            **dict(zip(self._plan.errors.sums, self._sums.T, strict=False)),
        }
        if self._plan.is_regression:
            values["refused"] = ~self._numbers.has_deviance
            return WeightedLosses(weight, self._sign, values, self._number_cells, None, self._names)
        if self._by_class is not None:
            sums = (self._by_class.log_loss, self._by_class.brier)
            values |= {PROBABLE: self._by_class.known, **dict(zip(CLASS_SUMS, sums, strict=True))}
        pairs = (self._predicted, self._truth)
        return WeightedLosses(weight, self._sign, values, self._weighted_score_cells, pairs, self._names)

    def _classification(self, score: Floats) -> None:
        wrong = self._wrong = is_wrong(self._plan, self._predicted, self._truth, self._names)
        binary = self._plan.settings.task == "binary"
        # With more than two classes the score is that of the predicted class, and "true" is "right".
        true = self._truth == _code_of_positive(self._plan, self._names) if binary else ~wrong
        self._scored = ~np.isnan(score)
        known = np.nan_to_num(score)
        self._score, self._true = known, true
        likelihood = np.clip(np.where(true, known, 1 - known), PROBABILITY_MIN, 1 - PROBABILITY_MIN)
        self._sums = np.column_stack([-np.log(likelihood), (known - true) ** 2, known])
        self._sums[~self._scored] = 0.0
        self._has_ape = np.zeros(len(score), dtype=np.bool_)

    def _regression(self, predicted: Floats, truth: Floats) -> None:
        self._value = predicted
        self._numbers = number_losses(truth, predicted, power=self._plan.errors.power)
        self._both = np.stack([predicted, truth])
        self._wrong = np.zeros(len(truth), dtype=np.bool_)
        self._scored = np.ones(len(truth), dtype=np.bool_)
        self._has_ape, terms = self._numbers.has_ape, self._numbers.terms
        if self._plan.errors.numbers is not None:
            with np.errstate(over="ignore"):
                terms = np.column_stack([terms, np.nan_to_num(predicted * predicted)])
        self._sums = terms

    def add_to(self, table: SummaryTable[KeyT, ErrorLayout], rows: Rows, *, pick: Rows) -> None:
        """Add the losses of the picked rows to rows of a table.

        Parameters
        ----------
        rows
            Shape (k,): the table row of each picked loss.
        pick
            Shape (k,): which losses.
        """
        sign = self._sign[pick]
        table.add_counts(rows, np.full(len(rows), _N), sign)
        for flags, cell in ((self._wrong, _WRONG), (self._scored, _SCORED), (self._has_ape, _APE_N)):
            where = flags[pick]
            table.add_counts(rows[where], np.full(int(where.sum()), cell), sign[where])
        table.add_counts(rows, self._lag[pick], sign)
        if not self._plan.is_regression:
            where = self._scored[pick]
            cells = self._score_cells(table.layout.score_bins, pick[where])
            table.add_counts(rows[where], cells, sign[where])
            self._add_pairs(table, rows, pick)
            if self._by_class is not None:
                self._add_by_class(table, self._by_class, rows, pick)
        else:
            self._add_numbers(table, rows, pick)
        self._add_sums(table, rows, pick)
        heavy = self._heavy[pick]
        if self._weighted is not None and heavy.any():
            self._weighted.add_to(table, rows[heavy], pick=pick[heavy])

    def _add_numbers(self, table: SummaryTable[KeyT, ErrorLayout], rows: Rows, pick: Rows) -> None:
        layout, sign = table.layout, self._sign[pick]
        if layout.edges:
            cells = ErrorLayout.SCORES + np.searchsorted(layout.edges, self._numbers.error[pick])
            table.add_counts(rows, cells, sign)
        if layout.sizes:
            outcomes = self._outcomes(layout.predictions, layout.sizes, pick)
            table.add_counts(rows, layout.outcomes + outcomes, sign)
        if layout.numbers is not None:
            self._add_further(table, layout.numbers, rows, pick)
        if layout.power is None:
            return
        known = self._numbers.has_deviance[pick]
        table.add_counts(rows[~known], np.full(int((~known).sum()), layout.refused), sign[~known])
        if layout.deviance_edges:
            deviance = self._numbers.deviance[pick][known]
            cells = layout.deviances + np.searchsorted(layout.deviance_edges, deviance)
            table.add_counts(rows[known], cells, sign[known])

    def _outcomes(self, edges: Sequence[float], sizes: Sequence[float], pick: Rows) -> Rows:
        """Return the cell of each prediction and size of its error."""
        bins = np.searchsorted(edges, self._value[pick]) * (len(sizes) + 1)
        return bins + np.searchsorted(sizes, np.abs(self._numbers.error[pick]))

    def _add_further(
        self, table: SummaryTable[KeyT, ErrorLayout], numbers: NumberCells, rows: Rows, pick: Rows
    ) -> None:
        sign, first = self._sign[pick], table.layout.known
        table.add_counts(rows, np.full(len(rows), first + numbers.N), sign)
        if numbers.error_edges:
            error_cells = np.searchsorted(numbers.error_edges, self._numbers.error[pick])
            table.add_counts(rows, first + numbers.ERRORS + error_cells, sign)
        if numbers.sizes:
            outcomes = self._outcomes(numbers.outcome_edges, numbers.sizes, pick)
            table.add_counts(rows, first + numbers.outcomes + outcomes, sign)
        if not numbers.bins:
            return
        cells = first + numbers.predictions + np.searchsorted(numbers.prediction_edges, self._both[0, pick])
        with np.errstate(over="ignore"):
            parts = [planes(fixed(side / numbers.unit)) for side in self._both[:, pick]]
        for place, added in enumerate([sign, *(part * sign for both in parts for part in both)]):
            table.add_counts(rows, cells + place * numbers.bins, added)

    def _add_by_class(
        self, table: SummaryTable[KeyT, ErrorLayout], losses: ClassLosses, rows: Rows, pick: Rows
    ) -> None:
        known = losses.known[pick]
        rows, pick = rows[known], pick[known]
        if not len(pick):
            return
        sign, first = self._sign[pick], table.layout.known
        table.add_counts(rows, np.full(len(rows), first + ClassCells.N), sign)
        both = np.column_stack([losses.log_loss[pick], losses.brier[pick]])
        for values, name in zip(both.T, (LOG_LOSS, BRIER), strict=True):
            table.add_counts(rows, first + CLASS_CELLS.places(name, values), sign)
        distinct, groups = np.unique(rows, return_inverse=True)
        added = limbs(both * sign[:, None], groups, len(distinct))
        table.matrix[distinct, table.layout.further :] += added.reshape(len(distinct), -1)

    def _number_cells(self, layout: ErrorLayout, pick: Rows) -> tuple[Rows, Floats]:
        numbers = layout.numbers
        if numbers is None:
            return np.zeros((len(pick), 0), dtype=np.intp), np.zeros((len(pick), 0))
        cells = np.searchsorted(numbers.prediction_edges, self._both[0, pick])
        with np.errstate(over="ignore"):
            values = [np.ones(len(pick)), *np.nan_to_num(self._both[:, pick] / numbers.unit)]
        return np.column_stack([cells + i * numbers.bins for i in range(3)]), np.column_stack(values)

    def _weighted_score_cells(self, layout: ErrorLayout, pick: Rows) -> tuple[Rows, Floats]:
        cells = self._score_cells(layout.score_bins, pick) - ErrorLayout.SCORES
        places = np.where(self._scored[pick], cells, -1).astype(np.intp)
        return places[:, None], np.ones((len(pick), 1))

    def _score_cells(self, bins: int, pick: Rows) -> npt.NDArray[np.int64]:
        cell = np.minimum((self._score[pick] * bins).astype(np.int64), bins - 1)
        return ErrorLayout.SCORES + np.where(self._true[pick], bins, 0) + cell

    def _add_sums(self, table: SummaryTable[KeyT, ErrorLayout], rows: Rows, pick: Rows) -> None:
        distinct, groups = np.unique(rows, return_inverse=True)
        added = limbs(self._sums[pick] * self._sign[pick][:, None], groups, len(distinct))
        layout = table.layout
        known = len(layout.sums)
        table.matrix[distinct, layout.counts : layout.known] += added[:, :known].reshape(len(distinct), -1)
        if layout.numbers is not None:
            table.matrix[distinct, layout.further :] += added[:, known:].reshape(len(distinct), -1)

    def _add_pairs(self, table: SummaryTable[KeyT, ErrorLayout], rows: Rows, pick: Rows) -> None:
        classes = NO_CLASS + 1
        key = (rows * classes + self._predicted[pick]) * classes + self._truth[pick]
        distinct, inverse = np.unique(key, return_inverse=True)
        counts = np.zeros(len(distinct), dtype=np.int64)
        np.add.at(counts, inverse, self._sign[pick])
        for code, count in zip(distinct.tolist(), counts.tolist(), strict=True):
            rest, true = divmod(code, classes)
            row, predicted = divmod(rest, classes)
            table.add_pair(row, (self._names[predicted], self._names[true]), count)
