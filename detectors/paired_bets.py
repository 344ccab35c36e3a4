"""Bets on the mean of bounded gains: how far it is known, at any time and however often one looks.

The capital of a bet of `stake` on gains above m is the product of 1 + stake * (gain - m); a mixture over a few stakes is a
test martingale where the mean is m, and a supermartingale where it is below, so that it reaches 1 / alpha with
probability alpha at most (Ville). As the stakes are fixed beforehand it depends on the counts of gains alone: neither the order of ids, nor how
they were cut into windows and partitions, changes it.

References
----------
Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS B 86 (2024).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STAKES: Final = np.ldexp(np.full(10, 0.4), -np.arange(10))
"""Each stays above ruin for any gain and any mean from -1 to 1; the smallest suits differences of a thousandth."""
FURTHER_MAX: Final = 10_000_000
"""More pairs than that are not foretold."""
_HALVINGS: Final = 40


class Decision(StrEnum):
    """What is known of the mean gain of the challenger."""

    WATCH = "watch"
    """Not enough."""
    BETTER = "better"
    """It is above the margin."""
    WORSE = "worse"
    """It is below minus the margin."""
    EQUIVALENT = "equivalent"
    """It lies between the two."""


class GainBets(Protocol):
    """Bets on the mean gain of a challenger, whatever they are made of."""

    @property
    def alpha(self) -> float:
        """Error of each bound."""

    @property
    def n(self) -> float:
        """Number of ids, by which `further` foretells."""

    @property
    def mean(self) -> float:
        """Mean gain so far."""

    def log_evidence(self, mean: float, *, above: bool) -> float:
        """Return the log of the capital of the bets that the mean gain lies above `mean`, or below it."""

    def repeated(self, times: float) -> GainBets:
        """Return what it would come to if everything had come so often."""

    @property
    def bar(self) -> float:
        """Log evidence at which a bound is settled."""
        return -math.log(self.alpha)

    def decision(self, margin: float) -> Decision:
        """Return what is known; differences up to the margin are none."""
        if self.log_evidence(margin, above=True) >= self.bar:
            return Decision.BETTER
        if self.log_evidence(-margin, above=False) >= self.bar:
            return Decision.WORSE
        inside = (self.log_evidence(margin, above=False), self.log_evidence(-margin, above=True))
        return Decision.EQUIVALENT if min(inside) >= self.bar else Decision.WATCH

    def interval(self) -> tuple[float, float]:
        """Return the bounds of the mean gain; each is wrong at some time with probability `alpha` at most."""
        return self._bound(above=True), self._bound(above=False)

    def _bound(self, *, above: bool) -> float:
        """Return the mean at which the evidence falls short of the bar: it falls from the far end on."""
        known, open_ = (-1.0, 1.0) if above else (1.0, -1.0)
        if self.log_evidence(known, above=above) < self.bar:
            return known
        for _ in range(_HALVINGS):
            middle = (known + open_) / 2
            if self.log_evidence(middle, above=above) >= self.bar:
                known = middle
            else:
                open_ = middle
        return known

    def further(self, margin: float) -> int | None:
        """Return how many further ids it takes to know, if they turn out like those so far; None if far too many."""
        n = self.n
        if not n or self.decision(margin) is not Decision.WATCH:
            return None if not n else 0
        few, many = 1.0, 2.0
        while self.repeated(many).decision(margin) is Decision.WATCH:
            few, many = many, 2 * many
            if n * few > FURTHER_MAX:
                return None
        for _ in range(_HALVINGS // 4):
            middle = (few + many) / 2
            if self.repeated(middle).decision(margin) is Decision.WATCH:
                few = middle
            else:
                many = middle
        return math.ceil(n * (many - 1.0))


@dataclass(frozen=True)
class PairedBets(GainBets):
    """Bets on gains that lie on a grid from -1 to 1.

    Parameters
    ----------
    gains
        Shape (k,): the gains that have come.
    counts
        Shape (k,): how often each.
    alpha
        Error of each bound.

    Examples
    --------
    Of 400 ids the challenger alone was right on 40 and the champion alone on 8:

    >>> bets = PairedBets(np.array([-1.0, 0.0, 1.0]), np.array([8.0, 352.0, 40.0]))
    >>> bets.decision(margin=0.005), [round(bound, 3) for bound in bets.interval()]
    (<Decision.BETTER: 'better'>, [0.027, 0.138])
    """

    gains: Floats
    counts: Floats
    alpha: float = 0.05

    @property
    def n(self) -> float:
        """Number of pairs."""
        return float(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean gain so far."""
        return float(self.gains @ self.counts / self.n)

    def log_evidence(self, mean: float, *, above: bool) -> float:
        """Return the log of the capital of the bets that the mean gain lies above `mean`, or below it."""
        away = (self.gains - mean) if above else (mean - self.gains)
        capital = np.log1p(STAKES[:, None] * away) @ self.counts
        return float(np.logaddexp.reduce(capital)) - math.log(len(STAKES))

    def repeated(self, times: float) -> PairedBets:
        """Return what it would come to if every pair had come so often."""
        return PairedBets(self.gains, self.counts * times, self.alpha)
