"""How far a figure may stray by chance alone: bounds that detectors fire beyond.

Rates use the bound of Chernoff: of n independent events with probability p each, a share of at least q
happens with probability at most exp(-n KL(q, p)), where KL is the Kullback-Leibler divergence of two coins.
It holds for every n, so a rate never needs a normal approximation, and it is a little wider than the
interval of Clopper and Pearson, so it never claims more than that one does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PROFILE_ALPHA: Final = 0.05
"""Chance that a rate of the profile is believed to be lower than it is, per rate."""

FAMILY_ALPHA: Final = 1e-4
"""Chance that any column of a window breaches while nothing has changed, per monitor."""

_STEPS: Final = 40
_NEWTON_STEPS: Final = 12
_ABOVE_ZERO: Final = 1e-12
_BELOW_ONE: Final = 1 - 1e-12


def divergence(share: npt.ArrayLike, rate: npt.ArrayLike) -> Floats:
    """Return KL(share, rate) of two coins in nats, elementwise; infinite where `rate` forbids `share`."""
    q, p = np.broadcast_arrays(np.asarray(share, np.float64), np.asarray(rate, np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        heads = np.where(q > 0, q * np.log(q / p), 0.0)
        tails = np.where(q < 1, (1 - q) * np.log((1 - q) / (1 - p)), 0.0)
    return np.asarray(heads + tails, dtype=np.float64)


def upper_rate(hits: npt.ArrayLike, n: npt.ArrayLike, *, alpha: float) -> Floats:
    """Return the upper end of the interval for a rate seen `hits` times in `n`, elementwise.

    Parameters
    ----------
    alpha
        The true rate lies above the end with at most this probability.

    Returns
    -------
    numpy.ndarray
        In (0, 1]; 1 where `n` is 0. About -log(alpha) / n for a rate that was never seen.

    Examples
    --------
    >>> round(float(upper_rate(0, 1000, alpha=0.05)), 5)
    0.00299
    """
    k, size = np.broadcast_arrays(np.asarray(hits, np.float64), np.asarray(n, np.float64))
    ends = np.frombuffer(_upper_ends(k.tobytes(), size.tobytes(), alpha), np.float64)
    return ends.reshape(k.shape).copy()


@lru_cache(maxsize=4096)
def _upper_ends(hits: bytes, n: bytes, alpha: float) -> bytes:
    """Return the ends as bytes: models that start ask for the same few again and again."""
    k, size = np.frombuffer(hits, np.float64), np.frombuffer(n, np.float64)
    share = np.divide(k, size, out=np.ones_like(k), where=size > 0)
    ends = _crossing(share, np.ones_like(share), lambda p: size * divergence(share, p) < -math.log(alpha))
    return ends.tobytes()


def critical_rate(rate: npt.ArrayLike, n: npt.ArrayLike, *, alpha: float) -> Floats:
    """Return the share of `n` events from which on a true rate of `rate` is ruled out, elementwise.

    Parameters
    ----------
    alpha
        A share at or above the result happens with at most this probability.

    Returns
    -------
    numpy.ndarray
        In [rate, 1]; above 1 where no share of so few events rules the rate out.

    Examples
    --------
    >>> round(float(critical_rate(0.1, 1000, alpha=1e-4)), 3)
    0.143
    """
    p, size = np.broadcast_arrays(np.maximum(rate, _ABOVE_ZERO), np.asarray(n, np.float64))
    needed = np.divide(-math.log(alpha), size, out=np.full(p.shape, np.inf), where=size > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        # By Pinsker's inequality the root lies left of the start; Newton's steps on a convex function then
        # come down to it from above, so that stopping early errs on the safe side.
        share = np.minimum(p + np.sqrt(needed / 2), _BELOW_ONE)
        for _ in range(_NEWTON_STEPS):
            slope = np.log(share * (1 - p) / (p * (1 - share)))
            share = np.clip(share - (divergence(share, p) - needed) / slope, p, _BELOW_ONE)
        return np.where(-np.log(p) >= needed, share, 2.0)


def _crossing(low: Floats, high: Floats, below: Callable[[Floats], npt.NDArray[np.bool_]]) -> Floats:
    """Return the smallest x (to 40 bits) in [low, high] where `below(x)` is no longer true."""
    low, high = low.copy(), high.copy()
    for _ in range(_STEPS):
        middle = (low + high) / 2
        under = below(middle)
        low = np.where(under, middle, low)
        high = np.where(under, high, middle)
    return high


def normal_quantile(alpha: float) -> float:
    """Return the number of standard deviations that chance exceeds with probability `alpha`."""
    return -NormalDist().inv_cdf(alpha)


def chi_square_quantile(degrees: npt.ArrayLike, *, alpha: float) -> Floats:
    """Return what a chi-square variable exceeds with probability `alpha`, elementwise.

    Parameters
    ----------
    degrees
        Degrees of freedom; 0 gives 0.

    Notes
    -----
    By the cube-root transformation of Wilson and Hilferty, "The distribution of chi-square" (PNAS 1931).
    For `alpha` between 1e-8 and 0.01 it is at most 1 % too low; it is too high, the safe side, by up to 4 %
    from nine degrees on and by up to 23 % for one.

    Examples
    --------
    >>> round(float(chi_square_quantile(9, alpha=0.001)), 1)
    28.1
    """
    k = np.asarray(degrees, np.float64)
    spread = 2 / (9 * np.maximum(k, 1))
    quantile = k * (1 - spread + normal_quantile(alpha) * np.sqrt(spread)) ** 3
    return np.where(k > 0, quantile, 0.0)


def chi_square_lower(degrees: npt.ArrayLike, *, alpha: float) -> Floats:
    """Return what a chi-square variable stays below with probability `alpha`, elementwise; at least a hair.

    Notes
    -----
    By the same transformation as `chi_square_quantile`; for `alpha` of 0.1 within 1 % from eight degrees on.

    Examples
    --------
    >>> round(float(chi_square_lower(8, alpha=0.1)), 1)
    3.5
    """
    k = np.asarray(degrees, np.float64)
    spread = 2 / (9 * np.maximum(k, 1))
    found: Floats = k * np.maximum(1 - spread - normal_quantile(alpha) * np.sqrt(spread), 0.01) ** 3
    return found
