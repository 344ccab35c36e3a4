"""Waves of a series of hourly means that come back with the day or the week, and nothing where there are none.

The series is folded into days, or weeks. Each frequency is estimated from every one of them apart, so that the spread
between them says how sure it is; frequencies that do not stand out are left out, the others are shrunk. So a smooth
cycle costs few parameters, and each parameter is an error that would come back with its hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.calendar import HOURS_PER_DAY, HOURS_PER_WEEK

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

KEEP_ALPHA: Final = 0.01
"""What noise would do as well with at most this probability stands out."""
CYCLES_MIN: Final = 2
CYCLE_FILLED_MIN: Final = 0.5
"""A day or a week with fewer hours than this share of them is left out."""
_NEIGHBOURS: Final = 3


@dataclass(frozen=True, slots=True)
class Cycle:
    """Something that comes back.

    Parameters
    ----------
    table
        Shape (24,) or (168,): by hour of the day or the week.
    errors
        Mean square of the table's own error, by frequency in cycles per period of the table.
    """

    table: Floats
    errors: Mapping[int, float] = field(default_factory=dict)


def waves(means: Floats, known: Mask, first_hour: int, frequencies: Integers) -> Cycle:
    """Return the waves that stand out.

    Parameters
    ----------
    means, known
        Shape (hours,): successive hours, and which of them have a mean. They are folded from the first one on.
    first_hour
        Hour of the week of the first one.
    frequencies
        Cycles per day where there are fewer than 24 of them, else per week.
    """
    period = HOURS_PER_DAY if len(frequencies) < HOURS_PER_DAY else HOURS_PER_WEEK
    count = len(means) // period
    nothing = Cycle(np.zeros(period))
    if count < CYCLES_MIN:
        return nothing
    folded = means[: count * period].reshape(count, period)
    there = known[: count * period].reshape(count, period)
    filled = filled_in(folded, there)
    if len(filled) < CYCLES_MIN:
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
    return Cycle(np.roll(np.fft.irfft(kept * period, period), first_hour % period), errors)


def filled_in(folded: Floats, there: Mask) -> Floats:
    """Return the days or weeks that are mostly known, their gaps filled with the mean of that hour."""
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
