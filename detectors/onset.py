"""Where in a short row of readings a change most likely began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

READINGS_MAX: Final = 64
"""Readings that are kept to look for the onset in; a change that is found later has an unknown one."""

CLEAR_STEP: Final = 3.0
"""A step this many standard errors high stands out from the readings around it."""


def change_point(values: Sequence[float], weights: Sequence[float]) -> int | None:
    """Return the place of the first reading after the change, None with fewer than two readings.

    The split into two parts whose weighted means explain the readings best (least squares, which is the most
    likely single step under normal noise: Hinkley, "Inference about the change-point in a sequence of random
    variables", Biometrika 57, 1970).

    Parameters
    ----------
    values
        Finite readings, oldest first.
    weights
        How many events each reading rests on, above 0.

    Examples
    --------
    >>> change_point([0.1, 0.1, 0.2, 0.5, 0.4], [50, 50, 50, 50, 50])
    3
    """
    if len(values) < 2:
        return None
    mass = np.cumsum(weights, dtype=np.float64)
    total = np.cumsum(np.multiply(values, weights))
    before, after = mass[:-1], mass[-1] - mass[:-1]
    gap = (total[-1] - total[:-1]) / after - total[:-1] / before
    return int(np.argmax(gap * gap * before * after)) + 1


def stands_out(values: Sequence[float], place: int) -> bool:
    """Return whether the means before and from `place` on differ by more than the readings' own scatter.

    Examples
    --------
    >>> stands_out([0.0, 0.1, 0.0, 5.0, 5.1], 3), stands_out([0.0, 5.0, 0.0, 5.1, 0.2], 3)
    (True, False)
    """
    before, after = np.array(values[:place]), np.array(values[place:])
    if not len(before) or not len(after) or len(values) < 3:
        return False
    scatter = (before.var() * len(before) + after.var() * len(after)) / (len(values) - 2)
    error = scatter * (1 / len(before) + 1 / len(after))
    return bool((after.mean() - before.mean()) ** 2 > CLEAR_STEP**2 * error)


@dataclass(frozen=True, slots=True)
class Step:
    """Where the last readings most likely changed.

    Parameters
    ----------
    place
        Of the first reading after the change.
    is_clear
        Whether it stands out; otherwise the change may be older than the readings.
    """

    place: int
    is_clear: bool


def step_in(values: Sequence[float], weights: Sequence[float]) -> Step | None:
    """Return the step in readings that are known to hold one, None with fewer than two of them.

    Parameters are those of `change_point`.
    """
    place = change_point(values, weights)
    return None if place is None else Step(place, stands_out(values, place))
