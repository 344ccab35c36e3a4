"""What is bet on about labels.

Labels of one class often come sooner than those of another, so the mix of what has arrived says nothing about
the model. How often it is wrong is therefore bet on within each true class. What cannot be taken apart like
that, such as the mix of classes itself, is bet on only where labels come promptly (`Prompt` below).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.error_cells import LABELS_MIN, ErrorCells
from detectors.betting.feature_signals import NUMERIC_WAGERS, RATE_SIZES, SD_FACTORS, VALUES_MIN, rate_signal
from detectors.betting.functionals import (
    NUMERIC,
    TAILS,
    centred,
    numeric_functionals,
)
from detectors.betting.isotonic import isotonic
from detectors.betting.signal import (
    DOWN,
    UP,
    Signal,
    Wager,
    quantile_for,
    rate_slack,
    rhythms_of,
    slack_of,
)
from detectors.betting.watched import Watched
from detectors.layout import DEVIANCE, WINDOW_SCORE_BINS
from detectors.profile import NumericColumn, ReferenceProfile
from detectors.profile_losses import losses_of_deviances, losses_of_errors
from detectors.rhythm import Rhythm
from schemas.finding import Kind
from schemas.model_parts import MinEffect

Floats = npt.NDArray[np.float64]

LOSS: Final = "loss"
PERFORMANCE, BIAS, BRIER, CALIBRATION, LABEL_DRIFT = (
    "performance",
    "bias",
    "brier",
    "calibration",
    "label_drift",
)
_LOSS_SIZES: Final = (0.05, *RATE_SIZES)
_TWO: Final = 2


def class_signals(
    cells: ErrorCells, profile: ReferenceProfile, *, least: MinEffect, intervals: int = 1
) -> list[Watched]:
    """Return bets that answers are wrong more often than in the reference, within each true class.

    With a profile that does not know which classes were mixed up, of all answers together. So many references as
    this one hold at once as `intervals` says.
    """
    rows: dict[str, int]
    if profile.confusion:
        counts = cells.of_pairs({(p, t): n for p, t, n in profile.confusion})
        rows = {name: place for place, name in enumerate((*cells.classes, "(rest)"))}
    elif "accuracy" in profile.metrics:
        wrong = round((1 - profile.metrics["accuracy"]) * profile.labelled)
        counts = np.zeros(_TWO * (cells.all + 1), dtype=np.int64)
        counts[_TWO * cells.all :] = profile.labelled - wrong, wrong
        rows = {"": cells.all}
    else:
        return []
    known = {name: place for name, place in rows.items() if _row(counts, place).sum() >= LABELS_MIN}
    z = quantile_for(len(known) * intervals)
    found: list[Watched] = []
    for name, place in known.items():
        right, wrong = _row(counts, place).tolist()
        share, rhythms = wrong / (right + wrong), rhythms_of(profile.error_rhythms, [name])
        smallest = np.array([share * least.relative_error])
        slack = rate_slack(np.array([share]), rhythms, n=right + wrong, z=z, minimum=smallest)
        signal = rate_signal(
            f"wrong:{name}",
            "performance",
            *cells.row(place),
            share=share,
            slack=slack,
            minimum=float(slack[0, 0]),
            rhythms=rhythms,
        )
        found.append(Watched(signal, Kind.PERFORMANCE, PERFORMANCE))
    return found


def _row(counts: npt.NDArray[np.int64], place: int) -> npt.NDArray[np.int64]:
    return counts[_TWO * place : _TWO * place + _TWO]


def regression_signals(
    cells: ErrorCells, profile: ReferenceProfile, *, squared: bool, least: MinEffect, intervals: int = 1
) -> list[Watched]:
    """Return bets that losses have become larger, and that errors lean to one side.

    Parameters
    ----------
    profile
        How errors lie in the reference, and deviances where the cells have bins of them.
    squared
        Whether the loss is the square of the error, and not its size.
    intervals
        So many references as this one hold at once.
    """
    error = profile.error
    if error is None or sum(error.counts) < VALUES_MIN or not cells.layout.error_bins:
        return []
    counts = np.array(error.counts, dtype=np.float64)
    z = quantile_for(_TWO * intervals)
    found = _loss_signals(cells, error, profile.deviance, squared=squared, least=least, z=z)
    values = centred(numeric_functionals(counts), counts)[:, :1]
    if np.any(values):
        signal = bounded_signal(
            "bias",
            cells.section(),
            values,
            counts,
            smallest=least.sd * float(SD_FACTORS[0]),
            rhythms=(error.rhythms.get(NUMERIC[0]),),
            z=z,
            wagers=NUMERIC_WAGERS[:_TWO],
        )
        found.append(Watched(signal, Kind.PERFORMANCE, BIAS))
    return found


def _loss_signals(  # noqa: PLR0913 - the parts of a bet
    cells: ErrorCells,
    error: NumericColumn,
    deviance: NumericColumn | None,
    *,
    squared: bool,
    least: MinEffect,
    z: float,
) -> list[Watched]:
    """Return the bet on the deviance, or else on the size of the error."""
    if deviance is not None and cells.layout.deviance_edges:
        name, places, rhythm = DEVIANCE, cells.deviances(), deviance.rhythms.get(DEVIANCE)
        # What the loss does not allow is as bad as it gets.
        loss = np.append(losses_of_deviances(deviance), 1.0)
        counts = np.array([*deviance.counts, deviance.invalid], dtype=np.float64)
    else:
        name, places, kind = LOSS, cells.section(), "squared" if squared else "absolute"
        loss, counts = losses_of_errors(error)[kind], np.array(error.counts, dtype=np.float64)
        rhythm = error.rhythms.get(kind) or _of_loss(error.rhythms.get(TAILS), loss, counts)
    usual = float(counts @ loss) / counts.sum()
    if counts.sum() < VALUES_MIN or not loss.max() > 0:
        return []
    signal = bounded_signal(
        name,
        places,
        (loss - usual)[:, None],
        counts,
        smallest=least.relative_error * usual,
        rhythms=(rhythm,),
        z=z,
    )
    return [Watched(signal, Kind.PERFORMANCE, PERFORMANCE)]


def _of_loss(tails: Rhythm | None, loss: Floats, counts: Floats) -> Rhythm | None:
    """Return about the rhythm of a loss from that of the tails of errors, where a profile knows no more."""
    if tails is None or not tails.season:
        return tails
    values = centred(numeric_functionals(counts), counts)[:, NUMERIC.index(TAILS)]
    slope = float(counts @ (values * loss)) / float(counts @ np.square(values))
    return replace(tails, season=tuple(slope * offset for offset in tails.season))


def bounded_signal(  # noqa: PLR0913 - the parts of a signal
    name: str,
    cells: npt.NDArray[np.intp],
    values: Floats,
    counts: Floats,
    *,
    smallest: float,
    rhythms: tuple[Rhythm | None, ...] = (None,),
    z: float,
    wagers: tuple[Wager, ...] = (Wager(0, UP, _LOSS_SIZES),),
    group: str = "performance",
) -> Signal:
    """Return a signal of one bounded functional."""
    n = int(counts.sum())
    variance = np.maximum(counts @ np.square(values) / n, 3 / n * np.square(values).max(axis=0))
    sds = np.sqrt(variance)
    minimum = np.array([smallest])
    slack = slack_of(sds, rhythms, n=n, z=z, minimum=minimum)
    return Signal(
        name=name,
        group=group,
        cells=cells,
        values=values,
        sds=sds,
        slack=slack,
        minimum=slack[:, 0],
        wagers=wagers,
        rhythms=rhythms,
    )


def prompt_signals(cells: ErrorCells, profile: ReferenceProfile, *, least: MinEffect) -> list[Watched]:
    """Return bets on what the order of arrival could feign: the mix of classes, and how well scores fit."""
    found: list[Watched] = []
    if profile.confusion:
        counts = cells.of_pairs({(p, t): n for p, t, n in profile.confusion})
        drift = _label_drift(cells, counts[: _TWO * (cells.rest + 1)], least)
        found += [Watched(drift, Kind.LABEL_DRIFT, LABEL_DRIFT)] if drift is not None else []
    scored = np.array(profile.score_cells, dtype=np.float64)
    if len(scored) == _TWO * WINDOW_SCORE_BINS and scored.sum() >= VALUES_MIN:
        found += _score_signals(cells, scored, least)
    return found


def _label_drift(cells: ErrorCells, counts: npt.NDArray[np.int64], least: MinEffect) -> Signal | None:
    """Return bets on the share of each true class, up and down."""
    n = int(counts.sum())
    rows = [place for place in range(cells.rest + 1) if _row(counts, place).sum() > 0]
    if n < VALUES_MIN or len(rows) < _TWO:
        return None
    hits = (np.arange(len(counts))[:, None] // _TWO == np.array(rows)).astype(np.float64)
    shares = counts @ hits / n
    minimum = np.full(len(rows), least.share)
    none = (None,) * len(rows)
    return Signal(
        name=LABEL_DRIFT,
        group="label_drift",
        cells=cells.true_classes(),
        values=hits - shares,
        sds=np.sqrt(shares * (1 - shares)),
        slack=rate_slack(shares, none, n=n, z=quantile_for(len(rows)), minimum=minimum),
        minimum=minimum,
        wagers=tuple(Wager(i, d, RATE_SIZES) for i in range(len(rows)) for d in (UP, DOWN)),
        rhythms=none,
    )


def _score_signals(cells: ErrorCells, scored: Floats, least: MinEffect) -> list[Watched]:
    """Return bets that scores are off to one side, and that they are worth less (Brier's loss)."""
    missed, hit = scored[:WINDOW_SCORE_BINS], scored[WINDOW_SCORE_BINS:]
    happens = isotonic(hit, missed + hit)
    rest = np.concatenate([-happens, 1 - happens])[:, None]
    score = (np.arange(WINDOW_SCORE_BINS) + 0.5) / WINDOW_SCORE_BINS
    loss = np.concatenate([np.square(score), np.square(1 - score)])
    usual = float(scored @ loss) / scored.sum()
    sides = (Wager(0, UP, _LOSS_SIZES), Wager(0, DOWN, _LOSS_SIZES))
    z = quantile_for(_TWO)
    off = bounded_signal(
        CALIBRATION, cells.section(), centred(rest, scored), scored, smallest=least.share, z=z, wagers=sides
    )
    worse = bounded_signal(
        BRIER, cells.section(), (loss - usual)[:, None], scored, smallest=least.relative_error * usual, z=z
    )
    return [
        Watched(off, Kind.CALIBRATION, CALIBRATION),
        Watched(worse, Kind.PERFORMANCE, PERFORMANCE),
    ]
