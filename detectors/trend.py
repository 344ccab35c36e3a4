"""A slow change of a mean over months: a weighted regression of its days on time, with a bend and with jumps.

The mean is level at first, changes by steps at single days, and from some day on rises or falls in a straight
line. Which of these are there is decided by how much of the days' spread each explains, more than chance would.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.confidence import Z95, Estimate

DAYS_MIN: Final = 28
"""Days with labels below which no trend is told, and the shortest slow change."""

EDGE_DAYS: Final = 7
"""A step has so many days on both sides."""

YOUNG_DAYS: Final = 7
"""The shortest slow change where it is known that the mean has changed."""

BETTER: Final = 1.0
"""By so much a bend must explain the days better than the jump that is known of, in residual chi-square."""

TERMS_MAX: Final = 6
PAIR_DAYS: Final = 5
"""Bends and steps are tried together at every so many days, the step then again at each day around."""

PAIRS_A_SIDE: Final = 36
"""Of years of days about so many are tried, further apart."""

EVIDENCE: Final = 15.0
"""Fall in the residual chi-square that a bend or a step must bring: about one in 1,000 by chance over half a year."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Days:
    """The means of days.

    Parameters
    ----------
    number
        Shape (n,): the days' numbers, increasing.
    mean
        Shape (n,).
    weight
        Shape (n,): 1 / variance of each mean, above 0.
    """

    number: Floats
    mean: Floats
    weight: Floats


@dataclass(frozen=True, slots=True)
class Step:
    """A jump of the mean on a day."""

    day: int
    change: Estimate


@dataclass(frozen=True, slots=True)
class Trend:
    """What became of a mean over time.

    Parameters
    ----------
    bent
        Whether a slow change was found. If not, `change` is that of a straight line over all days.
    since, since_low, since_high
        Day on which it began, and the days between which 95 % put that.
    until
        The last day.
    level
        The fitted mean on the last day, less `change`.
    change
        From `since` to `until`, in the mean's unit; steps are not part of it.
    steps
        By day.
    """

    bent: bool
    since: int
    since_low: int
    since_high: int
    until: int
    level: float
    change: Estimate
    steps: tuple[Step, ...] = ()


Place = tuple[str, int]
"""("bend" or "step", day)."""


def find_trend(days: Days) -> Trend | None:
    """Return the trend of the days; None where they are fewer than `DAYS_MIN`.

    Notes
    -----
    The interval of the change is a profile one: it holds for a bend whose day is not known. Variances are
    widened by how much neighbouring days, and neighbouring weeks, differ beyond chance.

    Examples
    --------
    >>> number = np.arange(180.0)
    >>> mean = 0.92 - 0.0005 * np.maximum(0, number - 120)
    >>> found = find_trend(Days(number, mean, np.full(180, 1e6)))
    >>> found.since, round(found.change.value, 4), round(found.change.low, 3), round(found.change.high, 3)
    (120, -0.0295, -0.031, -0.028)
    """
    if len(days.number) < DAYS_MIN:
        return None
    spread = _overdispersion(days)
    first, last = int(days.number[0]), int(days.number[-1])
    bends: list[Place] = [("bend", day) for day in range(first, last - DAYS_MIN + 2)]
    steps: list[Place] = [("step", int(day)) for day in days.number[EDGE_DAYS:-EDGE_DAYS]]
    terms = _selected(days, bends, steps, spread)
    fixed = sorted(day for kind, day in terms if kind == "step")
    bent = any(kind == "bend" for kind, _ in terms)
    return _described(days, fixed, [day for _, day in bends] if bent else [first], spread, bent=bent)


def bend_before(days: Days, jump: int, *, direction: int) -> int | None:
    """Return the day on which the mean began to rise in a straight line, or to fall, where that is likelier than a jump.

    Parameters
    ----------
    jump
        The day on which the mean has changed if it has changed at once.
    direction
        Above 0 for a rise. Jumps the other way are allowed for.

    Returns
    -------
    int or None
        None where a jump explains the days as well, or the line would begin no earlier.

    Examples
    --------
    >>> number = np.arange(60.0)
    >>> days = Days(number, 0.08 + 0.001 * np.maximum(0, number - 40), np.full(60, 1e6))
    >>> bend_before(days, 50, direction=1)
    40
    """
    trend = find_trend(days)
    if trend is None:
        return None
    first, last = int(days.number[0]), int(days.number[-1])
    fixed: list[Place] = [("step", step.day) for step in trend.steps if step.change.value * direction < 0]
    fits = {day: _fitted(days, [("bend", day), *fixed]) for day in range(first, last - YOUNG_DAYS + 2)}
    best = min(fits, key=lambda day: fits[day][2])
    found, _, left = fits[best]
    better = _deviance(days, [("step", jump), *fixed]) - left > BETTER * _overdispersion(days)
    return best if better and best < jump and found[1] * direction > 0 else None


def _selected(days: Days, bends: Sequence[Place], steps: Sequence[Place], spread: float) -> list[Place]:
    """Add what explains most, as long as it explains enough, and let go what it makes needless.

    A decay that a new version undoes shows neither as a bend alone nor as a step alone, so both are tried at once too.
    """
    terms: list[Place] = []
    enough = EVIDENCE * spread
    every = max(PAIR_DAYS, len(steps) // PAIRS_A_SIDE)
    while len(terms) < TERMS_MAX:
        left = _deviance(days, terms)
        open_bends = [] if any(kind == "bend" for kind, _ in terms) else bends
        near = {d for kind, day in terms if kind == "step" for d in range(day - EDGE_DAYS, day + EDGE_DAYS)}
        open_steps = [place for place in steps if place[1] not in near]
        grown = [*terms, *_best(days, terms, [(place,) for place in (*open_bends, *open_steps)])]
        if left - _deviance(days, grown) < enough:
            rough = [(b, s) for b in open_bends[::every] for s in open_steps[::every]]
            pair = _best(days, terms, rough)
            grown = [*terms, *pair[:1]]
            close = [(s,) for s in open_steps if pair and abs(s[1] - pair[1][1]) <= every]
            grown += _best(days, grown, close)
            if left - _deviance(days, grown) < 2 * enough:
                break
        whole = _deviance(days, grown)
        kept = [
            term
            for term in grown
            if _deviance(days, [other for other in grown if other != term]) - whole >= enough
        ]
        if _deviance(days, kept) >= left:
            break
        terms = kept
    return terms


def _best(days: Days, terms: Sequence[Place], choices: Sequence[tuple[Place, ...]]) -> tuple[Place, ...]:
    """Return the choice that leaves least unexplained; nothing where there is none."""
    return min(choices, key=lambda choice: _deviance(days, [*terms, *choice]), default=())


def _design(days: Days, terms: Sequence[Place]) -> Floats:
    columns = [np.ones_like(days.number)]
    for kind, day in terms:
        later = days.number - day
        columns.append(np.maximum(later, 0.0) if kind == "bend" else (later >= 0).astype(np.float64))
    return np.column_stack(columns)


def _fitted(days: Days, terms: Sequence[Place]) -> tuple[Floats, Floats, float]:
    """Return coefficients, their covariance and the residual chi-square."""
    root = np.sqrt(days.weight)
    design, target = _design(days, terms) * root[:, None], days.mean * root
    inverse: Floats = np.linalg.pinv(design.T @ design).astype(np.float64)
    found: Floats = inverse @ (design.T @ target)
    residual = target - design @ found
    return found, inverse, float(residual @ residual)


def _deviance(days: Days, terms: Sequence[Place]) -> float:
    return _fitted(days, terms)[2]


def _overdispersion(days: Days) -> float:
    """Return by how much neighbours differ beyond chance, in variances; at least 1."""
    week = ((days.number - days.number[0]) // 7).astype(np.intp)
    weight: Floats = np.bincount(week, days.weight).astype(np.float64)
    total: Floats = np.bincount(week, days.weight * days.mean).astype(np.float64)
    kept = weight > 0
    return max(
        1.0,
        _neighbours(days.mean, days.weight),
        _neighbours(total[kept] / weight[kept], weight[kept]),
    )


def _neighbours(mean: Floats, weight: Floats) -> float:
    """Return the mean squared difference of neighbours over its variance: 1 for means that stray by chance alone."""
    if len(mean) < 3:
        return 1.0
    return float(np.mean(np.diff(mean) ** 2 / (1 / weight[1:] + 1 / weight[:-1])))


def _described(days: Days, fixed: Sequence[int], bends: Sequence[int], spread: float, *, bent: bool) -> Trend:
    steps: list[Place] = [("step", day) for day in fixed]
    last = int(days.number[-1])
    fits = {day: _fitted(days, [("bend", day), *steps]) for day in bends}
    best = min(fits, key=lambda day: fits[day][2])
    allowed = Z95 * Z95 * spread
    low, high, near = math.inf, -math.inf, []
    for day, (found, covariance, deviance) in fits.items():
        room = allowed - (deviance - fits[best][2])
        if room < 0:
            continue
        near.append(day)
        half = math.sqrt(room * max(float(covariance[1, 1]), 0.0))
        low = min(low, float(found[1] - half) * (last - day))
        high = max(high, float(found[1] + half) * (last - day))
    found, covariance, _ = fits[best]
    change = float(found[1]) * (last - best)
    told = []
    for place, day in enumerate(fixed, start=2):
        half = Z95 * math.sqrt(spread * max(float(covariance[place, place]), 0.0))
        told.append(
            Step(day, Estimate(float(found[place]), float(found[place]) - half, float(found[place]) + half))
        )
    level = float(found[0] + sum(found[2:]))
    return Trend(bent, best, min(near), max(near), last, level, Estimate(change, low, high), tuple(told))
