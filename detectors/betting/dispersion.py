"""How much more sums vary than those of independent events would: bursts, inertia, unknown slow movements.

Log evidence is divided by this inflation, which is what makes a bet on dependent events fair again to
second order. It depends on how long a bet has to wait: a big bet is decided within minutes, and what happens
over days does not touch it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.bounds import chi_square_lower, chi_square_quantile
from detectors.rhythm import BET_SIZES, STAKE_SHARE_MAX

Floats = npt.NDArray[np.float64]

GROUPS_MIN: Final = 8
"""A scale is judged by at least so many blocks of it."""
SURE_ALPHA: Final = 0.01
"""An inflation is taken up when independent events would show it with at most this probability."""
BOUND_ALPHA: Final = 0.1
"""What is taken up is the upper bound at this level."""
WANDER_SDS: Final = 8.0
"""Slower movements are heeded where so many standard deviations of them would feed a bet."""
LOG_EVIDENCE: Final = 19.0
"""About the log evidence that an alarm needs (see `budget`); sets how long a bet waits."""
REHEARSAL: Final = 10.0
"""Over the reference no bet may come to more than this many times what it may by chance, on average."""
_STEP: Final = 1.15
_STEPS_MAX: Final = 60


def inflations(  # noqa: PLR0913 - what is known of a functional
    sums: Floats,
    n: Floats,
    *,
    variance: float,
    sd: float,
    cycle: Mapping[float, float],
    share: float | None = None,
) -> Floats:
    """Return the inflation of every bet, shape (2 * sizes,): bets on more, then on less.

    Parameters
    ----------
    sums
        Shape (blocks,): sums of the functional less its cycle in successive blocks of equal length.
    n
        Shape (blocks,): events in each.
    variance
        Of one event, about the cycle.
    sd
        Standard deviation that sizes of bets refer to.
    cycle
        Mean square of the cycle's own error, by the frequencies that it was made of in cycles per block.
    share
        Mean of a functional that is 0 or 1; None of any other.
    """
    steps = _steps(sums, n, variance, cycle)
    per_block = float(n.sum()) / len(n)
    bets = np.concatenate([np.array(BET_SIZES), -np.array(BET_SIZES)]) / sd
    found = np.array([_inflation(abs(bet), variance, per_block, steps) for bet in bets.tolist()])
    there = n > 0
    if share is None:
        gains = bets[:, None] * sums[there] - bets[:, None] ** 2 * variance * n[there] / 2
    else:
        gains = _gains_of_share(bets[:, None], sums[there], n[there], share)
    return _rehearsed(found, gains)


def _gains_of_share(bets: Floats, sums: Floats, n: Floats, share: float) -> Floats:
    """Return the log factors of bets on a share, which one rare event wins far less than it counts.

    To second order a hit of a share of 1 in 2,000 would win ten times what it does.
    """
    stakes = np.clip(bets, -STAKE_SHARE_MAX / (1 - share), STAKE_SHARE_MAX / share)
    hits, misses = sums + n * share, n * (1 - share) - sums
    return np.asarray(hits * np.log1p(stakes * (1 - share)) + misses * np.log1p(-stakes * share))


def _steps(sums: Floats, n: Floats, variance: float, cycle: Mapping[float, float]) -> list[tuple[int, float]]:
    """Return the inflation of sums over 1, 2, 4, ... blocks: what the noise has, and what the cycle's error adds."""
    frequencies, errors = np.array(list(cycle)), np.array(list(cycle.values()))
    level = 1.0
    steps: list[tuple[int, float]] = []
    length = 1
    while len(sums) // length >= GROUPS_MIN:
        groups = len(sums) // length
        grouped = sums[: groups * length].reshape(groups, length).sum(axis=1)
        sizes = n[: groups * length].reshape(groups, length).sum(axis=1)
        count = int((sizes > 0).sum())
        if count >= GROUPS_MIN:
            passed = np.square(np.sinc(frequencies * length))  # of a wave, by a mean over so many blocks
            error = float(errors @ passed) * float(sizes.sum()) / count / variance
            left = float(grouped @ grouped) / (variance * float(sizes.sum()))
            found = left + min(error, left)  # the cycle took as much from these sums as it adds to others
            freedom = count * left / found if found > 0 else count
            if found * freedom / float(chi_square_quantile(freedom, alpha=SURE_ALPHA)) > level:
                level = max(level, found * freedom / float(chi_square_lower(freedom, alpha=BOUND_ALPHA)))
            steps.append((length, level + error))
        length *= 2
    return steps


def _inflation(bet: float, variance: float, per_block: float, steps: list[tuple[int, float]]) -> float:
    """Return the inflation that a bet of this size meets before it is decided."""
    found = 1.0
    for length, level in steps:
        waits = 4 * LOG_EVIDENCE * found / (bet * bet * variance) / per_block
        wander = np.sqrt(max(level - found, 0.0) * variance / (per_block * length))
        if length == 1 or length <= waits or WANDER_SDS * wander > bet * variance / 2:
            found = max(found, level)
    return found


def _rehearsed(found: Floats, gains: Floats) -> Floats:
    """Return inflations under which no bet would have alarmed on the reference itself.

    `gains` are the log factors of every bet in every block.

    The Shiryaev-Roberts statistic of t fair windows exceeds x with probability at most t / x, so the whole
    reference may come to `REHEARSAL` times its number of blocks. What the second moment does not show, such
    as bursts with heavy tails, shows here.
    """
    found = found.copy()
    limit = np.log(REHEARSAL * max(gains.shape[1], 1))
    open_bets = np.arange(len(found))
    for _ in range(_STEPS_MAX):
        reached = _highest(gains[open_bets] / found[open_bets, None])
        open_bets = open_bets[reached > limit]
        if not len(open_bets):
            break
        found[open_bets] *= _STEP
    return found


def _highest(gains: Floats) -> Floats:
    """Return the highest log Shiryaev-Roberts statistic of each row of log factors."""
    if not gains.shape[1]:
        return np.full(len(gains), -np.inf)
    walk = np.cumsum(gains, axis=1)
    before = np.concatenate([np.zeros((len(walk), 1)), walk[:, :-1]], axis=1)
    highest: Floats = (walk + np.logaddexp.accumulate(-before, axis=1)).max(axis=1)
    return highest
