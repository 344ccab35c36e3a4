"""Tables of false alarms and delays, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from benchmarks.detect.changes import floor_events
from benchmarks.detect.measure import Table, Tally
from benchmarks.detect.streams import Row

Extra = tuple[Sequence[str], dict[str, list[str]]]
"""Heads of more columns, and their cells by row."""


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


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = ["| " + " | ".join(line) + " |" for line in (heads, *rows)]
    return "\n".join([lines[0], "|---" * len(heads) + "|", *lines[1:]])


def by_contender(
    table: Table,
    names: Sequence[str],
    cell: Callable[[Tally], str],
    *,
    corner: str,
    extra: Extra = ((), {}),
) -> str:
    """Return a table with a row per row and a column per contender that has run; the last line is the cost."""
    columns = [name for name in names if any(name in tallies for tallies in table.values())]
    heads, more = extra
    rows = [
        [
            row,
            *more.get(row, [""] * len(heads)),
            *(cell(tallies[name]) if name in tallies else "" for name in columns),
        ]
        for row, tallies in table.items()
    ]
    costs = [_cost(table, name) for name in columns]
    return markdown([corner, *heads, *columns], [*rows, ["us per event", *([""] * len(heads)), *costs]])


def _cost(table: Table, name: str) -> str:
    counts = [count for tallies in table.values() if name in tallies for count in tallies[name].counts]
    return f"{Tally(tuple(counts)).us_per_event:.2g}"
