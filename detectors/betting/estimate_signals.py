"""What is bet on about estimates: that they have become worse, and that labels refute them."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.betting.error_cells import ErrorCells
from detectors.betting.error_signals import bounded_signal
from detectors.betting.functionals import centred
from detectors.betting.signal import DOWN, UP, Signal, Wager, quantile_for, slack_of
from detectors.betting.watched import Watched
from detectors.estimation.losses import relative_losses
from detectors.estimation.reality import Surprises
from detectors.layout import PredictionLayout
from detectors.profile import ReferenceProfile
from schemas.finding import Kind
from schemas.model_parts import MinEffect

ESTIMATED: Final = "estimated_performance"
REFUTED: Final = "refuted"
_SIZES: Final = (0.05, 0.1, 0.2, 0.4, 0.8)


def estimate_signals(
    layout: PredictionLayout, profile: ReferenceProfile | None, *, least: MinEffect
) -> list[Watched]:
    """Return the bet that answers are expected to be worse than those of the reference; none without a calibration."""
    if profile is None or profile.calibration is None or layout.answers is None or not profile.calibration.n:
        return []
    counts = np.array(profile.calibration.counts, dtype=np.float64)
    losses = relative_losses(profile.calibration, layout.answers)
    usual = float(counts @ losses) / counts.sum()
    if not np.ptp(losses) > 0:
        return []
    cells = layout.answer_cells
    signal = bounded_signal(
        ESTIMATED,
        np.arange(cells.start, cells.stop, dtype=np.intp),
        centred(losses[:, None], counts),
        counts,
        smallest=least.relative_error * usual,
        rhythms=(profile.calibration.rhythm,),
        z=quantile_for(1),
    )
    return [Watched(signal, Kind.ESTIMATED_PERFORMANCE, ESTIMATED)]


def refuting_signal(cells: ErrorCells, surprises: Surprises) -> Signal | None:
    """Return the two-sided bet that labelled answers do not come to what their scores made expect; None where nothing can tell."""
    values, n = surprises.values, surprises.counts.sum()
    variance = surprises.counts @ np.square(values) / n
    if not variance.all():
        return None
    width = values.shape[1]
    rhythms, sds = (None,) * width, np.sqrt(variance)
    slack = slack_of(sds, rhythms, n=int(n), z=quantile_for(width), minimum=surprises.least)
    return Signal(
        name=REFUTED,
        group="performance",
        cells=cells.places(surprises.cells),
        values=values,
        sds=sds,
        slack=slack,
        minimum=slack[:, 0],
        wagers=tuple(Wager(i, side, _SIZES) for i in range(width) for side in (UP, DOWN)),
        rhythms=rhythms,
    )
