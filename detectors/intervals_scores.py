"""How sure metrics of scores are, from the score cells."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.confidence import Estimate, normal, on_logits
from detectors.metrics_scores import Counts, Floats

CLASS_ROWS_MIN: Final = 10
"""With fewer rows of a class a ranking metric has no interval: its spread cannot be told from so few."""

_AGREEMENT: Final = 0.1
"""A spread of losses by the middles of cells is trusted where their mean is off by no more than this share."""


def _middles(counts: Counts) -> Floats:
    return np.asarray((np.arange(counts.shape[1]) + 0.5) / counts.shape[1])


def of_brier(value: float, counts: Counts) -> Estimate:
    """Return the Brier score with the normal interval."""
    middles = _middles(counts)
    return _of_mean(value, counts, np.stack([middles**2, (1 - middles) ** 2]))


def of_log_loss(value: float, counts: Counts) -> Estimate:
    """Return the log loss with the normal interval; none where surer mistakes than the cells tell make it up."""
    middles = _middles(counts)
    losses = np.stack([-np.log1p(-middles), -np.log(middles)])
    told = float((counts * losses).sum()) / max(float(counts.sum()), 1.0)
    return _of_mean(value, counts, losses) if abs(told - value) <= _AGREEMENT * value else Estimate(value)


def _of_mean(value: float, counts: Counts, losses: Floats) -> Estimate:
    n = int(counts.sum())
    if n < 2:
        return Estimate(value)
    mean = float((counts * losses).sum()) / n
    variance = float((counts * losses**2).sum()) / n - mean * mean
    found = normal(value, variance / (n - 1))
    return found if found.low is None else Estimate(value, max(found.low, 0.0), found.high)


def of_area(value: float, counts: Counts) -> Estimate:
    """Return the area under the ROC curve with the interval of DeLong, DeLong and Clarke-Pearson (1988)."""
    negative, positive = counts
    negatives, positives = int(negative.sum()), int(positive.sum())
    if min(negatives, positives) < CLASS_ROWS_MIN:
        return Estimate(value)
    beaten = (np.cumsum(negative) - negative / 2) / negatives
    beating = (positives - np.cumsum(positive) + positive / 2) / positives
    variance = float(positive @ (beaten - value) ** 2) / (positives - 1) / positives
    variance += float(negative @ (beating - value) ** 2) / (negatives - 1) / negatives
    return on_logits(value, variance)


def of_average_precision(value: float, counts: Counts) -> Estimate:
    """Return the average precision with the logit interval of Boyd, Eng and Page (2013)."""
    negatives, positives = (int(side.sum()) for side in counts)
    if min(negatives, positives) < CLASS_ROWS_MIN:
        return Estimate(value)
    return on_logits(value, value * (1 - value) / positives)
