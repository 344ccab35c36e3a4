"""Bets on the difference of the mean losses of two versions that answered different ids at the same time.

Within a cell (ids of one stretch of prediction time and one class of delays) let n_a ids of the champion and n_b of the challenger have
losses y in [0, 1]. With weights k_a = n_b / (n_a + n_b) and k_b = n_a / (n_a + n_b), and a level c known beforehand,

    x = k_a (y - c - m / 2) for the champion's, and x = -k_b (y - c + m / 2) for the challenger's,

sum up to h (mean_a - mean_b - m) with h = n_a n_b / (n_a + n_b). Where the gain is m at most, the mean of all x is not above 0 whatever the
losses of the cell are on average, so by the inequality of means the product of 1 + stake * x has an expectation of 1 at
most, and so has that of exp(stake * x - psi(stake) x^2) with psi(stake) = -log(1 - stake) - stake, which is less. That one depends on sums
alone: of x, and of x^2, for any m. Ville's inequality does the rest, as in `detectors.paired_bets`.

References
----------
Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS B 86 (2024).
Fan, Grama and Liu, Exponential inequalities for martingales with applications, Electronic Journal of Probability 20 (2015): psi.
Turner, Ly and Grunwald, Generic e-variables for exact sequential k-sample tests that allow for optional stopping, Journal of
Statistical Planning and Inference 230 (2024): cells of two samples, and why their levels need not be known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np

from detectors.paired_bets import STAKES, GainBets

REACH: Final = 1.5
"""No x is further from 0, for m from -1 to 1."""
_STAKES: Final = STAKES * REACH
_PSI: Final = -np.log1p(-_STAKES) - _STAKES


class SplitSums(msgspec.Struct, array_like=True):
    """What the cells of two versions add up to.

    Parameters
    ----------
    weight
        Sum of h over the cells.
    gain
        Sum of h times the first version's mean loss less the second's.
    first_loss
        Sum of h times the first version's mean loss.
    squares, slope
        The sum of x^2 is `squares - m * slope + m^2 * weight / 4`.
    """

    weight: float = 0.0
    gain: float = 0.0
    first_loss: float = 0.0
    squares: float = 0.0
    slope: float = 0.0

    def add(
        self, first: tuple[float, float, float], second: tuple[float, float, float], *, level: float
    ) -> None:
        """Add a cell that has ids of both.

        Parameters
        ----------
        first, second
            Of each version: number of ids, sum of their losses, and of the squares of these.
        level
            What losses are expected to be, by what came before.
        """
        (n_a, loss_a, _), (n_b, loss_b, _) = first, second
        k_a, k_b = n_b / (n_a + n_b), n_a / (n_a + n_b)
        self.weight += k_a * n_a
        self.gain += k_a * loss_a - k_b * loss_b
        self.first_loss += k_a * loss_a
        self.squares += k_a * k_a * _about(first, level) + k_b * k_b * _about(second, level)
        self.slope += k_a * k_a * (loss_a - level * n_a) - k_b * k_b * (loss_b - level * n_b)


def _about(sums: tuple[float, float, float], level: float) -> float:
    """Return the sum of squares about a level."""
    n, loss, square = sums
    return max(square - 2 * level * loss + level * level * n, 0.0)


@dataclass(frozen=True)
class SplitBets(GainBets):
    """Bets on the gain of a challenger over a champion, each on ids of its own.

    Parameters
    ----------
    ids
        Of the challenger.
    weight, gain, squares, slope
        As in `SplitSums`, with the champion first.
    alpha
        Error of each bound.

    Examples
    --------
    In ten minutes of 80 and 20 ids the champion is wrong on 8 and the challenger on 8 as well:

    >>> sums = SplitSums()
    >>> for _ in range(10):
    ...     sums.add((80, 8, 8), (20, 8, 8), level=0.1)
    >>> bets = SplitBets(200, sums.weight, sums.gain, sums.squares, sums.slope)
    >>> bets.decision(0.005), [round(bound, 2) for bound in (bets.mean, *bets.interval())]
    (<Decision.WORSE: 'worse'>, [-0.3, -0.45, -0.14])
    """

    ids: float
    weight: float
    gain: float
    squares: float
    slope: float
    alpha: float = 0.05

    @property
    def n(self) -> float:
        """Number of the challenger's ids."""
        return self.ids

    @property
    def mean(self) -> float:
        """Mean gain so far."""
        return self.gain / self.weight

    def log_evidence(self, mean: float, *, above: bool) -> float:
        """Return the log of the capital of the bets that the mean gain lies above `mean`, or below it."""
        away = (self.gain - mean * self.weight) * (1 if above else -1) / REACH
        square = self.squares - mean * self.slope + mean * mean * self.weight / 4
        capital = _STAKES * away - _PSI * max(square, 0.0) / (REACH * REACH)
        return float(np.logaddexp.reduce(capital)) - math.log(len(_STAKES))

    def repeated(self, times: float) -> SplitBets:
        """Return what it would come to if every cell had come so often."""
        ids, weight, gain = (part * times for part in (self.ids, self.weight, self.gain))
        squares, slope = self.squares * times, self.slope * times
        return replace(self, ids=ids, weight=weight, gain=gain, squares=squares, slope=slope)
