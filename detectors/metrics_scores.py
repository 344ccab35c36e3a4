"""Metrics of scores from their counts on uniform bins, per truth."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64] | npt.NDArray[np.float64]
"""Shape (2, bins): truth negative, truth positive; rows, or what they weigh."""

Floats = npt.NDArray[np.float64]

CALIBRATION_BINS: Final = 16
"""Bins of equal width of the expected calibration error; they divide the bins of every layout."""


def rank_metrics(counts: Counts) -> dict[str, float | None]:
    """Return the area under the ROC curve and the average precision.

    Parameters
    ----------
    counts
        Shape (2, bins). Scores of one bin are ties: half a win each in the area, one step of the curve in
        the average precision.

    Examples
    --------
    >>> round(rank_metrics(np.array([[2, 1, 0], [0, 1, 2]]))["roc_auc"], 4)  # 8 wins, 1 tie of 9 pairs
    0.9444
    """
    negative, positive = counts
    negatives, positives = float(negative.sum()), float(positive.sum())
    if negatives <= 0 or positives <= 0:
        # The curve of precision needs no negatives: all answers are right, at every threshold.
        return {"roc_auc": None, "pr_auc": 1.0 if positives > 0 else None}
    below = np.cumsum(negative) - negative / 2
    area = float(positive @ below) / negatives / positives
    true = np.cumsum(positive[::-1])
    said = np.cumsum((negative + positive)[::-1])
    precision = np.divide(true, said, out=np.zeros(len(said)), where=said > 0)
    return {"roc_auc": area, "pr_auc": float(positive[::-1] @ precision) / positives}


def calibration_error(counts: Counts) -> float | None:
    """Return the mean distance between score and observed share over 16 bins, weighted by their events.

    Parameters
    ----------
    counts
        Shape (2, bins), bins a multiple of 16. A score is taken to be the middle of its cell.

    Examples
    --------
    >>> counts = np.zeros((2, 128), dtype=np.int64)
    >>> counts[:, 96] = 40, 60  # scores of 0.75, of which 60 % come true
    >>> round(calibration_error(counts), 2)
    0.15
    """
    total = float(counts.sum())
    if total <= 0:
        return None
    expected, observed = calibration_sums(counts)[:2]
    return float(np.abs(expected - observed).sum()) / total


def calibration_sums(counts: Counts) -> tuple[Floats, Floats, Floats]:
    """Return sums of scores, of what came true, and of rows, each of shape (16,), by bin of the score."""
    cells = counts.shape[1]
    middles = (np.arange(cells) + 0.5) / cells
    both = counts.sum(axis=0)
    sums = (both * middles, counts[1], both)
    expected, observed, rows = (
        np.asarray(x, dtype=np.float64).reshape(CALIBRATION_BINS, -1).sum(axis=1) for x in sums
    )
    return expected, observed, rows
