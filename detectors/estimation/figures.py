"""Metrics that are expected of answers whose labels have not come, with intervals.

For classifications this is confidence-based performance estimation: of each answer its calibrated score says how likely it is to be
right, so the expected confusion of many answers is a sum.

References
----------
NannyML, "Confidence-based Performance Estimation" (documentation, 2022); the method rests on scores that mean what they
meant in the reference, so it sees that inputs have moved, and not that the world has.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detectors.confidence import Z95, Estimate
from detectors.estimation.calibration import Calibration, Rates, rates_of
from detectors.estimation.cells import AnswerLayout

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[Any]

ANSWERS_MIN: Final = 30
"""Of fewer answers nothing is estimated."""

Estimates = dict[str, Estimate]


def estimated(calibration: Calibration, layout: AnswerLayout, counts: Counts) -> Estimates:
    """Return the metrics that are expected of answers, with 95 % intervals.

    Nothing of fewer than `ANSWERS_MIN`, and nothing by a calibration without labels.

    Parameters
    ----------
    counts
        Shape (cells,): answers per cell of the layout.

    Returns
    -------
    dict
        Binary: `accuracy`, `precision`, `recall`, `f1`, `roc_auc`. More classes: `accuracy`. Regression: `mae`.

    Notes
    -----
    An interval has two parts, added as variances: what chance makes of outcomes of just these answers, and the error of
    the calibration itself. Ratios and the area under the ROC curve follow by the delta method. Bins of the score count as ties
    in the area.

    Examples
    --------
    >>> calibration = Calibration(edges=(0.5,), counts=(50, 0, 0, 50), labelled=(50, 50), hits=(5, 45))
    >>> found = estimated(calibration, AnswerLayout("binary", (0.5,)), np.array([90, 0, 0, 10]))
    >>> {name: round(estimate.value, 3) for name, estimate in found.items()}
    {'accuracy': 0.9, 'precision': 0.9, 'recall': 0.5, 'f1': 0.643, 'roc_auc': 0.744}
    """
    table = layout.by_bin(counts)
    n = table.sum()
    if n < ANSWERS_MIN or not calibration.n:
        return {}
    rates = rates_of(calibration)
    if layout.task == "regression":
        slopes = np.full(table.shape, 1 / n)
        return {
            "mae": _interval(float((table @ rates.expected).sum() / n), slopes, table, rates, most=math.inf)
        }
    if layout.rows == 1:
        slopes = np.full(table.shape, 1 / n)
        return {"accuracy": _interval(float((table @ rates.expected).sum() / n), slopes, table, rates)}
    return {
        name: _interval(value, slopes, table, rates)
        for name, (value, slopes) in _binary(table, table * rates.expected).items()
    }


def _binary(table: Floats, hits: Floats) -> dict[str, tuple[float, Floats]]:
    """Return each metric of expected confusions, and how fast it grows with the hits in each cell.

    Parameters
    ----------
    table, hits
        Shape (2, bins): answers, negative ones first, and how many of them are expected to be truly positive.
    """
    n, said = table.sum(), table[1].sum()
    both, positives = hits[1].sum(), hits.sum()
    right = both + (table[0] - hits[0]).sum()
    is_said = np.array([[0.0], [1.0]])
    every = np.ones(table.shape)
    found = {"accuracy": (right / n, (2 * is_said - 1) / n * every)}
    if said > 0:
        found["precision"] = both / said, is_said / said * every
    if positives > 0:
        found["recall"] = both / positives, (is_said - both / positives) / positives * every
    if said + positives > 0:
        f1 = 2 * both / (said + positives)
        found["f1"] = f1, (2 * is_said - f1) / (said + positives) * every
    if 0 < positives < n:
        area, slopes = _area(table.sum(axis=0), hits.sum(axis=0))
        found["roc_auc"] = area, slopes * every
    return {name: (float(value), slopes) for name, (value, slopes) in found.items()}


def _area(answers: Floats, hits: Floats) -> tuple[float, Floats]:
    """Return the area under the ROC curve, and how fast it grows with the hits in each bin, shape (bins,)."""
    misses = answers - hits
    positives, negatives = hits.sum(), misses.sum()
    below = np.cumsum(misses) - misses / 2
    above = positives - np.cumsum(hits) + hits / 2
    pairs = positives * negatives
    area = float(hits @ below) / pairs
    slopes = (below - above) / pairs - area * (negatives - positives) / pairs
    return area, slopes


def _interval(value: float, slopes: Floats, table: Floats, rates: Rates, *, most: float = 1.0) -> Estimate:
    """Return a figure with its interval, from how fast it grows with the outcome of an answer in each cell."""
    chance = float((np.square(slopes) * table * rates.spread).sum())
    of_bins = (slopes * table).sum(axis=0)
    lookup = float(np.square(np.bincount(rates.blocks, of_bins)) @ rates.variance)
    half = Z95 * math.sqrt(chance + lookup)
    return Estimate(value, max(value - half, 0.0), min(value + half, most))
