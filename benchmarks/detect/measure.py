"""Runs contenders over rows and counts: false alarms per 100,000 events, delay in events, share missed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.detect.changes import floor_events
from benchmarks.detect.contender import Maker, Run, run
from benchmarks.detect.streams import Integers, Kind, Row, Stream

PER_EVENTS = 100_000
SLOW_EVENTS = 10_000


@dataclass
class Tally:
    """What one contender has done on one row, over the seeds.

    Parameters
    ----------
    quiet_events
        Events in which every alarm was false.
    delays
        Per seed with a change: events until the first alarm at or after it, the alarm's own included; infinite if there is
        none.
    """

    false_alarms: int = 0
    quiet_events: int = 0
    delays: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    events: int = 0

    def add(self, found: Run, change_at: int | None) -> None:
        """Count one run."""
        quiet = found.events if change_at is None else change_at
        self.false_alarms += int(np.count_nonzero(found.alarms < quiet))
        self.quiet_events += quiet
        if change_at is not None:
            self.delays.append(delay(found.alarms, change_at))
        self.cpu_s += found.cpu_s
        self.events += found.events

    @property
    def false_per_100k(self) -> float:
        """False alarms per 100,000 events without a change."""
        return self.false_alarms / self.quiet_events * PER_EVENTS

    @property
    def missed(self) -> float:
        """Share of the seeds whose change was not found."""
        return sum(map(math.isinf, self.delays)) / len(self.delays)

    def quantile(self, share: float) -> float:
        """Return the delay that this share of the seeds does not exceed; a change missed has an infinite one."""
        return sorted(self.delays)[max(math.ceil(share * len(self.delays)) - 1, 0)]


def delay(alarms: Integers, change_at: int) -> float:
    """Return the events from a change to the first alarm at or after it, both included."""
    after = alarms[alarms >= change_at]
    return float(after[0] - change_at + 1) if len(after) else math.inf


Table = dict[str, dict[str, Tally]]
"""By row, then by contender."""


def measure(
    rows: Iterable[Row],
    makers: Sequence[Maker],
    *,
    seeds: int,
    slow: frozenset[str] = frozenset(),
    told: Callable[[str], None] = lambda _line: None,
) -> tuple[Table, dict[str, Kind]]:
    """Run every contender over every row that it can watch.

    Parameters
    ----------
    slow
        Contenders that see the first seed only, and of a stream without a change its first 10,000 events.
    told
        Called with a line when a row is done.

    Returns
    -------
    tuple of Table and dict
        The counts, and the kind of each row.
    """
    table: Table = {}
    kinds: dict[str, Kind] = {}
    for row in rows:
        tallies: dict[str, Tally] = {}
        for seed in range(1, seeds + 1):
            reference, live = row.streams(seed)
            kinds[row.name] = live.kind
            _take_turns(
                [m for m in makers if seed == 1 or m().name not in slow], reference, live, tallies, slow
            )
        table[row.name] = tallies
        told(row.name)
    return table, kinds


def _take_turns(
    makers: Sequence[Maker], reference: Stream, live: Stream, tallies: dict[str, Tally], slow: frozenset[str]
) -> None:
    beginning = live
    if live.change_at is None:
        beginning = Stream(live.kind, live.times[:SLOW_EVENTS], live.values[:SLOW_EVENTS])
    for make in makers:
        contender = make()
        if live.kind in contender.kinds:
            found = run(make, reference, beginning if contender.name in slow else live)
            tallies.setdefault(contender.name, Tally()).add(found, live.change_at)


def null_cell(tally: Tally) -> str:
    """Return the false alarms per 100,000 events."""
    return f"{tally.false_per_100k:.3g}"


def change_cell(tally: Tally) -> str:
    """Return median and 90 % delay, then the share missed and the false alarms where there are any."""
    found = [tally.quantile(share) for share in (0.5, 0.9)]
    text = " / ".join("-" if math.isinf(value) else f"{value:.0f}" for value in found)
    notes = [f"{tally.missed:.0%} missed"] if tally.missed else []
    notes += [f"{tally.false_per_100k:.3g} false"] if tally.false_alarms else []
    return f"{text} ({', '.join(notes)})" if notes else text


def floors(rows: Iterable[Row], run_lengths: Sequence[float]) -> dict[str, list[str]]:
    """Return per row the least delays at some mean times between false alarms."""
    return {row.name: [str(floor_events(row, length) or "-") for length in run_lengths] for row in rows}


def markdown(
    table: Table,
    names: Sequence[str],
    cell: Callable[[Tally], str],
    *,
    corner: str,
    extra: tuple[Sequence[str], dict[str, list[str]]] = ((), {}),
) -> str:
    """Return a table with a row per row and a column per contender that has run; the last line is the cost."""
    columns = [name for name in names if any(name in tallies for tallies in table.values())]
    heads, more = extra
    lines = [
        "| " + " | ".join([corner, *heads, *columns]) + " |",
        "|---" * (1 + len(heads) + len(columns)) + "|",
    ]
    for row, tallies in table.items():
        cells = [cell(tallies[name]) if name in tallies else "" for name in columns]
        lines.append("| " + " | ".join([row, *more.get(row, [""] * len(heads)), *cells]) + " |")
    costs = [_cost(table, name) for name in columns]
    lines.append("| " + " | ".join(["us per event", *([""] * len(heads)), *costs]) + " |")
    return "\n".join(lines)


def _cost(table: Table, name: str) -> str:
    ran = [tallies[name] for tallies in table.values() if name in tallies]
    return f"{sum(t.cpu_s for t in ran) / sum(t.events for t in ran) * 1e6:.2g}"
