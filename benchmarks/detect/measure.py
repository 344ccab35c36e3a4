"""Runs contenders over rows and counts: false alarms per 100,000 events, delay in events, share missed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.detect.contender import Maker, Run, run
from benchmarks.detect.results import Measured, Results
from benchmarks.detect.streams import Integers, Row, Stream

PER_EVENTS = 100_000
SLOW_EVENTS = 10_000


@dataclass(frozen=True, slots=True)
class Count:
    """What one contender has done on one stream.

    Parameters
    ----------
    quiet_events
        Events in which every alarm was false.
    delay
        Events until the first alarm at or after the change, the alarm's own included; infinite if there is none. None
        without a change.
    """

    false_alarms: int
    quiet_events: int
    delay: float | None
    cpu_s: float
    events: int


def count(found: Run, change_at: int | None) -> Count:
    """Count one run."""
    quiet = found.events if change_at is None else change_at
    return Count(
        int(np.count_nonzero(found.alarms < quiet)),
        quiet,
        None if change_at is None else delay(found.alarms, change_at),
        round(found.cpu_s, 4),
        found.events,
    )


def delay(alarms: Integers, change_at: int) -> float:
    """Return the events from a change to the first alarm at or after it, both included."""
    after = alarms[alarms >= change_at]
    return float(after[0] - change_at + 1) if len(after) else math.inf


@dataclass(frozen=True)
class Tally:
    """What one contender has done on one row, over the seeds."""

    counts: tuple[Count, ...]

    @property
    def false_alarms(self) -> int:
        """Alarms without a change."""
        return sum(count.false_alarms for count in self.counts)

    @property
    def false_per_100k(self) -> float:
        """False alarms per 100,000 events without a change."""
        return self.false_alarms / sum(count.quiet_events for count in self.counts) * PER_EVENTS

    @property
    def delays(self) -> list[float]:
        """Per seed with a change."""
        return [count.delay for count in self.counts if count.delay is not None]

    @property
    def missed(self) -> float:
        """Share of the seeds whose change was not found."""
        return sum(map(math.isinf, self.delays)) / len(self.delays)

    @property
    def us_per_event(self) -> float:
        """Processor time in microseconds."""
        return sum(count.cpu_s for count in self.counts) / sum(count.events for count in self.counts) * 1e6

    def quantile(self, share: float) -> float:
        """Return the delay that this share of the seeds does not exceed; a change missed has an infinite one."""
        return sorted(self.delays)[max(math.ceil(share * len(self.delays)) - 1, 0)]


Table = dict[str, dict[str, Tally]]
"""By row, then by contender."""


def tallies(measured: Measured) -> Table:
    """Return what was measured, seeds together."""
    return {
        row: {name: Tally(tuple(Count(**seed) for seed in seeds.values())) for name, seeds in names.items()}
        for row, names in measured.items()
    }


def measure(  # noqa: PLR0913 - what a run is made of
    table: str,
    rows: Iterable[Row],
    makers: Sequence[Maker],
    results: Results,
    *,
    seeds: int,
    slow: frozenset[str] = frozenset(),
    told: Callable[[str], None] = lambda _line: None,
) -> None:
    """Run every contender over every row that it can watch.

    Parameters
    ----------
    table, results
        Where it is kept.
    slow
        Contenders that see the first seed only, and of a stream without a change its first 10,000 events.
    told
        Called with a line when a row is done.
    """
    for row in rows:
        for seed in range(1, seeds + 1):
            turn = [make for make in makers if seed == 1 or make().name not in slow]
            for name, found in _take_turns(turn, row.streams(seed), slow):
                results.put(table, row.name, name, seed, asdict(found))
        told(row.name)


def _take_turns(
    makers: Sequence[Maker], streams: tuple[Stream, Stream], slow: frozenset[str]
) -> Iterable[tuple[str, Count]]:
    reference, live = streams
    beginning = live
    if live.change_at is None:
        beginning = Stream(live.kind, live.times[:SLOW_EVENTS], live.values[:SLOW_EVENTS])
    for make in makers:
        contender = make()
        if live.kind in contender.kinds:
            found = run(make, reference, beginning if contender.name in slow else live)
            yield contender.name, count(found, live.change_at)
