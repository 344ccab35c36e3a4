"""Sums that say how pairs of features go together in a window, exact whatever is merged with what."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.grid_products import second_moments
from detectors.joint import Joint
from detectors.layout import PredictionLayout

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

PAIR_SCALE: Final = 1 << 8
"""Standardised values, which are clipped at 8, are multiplied as multiples of 2**-8: 2**41 events fit a sum."""

EVENTS_MIN: Final = 30
"""With fewer events a correlation says nothing."""
CORRELATION_MAX: Final = 0.99
"""Closer to 1 a difference is no longer one that people would call a change."""


@dataclass(frozen=True, slots=True)
class PairChange:
    """The pair of features whose correlation changed most."""

    features: tuple[str, str]
    before: float
    now: float


@cache
def _triangle(width: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    return np.triu_indices(width)


def followed_values(standard: Floats) -> Floats:
    """Return standardised values as whole numbers behind a column of ones, shape (n, features + 1)."""
    values = np.ones((len(standard), standard.shape[1] + 1))
    np.rint(standard * PAIR_SCALE, out=values[:, 1:])
    return values


def pair_sums(values: Floats) -> Integers:
    """Return the sums over rows of every product of two columns of `followed_values`, each pair once.

    With the column of ones they hold the number of rows and the sums of the values too, so that a shift of the
    means is not taken for a change of correlation.
    """
    moments = second_moments(values)
    return moments[_triangle(len(moments))].astype(np.int64)


def correlations(layout: PredictionLayout, vector: Integers) -> Floats | None:
    """Return the correlations that a summary holds, shape (features, features); None without enough events.

    A missing value counts as the reference's mean. NaN with a feature that did not vary.
    """
    if layout.joint is None:
        return None
    width = len(layout.joint.followed) + 1
    sums = np.zeros((width, width))
    sums[_triangle(width)] = vector[layout.pairs :]
    n = float(sums[0, 0])
    if n < EVENTS_MIN:
        return None
    means = sums[0, 1:] / n
    products = np.triu(sums[1:, 1:]) + np.triu(sums[1:, 1:], 1).T
    covariance = products / n - np.outer(means, means)
    spread = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
    spread[spread < 1] = math.nan  # less than one step of the grid
    found: Floats = np.clip(covariance / np.outer(spread, spread), -1.0, 1.0)
    return found


def changed_pair(layout: PredictionLayout, vector: Integers) -> PairChange | None:
    """Return the pair whose correlation changed most from the reference; None where nothing can be said.

    References
    ----------
    Differences are ranked by Fisher's z (Metron 1, 1921), in which the same step is as unlikely anywhere.
    """
    now, joint = correlations(layout, vector), layout.joint
    if now is None or joint is None:
        return None
    before = _reference(joint)
    change = np.triu(np.abs(_fisher(now) - _fisher(before)), 1)
    change = np.nan_to_num(change, nan=-1.0)
    first, second = (int(place) for place in np.unravel_index(int(np.argmax(change)), change.shape))
    if change[first, second] <= 0:
        return None
    return PairChange(
        (joint.features[first], joint.features[second]),
        float(before[first, second]),
        float(now[first, second]),
    )


def _reference(joint: Joint) -> Floats:
    followed = len(joint.followed)
    return joint.correlation()[:followed, :followed]


def _fisher(correlation: Floats) -> Floats:
    return np.asarray(np.arctanh(np.clip(correlation, -CORRELATION_MAX, CORRELATION_MAX)))
