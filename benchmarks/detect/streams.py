"""Streams of one signal whose law is known, and the rows of the benchmark without a change.

Every stream of these rows holds 100,000 events in 35 days: about one event in half a minute, 119 an hour, five
whole weeks. It begins on a Monday at midnight UTC. Its reference is drawn from the same law by the same generator, is
independent of it, and lies in the time before it.

Events come as in a Poisson process (their number is fixed, their places are not), so no two windows hold the same number
of them. Numbers have a standard deviation of about 1 within an hour, except where a row is about that.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter  # type: ignore[import-untyped]  # scipy ships no types

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Kind = Literal["error", "numeric", "category"]
Law = Callable[[np.random.Generator, Floats], Floats]
"""Values of events by their times, which are in days since `START_MS`, negative before it."""
Pace = Callable[[np.random.Generator, Integers], Floats]
"""Relative number of events of each hour, by the hour's number since `START_MS`."""

START_MS: Final = 1_767_571_200_000
"""Monday, 5 January 2026, 00:00 UTC."""
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
EVENTS: Final = 100_000
DAYS: Final = 35
LIVE, REFERENCE = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """The events of one signal in order of time.

    Parameters
    ----------
    kind
        `error`: 0 or 1; `numeric`: a number; `category`: the code of a category, a whole number from 0.
    times
        Epoch milliseconds, never descending.
    values
        One per event.
    change_at
        Index of the first event of the new law; None if there is no change.
    timezone
        The clock that its cycles follow.
    """

    kind: Kind
    times: Integers
    values: Floats
    change_at: int | None = None
    timezone: str = "UTC"

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: a law, and what becomes of it.

    Parameters
    ----------
    make
        Returns the reference and the live stream of a seed, and the length of the reference in events can be asked for.
    floor_nats
        What each event after the change tells about it on average (Kullback-Leibler divergence), in nats, from the first
        on; empty without a change. See `changes.floor_events`.
    """

    name: str
    kind: Kind
    make: Callable[[int, int], tuple[Stream, Stream]]
    floor_nats: tuple[float, ...] = ()

    def streams(self, seed: int, reference_events: int = EVENTS) -> tuple[Stream, Stream]:
        """Return the reference and the live stream of a seed."""
        return self.make(seed, reference_events)


def arrivals(
    rng: np.random.Generator, events: int, *, first_day: float, days: float, pace: Pace | None = None
) -> Integers:
    """Return the times of events in epoch milliseconds, at a pace that changes by the hour."""
    hours = np.arange(math.floor(first_day * 24), math.ceil((first_day + days) * 24))
    weights = np.ones(len(hours)) if pace is None else pace(rng, hours)
    counts = rng.multinomial(events, weights / weights.sum())
    offsets = rng.integers(0, HOUR_MS, events)
    times: Integers = np.sort(START_MS + np.repeat(hours, counts) * HOUR_MS + offsets)
    return times


def null_row(name: str, kind: Kind, law: Law, pace: Pace | None = None) -> Row:
    """Return a row without a change: reference and live stream are two draws of one law."""

    def make(seed: int, reference_events: int) -> tuple[Stream, Stream]:
        days = DAYS * reference_events / EVENTS
        rng = source(name, seed, REFERENCE)
        before = arrivals(rng, reference_events, first_day=-math.ceil(days), days=days, pace=pace)
        reference = Stream(kind, before, law(rng, in_days(before)))
        rng = source(name, seed, LIVE)
        times = arrivals(rng, EVENTS, first_day=0, days=DAYS, pace=pace)
        return reference, Stream(kind, times, law(rng, in_days(times)))

    return Row(name, kind, make)


def source(name: str, seed: int, part: int) -> np.random.Generator:
    """Return the source of randomness of a row's part; each row has its own."""
    return np.random.default_rng([seed, part, zlib.crc32(name.encode())])


def in_days(times: Integers) -> Floats:
    """Return times as days since the start."""
    days: Floats = (times - START_MS) / DAY_MS
    return days


def daily(days: Floats) -> Floats:
    """Return a wave with the period of a day, from -1 to 1."""
    wave: Floats = np.sin(2 * math.pi * days)
    return wave


def weekly(days: Floats) -> Floats:
    """Return 0 from Monday to Friday and -1 on Saturday and Sunday."""
    level: Floats = np.where(np.floor(days) % 7 >= 5, -1.0, 0.0)
    return level


def errors(rate: float, *, swing: float = 0.0) -> Law:
    """Return errors of a rate that goes up and down by `swing` of itself in a day."""
    return lambda rng, days: (rng.random(len(days)) < rate * (1 + swing * daily(days))).astype(np.float64)


def bursty_errors(rng: np.random.Generator, days: Floats) -> Floats:
    """Return 10 % errors, a quarter of them in bursts: one event in twenty lies in one, half of those fail."""
    n = len(days)
    calm = rng.geometric(1 / 1900, n // 1000 + 50)
    storm = rng.geometric(1 / 100, len(calm))
    state = np.repeat(np.tile([0, 1], len(calm)), np.stack([calm, storm], axis=1).ravel())
    begin = int(rng.integers(0, len(state) - n))
    rate = np.where(state[begin : begin + n] == 1, 0.5, 0.075 / 0.95)
    return (rng.random(n) < rate).astype(np.float64)


def normal(rng: np.random.Generator, days: Floats) -> Floats:
    """Return standard normal values."""
    return rng.standard_normal(len(days))


def autoregressive(phi: float) -> Law:
    """Return AR(1) values with a standard deviation of 1, from event to event."""

    def law(rng: np.random.Generator, days: Floats) -> Floats:
        shocks = rng.standard_normal(len(days)) * math.sqrt(1 - phi * phi)
        first = rng.standard_normal(1) * phi
        values: Floats = lfilter([1.0], [1.0, -phi], shocks, zi=first)[0]
        return values

    return law


STATIONARY: Final = (
    null_row("errors 10 %", "error", errors(0.1)),
    null_row("errors, daily cycle", "error", errors(0.1, swing=0.5)),
    null_row("errors, bursty", "error", bursty_errors),
    null_row("normal", "numeric", normal),
    null_row("lognormal", "numeric", lambda rng, days: np.exp(normal(rng, days))),
    null_row("normal, daily cycle", "numeric", lambda rng, days: normal(rng, days) + daily(days)),
    null_row("AR(1) 0.5", "numeric", autoregressive(0.5)),
    null_row("AR(1) 0.9", "numeric", autoregressive(0.9)),
)
"""The rows that the engine was made with."""
