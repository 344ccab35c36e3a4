"""A report in plain columns, at most 100 characters wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from alerts.plain_text import clip, plain
from watchkeeper.report.calendar import day_words
from watchkeeper.report.content import Point, Report
from watchkeeper.report.tables import Table, all_tables, people_rows
from watchkeeper.report.wording import figure, metric_words

WIDTH: Final = 100
CELL_MAX: Final = 34
MARKS: Final = {"bad": "!", "good": "+", "plain": "-", "unknown": "?"}
BARS: Final = "▁▂▃▄▅▆▇█"
NO_BAR: Final = "·"


def report_text(report: Report) -> str:
    """Return the report as lines; every name in it is printable and cut where it is long."""
    return "".join(f"{line.rstrip()}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield clip(f"{plain(report.model)}: quality from {span_words(report)}", WIDTH)
    yield clip(final_words(report), WIDTH)
    yield ""
    for statement in report.statements:
        mark = f"{MARKS[statement.tone]} "
        yield from textwrap.wrap(plain(statement.text), WIDTH, initial_indent=mark, subsequent_indent="  ")
    yield from _curves(report)
    for table in all_tables(report):
        yield from ("", table.title)
        yield from _table(table)
    yield from ("", "People")
    for question, answer in people_rows(report.people):
        indent = " " * 24
        yield from textwrap.wrap(
            plain(answer), WIDTH, initial_indent=f"  {question:<22}", subsequent_indent=indent
        )


def span_words(report: Report) -> str:
    """Return the days that a report is about."""
    return f"{day_words(report.first)} to {day_words(report.last)}"


def final_words(report: Report) -> str:
    """Say up to which day the labels are in."""
    if report.final_until is None:
        return f"labels may come for {report.horizon}: every figure is still provisional"
    return f"labels may come for {report.horizon}: figures are final until {day_words(report.final_until)}"


def _curves(report: Report) -> Iterator[str]:
    if len(report.points) < 2:
        return
    yield ""
    yield f"Curves, one mark a {'day' if report.unit == 'week' else 'week'}"
    width = max(len(metric_words(metric)) for metric in (*report.headlines, "labelled"))
    for metric in report.headlines:
        values = [metric_value(point, metric) for point in report.points]
        known = [value for value in values if value is not None]
        if known:
            ends = f"{figure(metric, min(known))} to {figure(metric, max(known))}"
            yield f"  {metric_words(metric):<{width}}  {sparkline(values)}  {ends}"
    shares = [point.row.coverage if point.row.predictions else None for point in report.points]
    yield f"  {'labelled':<{width}}  {sparkline(shares, low=0.0, high=1.0)}  0 to 100%"


def metric_value(point: Point, metric: str) -> float | None:
    """Return a curve's value at a point, None where there is none."""
    return point.row.metrics[metric].value if metric in point.row.metrics else None


def sparkline(
    values: Sequence[float | None], *, low: float | None = None, high: float | None = None, width: int = 60
) -> str:
    """Return a line of bars from the smallest value to the largest; the last `width` of them.

    Examples
    --------
    >>> sparkline([1.0, 2.0, None, 4.0])
    '▁▃·█'
    """
    values = values[-width:]
    known = [value for value in values if value is not None]
    low = min(known, default=0.0) if low is None else low
    high = max(known, default=0.0) if high is None else high
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(NO_BAR if value is None else BARS[round((value - low) * scale)] for value in values)


def _table(table: Table) -> Iterator[str]:
    """Yield the columns side by side, and those that do not fit below, with what identifies a row repeated."""
    columns = [
        [clip(plain(cell), CELL_MAX) for cell in column]
        for column in zip(table.head, *table.rows, strict=True)
    ]
    widths = [max(map(len, column)) for column in columns]
    first, rest = list(range(table.fixed)), list(range(table.fixed, len(columns)))
    while rest:
        taken = [*first, rest.pop(0)]
        while rest and _width(widths, [*taken, rest[0]]) <= WIDTH:
            taken.append(rest.pop(0))
        for row in range(len(table.rows) + 1):
            cells = (f"{columns[c][row]:<{widths[c]}}" for c in taken)
            line = clip("  " + "  ".join(cells).rstrip(), WIDTH)
            yield line
        if rest:
            yield ""


def _width(widths: Sequence[int], columns: Sequence[int]) -> int:
    return sum(widths[c] + 2 for c in columns)
