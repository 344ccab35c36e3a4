"""The expected loss of an answer in each cell: what is bet on without labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detectors.betting.functionals import GRAIN
from detectors.estimation.calibration import Calibration, rates_of
from detectors.estimation.cells import AnswerLayout

Floats = npt.NDArray[np.float64]


def losses_of(calibration: Calibration, layout: AnswerLayout) -> Floats:
    """Return the expected loss of an answer in each cell, shape (cells,): of being wrong, or the size of the error."""
    expected = rates_of(calibration).expected
    if layout.rows == 1:
        return 1 - expected if calibration.hits else expected
    return np.concatenate([expected, 1 - expected])


def relative_losses(calibration: Calibration, layout: AnswerLayout) -> Floats:
    """Return the expected loss of an answer in each cell, from 0 to 1 and in steps that add up exactly."""
    losses = losses_of(calibration, layout)
    grains: Floats = np.rint(losses / max(float(losses.max()), np.finfo(np.float64).tiny) / GRAIN) * GRAIN
    return grains
