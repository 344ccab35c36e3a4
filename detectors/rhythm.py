"""How a number moves in time while nothing is wrong: its cycle and its inertia, as a profile keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BET_SIZES: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Sizes of bets whose inertia is measured, in units of one over the standard deviation."""
STAKE_SHARE_MAX: Final = 0.95
"""A bet never stakes more than this share of what it has on one event."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The rhythm of one functional of one column.

    Parameters
    ----------
    season
        Departure of the mean from its overall value: empty, per hour of the day (24 values), or per hour of
        the week (168, from Monday midnight), in the functional's unit.
    smooth
        Whether the mean runs in straight lines from the middle of one hour to the next, or jumps.
    inflation
        How many times larger the variance of sums is than that of independent events, per size of a bet in
        `BET_SIZES`: first for bets on more, then for bets on less. Empty where the reference could not tell.
    rate
        Events per millisecond in the reference.
    """

    season: tuple[float, ...] = ()
    smooth: bool = False
    inflation: tuple[float, ...] = ()
    rate: float = 0.0

    def offsets(self, hours: Floats) -> Floats:
        """Return the departure of the mean at hours of the week, as `hour_of_week` gives them."""
        return season_at(np.array(self.season, dtype=np.float64), hours, smooth=self.smooth)


def season_at(season: Floats, hours: Floats, *, smooth: bool) -> Floats:
    """Return a table's values at hours of the week; a table of one day repeats."""
    period = len(season)
    if not period:
        return np.zeros_like(hours)
    if not smooth:
        return np.asarray(season[np.floor(hours).astype(np.int64) % period])
    place = hours - 0.5
    before = np.floor(place).astype(np.int64)
    part = place - before
    return np.asarray(season[before % period] * (1 - part) + season[(before + 1) % period] * part)


def rhythms_from(raw: Mapping[str, Any]) -> dict[str, Rhythm]:
    """Read rhythms by name out of a profile's JSON.

    Raises
    ------
    ValueError
        Tables of other lengths.
    """
    return {name: _rhythm(name, value) for name, value in raw.items()}


def _rhythm(name: str, raw: Mapping[str, Any]) -> Rhythm:
    found = Rhythm(
        season=tuple(float(v) for v in raw["season"]),
        smooth=bool(raw["smooth"]),
        inflation=tuple(float(v) for v in raw["inflation"]),
        rate=float(raw["rate"]),
    )
    if len(found.season) not in (0, 24, 168) or len(found.inflation) not in (0, 2 * len(BET_SIZES)):
        raise ValueError(f"rhythm {name}: {len(found.season)} hours, {len(found.inflation)} inflations")
    return found
