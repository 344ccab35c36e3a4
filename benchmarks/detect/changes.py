"""Rows with a change: 10,000 events of the reference's law and up to a thousand more, then 20,000 of another.

Where in a thousand the change lies is drawn with the seed, so that no window of a fixed length ends at it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from benchmarks.detect.streams import (
    DAYS,
    EVENTS,
    LIVE,
    REFERENCE,
    Floats,
    Kind,
    Row,
    Stream,
    arrivals,
    source,
)

CHANGE_AT: Final = 10_000
AFTER: Final = 20_000
"""A change that is not found within so many events is missed."""
RAMP_EVENTS: Final = 5000
SHARES: Final = (0.4, 0.3, 0.15, 0.1, 0.05)

Progress = Floats
"""How far the change is, event by event: 0 before it, 1 when it is complete."""
Draw = Callable[[np.random.Generator, Progress], Floats]
Information = Callable[[Progress], Floats]


def floor_events(row: Row, run_length: float) -> int | None:
    """Return the least delay in events that a mean time of `run_length` events between false alarms allows.

    It is the number of events whose mean information comes to log(run_length). For a change at once that is
    log(run_length) / KL.

    References
    ----------
    Lorden, "Procedures for reacting to a change in distribution", Annals of Mathematical Statistics 42 (1971).
    """
    told = np.cumsum(row.floor_nats)
    enough = int(np.searchsorted(told, math.log(run_length)))
    return enough + 1 if enough < len(told) else None


def bernoulli_nats(before: float | Floats, after: float | Floats) -> Floats:
    """Return the Kullback-Leibler divergence of two rates, in nats."""
    p, q = np.asarray(before, np.float64), np.asarray(after, np.float64)
    nats: Floats = q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p))
    return nats


def rate(before: float, after: float) -> tuple[Draw, Information]:
    """Return errors that go from one rate to another."""

    def at(progress: Progress) -> Floats:
        return before + (after - before) * progress

    return (
        lambda rng, progress: (rng.random(len(progress)) < at(progress)).astype(np.float64),
        lambda progress: bernoulli_nats(before, at(progress)),
    )


def moments(mean: float, spread: float) -> tuple[Draw, Information]:
    """Return standard normal values that go to another mean and standard deviation."""

    def draw(rng: np.random.Generator, progress: Progress) -> Floats:
        return rng.standard_normal(len(progress)) * spread**progress + mean * progress

    def nats(progress: Progress) -> Floats:
        variance = spread ** (2 * progress)
        return ((mean * progress) ** 2 + variance - 1 - np.log(variance)) / 2

    return draw, nats


def share(points: float) -> tuple[Draw, Information]:
    """Return categories of which the most frequent one gives so much of its share to the rarest one."""
    before = np.array(SHARES)
    after = before + np.array([-points, 0, 0, 0, points])

    def draw(rng: np.random.Generator, progress: Progress) -> Floats:
        u, moved = rng.random(len(progress)), np.cumsum(after)
        old, new = np.searchsorted(np.cumsum(before)[:-1], u), np.searchsorted(moved[:-1], u)
        return np.where(progress > 0, new, old).astype(np.float64)

    return draw, lambda progress: np.where(progress > 0, float(np.sum(after * np.log(after / before))), 0.0)


def change_row(name: str, kind: Kind, change: tuple[Draw, Information], *, ramp: int = 0) -> Row:
    """Return a row whose law changes after 10,000 events, at once or over `ramp` events."""
    draw, information = change
    since = np.arange(1, AFTER + 1)
    progress = np.minimum(since / max(ramp, 1), 1.0)

    def make(seed: int, reference_events: int) -> tuple[Stream, Stream]:
        days = DAYS * reference_events / EVENTS
        rng = source(name, seed, REFERENCE)
        before = arrivals(rng, reference_events, first_day=-math.ceil(days), days=days)
        reference = Stream(kind, before, draw(rng, np.zeros(reference_events)))
        rng = source(name, seed, LIVE)
        change_at = CHANGE_AT + int(rng.integers(0, 1000))
        events = change_at + AFTER
        times = arrivals(rng, events, first_day=0, days=DAYS * events / EVENTS)
        values = draw(rng, np.concatenate([np.zeros(change_at), progress]))
        return reference, Stream(kind, times, values, change_at)

    return Row(name, kind, make, tuple(information(progress).tolist()))


CHANGES: Final[Sequence[Row]] = (
    change_row("error 10 to 20 %", "error", rate(0.1, 0.2)),
    change_row("error 10 to 15 %", "error", rate(0.1, 0.15)),
    change_row("error 10 to 12 %", "error", rate(0.1, 0.12)),
    change_row("error 1 to 3 %", "error", rate(0.01, 0.03)),
    change_row("error 10 to 20 % over 5000", "error", rate(0.1, 0.2), ramp=RAMP_EVENTS),
    change_row("mean +0.25 sd", "numeric", moments(0.25, 1)),
    change_row("mean +0.5 sd", "numeric", moments(0.5, 1)),
    change_row("spread x1.5", "numeric", moments(0, 1.5)),
    change_row("spread x0.67", "numeric", moments(0, 2 / 3)),
    change_row("category share 10 points", "category", share(0.1)),
    change_row("category share 3 points", "category", share(0.03)),
)
