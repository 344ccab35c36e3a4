"""Finds the daily and the weekly cycle of a series of hourly means, and nothing where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.calendar import HOURS_PER_DAY, HOURS_PER_WEEK
from detectors.betting.waves import Cycle, waves
from detectors.betting.weekdays import DAYS_PER_WEEK, FREQUENCIES, days_of_week

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

DAYS_MIN: Final = 2
DAYS_MIN_WEEKLY: Final = 14


@dataclass(frozen=True, slots=True)
class Season:
    """A cycle.

    Parameters
    ----------
    table
        Shape (168,): by hour of the week; zeros without a cycle.
    period
        Hours: 0, 24 or 168.
    errors
        Mean square of the table's own error, by the frequencies that it was made of in cycles per week.
    """

    table: Floats
    period: int
    errors: Mapping[int, float] = field(default_factory=dict)


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
        daily = waves(means, known, first_hour, np.arange(1, HOURS_PER_DAY // 2))
        if daily.errors:
            period = HOURS_PER_DAY
            table += np.tile(daily.table, HOURS_PER_WEEK // HOURS_PER_DAY)
            errors |= {DAYS_PER_WEEK * k: error for k, error in daily.errors.items()}
    if allow in ("auto", "weekly") and len(means) >= DAYS_MIN_WEEKLY * HOURS_PER_DAY:
        weekly = _weekly(means - table[hours], known, first_hour)
        if weekly.errors:
            period = HOURS_PER_WEEK
            table += weekly.table
            errors = {k: errors.get(k, 0.0) + weekly.errors.get(k, 0.0) for k in {*errors, *weekly.errors}}
    return Season(table, period, errors)


def _weekly(rest: Floats, known: Mask, first_hour: int) -> Cycle:
    """Return the cycle of a week: waves, or a level for each day and waves, whichever promises to err less.

    That is by Mallows' criterion (Technometrics 15, 1973): a cycle that fits better by no more than its own
    error is not better.
    """
    hours = (np.arange(len(rest)) + first_hour) % HOURS_PER_WEEK
    days = days_of_week(rest, known, hours)
    alone = waves(rest, known, first_hour, FREQUENCIES)
    if not days.errors:
        return alone
    more = waves(rest - days.table[hours], known, first_hour, FREQUENCIES)
    errors = {k: days.errors[k] + more.errors.get(k, 0.0) for k in days.errors}
    both = Cycle(days.table + more.table, errors)

    def risk(cycle: Cycle) -> float:
        misfit = np.square(rest - cycle.table[hours])[known].mean()
        return float(misfit) + 2 * sum(cycle.errors.values())

    return min(both, alone, key=risk)
