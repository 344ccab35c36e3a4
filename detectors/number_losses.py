"""What every row of a regression adds to the exact sums of an error summary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.deviance import unit_deviance

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class NumberLosses:
    """The losses of rows, each of shape (n,) but for `terms`.

    Parameters
    ----------
    error
        Prediction minus truth.
    terms
        Shape (n, sums): those of `detectors.layout.ErrorLayout.sums`; beyond a double is the largest.
    has_ape
        Where there is a relative error.
    deviance, has_deviance
        Of a loss that is one, and which rows it allows; zeros and False of another.
    """

    error: Floats
    terms: Floats
    has_ape: Mask
    deviance: Floats
    has_deviance: Mask


def number_losses(truth: Floats, prediction: Floats, *, power: float | None) -> NumberLosses:
    """Return the losses of rows.

    Parameters
    ----------
    truth, prediction
        Shape (n,), finite.
    power
        Of the deviance that the model is judged by (see `detectors.deviance`), None without one.
    """
    truth, prediction = np.ascontiguousarray(truth), np.ascontiguousarray(prediction)
    has_ape = truth != 0
    deviance, has_deviance = np.zeros_like(truth), np.zeros(len(truth), dtype=np.bool_)
    with np.errstate(over="ignore", invalid="ignore"):
        error = prediction - truth
        absolute, size = np.abs(error), np.abs(prediction) + np.abs(truth)
        ape = np.divide(absolute, np.abs(truth), out=np.zeros_like(error), where=has_ape)
        smape = np.divide(2 * absolute, size, out=np.zeros_like(error), where=size > 0)
        terms = [error, absolute, error * error, truth, truth * truth, prediction, ape, smape]
    if power is not None:
        deviance, has_deviance = unit_deviance(truth, prediction, power=power)
        terms.append(deviance)
    return NumberLosses(error, np.nan_to_num(np.column_stack(terms)), has_ape, deviance, has_deviance)
