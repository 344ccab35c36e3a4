"""A figure with its 95 % confidence interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

Z95: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric, or a difference of two, and its 95 % confidence interval; None for an end that is not known."""

    value: float
    low: float | None = None
    high: float | None = None

    def within(self, low: float, high: float) -> Estimate:
        """Return the estimate with an interval that does not leave the values that the metric can have."""
        if self.low is None or self.high is None:
            return self
        return Estimate(self.value, max(self.low, low), min(self.high, high))


def wilson(part: int, n: int) -> Estimate:
    """Return a share with its score interval (Wilson 1927); `n` is at least 1.

    Examples
    --------
    >>> found = wilson(90, 100)
    >>> round(found.value, 3), round(found.low, 4), round(found.high, 4)
    (0.9, 0.8256, 0.9448)
    """
    share, z2 = part / n, Z95 * Z95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Estimate(share, min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share))


def normal(value: float, variance: float) -> Estimate:
    """Return a value with the interval of the normal law; `variance` is that of the value."""
    if not 0 < variance < math.inf:
        return Estimate(value)
    half = Z95 * math.sqrt(variance)
    return Estimate(value, value - half, value + half)


def on_logits(value: float, variance: float) -> Estimate:
    """Return a value between 0 and 1 with the normal interval of its logit; `variance` is that of the value."""
    if not 0 < value < 1 or not 0 < variance < math.inf:
        return Estimate(value)
    middle, half = math.log(value / (1 - value)), Z95 * math.sqrt(variance) / (value * (1 - value))
    return Estimate(value, *(0.5 * (1 + math.tanh(end / 2)) for end in (middle - half, middle + half)))


def difference(now: Estimate, before: Estimate) -> Estimate:
    """Return `now` minus `before` with its interval (Newcombe 1998, method 10), where both have one.

    The two must come from different rows.
    """
    value = now.value - before.value
    if now.low is None or now.high is None or before.low is None or before.high is None:
        return Estimate(value)
    down = math.hypot(now.value - now.low, before.high - before.value)
    up = math.hypot(now.high - now.value, before.value - before.low)
    return Estimate(value, value - down, value + up)
