"""The unit deviance of the exponential dispersion models that count and cost models are fitted by."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from schemas.model_parts import Loss

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

POISSON: Final = 1.0
GAMMA: Final = 2.0


def deviance_power(loss: Loss) -> float | None:
    """Return the power of the variance function that a loss stands for, None for a loss that is no deviance."""
    return {"poisson": POISSON, "gamma": GAMMA, "tweedie": loss.power}.get(loss.name)


def unit_deviance(truth: Floats, prediction: Floats, *, power: float) -> tuple[Floats, Mask]:
    """Return the deviance of every row, and of which rows there is one.

    Parameters
    ----------
    truth, prediction
        Shape (n,), finite.
    power
        1 Poisson, 2 gamma, between them Tweedie (a compound Poisson of gammas): the variance is proportional to
        the mean to this power.

    Returns
    -------
    tuple
        Deviances, shape (n,): 0 where the two agree and more elsewhere; beyond a double is the largest. Rows that
        the loss does not allow have 0 and False: a prediction that is not above 0, a truth below 0, and for gamma
        a truth of 0.

    References
    ----------
    Jorgensen, "Exponential dispersion models", Journal of the Royal Statistical Society B 49 (1987).

    Examples
    --------
    >>> found, known = unit_deviance(np.array([0.0, 2.0, 1.0]), np.array([3.0, 2.0, 0.0]), power=POISSON)
    >>> found.tolist(), known.tolist()
    ([6.0, 0.0, 0.0], [True, True, False])
    """
    known = (prediction > 0) & ((truth > 0) if power == GAMMA else (truth >= 0))
    y, mean = np.where(known, truth, 1.0), np.where(known, prediction, 1.0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if power == POISSON:
            half = _times_log(y, mean) - y + mean
        elif power == GAMMA:
            half = np.log(mean) - np.log(y) + y / mean - 1
        else:
            rest = 2 - power
            half = mean**rest / rest + y * mean ** (1 - power) / (power - 1) - y**rest / (power - 1) / rest
        largest = np.finfo(np.float64).max
        found: Floats = np.nan_to_num(2 * half, nan=largest, posinf=largest)
    return np.maximum(found, 0.0), known


def _times_log(y: Floats, mean: Floats) -> Floats:
    """Return y * log(y / mean), 0 where y is 0."""
    found: Floats = y * (np.log(np.where(y > 0, y, 1.0)) - np.log(mean))
    return found
