"""Estimates beside what labels say of the very same answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from detectors.betting.isotonic import isotonic
from detectors.estimation.calibration import Calibration
from detectors.layout import WINDOW_SCORE_BINS, ErrorLayout, calibrated_answers
from detectors.profile import ReferenceProfile
from detectors.summary import Summary
from schemas.model_parts import MinEffect

Floats = npt.NDArray[np.float64]

LABELS_MIN: Final = 200
"""Fewer labelled answers neither bear estimates out nor refute them."""
ERRORS: Final = 3.3
"""So many standard errors beyond what counts as unchanged refute an estimate: one comparison in a thousand by chance."""
INFLATION: Final = 3.0
"""Of the variance of sums, as answers that come together are not independent."""
CLIPPED_FROM: Final = 0.99
FEW: Final = 5
"""Bins of predictions with fewer labels have the usual error."""
_HALF: Final = 0.5


class Surprises(NamedTuple):
    """What an answer came to, less what it made expect, by cells of error windows.

    Parameters
    ----------
    cells
        The cells of an error window: those of scores; of a regression, of predictions and sizes of errors.
    values
        Shape (cells, quantities); their means over the reference are 0. The first is of answers that are right, or of the size
        of the error; a binary model has a second one, of those that are truly positive.
    counts
        Shape (cells,): labelled rows of the reference.
    least
        Shape (quantities,): the smallest surprise that matters.
    """

    cells: slice
    values: Floats
    counts: Floats
    least: Floats


def surprises_of(profile: ReferenceProfile, layout: ErrorLayout, *, least: MinEffect) -> Surprises | None:
    """Return the surprises of a profile's answers; None without a calibration.

    Parameters
    ----------
    layout
        Of error windows.
    """
    if profile.calibration is None or not profile.calibration.n:
        return None
    if layout.task == "regression":
        return _of_errors(profile.calibration, layout.outcome_cells, least)
    return _of_scores(profile, layout, least)


def middles_of(sizes: Sequence[float]) -> Floats:
    """Return a size for each bin of sizes of errors; the last bin, which has no end, has that of its beginning."""
    bounds = np.array([0.0, *sizes, sizes[-1]])
    middles: Floats = bounds[:-1] / 2 + bounds[1:] / 2
    return middles


def _of_errors(calibration: Calibration, cells: slice, least: MinEffect) -> Surprises | None:
    """Return how much larger errors are than those of such predictions were.

    Sizes are clipped at the bin of the reference's 99 % quantile, as a bet on what has hardly ever been could stake nothing.
    """
    if not calibration.sizes or cells.stop - cells.start != len(calibration.outcomes):
        return None
    table = np.array(calibration.outcomes, dtype=np.float64).reshape(-1, len(calibration.sizes) + 1)
    labelled, n = table.sum(axis=1), table.sum()
    size = middles_of(calibration.sizes)
    size = np.minimum(size, size[np.searchsorted(table.sum(axis=0).cumsum(), CLIPPED_FROM * n)])
    size /= max(size.max(), np.finfo(np.float64).tiny)
    usual = float((table @ size).sum() / n)
    expected = np.divide(table @ size, labelled, out=np.full(len(labelled), usual), where=labelled >= FEW)
    values = (size - expected[:, None]).reshape(-1, 1)
    counts = table.ravel()
    if not usual > 0:
        return None
    return Surprises(cells, values - counts @ values / n, counts, np.array([least.relative_error * usual]))


def _of_scores(profile: ReferenceProfile, layout: ErrorLayout, least: MinEffect) -> Surprises | None:
    counts = np.array(profile.score_cells, dtype=np.float64)
    if len(counts) != 2 * WINDOW_SCORE_BINS or not counts.sum():
        return None
    missed, hit = counts[:WINDOW_SCORE_BINS], counts[WINDOW_SCORE_BINS:]
    n = missed + hit
    happens = isotonic(hit, n)
    rest = np.concatenate([-happens, 1 - happens])
    if profile.task == "binary":
        said = said_positive(profile)
        values = np.column_stack([np.tile(2 * said - 1, 2) * rest, rest])
        wrong = said * (1 - happens) + (1 - said) * happens
        usual = np.array([n @ wrong, hit.sum()]) / n.sum()
    else:
        values, usual = rest[:, None], np.array([n @ (1 - happens)]) / n.sum()
    return Surprises(
        layout.outcome_cells, values - counts @ values / n.sum(), counts, least.relative_error * usual
    )


def said_positive(profile: ReferenceProfile) -> Floats:
    """Return the share of answers of the positive class per cell of an error window's scores, as in the reference."""
    layout, calibration = calibrated_answers(profile), profile.calibration
    if layout is None or calibration is None:
        raise ValueError("expected a profile with a calibration")
    negative, positive = layout.by_bin(np.array(calibration.counts))
    total, middles = negative + positive, _middles(calibration)
    cells = np.minimum((middles * WINDOW_SCORE_BINS).astype(np.intp), WINDOW_SCORE_BINS - 1)
    yes = np.bincount(cells, positive, minlength=WINDOW_SCORE_BINS)
    every = np.bincount(cells, total, minlength=WINDOW_SCORE_BINS)
    known = np.flatnonzero(total)
    centres = (np.arange(WINDOW_SCORE_BINS) + _HALF) / WINDOW_SCORE_BINS
    nearest = known[np.abs(middles[known] - centres[:, None]).argmin(axis=1)]
    shares: Floats = np.divide(yes, every, out=positive[nearest] / total[nearest], where=every > 0)
    return shares


def _middles(calibration: Calibration) -> Floats:
    bounds = np.clip(np.array([0.0, *calibration.edges, 1.0]), 0.0, 1.0)
    middles: Floats = (bounds[:-1] + bounds[1:]) / 2
    return middles


def borne_out(profile: ReferenceProfile, labelled: Summary[ErrorLayout], *, least: MinEffect) -> bool | None:
    """Return whether labelled answers came to what their scores made expect; None where nothing can tell.

    Both sides are of the same answers, so which of them have a label is of no moment unless that depends on the truth.
    """
    surprises = surprises_of(profile, labelled.layout, least=least)
    return (
        None
        if surprises is None
        else are_borne_out(surprises, labelled.vector[surprises.cells].astype(np.float64))
    )


def are_borne_out(surprises: Surprises, counts: Floats) -> bool | None:
    """Return the same of labelled answers by the cells of surprises, shape (cells,)."""
    n = counts.sum()
    if n < LABELS_MIN:
        return None
    mean = counts @ surprises.values / n
    variance = counts @ np.square(surprises.values - mean) / n
    known = surprises.counts @ np.square(surprises.values) / surprises.counts.sum()
    error = np.sqrt(INFLATION * (variance / n + known / surprises.counts.sum()))
    return bool((np.abs(mean) <= surprises.least + ERRORS * error).all())
