"""Rows without a change that the engine was not made with: each is a habit of real traffic.

They are judged, never tuned on. Length and pace are those of `streams`, and a law knows the hours before the live stream
as it knows those in it, so its reference has met the habit too.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from benchmarks.detect.streams import DAYS, Floats, Integers, daily, null_row, weekly

HOLIDAYS_SEED: Final = 20_260_105
"""Calendars are part of the law: the same in every stream."""
FIRST_DAY: Final = -400


def holidays(days: Floats) -> Floats:
    """Return 1 on one working day of each week, another every week, and 0 on the others."""
    rng = np.random.default_rng(HOLIDAYS_SEED)
    weeks = np.floor((np.floor(days) - FIRST_DAY * 7) / 7).astype(np.int64)
    chosen = rng.integers(0, 5, -2 * FIRST_DAY)
    found: Floats = np.where(np.floor(days) % 7 == chosen[weeks], 1.0, 0.0)
    return found


def with_holidays(rng: np.random.Generator, days: Floats) -> Floats:
    """Return values that are lower at weekends, and a working day a week that behaves like a Sunday."""
    off = np.maximum(-weekly(days), holidays(days))
    return rng.standard_normal(len(days)) + 0.5 * daily(days) - off


def with_trend(rng: np.random.Generator, days: Floats) -> Floats:
    """Return a daily cycle that rises by a tenth of a standard deviation in ten weeks, reference included.

    A test against the reference is right to see it in the end; whoever pages about it pages about nothing that matters.
    """
    return rng.standard_normal(len(days)) + daily(days) + 0.1 * days / (2 * DAYS)


def two_periods(rng: np.random.Generator, days: Floats) -> Floats:
    """Return values with a daily cycle that is flatter and lower at weekends."""
    return rng.standard_normal(len(days)) + daily(days) * (1 + 0.6 * weekly(days)) + 0.5 * weekly(days)


def with_cycle(rng: np.random.Generator, days: Floats) -> Floats:
    """Return normal values about a daily cycle."""
    return rng.standard_normal(len(days)) + daily(days)


def heavy_tails(rng: np.random.Generator, days: Floats) -> Floats:
    """Return Student's t with three degrees of freedom, scaled to a standard deviation of 1."""
    return rng.standard_t(3, len(days)) / math.sqrt(3)


def zero_inflated(rng: np.random.Generator, days: Floats) -> Floats:
    """Return zeros seven times in ten, else amounts (lognormal)."""
    amounts = np.exp(rng.standard_normal(len(days)))
    return np.where(rng.random(len(days)) < 0.7, 0.0, amounts)


def with_gaps(rng: np.random.Generator, hours: Integers) -> Floats:
    """Return an even pace with holes: every twelfth hour is missing at random, and one whole day."""
    weights = np.where(rng.random(len(hours)) < 1 / 12, 0.0, 1.0)
    days = np.unique(hours // 24)
    if len(days) > 1:
        weights[hours // 24 == rng.choice(days)] = 0.0
    return weights


def by_hour(_rng: np.random.Generator, hours: Integers) -> Floats:
    """Return a pace nine times higher at midday than at midnight, and twice as high after the middle of the live stream."""
    wave = 1 - 0.8 * np.cos(2 * math.pi * (hours % 24) / 24)
    return wave * np.where(hours < DAYS * 12, 1.0, 2.0)


UNSEEN: Final = (
    null_row("holidays", "numeric", with_holidays),
    null_row("trend under a daily cycle", "numeric", with_trend),
    null_row("missing hours, daily cycle", "numeric", with_cycle, with_gaps),
    null_row("changing volume, daily cycle", "numeric", with_cycle, by_hour),
    null_row("daily and weekly cycle", "numeric", two_periods),
    null_row("Student t 3", "numeric", heavy_tails),
    null_row("zero-inflated", "numeric", zero_inflated),
)
