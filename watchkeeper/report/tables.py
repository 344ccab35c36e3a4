"""The tables of a report as cells of plain text, shared by the forms for people. Nothing in them is escaped yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from detectors.intervals import MAIN_METRICS
from schemas.duration import MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE
from schemas.metric_settings import NO_DIRECTION, WEIGHTED
from watchkeeper.report.calendar import day_words
from watchkeeper.report.content import Comparison, IncidentLine, People, Report, Row
from watchkeeper.report.wording import (
    between,
    capital,
    in_percent,
    interval,
    metric_words,
    name,
    signed,
    stretch_words,
    worse,
)

INCIDENTS_MAX: Final = 40
"""The newest ones; the JSON form has all."""

ESTIMATES_MAX: Final = 20
"""The newest ones; the JSON form has all."""

RELIABLE: Final = {True: "borne out by labels", False: "unreliable", None: "unchecked"}

NOT_NAMED: Final = "not named in the settings"


@dataclass(frozen=True, slots=True)
class Table:
    """Cells by row; the first `fixed` columns identify a row."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    fixed: int = 1


def all_tables(report: Report) -> Iterator[Table]:
    """Yield the tables that have rows, in the order in which they are shown."""
    tables = (
        _periods(report), _estimates(report), _segment_estimates(report), *map(_compared, report.comparisons), _versions(report),
        _gaps(report), _incidents(report), _segments(report),
    )  # fmt: skip
    return (table for table in tables if table.rows)


def _heading(metric: str) -> str:
    return f"{metric_words(metric)} %" if in_percent(metric) else metric.replace("_", " ")


def _periods(report: Report) -> Table:
    metrics = [m for m in report.metrics if any(m in r.metrics for p in report.periods for r in p.rows)]
    rows = []
    for period in report.periods:
        versions = {row.version for row in period.rows} - {None}
        for place, row in enumerate(period.rows if len(versions) > 1 else period.rows[:1]):
            only = next(iter(versions)) if len(versions) == 1 else None
            shown = row.version if row.version is not None else only
            cells = (period.name if place == 0 else "", "all" if shown is None else name(shown))
            rows.append((*cells, *_counts(row), *(_cell(row, metric) for metric in metrics)))
    unit = "month" if report.unit == "month" else "week"
    head = (unit, "version", "predictions", "labelled", "figures", *map(_heading, metrics))
    return Table("Quality by period (95% intervals)", head, tuple(rows), fixed=2)


def _estimates(report: Report) -> Table:
    """Return what is expected of the newest days, or weeks, whose labels are not in."""
    points, check = report.estimates[-ESTIMATES_MAX:], report.estimate_check
    metrics = [m for m in MAIN_METRICS[report.task] if any(m in p.row.estimated for p in points)]
    held = RELIABLE[None if check is None else check.hold]
    rows = [
        (
            day_words(point.first)
            if point.first == point.last
            else f"{day_words(point.first)} to {day_words(point.last)}",
            f"{point.row.predictions:,}",
            f"{100 * point.row.coverage:.1f}%",
            held,
            *(interval(m, point.row.estimated[m]) if m in point.row.estimated else "-" for m in metrics),
        )
        for point in points
    ]
    head = ("days", "predictions", "labelled", "estimate", *map(_heading, metrics))
    return Table("Estimated, as labels are not all in (95% intervals)", head, tuple(rows))


def _segment_estimates(report: Report) -> Table:
    lines = report.segment_estimates
    metrics = [m for m in MAIN_METRICS[report.task] if any(m in line.estimated for line in lines)]
    rows = [
        (
            name(line.segment),
            f"{line.predictions:,}",
            f"{100 * line.coverage:.1f}%",
            RELIABLE[line.hold],
            *(interval(m, line.estimated[m]) if m in line.estimated else "-" for m in metrics),
        )
        for line in lines
    ]
    head = ("segment", "predictions", "labelled", "estimate", *map(_heading, metrics))
    return Table("Segments, estimated as labels are not all in (95% intervals)", head, tuple(rows))


def _counts(row: Row) -> tuple[str, str, str]:
    labelled = f"{100 * row.coverage:.1f}%" if row.predictions else "-"
    if row.implicit:
        labelled += f" ({100 * row.implicit / row.labelled:.1f}% implicit)"
    provisional = row.standing in ("horizon open", "few labelled")
    standing = f"provisional: {row.standing}" if provisional else row.standing
    return f"{row.predictions:,}", labelled, standing


def _cell(row: Row, metric: str) -> str:
    return interval(metric, row.metrics[metric]) if metric in row.metrics else "-"


def _compared(comparison: Comparison) -> Table:
    head = ("metric", "before", "now", "change", "judged")
    rows = tuple(_difference(comparison, metric) for metric in comparison.differences)
    return Table(f"{capital(stretch_words(comparison.now))} against {comparison.before.name}", head, rows)


def _difference(comparison: Comparison, metric: str) -> tuple[str, ...]:
    change = comparison.differences[metric]
    judged = {True: "worse", False: "better", None: "no change shown"}[worse(metric, change)]
    if change.low is None:
        judged = "no interval"
    elif metric.removeprefix(WEIGHTED) in NO_DIRECTION:
        judged = between(metric, change)
    sides = (interval(metric, side.metrics[metric]) for side in (comparison.before, comparison.now))
    return (_heading(metric), *sides, signed(metric, change.value), judged)


def _versions(report: Report) -> Table:
    main, rows = report.headlines[0], []
    for life in report.versions:
        days = f"{day_words(life.first)} to {day_words(life.last)}"
        known = life.switch is not None and main in life.switch.differences
        _, before, after, _, judged = (
            _difference(life.switch, main) if life.switch is not None and known else ("-",) * 5
        )
        rows.append((name(life.version), days, before, after, judged))
    head = ("version", "first and last day", f"{_heading(main)} before it", "and after", "judged")
    return Table("Versions", head, tuple(rows))


def _gaps(report: Report) -> Table:
    rows = [
        (day_words(gap.first), day_words(gap.last), f"{gap.predictions:,}", f"{gap.labelled:,}")
        for gap in report.gaps
    ]
    return Table("Days without labels", ("from", "to", "predictions", "labels"), tuple(rows))


def _incidents(report: Report) -> Table:
    rows = [
        (_when(line), _lasted(line), line.severity, line.title, _touched(line))
        for line in report.incidents[-INCIDENTS_MAX:]
    ]
    more = len(report.incidents) - len(rows)
    title = f"Incidents (the last {len(rows)} of {len(report.incidents)})" if more > 0 else "Incidents"
    return Table(title, ("since", "lasted", "severity", "what", "touches"), tuple(rows))


def _when(line: IncidentLine) -> str:
    return line.since[:16].replace("T", " ")


def _lasted(line: IncidentLine) -> str:
    return f"{duration_words(line.duration_ms)}{', open' if line.until is None else ''}"


def _touched(line: IncidentLine) -> str:
    return " to ".join(dict.fromkeys(line.periods[:1] + line.periods[-1:])) or "-"


def duration_words(length_ms: int) -> str:
    """Return a length of time in its largest unit: `3 min`, `5.2 h`, `14.0 d`."""
    if length_ms < MS_PER_HOUR:
        return f"{length_ms / MS_PER_MINUTE:.0f} min"
    if length_ms < 2 * MS_PER_DAY:
        return f"{length_ms / MS_PER_HOUR:.1f} h"
    return f"{length_ms / MS_PER_DAY:.1f} d"


def _segments(report: Report) -> Table:
    losses = "part of the absolute error" if report.task == "regression" else "part of the errors"
    rows = [
        (
            name(line.segment),
            f"{line.labelled:,}",
            f"{100 * line.share_of_labels:.1f}%",
            f"{100 * line.share_of_loss:.1f}%",
            interval(report.headlines[0], line.metric),
        )
        for line in report.segments
    ]
    head = ("segment", "labels", "part of the labels", losses, _heading(report.headlines[0]))
    return Table("Segments that lose most", head, tuple(rows))


def people_rows(people: People) -> Sequence[tuple[str, str]]:
    """Return the manager's questions and what the settings answer."""
    owner = [people.team, people.contact]
    updates = [people.cadence, None if people.trigger is None else f"or when {people.trigger}"]
    return (
        ("Who owns it", ", ".join(filter(None, owner)) or NOT_NAMED),
        ("Whom to call next", ", then ".join(people.escalation) or NOT_NAMED),
        ("Who updates it", people.updated_by or NOT_NAMED),
        ("When", ", ".join(filter(None, updates)) or NOT_NAMED),
        ("What the fallback is", people.fallback or NOT_NAMED),
        ("Runbook", people.runbook or NOT_NAMED),
    )
