"""The normal distribution's density and quantiles, elementwise."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_NORMAL = NormalDist()


def normal_density(places: Floats) -> Floats:
    """Return the density of the standard normal distribution; 0 at both infinities."""
    density: Floats = np.exp(-0.5 * np.square(places)) / math.sqrt(2 * math.pi)
    return density


def normal_quantiles(shares: Floats) -> Floats:
    """Return the quantiles of shares from 0 to 1, infinite at both ends; shape as given."""
    return np.array([_quantile(share) for share in np.asarray(shares).ravel().tolist()]).reshape(shares.shape)


def _quantile(share: float) -> float:
    if share <= 0:
        return -math.inf
    return math.inf if share >= 1 else _NORMAL.inv_cdf(share)
