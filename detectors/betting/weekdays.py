"""What each day of the week has of its own, such as a free Sunday: a level, and waves of a day."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.calendar import HOURS_PER_DAY, HOURS_PER_WEEK
from detectors.betting.waves import CYCLE_FILLED_MIN, CYCLES_MIN, Cycle, filled_in

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

DAYS_ALPHA: Final = 0.002
"""Days differ if noise would make them differ so much with at most this probability; a mistake costs up to 12 numbers."""
DAYS_PER_WEEK: Final = 7
FREQUENCIES: Final = np.array([k for k in range(1, HOURS_PER_WEEK // 2) if k % DAYS_PER_WEEK])
"""Cycles per week that no day has."""


def days_of_week(rest: Floats, known: Mask, hours: Integers) -> Cycle:
    """Return what days of the week have of their own: a level, and daily waves, where they stand out."""
    nothing = Cycle(np.zeros(HOURS_PER_WEEK))
    first = -int(hours[0]) % HOURS_PER_DAY
    count = (len(rest) - first) // HOURS_PER_DAY
    inside = slice(first, first + count * HOURS_PER_DAY)
    there = known[inside].reshape(count, HOURS_PER_DAY)
    whole = there.mean(axis=1) >= CYCLE_FILLED_MIN
    name = ((np.arange(count) + int(hours[first]) // HOURS_PER_DAY) % DAYS_PER_WEEK)[whole]
    weeks = np.bincount(name, minlength=DAYS_PER_WEEK)
    if weeks.min() < CYCLES_MIN:
        return nothing
    filled = filled_in(rest[inside].reshape(count, HOURS_PER_DAY), there)
    spectra = np.fft.rfft(filled, axis=1) / HOURS_PER_DAY
    mean = np.array([spectra[name == day].mean(axis=0) for day in range(DAYS_PER_WEEK)])
    within = (np.abs(spectra - mean[name]) ** 2).sum(axis=0) / (len(name) - DAYS_PER_WEEK)
    departure = mean - mean.mean(axis=0)
    between = weeks @ (np.abs(departure) ** 2) / (DAYS_PER_WEEK - 1)
    kept = np.zeros_like(mean)
    errors = dict.fromkeys(FREQUENCIES.tolist(), 0.0)
    freedom = len(name) - DAYS_PER_WEEK
    for wave in np.flatnonzero(between[: HOURS_PER_DAY // 2] > 0).tolist():
        parts = 2 if wave else 1  # a level is one number, a wave two
        if _chance(between[wave], within[wave], freedom, parts) > DAYS_ALPHA:
            continue
        kept[:, wave] = departure[:, wave] * (1 - min(within[wave] / between[wave], 1.0))
        error = parts * within[wave] * float(np.mean(1 / weeks)) * (DAYS_PER_WEEK - 1) / DAYS_PER_WEEK
        near = np.square(np.sinc(FREQUENCIES / DAYS_PER_WEEK - wave))  # where such errors have their power
        for k, part in zip(FREQUENCIES.tolist(), (error * near / near.sum()).tolist(), strict=True):
            errors[k] += part
    if not kept.any():
        return nothing
    table = np.fft.irfft(kept * HOURS_PER_DAY, HOURS_PER_DAY, axis=1).ravel()
    return Cycle(table, errors)


def _chance(between: float, within: float, freedom: int, parts: int) -> float:
    """Return the probability that noise lets days of the week differ so much.

    F with 6 degrees of freedom, or 12 for a wave, whose parts are two, against as many times those of the
    weeks; even degrees above have a closed form.
    """
    if within <= 0:
        return 0.0
    half, other = parts * freedom / 2, parts * (DAYS_PER_WEEK - 1) * between / within
    rest = parts * freedom / (parts * freedom + other)
    total, term = 0.0, 1.0
    for step in range(parts * (DAYS_PER_WEEK - 1) // 2):
        total += term
        term *= (half + step) / (step + 1) * (1 - rest)
    return float(rest**half * total)
