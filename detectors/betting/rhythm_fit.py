"""Learns a rhythm from the sums of a functional over successive blocks of the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.calendar import HOUR_MS, HOURS_PER_WEEK, hour_of_week, local_ms
from detectors.betting.dispersion import inflations
from detectors.betting.season import Season, find_season
from detectors.rhythm import Rhythm, season_at

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

OUTSIDE: Final = -1

_DIGITS: Final = 5
_VARIANCE_SHARE_MIN: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Grid:
    """Successive blocks of equal length.

    Parameters
    ----------
    start_ms
        Start of the first, epoch milliseconds.
    zone, seasonality
        The clock whose hours make a cycle, and which cycles may be (as in the settings).
    """

    start_ms: int
    block_ms: int
    blocks: int
    zone: str = "UTC"
    seasonality: str = "auto"

    def places(self, time_ms: Integers) -> Integers:
        """Return the block of each time, `OUTSIDE` for none, shape as given."""
        inside = (time_ms >= self.start_ms) & (time_ms < self.start_ms + self.blocks * self.block_ms)
        return np.where(inside, (time_ms - self.start_ms) // self.block_ms, OUTSIDE)


def fit_rhythm(
    grid: Grid, sums: Floats, n: Floats, *, variance: float, is_share: bool = False
) -> Rhythm | None:
    """Return the rhythm of a functional; None where there is nothing to learn from.

    Parameters
    ----------
    sums, n
        Shape (blocks,): sums of the functional and number of events in each block.
    variance
        Of the functional over all events.
    is_share
        Whether the functional is 0 or 1.
    """
    total = float(n.sum())
    if total <= 0 or variance <= 0 or len(n) < 2:
        return None
    mean = float(sums.sum()) / total
    sums = sums - mean * n
    local = local_ms(grid.start_ms + np.arange(len(n), dtype=np.int64) * grid.block_ms, grid.zone)
    season = _season(sums, n, local, grid.seasonality)
    hours = hour_of_week(local + grid.block_ms // 2)
    smooth = season.period > 0 and grid.block_ms < HOUR_MS and _is_smooth(season.table, sums, n, hours)
    table = season.table - float(n @ season_at(season.table, hours, smooth=smooth)) / total
    offsets = season_at(table, hours, smooth=smooth) if season.period else np.zeros(len(n))
    left = max(variance - float(n @ np.square(offsets)) / total, _VARIANCE_SHARE_MIN * variance)
    sd = float(np.sqrt(variance))
    blocks_per_week = HOURS_PER_WEEK * HOUR_MS / grid.block_ms
    found = inflations(
        sums - n * offsets,
        n,
        variance=left,
        sd=sd,
        cycle={k / blocks_per_week: error for k, error in season.errors.items()},
        share=mean if is_share else None,
    )
    return Rhythm(
        season=tuple(np.round(table[: season.period], _DIGITS).tolist()),
        smooth=bool(smooth),
        inflation=tuple(np.round(found, 3).tolist()),
        rate=total / (len(n) * grid.block_ms),
    )


def _season(sums: Floats, n: Floats, local: Integers, allow: str) -> Season:
    hour = local // HOUR_MS
    first = int(hour.min())
    means, known = _means(sums, n, hour - first)
    return find_season(means, known, int(hour_of_week(np.array([first * HOUR_MS]))[0]), allow=allow)


def _means(sums: Floats, n: Floats, groups: Integers) -> tuple[Floats, npt.NDArray[np.bool_]]:
    total, size = np.bincount(groups, sums), np.bincount(groups, n)
    return np.divide(total, size, out=np.zeros(len(total)), where=size > 0), size > 0


def _is_smooth(table: Floats, sums: Floats, n: Floats, hours: Floats) -> bool:
    """Return whether straight lines between the hours fit better than steps."""
    there = n > 0
    means = sums[there] / n[there]

    def misfit(*, smooth: bool) -> float:
        rest = means - season_at(table, hours[there], smooth=smooth)
        return float(n[there] @ np.square(rest - (n[there] @ rest) / n[there].sum()))

    return misfit(smooth=True) < misfit(smooth=False)
