"""Which features moved when the model's losses did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.causes.blocks import Blocks
from detectors.causes.feature_figures import FIGURES, OF_VALUES
from detectors.onset import change_point
from schemas.model_parts import MinEffect

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ERRORS_MIN: Final = 4.0
"""A figure has moved if it did so by this many standard errors, and by more than the smallest change that matters."""
WANDER_MIN: Final = 5
"""With fewer blocks before the onset nothing is known of how a feature wanders."""
CHANCE: Final = 1.5
"""By so many times what independent events bring may a few blocks scatter by chance."""
MAD_OF_NORMAL: Final = 0.6745
"""The median absolute deviation of normal values, in their standard deviations."""
BLOCKS_MIN: Final = 8
SIDE_MIN: Final = 2
"""Below so many blocks, and so many on either side of the onset, no association is told."""
LABELS_MIN: Final = 10
"""Blocks with fewer labels tell no loss."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A feature that is not what it was before an onset.

    Parameters
    ----------
    figure
        Of `FIGURES`: the one that moved most, by its size.
    before, now
        Its value: standard deviations from the profile's mean, or a share of the events.
    size
        How far: of means in standard deviations, of shares as Cohen's h.
    importance
        Share of all features' importance.
    association
        Correlation (Pearson's) with the mean loss over `n` blocks; None for fewer than `BLOCKS_MIN`, for fewer than
        `SIDE_MIN` before the onset or since, and where one of the two never changes.
    since_ms
        Start of the block in which it most likely moved.
    """

    name: str
    figure: str
    before: float
    now: float
    size: float
    importance: float
    association: float | None
    n: int
    since_ms: int

    @property
    def weight(self) -> float:
        """Shift times importance, which features are ranked by."""
        return self.size * self.importance


@dataclass(frozen=True, slots=True)
class Shift:
    """All figures before an onset and since, each of shape (figures, features).

    Parameters
    ----------
    size
        Signed; 0 where chance or what does not matter may explain it.
    """

    before: Floats
    now: Floats
    size: Floats


def shift_of(blocks: Blocks, onset: tuple[int, int], *, usual: Floats, least: MinEffect) -> Shift | None:
    """Return how figures differ before an onset and since; None where no block is about the time since.

    The onset lies between two times. Blocks of the time between are left out, and those that straddle the second too
    unless there is no other since. Where there is none before, the profile's own figures stand in.

    Notes
    -----
    The standard error is that of independent events, or what the blocks of a side scatter by if that is more; and what
    the feature wandered by before, from block to block, is added, as a mean of neighbouring blocks wanders as much.
    Cohen's h: the difference of 2 asin(sqrt(share)) (Cohen, "Statistical Power Analysis for the Behavioral Sciences",
    1988, chapter 6).
    """
    before, after = blocks.end_ms <= onset[0], blocks.start_ms >= onset[1]
    if not after.any():
        after = blocks.end_ms > onset[1]
    if not after.any():
        return None
    weights = blocks.weights
    mass = [weights[side].sum(axis=0) for side in (before, after)]
    means = [
        (weights[side] * blocks.figures[side]).sum(axis=0) / np.maximum(n, 1.0)
        for side, n in zip((before, after), mass, strict=True)
    ]
    then, now = np.where(mass[0] > 0, means[0], usual), means[1]
    spread = sum(
        (weights[side] * (blocks.figures[side] - mean) ** 2).sum(axis=0)
        for side, mean in zip((before, after), means, strict=True)
    )
    sides = (mass[0] > 0).astype(float) + (mass[1] > 0)
    scatter = spread / np.maximum((weights[before | after] > 0).sum(axis=0) - sides, 1.0)
    independent = np.ones_like(now)
    independent[OF_VALUES:] = _variance((then + now)[OF_VALUES:] / 2)
    parts = sum(np.where(n > 0, 1.0 / np.maximum(n, 1.0), 0.0) for n in mass)
    error = np.sqrt(np.maximum(scatter, independent) * parts + _wander(blocks, weights, before, independent))
    gap = now - then
    smallest = np.full_like(gap, least.share)
    smallest[:OF_VALUES] = least.sd
    is_real = (np.abs(gap) > np.maximum(ERRORS_MIN * error, smallest)) & (mass[1] > 0)
    size = gap.copy()
    size[OF_VALUES:] = _angle(now[OF_VALUES:]) - _angle(then[OF_VALUES:])
    return Shift(then, now, np.where(is_real, size, 0.0))


def _wander(
    blocks: Blocks, weights: Floats, before: npt.NDArray[np.bool_], independent: Floats
) -> Floats | float:
    """Return the variance of a block's mean that independent events do not explain, as blocks before the onset show it.

    From the median absolute deviation, so that a block or two of the fall itself, where the onset is off, do not count.
    """
    if before.sum() < WANDER_MIN:
        return 0.0
    figures = blocks.figures[before]
    deviation = np.median(np.abs(figures - np.median(figures, axis=0)), axis=0) / MAD_OF_NORMAL
    usual = independent / np.maximum(weights[before].mean(axis=0), 1.0)
    found: Floats = np.maximum(deviation**2 - CHANCE * usual, 0.0)
    return found


def _variance(share: Floats) -> Floats:
    clipped = np.clip(share, 0.0, 1.0)
    return clipped * (1.0 - clipped)


def _angle(share: Floats) -> Floats:
    return 2.0 * np.arcsin(np.sqrt(np.clip(share, 0.0, 1.0)))


def moved_features(  # noqa: PLR0913 - what is known of features and losses
    names: tuple[str, ...],
    blocks: Blocks,
    shift: Shift,
    *,
    onset: tuple[int, int],
    importances: Mapping[str, float],
    losses: tuple[Integers, Floats] | None,
) -> list[Moved]:
    """Return the features that moved, by shift times importance, the first first.

    Parameters
    ----------
    importances
        By feature, adding up to 1.
    losses
        Starts of blocks of the same length by prediction time, and their labels and losses; None where nobody knows.
    """
    found: list[Moved] = []
    for feature, name in enumerate(names):
        figure = int(np.argmax(np.abs(shift.size[:, feature])))
        size = float(shift.size[figure, feature])
        if not size:
            continue
        values = np.copysign(1.0, size) * blocks.figures[:, figure, feature]
        place = change_point(values.tolist(), np.maximum(blocks.weights[:, figure, feature], 1.0).tolist())
        association, n = (None, 0) if losses is None else _association(blocks.start_ms, values, onset, losses)
        found.append(
            Moved(
                name=name,
                figure=FIGURES[figure],
                before=float(shift.before[figure, feature]),
                now=float(shift.now[figure, feature]),
                size=abs(size),
                importance=importances.get(name, 0.0),
                association=association,
                n=n,
                since_ms=int(blocks.start_ms[place or 0]),
            )
        )
    return sorted(found, key=lambda moved: (-moved.weight, moved.name))


def _association(
    start_ms: Integers, values: Floats, onset: tuple[int, int], losses: tuple[Integers, Floats]
) -> tuple[float | None, int]:
    """Return the correlation of a figure and the mean loss over the blocks that know both, and their number."""
    loss_start_ms, sums = losses
    told = sums[:, 0] >= LABELS_MIN
    starts, mine, theirs = np.intersect1d(start_ms, loss_start_ms[told], return_indices=True)
    rates = sums[told][theirs, 1] / sums[told][theirs, 0]
    sides = int((starts < onset[0]).sum()), int((starts >= onset[1]).sum())
    if len(mine) < BLOCKS_MIN or min(sides) < SIDE_MIN or not np.ptp(values[mine]) or not np.ptp(rates):
        return None, len(mine)
    return float(np.corrcoef(values[mine], rates)[0, 1]), len(mine)
