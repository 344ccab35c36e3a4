"""The tables of single signals: rows without a change, and rows with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from benchmarks.detect.changes import CHANGES
from benchmarks.detect.contender import Maker
from benchmarks.detect.measure import Table, Tally, measure, tallies
from benchmarks.detect.peers import CONTENDERS, SLOW_NAMES
from benchmarks.detect.results import Measured, Results, counted, in_order
from benchmarks.detect.streams import STATIONARY, Kind, Row
from benchmarks.detect.tables import Extra, by_contender, change_cell, floors, null_cell
from benchmarks.detect.unseen import UNSEEN

RUN_LENGTHS: Final = (1e6, 2e8)
KINDS: Final[dict[Kind, str]] = {"error": "Errors", "numeric": "Numbers", "category": "Categories"}
ROWS: Final[dict[str, Sequence[Row]]] = {"stationary": STATIONARY, "unseen": UNSEEN, "changes": CHANGES}
_SLOW: Final = f"{', '.join(sorted(SLOW_NAMES))} is slow and sees one stream, of one without a change its first 10,000 events."


def run_rows(
    section: str, makers: Sequence[Maker], seeds: int, *, results: Results, told: Callable[[str], None]
) -> None:
    """Measure the rows of a section."""
    measure(section, ROWS[section], makers, results, seeds=seeds, slow=SLOW_NAMES, told=told)


def null_sections(section: str, title: str, results: Results) -> Iterator[str]:
    """Yield the tables of a section without a change."""
    measured = in_order(results.of(section), [row.name for row in ROWS[section]])
    yield (
        f"### {title}\n\nFalse alarms per 100,000 events; of each row {counted(measured, 'streams')} of 100,000 events. {_SLOW}"
    )
    yield from _tables(section, measured, null_cell)


def change_sections(results: Results) -> Iterator[str]:
    """Yield the tables of the rows with a change."""
    measured = in_order(results.of("changes"), [row.name for row in CHANGES])
    yield (
        "### A change after 10,000 events\n\nMedian / 90 % delay in events (share missed after 20,000, false alarms per "
        f"100,000 events before); of each row {counted(measured, 'streams')}. {_SLOW}"
    )
    heads = [f"floor {length / 1e6:.0f}M" for length in RUN_LENGTHS]
    yield from _tables("changes", measured, change_cell, (heads, floors(CHANGES, RUN_LENGTHS)))


def _tables(
    section: str, measured: Measured, cell: Callable[[Tally], str], extra: Extra = ((), {})
) -> Iterator[str]:
    kinds = {row.name: row.kind for row in ROWS[section]}
    table = tallies(measured)
    names = [make().name for make in CONTENDERS]
    for kind, corner in KINDS.items():
        part: Table = {row: found for row, found in table.items() if kinds[row] == kind}
        if part:
            yield by_contender(part, names, cell, corner=corner, extra=extra)
