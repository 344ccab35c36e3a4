"""What metrics are worked out of: the rows of an error summary, or what the rows weigh."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors import exact, fixed
from detectors.class_cells import PROBABLE, ClassCells
from detectors.layout import ERROR_COUNTS, ErrorLayout
from detectors.number_cells import PredictionBins
from detectors.summary import Pairs, Summary, Weights, add_pairs
from detectors.weight_cells import REFUSED, ROWS, Term

ErrorSummary = Summary[ErrorLayout]
Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ONE: Final = 1 << fixed.STEP_BITS
"""A weight of 1 in the pairs of weights."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts and sums, of rows or of weights.

    Parameters
    ----------
    task
        Of the model.
    rows
        Number of rows, whatever they weigh.
    sum
        From a count or an exact sum of the error layout, by name, to its value: `n`, `wrong`, `scored`, `ape_n`,
        `refused`, `probable` and the names of the layout's sums and of `detectors.class_cells`.
    pairs
        By (predicted, true); of weights in multiples of 2**-24.
    scores
        Shape (2, score bins), of a classification: see `detectors.metrics_scores`.
    bins
        By bin of the prediction, of a regression that has such bins.
    power
        Of the deviance that is the model's loss, None for another.
    """

    task: str
    rows: int
    sum: Callable[[str], float]
    pairs: Pairs
    scores: npt.NDArray[np.int64] | Floats
    bins: PredictionBins | None
    power: float | None

    def mean(self, name: str, over: str = ROWS) -> float | None:
        """Return a sum over another, None where that is 0."""
        whole = self.sum(over)
        return self.sum(name) / whole if whole else None


def error_counts(summary: ErrorSummary) -> dict[str, int]:
    """Return the leading counts of an error summary by the names of `ERROR_COUNTS`."""
    return dict(zip(ERROR_COUNTS, summary.vector[: len(ERROR_COUNTS)].tolist(), strict=True))


def score_counts(summary: ErrorSummary) -> Integers:
    """Return the score cells, shape (2, bins of the layout): truth negative, truth positive; empty for a regression.

    With more than two classes the score is that of the predicted class, and the rows are wrong and right.
    """
    layout = summary.layout
    if layout.task == "regression":
        return np.zeros((2, 0), dtype=np.int64)
    return summary.vector[ErrorLayout.SCORES : layout.counts].reshape(2, layout.score_bins)


def tally_of(summary: ErrorSummary) -> Tally:
    """Return what was counted of the rows of a summary, each with a weight of 1."""
    layout, counts = summary.layout, _counts(summary)
    return Tally(
        task=layout.task,
        rows=counts[ROWS],
        sum=lambda name: counts[name] if name in counts else layout.sum(summary.vector, name),
        pairs=summary.pairs,
        scores=score_counts(summary),
        bins=_bins(summary),
        power=layout.power,
    )


def weighted_tally_of(summary: ErrorSummary) -> Tally | None:
    """Return what the rows of a summary weigh; None where each weighs 1."""
    weights = summary.weights
    if weights is None:
        return None
    layout, counts = summary.layout, _counts(summary)
    plain = {pair: count * ONE for pair, count in summary.pairs.items()}
    return Tally(
        task=layout.task,
        rows=counts[ROWS],
        sum=lambda name: weighted_sum(summary, weights, (name, 1), counts),
        pairs=add_pairs(plain, weights.pairs),
        scores=_weighted_scores(summary, weights),
        bins=_weighted_bins(summary, weights),
        power=layout.power,
    )


def weighted_sum(
    summary: ErrorSummary, weights: Weights, term: Term, counts: Mapping[str, int] | None = None
) -> float:
    """Return a count or an exact sum in which every row is taken times a power of its weight, correctly rounded.

    Parameters
    ----------
    term
        One of `layout.weights.terms`.
    """
    name, _ = term
    layout = summary.layout
    known = _counts(summary) if counts is None else counts
    start = layout.weights.terms.index(term) * exact.LIMBS
    added = weights.vector[start : start + exact.LIMBS]
    if name in known:
        return exact.to_float(exact.of_count(known[name]) + added)
    first = layout.first_limb(name)
    return exact.to_float(summary.vector[first : first + exact.LIMBS] + added)


def _counts(summary: ErrorSummary) -> dict[str, int]:
    counts = error_counts(summary)
    if summary.layout.power is not None:
        counts[REFUSED] = int(summary.vector[summary.layout.refused])
    if summary.layout.task == "multiclass":
        counts[PROBABLE] = int(summary.vector[summary.layout.known + ClassCells.N])
    return counts


def _bin_rows(summary: ErrorSummary) -> Integers | None:
    layout = summary.layout
    if layout.numbers is None or not layout.numbers.bins:
        return None
    return layout.numbers.rows_of(summary.vector[layout.known :])


def _bins(summary: ErrorSummary) -> PredictionBins | None:
    rows, numbers = _bin_rows(summary), summary.layout.numbers
    if rows is None or numbers is None:
        return None
    return PredictionBins.of(rows[0].astype(np.float64), rows[1:], numbers.unit)


def _parts(summary: ErrorSummary, weights: Weights) -> Integers:
    """Return the parts of the sums in fixed point, shape (2, width)."""
    return weights.vector[summary.layout.weights.counts :].reshape(2, -1)


def _weighted_scores(summary: ErrorSummary, weights: Weights) -> Floats:
    counts = score_counts(summary)
    if not counts.size:
        return counts.astype(np.float64)
    return fixed.to_floats(fixed.of_counts(counts.ravel()) + _parts(summary, weights)).reshape(counts.shape)


def _weighted_bins(summary: ErrorSummary, weights: Weights) -> PredictionBins | None:
    rows, numbers = _bin_rows(summary), summary.layout.numbers
    if rows is None or numbers is None:
        return None
    weight, prediction, truth = np.split(_parts(summary, weights), 3, axis=1)
    sums = np.concatenate([rows[1:3] + prediction, rows[3:5] + truth])
    return PredictionBins.of(fixed.to_floats(fixed.of_counts(rows[0]) + weight), sums, numbers.unit)
