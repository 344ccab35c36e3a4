"""What is bet on about estimates: that they have become worse, and that labels refute them."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.error_cells import ErrorCells
from detectors.betting.error_signals import bounded_signal
from detectors.betting.functionals import centred
from detectors.betting.isotonic import isotonic
from detectors.betting.signal import DOWN, UP, Signal, Wager, quantile_for, slack_of
from detectors.betting.watched import Watched
from detectors.estimation.calibration import Calibration
from detectors.estimation.losses import relative_losses
from detectors.layout import WINDOW_SCORE_BINS, PredictionLayout, calibrated_answers
from detectors.profile import ReferenceProfile
from schemas.finding import Kind
from schemas.model_parts import MinEffect

Floats = npt.NDArray[np.float64]

ESTIMATED: Final = "estimated_performance"
REFUTED: Final = "refuted"
_SIZES: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
_HALF: Final = 0.5


def estimate_signals(
    layout: PredictionLayout, profile: ReferenceProfile | None, *, least: MinEffect
) -> list[Watched]:
    """Return the bet that answers are expected to be worse than those of the reference; none without a calibration."""
    if profile is None or profile.calibration is None or layout.answers is None:
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


def refuting_signal(cells: ErrorCells, profile: ReferenceProfile, *, least: MinEffect) -> Signal | None:
    """Return the bet that labelled answers are not as right, or as often positive, as their scores made expect.

    Two-sided, against the reference's own calibration on the cells of error windows. None without a calibration, and
    for a regression, whose error windows do not know the predictions behind the errors.
    """
    scored = np.array(profile.score_cells, dtype=np.float64)
    if profile.calibration is None or len(scored) != 2 * WINDOW_SCORE_BINS or not scored.sum():
        return None
    missed, hit = scored[:WINDOW_SCORE_BINS], scored[WINDOW_SCORE_BINS:]
    happens = isotonic(hit, missed + hit)
    rest = np.concatenate([-happens, 1 - happens])
    n = missed + hit
    if profile.task == "binary":
        said = said_positive(profile)
        right = np.tile(2 * said - 1, 2) * rest
        wrong = said * (1 - happens) + (1 - said) * happens
        values = np.column_stack([right, rest])
        usual = np.array([n @ wrong, hit.sum()]) / n.sum()
    else:
        values, usual = rest[:, None], np.array([n @ (1 - happens)]) / n.sum()
    values = centred(values, scored)
    variance = scored @ np.square(values) / scored.sum()
    if not variance.all():
        return None
    width = values.shape[1]
    rhythms = (None,) * width
    smallest, sds = least.relative_error * usual, np.sqrt(variance)
    slack = slack_of(sds, rhythms, n=int(scored.sum()), z=quantile_for(width), minimum=smallest)
    return Signal(
        name=REFUTED,
        group="performance",
        cells=cells.section(),
        values=values,
        sds=sds,
        slack=slack,
        minimum=slack.max(axis=1),
        wagers=tuple(Wager(i, side, _SIZES) for i in range(width) for side in (UP, DOWN)),
        rhythms=rhythms,
    )


def said_positive(profile: ReferenceProfile) -> Floats:
    """Return the share of answers of the positive class per cell of an error window's scores, as in the reference."""
    layout, calibration = calibrated_answers(profile), profile.calibration
    if layout is None or calibration is None:
        raise ValueError("expected a profile with a calibration")
    negative, positive = layout.by_bin(np.array(calibration.counts))
    middles = _middles(calibration)
    cells = np.minimum((middles * WINDOW_SCORE_BINS).astype(np.intp), WINDOW_SCORE_BINS - 1)
    yes = np.bincount(cells, positive, minlength=WINDOW_SCORE_BINS)
    every = np.bincount(cells, negative + positive, minlength=WINDOW_SCORE_BINS)
    total = negative + positive
    known = np.flatnonzero(total)
    centres = (np.arange(WINDOW_SCORE_BINS) + _HALF) / WINDOW_SCORE_BINS
    nearest = known[np.abs(middles[known] - centres[:, None]).argmin(axis=1)]
    shares: Floats = np.divide(yes, every, out=positive[nearest] / total[nearest], where=every > 0)
    return shares


def _middles(calibration: Calibration) -> Floats:
    bounds = np.clip(np.array([0.0, *calibration.edges, 1.0]), 0.0, 1.0)
    middles: Floats = (bounds[:-1] + bounds[1:]) / 2
    return middles
