"""One signal: cells that are counted, numbers to bet on, and what counts as unchanged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.functionals import GRAIN
from detectors.bounds import upper_rate
from detectors.rhythm import BET_SIZES, STAKE_SHARE_MAX, Rhythm

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

NULL_ALPHA: Final = 0.05
"""Chance that the reference misplaces the mean of any of all the functionals beyond its interval."""
UNKNOWN_INFLATION: Final = 3.0
"""What the reference's own error is inflated by where its inertia is unknown."""
UP, DOWN = 1, -1


@dataclass(frozen=True, slots=True)
class Wager:
    """Bets of several sizes on one functional in one direction.

    Parameters
    ----------
    functional
        Its column in `Signal.values`.
    direction
        `UP`: that its mean has risen; `DOWN`: that it has fallen.
    prior
        Their share of the signal, relative to the other wagers'.
    """

    functional: int
    direction: int
    sizes: tuple[float, ...]
    prior: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """What is watched, as arrays.

    Parameters
    ----------
    name
        Unique among the signals of a bank.
    group
        The share of the budget that it belongs to (see `schemas.model_parts.BudgetWeights`).
    cells
        Shape (cells,): places in the vector that is counted into.
    values
        Shape (cells, functionals): what an event in each cell is worth; means over the reference are 0.
    sds
        Shape (functionals,): standard deviations over the reference, above 0.
    slack
        Shape (functionals, 2): how far the mean may lie up and down and still count as unchanged: the larger of
        the reference's own error and the smallest change that matters.
    minimum
        Shape (functionals,): the smallest change that matters.
    rhythms
        Per functional; None where the reference does not know.
    weight
        Share of its group, relative to the other signals'.
    """

    name: str
    group: str
    cells: Places
    values: Floats
    sds: Floats
    slack: Floats
    minimum: Floats
    wagers: tuple[Wager, ...]
    rhythms: tuple[Rhythm | None, ...]
    weight: float = 1.0

    def stakes(self) -> tuple[Places, Floats, Floats, Floats]:
        """Return the functional, signed stake, log prior and inflation of every bet, each of shape (bets,).

        A stake is what an event's value is multiplied by: the size over the standard deviation, as far as
        no event can lose more than `STAKE_SHARE_MAX` of what there is.
        """
        rows: list[tuple[int, float, float, float]] = []
        for wager in self.wagers:
            worst = float(-(wager.direction * self.values[:, wager.functional]).min())
            for size in wager.sizes:
                stake = min(size / self.sds[wager.functional], STAKE_SHARE_MAX / max(worst, GRAIN))
                found = stake * self.sds[wager.functional]
                inflation = _inflation(self.rhythms[wager.functional], found, wager.direction)
                rows.append((wager.functional, wager.direction * stake, wager.prior, inflation))
        table = np.array(rows)
        prior = table[:, 2] / table[:, 2].sum()
        return table[:, 0].astype(np.intp), table[:, 1], np.log(prior), table[:, 3]


def _inflation(rhythm: Rhythm | None, size: float, direction: int) -> float:
    """Return the inflation of a bet, interpolated between the sizes that were measured; NaN where unknown."""
    if rhythm is None or not rhythm.inflation:
        return float("nan")
    half = len(BET_SIZES)
    known = rhythm.inflation[:half] if direction == UP else rhythm.inflation[half:]
    return float(np.exp(np.interp(np.log(size), np.log(BET_SIZES), np.log(known))))


def slow_inflation(rhythm: Rhythm | None) -> float:
    """Return the inflation over long times, which the reference's own mean has met."""
    if rhythm is None or not rhythm.inflation:
        return UNKNOWN_INFLATION
    return max(rhythm.inflation)


def quantile_for(functionals: int) -> float:
    """Return the half width, in standard errors, of intervals that all hold at once but for `NULL_ALPHA`."""
    return NormalDist().inv_cdf(1 - NULL_ALPHA / 2 / max(functionals, 1))


def slack_of(sds: Floats, rhythms: Sequence[Rhythm | None], *, n: int, z: float, minimum: Floats) -> Floats:
    """Return the slack of functionals of a number, shape (functionals, 2)."""
    inflation = np.array([slow_inflation(rhythm) for rhythm in rhythms])
    half = np.maximum(z * sds * np.sqrt(inflation / max(n, 1)), minimum)
    return np.column_stack([half, half])


def rate_slack(
    shares: Floats, rhythms: Sequence[Rhythm | None], *, n: int, z: float, minimum: Floats
) -> Floats:
    """Return the slack of shares, shape (shares, 2), by an interval for the size that counts.

    Its ends hold for every size and share: one event more, or fewer, than was seen lies z standard deviations
    off by the likelihood. A share that was never seen may be as high as about z * z / 2 / n.

    References
    ----------
    Zubkov and Serov, "A complete proof of universal inequalities for the distribution function of the binomial
    law" (Theory of Probability and its Applications 57, 2013).
    """
    inflation = np.array([slow_inflation(rhythm) for rhythm in rhythms])
    size = np.maximum(n / inflation, 1.0)
    alpha = math.exp(-z * z / 2)
    hits, misses = shares * size, (1 - shares) * size
    highest = upper_rate(np.minimum(hits + 1, size), size, alpha=alpha)
    lowest = 1 - upper_rate(np.minimum(misses + 1, size), size, alpha=alpha)
    return np.column_stack([np.maximum(highest - shares, minimum), np.maximum(shares - lowest, minimum)])


def rhythms_of(rhythms: Mapping[str, Rhythm], names: Sequence[str]) -> tuple[Rhythm | None, ...]:
    """Return rhythms by name, None where there is none."""
    return tuple(rhythms.get(name) for name in names)
