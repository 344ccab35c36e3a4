"""What is bet on about volume: that units hold more, or fewer, events than ordinary traffic ever would."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.calendar import HOUR_MS
from detectors.betting.pace import Unit
from detectors.betting.signal import UP, Signal, Wager
from detectors.betting.watched import Watched
from schemas.finding import Kind

Floats = npt.NDArray[np.float64]
Vector = npt.NDArray[np.int64]

VOLUME: Final = "volume"
DIRECTIONS: Final = ("down", "up")

EDGES: Final = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0)
"""Where the cells of a departure part, in standard deviations beyond the farthest volume that is still usual."""
GAINS: Final = (-1.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.5, 5.0, 10.0, 25.0)
"""What a unit in each cell is worth, not yet centred."""
SIZES: Final = (0.1, 0.25, 0.5, 1.0)
ORDINARY_SDS: Final = (5.0, 3.25)
"""Departures of hours, and of days, up to so many of their standard deviations are ordinary."""
SCATTER_MIN: Final = 1e-4
"""No traffic is taken to be steadier than to one per cent, beyond the noise of independent events."""
CELLS: Final = len(GAINS)
_ANSCOMBE: Final = 3 / 8


def paces_of(window_ms: int) -> int:
    """Return how many lengths of units are bet on: windows and hours, or windows of an hour and more alone."""
    return 2 if window_ms < HOUR_MS else 1


def volume_signals(
    window_ms: int,
    *,
    kind: Kind = Kind.VOLUME,
    check: str = VOLUME,
    group: str = "service",
    directions: Sequence[str] = DIRECTIONS,
) -> list[Watched]:
    """Return the signals of every pace, fewer events and more events, in the order of their cells.

    Parameters
    ----------
    kind, check
        What they are about.
    group
        Whose share of the budget they have.
    directions
        Those of `DIRECTIONS` that matter.
    """
    paces = paces_of(window_ms)
    values = np.array(GAINS) - _chances() @ np.array(GAINS)
    sd = math.sqrt(_chances() @ np.square(values))
    found: list[Watched] = []
    for place in range(paces):
        for direction in directions:
            side = DIRECTIONS.index(direction)
            first = (2 * place + side) * CELLS
            signal = Signal(
                name=f"{check}:{place}:{direction}",
                group=group,
                cells=np.arange(first, first + CELLS, dtype=np.intp),
                values=values[:, None],
                sds=np.array([sd]),
                slack=np.zeros((1, 2)),
                minimum=np.array([0.5]),
                wagers=(Wager(0, UP, SIZES),),
                rhythms=(None,),
                weight=1 / (len(directions) * paces),
            )
            found.append(Watched(signal, kind, check))
    return found


def _chances() -> Floats:
    """Return the chance of each cell under Student's t with 5 degrees of freedom: heavier tails than counts have."""
    scaled = np.array(EDGES) / math.sqrt(5)
    square = 1 + np.square(scaled)
    below = 0.5 + (scaled / square * (1 + 2 / (3 * square)) + np.arctan(scaled)) / math.pi
    return np.diff(np.concatenate([[0.0], below, [1.0]]))


def slack_of_volume(scatters: Sequence[float], *, least: float) -> float:
    """Return how far the logarithm of volume may lie off and still be usual.

    Parameters
    ----------
    scatters
        Of the longer paces, shortest first, the last one of days. What hours have beyond days and what days have
        stay for longer than a unit, so no number of units in a row tells them from a change.
    least
        The smallest relative change that matters.
    """
    sds = ORDINARY_SDS[-len(scatters) :]
    own = [scatter - longer for scatter, longer in zip(scatters, [*scatters[1:], 0.0], strict=True)]
    ordinary = sum(sd * sd * max(part, 0.0) for sd, part in zip(sds, own, strict=True))
    return max(math.log1p(least), math.sqrt(ordinary))


def cells_of(unit: Unit, *, place: int, paces: int, scatter: float, slack: float) -> Vector:
    """Return the vector that counts a unit of the pace at a place among so many.

    Parameters
    ----------
    scatter
        Of units about their own hour or day.
    slack
        What `slack_of_volume` says.
    """
    seen = _even(unit.count, scatter)
    departures = (
        _even(unit.expected * math.exp(-slack), scatter) - seen,
        seen - _even(unit.expected * math.exp(slack), scatter),
    )
    vector = np.zeros(2 * paces * CELLS, dtype=np.int64)
    for side, departure in enumerate(departures):
        vector[(2 * place + side) * CELLS + int(np.searchsorted(EDGES, departure, side="right"))] = 1
    return vector


def _even(count: float, scatter: float) -> float:
    """Return a count on a scale on which its standard deviation is 1.

    The variance is the mean plus scatter times its square (Anscombe, "The transformation of Poisson, binomial and
    negative-binomial data", Biometrika 35, 1948): the root of a few events, the logarithm of many.
    """
    root = math.sqrt(scatter)
    return 2 / root * math.asinh(root * math.sqrt(count + _ANSCOMBE))


def own_scatter(scatter: float, longer: float) -> float:
    """Return the scatter of units about their own hour or day: never less than a quarter of all of it."""
    return max(scatter - longer, scatter / 4, SCATTER_MIN)
