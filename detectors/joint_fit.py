"""Learns from a sample of rows how a reference's numeric features stand together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.grid_products import on_grid, second_moments
from detectors.joint import FEATURES_MAX, WEIGHT_GRAIN, Joint, standardised
from detectors.profile_count import HIGH_SHARE, LOW_SHARE
from detectors.profile_sample import quantile

Floats = npt.NDArray[np.float64]

ROWS_PER_FEATURE: Final = 10
"""With fewer rows for each feature the small components are mostly chance."""
EXPLAINED: Final = 0.9
"""The leading components explain this share of the variance."""


def fit_joint(names: Sequence[str], rows: Floats) -> Joint | None:
    """Return the joint reference of the first features that vary; None for fewer than two.

    Parameters
    ----------
    names
        Of the columns of `rows`, in order of preference.
    rows
        Shape (n, features), n at most 20,000: numbers as they came; NaN and infinity for none.
    """
    spreads = {place: _spread(rows[:, place]) for place in range(len(names))}
    varied = [place for place, (_, sd) in spreads.items() if 0 < sd < math.inf]
    kept = varied[: min(FEATURES_MAX, max(len(rows) // ROWS_PER_FEATURE, 2))]
    if len(kept) < 2:
        return None
    mean, sd = (np.array([spreads[place][i] for place in kept]) for i in range(2))
    components, variances = _components(rows[:, kept], mean, sd)
    explained = np.cumsum(variances) / variances.sum()
    ends = [_ends(rows[:, place]) for place in kept]
    return Joint(
        features=tuple(names[place] for place in kept),
        n=len(rows),
        mean=tuple(mean.tolist()),
        sd=tuple(sd.tolist()),
        low=tuple(low for low, _ in ends),
        high=tuple(high for _, high in ends),
        components=tuple(map(tuple, components.tolist())),
        variances=tuple(variances.tolist()),
        leading=min(int(np.searchsorted(explained, EXPLAINED)) + 1, len(kept) - 1),
    )


def _spread(column: Floats) -> tuple[float, float]:
    """Return mean and standard deviation of the finite values; a spread of 0 for fewer than two different ones."""
    found = column[np.isfinite(column)]
    if not len(found) or found.min() == found.max():
        return 0.0, 0.0
    exponent = math.frexp(float(np.abs(found).max()))[1]  # so that no square overflows
    scaled = np.ldexp(found, -exponent)
    return math.ldexp(float(scaled.mean()), exponent), math.ldexp(float(scaled.std()), exponent)


def _ends(column: Floats) -> tuple[float, float]:
    ordered = np.sort(column[np.isfinite(column)])
    return quantile(ordered, LOW_SHARE), quantile(ordered, HIGH_SHARE)


def _components(rows: Floats, mean: Floats, sd: Floats) -> tuple[Floats, Floats]:
    """Return the principal components, one a row, and their variances, largest first."""
    moments = second_moments(standardised(rows, mean, sd)) / len(rows)
    variances, vectors = np.linalg.eigh(moments)
    components = vectors.T[::-1]
    largest = np.argmax(np.abs(components), axis=1)
    signs = np.sign(components[np.arange(len(components)), largest])  # a vector and its negative are one
    return (
        on_grid(components * signs[:, None], WEIGHT_GRAIN),
        on_grid(np.maximum(variances[::-1], 0.0), WEIGHT_GRAIN),
    )
