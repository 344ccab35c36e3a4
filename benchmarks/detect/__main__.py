"""`python -m benchmarks.detect`: tables of false alarms and delays, ours and others'.

What is measured goes into a file of results, if one is named, and the tables are made of all that it holds: rows, contenders
and seeds may be measured in several runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.detect import documents, real_sections
from benchmarks.detect.contender import Maker
from benchmarks.detect.month_sections import PLANS, month_sections, run_months
from benchmarks.detect.month_watches import watches
from benchmarks.detect.peers import SLOW_NAMES, named
from benchmarks.detect.results import Results
from benchmarks.detect.row_sections import ROWS, change_sections, null_sections, run_rows

SECTIONS: Final = (*ROWS, "month", "real")
NULL_TITLES: Final = {
    "stationary": "Without a change",
    "unseen": "Without a change, in traffic that nothing was made for",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what was asked for, print all tables, and write them into a document if one is named."""
    parsed = _parser().parse_args(arguments)
    results = Results(parsed.results)
    wanted = parsed.rows or ",".join(name for name in SECTIONS if name != "real" or parsed.data)
    if not parsed.tables:
        for name in wanted.split(","):
            _run(name, parsed, results)
    text = "\n\n".join(documents.wrapped(section) for section in _sections(results))
    print(text)
    if parsed.out:
        results.tidy()
        documents.write(parsed.out, text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detect")
    parser.add_argument("--rows", help=f"of {', '.join(SECTIONS)} (default all; real with --data)")
    parser.add_argument("--months", help=f"of {'; '.join(PLANS)}, by semicolons (default all)")
    parser.add_argument("--parts", help=f"of {', '.join(real_sections.PARTS)} of real (default all)")
    parser.add_argument("--seeds", type=int, default=5, help="streams of each row (default 5)")
    parser.add_argument("--first-seed", type=int, default=1, help="of months (default 1)")
    parser.add_argument("--short", action="store_true", help="one seed, and only what is fast")
    parser.add_argument("--only", metavar="NAME,NAME", help="contenders to run (default all)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with the real streams")
    parser.add_argument("--results", type=Path, metavar="FILE", help="add what is measured to this file")
    parser.add_argument("--tables", action="store_true", help="measure nothing: tables of --results alone")
    parser.add_argument("--out", type=Path, metavar="FILE", help="document to write the tables into")
    return parser


def _run(name: str, parsed: argparse.Namespace, results: Results) -> None:
    seeds = 1 if parsed.short else int(parsed.seeds)
    if name in ROWS:
        run_rows(name, _makers(parsed), seeds, results=results, told=_tell)
    elif name == "month":
        plans = parsed.months.split(";") if parsed.months else list(PLANS)
        months = range(parsed.first_seed, parsed.first_seed + seeds)
        run_months(watches(parsed.only), plans, months, results=results, told=_tell, short=parsed.short)
    elif parsed.data is None:
        raise SystemExit("--rows real needs --data DIR, the folder with the real streams")
    else:
        fast = [make for make in _makers(parsed) if make().name not in SLOW_NAMES]
        for part in parsed.parts.split(",") if parsed.parts else real_sections.PARTS:
            real_sections.PARTS[part](parsed.data, fast, seeds, results, _tell)


def _makers(parsed: argparse.Namespace) -> tuple[Maker, ...]:
    makers = named(parsed.only)
    return tuple(make for make in makers if not parsed.short or make().name not in SLOW_NAMES)


def _tell(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def _sections(results: Results) -> Iterator[str]:
    """Yield the tables of what is known."""
    for name, title in NULL_TITLES.items():
        if results.of(name):
            yield from null_sections(name, title, results)
    if results.of("changes"):
        yield from change_sections(results)
    if results.of("month"):
        yield from month_sections(results)
    yield from real_sections.sections(results)


if __name__ == "__main__":
    main()
