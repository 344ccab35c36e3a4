"""Finds the daily and the weekly cycle of a series of hourly means, and nothing where there is none.

The series is folded into days, then into weeks. Each frequency of a cycle is estimated from every day (or
week) apart, so that the spread between them says how sure it is; frequencies that do not stand out are left
out, the others are shrunk. So a smooth cycle costs few parameters, and each parameter is an error that would
come back with its hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.calendar import HOURS_PER_DAY, HOURS_PER_WEEK

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

KEEP_ALPHA: Final = 0.01
"""A frequency stands out if noise would do as much with at most this probability."""
DAYS_MIN: Final = 2
DAYS_MIN_WEEKLY: Final = 14
CYCLE_FILLED_MIN: Final = 0.5
"""A day or a week with fewer hours than this share of them is left out."""
_NEIGHBOURS: Final = 3


@dataclass(frozen=True, slots=True)
class Season:
    """A cycle.

    Parameters
    ----------
    table
        Shape (168,): by hour of the week; zeros without a cycle.
    period
        Hours: 0, 24 or 168.
    error
        Mean square of the table's own error.
    slow_error
        The part of it that lasts for days.
    parameters
        How many numbers the table was made of.
    """

    table: Floats
    period: int
    error: float = 0.0
    slow_error: float = 0.0
    parameters: int = 0


@dataclass(frozen=True, slots=True)
class _Cycle:
    table: Floats
    errors: dict[int, float]
    """Mean squared error of each frequency that was kept, by cycles per period."""


def find_season(means: Floats, known: Mask, first_hour: int, *, allow: str = "auto") -> Season:
    """Return the cycle of hourly means.

    Parameters
    ----------
    means
        Shape (hours,): successive hours.
    known
        Shape (hours,): hours that have a mean.
    first_hour
        Hour of the week of the first one.
    allow
        `none`, `daily`, `weekly` or `auto` (weekly where there are two weeks).
    """
    table = np.zeros(HOURS_PER_WEEK)
    hours = (np.arange(len(means)) + first_hour) % HOURS_PER_WEEK
    errors: dict[int, float] = {}
    period = 0
    if allow != "none" and len(means) >= DAYS_MIN * HOURS_PER_DAY:
        daily = _cycle(means, known, first_hour, np.arange(1, HOURS_PER_DAY // 2))
        if daily.errors:
            period = HOURS_PER_DAY
            table += np.tile(daily.table, HOURS_PER_WEEK // HOURS_PER_DAY)
            errors |= {7 * k: error for k, error in daily.errors.items()}
    if allow in ("auto", "weekly") and len(means) >= DAYS_MIN_WEEKLY * HOURS_PER_DAY:
        frequencies = np.array([k for k in range(1, HOURS_PER_WEEK // 2) if k % 7])
        rest = means - table[hours]
        weekly = _cycle(rest, known, first_hour, frequencies)
        if weekly.errors:
            period = HOURS_PER_WEEK
            table += weekly.table
            errors |= weekly.errors
    slow = sum(error for k, error in errors.items() if k < 7)
    return Season(table, period, sum(errors.values()), slow, 2 * len(errors))


def _cycle(means: Floats, known: Mask, first_hour: int, frequencies: Integers) -> _Cycle:
    """Return the cycle whose frequencies stand out; periods begin at the first hour, whichever it is."""
    period = HOURS_PER_DAY if len(frequencies) < HOURS_PER_DAY else HOURS_PER_WEEK
    count = len(means) // period
    nothing = _Cycle(np.zeros(period), {})
    if count < DAYS_MIN:
        return nothing
    folded = means[: count * period].reshape(count, period)
    there = known[: count * period].reshape(count, period)
    filled = _filled(folded, there)
    if len(filled) < DAYS_MIN:
        return nothing
    spectra = np.fft.rfft(filled - filled.mean(), axis=1) / period
    mean = spectra.mean(axis=0)
    noise = _noise(spectra, mean, frequencies)
    kept = np.zeros_like(mean)
    errors: dict[int, float] = {}
    for k, (variance, freedom) in zip(frequencies.tolist(), noise, strict=True):
        power = float(np.abs(mean[k]) ** 2)
        if power <= 0 or _chance(power, variance, freedom) > KEEP_ALPHA:
            continue
        kept[k] = mean[k] * (1 - min(variance / power, 1.0))
        errors[k] = 2 * variance
    return _Cycle(np.roll(np.fft.irfft(kept * period, period), first_hour % period), errors)


def _filled(folded: Floats, there: Mask) -> Floats:
    """Return the cycles that are mostly known, their gaps filled with the mean of that hour."""
    n = there.sum(axis=0)
    usual = np.divide((folded * there).sum(axis=0), n, out=np.zeros(folded.shape[1]), where=n > 0)
    filled: Floats = np.where(there, folded, usual)[there.mean(axis=1) >= CYCLE_FILLED_MIN]
    return filled


def _noise(
    spectra: npt.NDArray[np.complex128], mean: npt.NDArray[np.complex128], frequencies: Integers
) -> list[tuple[float, float]]:
    """Return the variance of each mean coefficient, smoothed over neighbours, and its degrees of freedom."""
    count = len(spectra)
    own = (np.abs(spectra - mean) ** 2).sum(axis=0) / (count - 1) / count
    found: list[tuple[float, float]] = []
    for place in range(len(frequencies)):
        near = frequencies[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1]
        # Half of what independent neighbours would give: they are not.
        found.append((float(own[near].mean()), float((count - 1) * len(near))))
    return found


def _chance(power: float, variance: float, freedom: float) -> float:
    """Return the probability of such a power by noise: F with 2 and `freedom` degrees, which has a closed form."""
    if variance <= 0:
        return 0.0
    return float((1 + 2 * (power / variance) / freedom) ** (-freedom / 2))
