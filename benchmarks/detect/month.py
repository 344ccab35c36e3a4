"""One model, one month: 200 features and a million events, made hour by hour.

An hour is one block of float32, so memory does not grow with the month. Every feature has an hour-of-day cycle, tails, a place and
a scale of its own, drawn once from the regime's name: model and reference month share them, and differ in the seed alone.

* **A**: independent in time, correlated features (five common factors carry half of the variance), heavy tails.
* **B**: a daily and a weekly cycle of each feature, AR(1) 0.5 from event to event, heavy tails.
* **C**: what nothing was made for: B, and a working day a week that behaves like a Sunday, a trend of a tenth of a standard
  deviation in two months, hours without events, a volume nine times higher at midday than at midnight.

Tails are Tukey's h with h = 0.15: x exp(h x^2 / 2), whose tail index is 1/h, scaled to a variance of 1.

References
----------
Goerg, "The Lambert way to Gaussianize heavy-tailed data", The Scientific World Journal (2015).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter  # type: ignore[import-untyped]  # scipy ships no types

from benchmarks.detect.streams import DAY_MS, HOUR_MS, START_MS, Floats, Integers, in_days, weekly
from benchmarks.detect.unseen import by_hour, holidays

Matrix = npt.NDArray[np.float32]
Regime = Literal["A", "B", "C"]

DAYS: Final = 30
FEATURES: Final = 200
EVENTS: Final = 1_000_000
CHANGE_DAY: Final = 15
RAMP_DAYS: Final = 7
FACTORS: Final = 5
TAIL: Final = 0.15
TAIL_SD: Final = (1 - 2 * TAIL) ** -0.75
PHI: Final = 0.5


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a feature at the beginning of day 15.

    Parameters
    ----------
    mean_sd
        Shift, in standard deviations of the feature about its cycle.
    spread
        Factor of that standard deviation.
    ramp_days
        The change comes about evenly in so many days; 0 for at once.
    """

    name: str
    mean_sd: float = 0.0
    spread: float = 1.0
    ramp_days: int = 0


CHANGES: Final = (
    Change("+0.1 sd", mean_sd=0.1),
    Change("+0.25 sd", mean_sd=0.25),
    Change("+0.5 sd", mean_sd=0.5),
    Change("spread x1.3", spread=1.3),
    Change("+0.5 sd in 7 days", mean_sd=0.5, ramp_days=RAMP_DAYS),
)
FEATURES_PER_CHANGE: Final = 8
"""So forty of 200 features change, eight in each way."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The events of one hour: times in epoch milliseconds, and a row of features of each."""

    times: Integers
    values: Matrix


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a regime; `blocks` makes it afresh each time.

    Parameters
    ----------
    changes
        The first features change: eight in the first way, the next eight in the second, and so on.
    first_day
        Days since `streams.START_MS`, a Monday; the reference of a month lies in the days before it.
    """

    regime: Regime
    seed: int
    changes: tuple[Change, ...] = ()
    features: int = FEATURES
    events: int = EVENTS
    first_day: int = 0

    @property
    def reference(self) -> Month:
        """The month before, of the same law: another seed, and no change."""
        return Month(self.regime, -1 - self.seed, (), self.features, self.events, self.first_day - DAYS)

    @property
    def change_ms(self) -> int:
        """When the change begins."""
        return START_MS + (self.first_day + CHANGE_DAY) * DAY_MS

    def blocks(self) -> Iterator[Block]:
        """Make the month hour by hour; an hour without events has no block."""
        rng = np.random.default_rng([abs(self.seed), self.seed < 0, zlib.crc32(self.regime.encode())])
        law = Law(self.regime, self.features)
        hours = np.arange(DAYS * 24) + self.first_day * 24
        counts = rng.multinomial(self.events, _pace(self.regime, rng, hours))
        for hour, count in zip(hours.tolist(), counts.tolist(), strict=True):
            if not count:
                continue
            times = np.sort(START_MS + hour * HOUR_MS + rng.integers(0, HOUR_MS, count))
            noise = law.noise(rng, count)
            for place, change in enumerate(self.changes):
                _apply(change, noise[:, columns(place)], (times - self.change_ms) / DAY_MS)
            yield Block(times, law.place + law.scale * (noise + law.level(in_days(times))))


def _pace(regime: Regime, rng: np.random.Generator, hours: Integers) -> Floats:
    weights = np.ones(len(hours))
    if regime == "C":
        weights = by_hour(rng, hours) * (rng.random(len(hours)) > 1 / 24)
    shares: Floats = weights / weights.sum()
    return shares


def columns(place: int) -> slice:
    """Return the features that change in a way, by its place in `Month.changes`."""
    return slice(place * FEATURES_PER_CHANGE, (place + 1) * FEATURES_PER_CHANGE)


def _apply(change: Change, part: Matrix, days: Floats) -> None:
    """Change columns in place, by the days since the change began."""
    progress = np.clip(days / change.ramp_days, 0, 1) if change.ramp_days else np.where(days >= 0, 1.0, 0.0)
    part *= (change.spread ** progress[:, None]).astype(np.float32)
    part += (change.mean_sd * progress[:, None]).astype(np.float32)


class Law:
    """The features of a regime, and where its noise has got to."""

    def __init__(self, regime: Regime, features: int) -> None:
        rng = np.random.default_rng(zlib.crc32(b"law " + regime.encode()))
        # All features are drawn, so that a month of few has the first ones of a month of many.
        loads = rng.standard_normal((FACTORS, FEATURES))[:, :features]
        self._loads = (loads * math.sqrt(0.5) / np.linalg.norm(loads, axis=0)).astype(np.float32)
        daily = rng.uniform(0.2, 1.0, FEATURES)[:features]
        weekly_drop = rng.uniform(0.0, 0.5, FEATURES)[:features]
        phase = 2 * math.pi * rng.uniform(0, 1, FEATURES)[:features]
        trend = np.full(features, 0.1 / (2 * DAYS) if regime == "C" else 0.0)
        self._cycles = np.stack([daily * np.cos(phase), daily * np.sin(phase), -weekly_drop, trend]).astype(
            np.float32
        )
        self.place = rng.uniform(-10, 10, FEATURES)[:features].astype(np.float32)
        self.scale = np.exp(rng.uniform(-3, 3, FEATURES))[:features].astype(np.float32)
        self._regime = regime
        self._last = np.zeros((1, features), np.float32)

    def noise(self, rng: np.random.Generator, events: int) -> Matrix:
        """Return the next events' deviations, with a standard deviation of 1."""
        shocks = rng.standard_normal((events, len(self.place)), dtype=np.float32)
        if self._regime == "A":
            factors = rng.standard_normal((events, FACTORS), dtype=np.float32)
            normal = factors @ self._loads + math.sqrt(0.5) * shocks
        else:
            shocks *= np.float32(math.sqrt(1 - PHI * PHI))
            weights = np.array([1.0], np.float32), np.array([1.0, -PHI], np.float32)
            normal, self._last = lfilter(*weights, shocks, axis=0, zi=self._last)
        tailed: Matrix = normal * np.exp(np.float32(TAIL / 2) * normal * normal) / np.float32(TAIL_SD)
        return tailed

    def level(self, days: Floats) -> Matrix:
        """Return the cycles' values."""
        if self._regime == "A":
            return np.zeros((1, 1), np.float32)
        off = -weekly(days)
        if self._regime == "C":
            off = np.maximum(off, holidays(days))
        angle = 2 * math.pi * days
        waves = np.stack([np.sin(angle), np.cos(angle), off, days], axis=1)
        level: Matrix = waves.astype(np.float32) @ self._cycles
        return level
