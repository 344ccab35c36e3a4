"""How a row's numbers stand together: its distance from the reference, and what is new in their combination.

Each feature may be where it always is while the combination has never been seen. Three figures per row say so,
and they are counted like any other column of the profile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detectors.grid_products import on_grid, product

Floats = npt.NDArray[np.float64]

DISTANCE, RESIDUAL, OUTSIDE = "distance", "residual", "outside"
FIGURES: Final = (DISTANCE, RESIDUAL, OUTSIDE)
"""The figures of a row, in the order of the columns of `JointScore.figures`."""

FEATURES_MAX: Final = 64
FOLLOWED_MAX: Final = 16
"""So many of the features, the first ones, have their correlations followed from window to window."""

CLIP: Final = 8.0
"""Values further than this many standard deviations out count as this far."""
VALUE_GRAIN: Final = 2.0**-16
WEIGHT_GRAIN: Final = 2.0**-20
"""64 products of a value up to 8 and a weight up to 1 have 42 bits on these grids: their sum is exact."""

VARIANCE_MIN: Final = 1e-3
"""Least variance of a component: collinear features make one of 0, and rounding is no news."""

FIGURE_MAX: Final = CLIP / math.sqrt(VARIANCE_MIN)
"""No distance, residual or share is larger."""


@dataclass(frozen=True, slots=True)
class Joint:
    """The reference's numeric features together.

    Parameters
    ----------
    features
        Names, k of them: the most important ones first where importances were given, else in order.
    n
        Rows that this was learned from; the figures of the profile are counted on the other rows.
    mean, sd
        Of each feature's finite values.
    low, high
        Their 0.1 and 99.9 % quantiles.
    components
        Principal components of the standardised values, one of k weights each, largest variance first.
    variances
        Mean square along each component.
    leading
        So many components explain 90 % of the variance: at least one, and fewer than all.
    """

    features: tuple[str, ...]
    n: int
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    components: tuple[tuple[float, ...], ...]
    variances: tuple[float, ...]
    leading: int

    @property
    def followed(self) -> tuple[str, ...]:
        """The features whose correlations are followed."""
        return self.features[:FOLLOWED_MAX]

    def correlation(self) -> Floats:
        """Return the correlations of the standardised values, shape (k, k)."""
        weights = np.array(self.components)
        moments = weights.T @ (weights * np.array(self.variances)[:, None])
        spread = np.sqrt(np.maximum(np.diagonal(moments), VALUE_GRAIN))
        found: Floats = np.clip(moments / np.outer(spread, spread), -1.0, 1.0)
        return found


class JointScore:
    """Scores rows against a reference's `Joint`.

    Examples
    --------
    Two features that always go together, each within its usual range:

    >>> half = math.sqrt(0.5)
    >>> joint = Joint(
    ...     ("a", "b"), 1000, (0.0, 0.0), (1.0, 1.0), (-3.0, -3.0), (3.0, 3.0),
    ...     ((half, half), (half, -half)), (1.99, 0.01), 1,
    ... )
    >>> JointScore(joint).figures(np.array([[2.0, 2.0], [2.0, -2.0], [9.0, np.nan]])).round(1).tolist()
    [[1.4, 0.0, 0.0], [20.0, 2.8, 0.0], [40.1, 5.7, 1.0]]

    References
    ----------
    The distance: Mahalanobis, "On the generalised distance in statistics", Proceedings of the National Institute
    of Sciences of India 2 (1936). The residual: Jackson and Mudholkar, "Control procedures for residuals
    associated with principal component analysis", Technometrics 21 (1979).

    Notes
    -----
    The figures of a row are the same bits whatever rows come with it. Cost: one product of (n, k) by (k, k), and
    some dozen operations per value.
    """

    def __init__(self, joint: Joint) -> None:
        self._mean, self._sd = np.array(joint.mean), np.array(joint.sd)
        self._low, self._high = np.array(joint.low), np.array(joint.high)
        self._weights = np.array(joint.components).T.copy()
        self._scale = 1 / np.maximum(np.array(joint.variances), VARIANCE_MIN)
        self._leading = joint.leading

    def standard(self, numbers: Floats) -> Floats:
        """Return values in standard deviations from the mean, clipped and on a grid; what is missing is 0.

        Parameters
        ----------
        numbers
            Shape (n, k), as they came; NaN and infinity for no number.
        """
        return standardised(numbers, self._mean, self._sd)

    def figures(self, numbers: Floats, standard: Floats | None = None) -> Floats:
        """Return the three figures of each row, shape (n, 3); NaN in a row without any number.

        Parameters
        ----------
        numbers
            Shape (n, k), as they came; NaN and infinity for no number.
        standard
            What `standard` returns for them, where that is at hand.

        Returns
        -------
        numpy.ndarray
            `distance`: the Mahalanobis distance divided by the root of the number of features, so that its mean
            square is 1 in the reference. `residual`: length of what the leading components do not explain, in
            standard deviations. `outside`: share of the row's numbers that are lower or higher than all but
            0.1 % of the reference's (categories are not looked at).
        """
        along = np.square(product(self.standard(numbers) if standard is None else standard, self._weights))
        figures = np.zeros((len(numbers), len(FIGURES)))
        for place, scale in enumerate(self._scale.tolist()):  # in this order, whatever the number of rows
            figures[:, 0] += along[:, place] * scale
            if place >= self._leading:
                figures[:, 1] += along[:, place]
        figures[:, 0] /= len(self._scale)
        np.sqrt(figures[:, :2], out=figures[:, :2])
        there = np.isfinite(numbers).sum(axis=1)
        beyond = ((numbers < self._low) | (numbers > self._high)) & np.isfinite(numbers)
        figures[:, 2] = beyond.sum(axis=1) / np.maximum(there, 1)
        figures[there == 0] = np.nan
        return figures


def standardised(numbers: Floats, mean: Floats, sd: Floats) -> Floats:
    """Return values in standard deviations from the mean, clipped and on the grid; what is no number is 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.clip((numbers - mean) / sd, -CLIP, CLIP)
    scaled[~np.isfinite(numbers)] = 0.0
    return on_grid(scaled, VALUE_GRAIN)


def joint_from(raw: Mapping[str, Any] | None) -> Joint | None:
    """Read a `Joint` out of a profile's JSON.

    Raises
    ------
    ValueError
        Shapes that do not go together, or numbers that cannot be.
    """
    if raw is None:
        return None
    numbers = {name: tuple(map(float, raw[name])) for name in ("mean", "sd", "low", "high", "variances")}
    joint = Joint(
        features=tuple(map(str, raw["features"])),
        n=int(raw["n"]),
        components=tuple(tuple(map(float, row)) for row in raw["components"]),
        leading=int(raw["leading"]),
        **numbers,
    )
    width = len(joint.features)
    lengths = {len(joint.components), *map(len, joint.components), *map(len, numbers.values())}
    if not 2 <= width <= FEATURES_MAX or lengths != {width} or not 1 <= joint.leading < width:
        raise ValueError(f"joint: {width} features, tables of {sorted(lengths)}, {joint.leading} leading")
    if not min(joint.sd) > 0 or not math.isfinite(sum(joint.mean) + sum(joint.sd)):
        raise ValueError("joint: standard deviations must be above 0 and finite")
    return joint
