"""`python -m benchmarks.detect`: tables of false alarms and delays, ours and others'."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.detect import documents, real_measure
from benchmarks.detect.changes import CHANGES
from benchmarks.detect.contender import Maker
from benchmarks.detect.measure import Table, change_cell, floors, markdown, measure, null_cell
from benchmarks.detect.month import CHANGES as MONTH_CHANGES
from benchmarks.detect.month import Change, Month, Regime
from benchmarks.detect.month_watch import month_table, watch
from benchmarks.detect.month_watches import watches
from benchmarks.detect.peers import SLOW_NAMES, named
from benchmarks.detect.streams import STATIONARY, Kind, Row
from benchmarks.detect.unseen import UNSEEN

RUN_LENGTHS: Final = (1e6, 2e8)
SHORT_MONTH: Final = {"features": 20, "events": 200_000}
KINDS: Final[dict[Kind, str]] = {"error": "Errors", "numeric": "Numbers", "category": "Categories"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what was asked for, print it, and write it into a document if one is named."""
    parsed = _parser().parse_args(arguments)
    rows = parsed.rows or ",".join(name for name in SECTIONS if name != "real" or parsed.data)
    sections: list[str] = []
    for name in rows.split(","):
        for section in SECTIONS[name](parsed):
            print(section, end="\n\n", flush=True)
            sections.append(section)
    if parsed.out:
        documents.write(parsed.out, "\n\n".join(sections))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detect")
    parser.add_argument("--rows", help=f"of {', '.join(SECTIONS)} (default all; real with --data)")
    parser.add_argument("--seeds", type=int, default=5, help="streams of each row (default 5)")
    parser.add_argument("--short", action="store_true", help="one seed, and only what is fast")
    parser.add_argument("--only", metavar="NAME,NAME", help="contenders to run (default all)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with the real streams")
    parser.add_argument("--out", type=Path, metavar="FILE", help="document to write the tables into")
    return parser


def _contenders(parsed: argparse.Namespace) -> tuple[tuple[Maker, ...], int]:
    """Return who runs, and with how many seeds."""
    makers = named(parsed.only)
    if not parsed.short:
        return makers, int(parsed.seeds)
    return tuple(make for make in makers if make().name not in SLOW_NAMES), 1


def _tell(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def _null(rows: Sequence[Row], title: str, parsed: argparse.Namespace) -> Iterator[str]:
    makers, seeds = _contenders(parsed)
    table, kinds = measure(rows, makers, seeds=seeds, slow=SLOW_NAMES, told=_tell)
    yield f"### {title}\n\nFalse alarms per 100,000 events, over {seeds} streams of 100,000 events a row."
    for kind, part in _by_kind(table, kinds):
        yield markdown(part, [make().name for make in makers], null_cell, corner=KINDS[kind])


def _stationary(parsed: argparse.Namespace) -> Iterator[str]:
    return _null(STATIONARY, "Without a change", parsed)


def _unseen(parsed: argparse.Namespace) -> Iterator[str]:
    return _null(UNSEEN, "Without a change, in traffic that nothing was made for", parsed)


def _changes(parsed: argparse.Namespace) -> Iterator[str]:
    makers, seeds = _contenders(parsed)
    table, kinds = measure(CHANGES, makers, seeds=seeds, slow=SLOW_NAMES, told=_tell)
    heads = [f"floor {length / 1e6:.0f}M" for length in RUN_LENGTHS]
    yield (
        "### A change after 10,000 events\n\nMedian / 90 % delay in events (share missed after 20,000, false alarms per "
        f"100,000 events before), over {seeds} streams a row."
    )
    for kind, part in _by_kind(table, kinds):
        names = [make().name for make in makers]
        extra = (heads, floors(CHANGES, RUN_LENGTHS))
        yield markdown(part, names, change_cell, corner=KINDS[kind], extra=extra)


def _by_kind(table: Table, kinds: dict[str, Kind]) -> Iterator[tuple[Kind, Table]]:
    for kind in KINDS:
        part = {row: tallies for row, tallies in table.items() if kinds[row] == kind}
        if part:
            yield kind, part


def _month(parsed: argparse.Namespace) -> Iterator[str]:
    size = SHORT_MONTH if parsed.short else {}
    plans: list[tuple[str, Regime, tuple[Change, ...]]] = [
        ("A", "A", ()),
        ("B", "B", ()),
        ("C", "C", ()),
        ("B, ten features change", "B", MONTH_CHANGES),
    ]
    makers = watches(parsed.only)
    if not makers:
        return
    yield "### One model, one month: 200 features, a million events"
    for title, regime, changes in plans:
        found = [
            watch(Month(regime, seed, changes, **size), [make() for make in makers])
            for seed in range(1, (1 if parsed.short else parsed.seeds) + 1)
        ]
        _tell(f"month {title}")
        yield month_table(title, found)


def _real(parsed: argparse.Namespace) -> Iterator[str]:
    if parsed.data is None:
        raise SystemExit("--rows real needs --data DIR, the folder with the real streams")
    makers = [make for make in named(parsed.only) if make().name not in SLOW_NAMES]
    return real_measure.sections(parsed.data, makers, 1 if parsed.short else parsed.seeds, _tell)


SECTIONS: Final[dict[str, Callable[[argparse.Namespace], Iterator[str]]]] = {
    "stationary": _stationary,
    "unseen": _unseen,
    "changes": _changes,
    "month": _month,
    "real": _real,
}


if __name__ == "__main__":
    main()
