"""A curve with its band, the coverage below it, and marks for versions and alerts: SVG, without a script."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from itertools import groupby
from typing import Final

from watchkeeper.report.calendar import day_words
from watchkeeper.report.content import IncidentLine, MetricTrend, Point, Report
from watchkeeper.report.wording import capital, figure, interval, metric_words, name

WIDTH: Final = 960
LEFT: Final = 66
RIGHT: Final = 14
TOP: Final = 30
CURVE: Final = 190
ALERTS: Final = 12
COVERAGE: Final = 44
ALERTS_TOP: Final = TOP + CURVE + 14
COVERAGE_TOP: Final = ALERTS_TOP + ALERTS + 10
HEIGHT: Final = COVERAGE_TOP + COVERAGE + 24
LABELS_MAX: Final = 12
"""Versions that are named on the curve."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """Turns days and values into places."""

    first: int
    days: int
    low: float
    high: float

    def x(self, day: str, *, end: bool = False) -> float:
        share = (_number(day) - self.first + end) / self.days
        return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(TOP + (1 - min(max(share, 0.0), 1.0)) * CURVE, 1)

    def middle(self, point: Point) -> float:
        return round((self.x(point.first) + self.x(point.last, end=True)) / 2, 1)


def metric_chart(report: Report, metric: str) -> str:
    """Return the picture of one headline metric; empty where no point has it."""
    if not any(metric in point.row.metrics for point in report.points):
        return ""
    frame = _frame(report, metric)
    title = escape(f"{capital(metric_words(metric))} of {report.model}")
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
        *_grid(frame, metric),
        *_months(frame, report.points),
        *_coverage(frame, report.points),
        *_alerts(frame, report.incidents),
        *_curve(frame, report.points, metric),
        *_slope(frame, next((t for t in report.trends if t.metric == metric), None)),
        *_versions(frame, report),
        "</svg>",
    ]
    return "\n".join(parts)


def _number(day: str) -> int:
    return date.fromisoformat(day).toordinal()


def _frame(report: Report, metric: str) -> _Frame:
    """Make room for every value, and for the bands of final ones: a provisional band may be cut."""
    rows = [point.row for point in report.points if metric in point.row.metrics]
    places = [row.metrics[metric].value for row in rows]
    for row in rows:
        if row.standing == "final":
            estimate = row.metrics[metric]
            places += [end for end in (estimate.low, estimate.high) if end is not None]
    low, high = min(places), max(places)
    room = 0.06 * (high - low) or abs(high) * 0.05 or 1.0
    first = _number(report.first)
    return _Frame(first, max(_number(report.last) - first + 1, 1), low - room, high + room)


def _round_values(low: float, high: float) -> list[float]:
    """Return three to five round values between two."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((m * power for m in (1, 2, 2.5, 5) if m * power >= rough), 10 * power)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _grid(frame: _Frame, metric: str) -> Iterator[str]:
    for value in _round_values(frame.low, frame.high):
        y = frame.y(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text class="axis end" x="{LEFT - 8}" y="{y + 4}">{escape(figure(metric, value))}</text>'
    for y, text in ((ALERTS_TOP + ALERTS - 2, "alerts"), (COVERAGE_TOP + COVERAGE / 2 + 4, "labelled")):
        yield f'<text class="axis end" x="{LEFT - 8}" y="{y}">{text}</text>'


def _months(frame: _Frame, points: Sequence[Point]) -> Iterator[str]:
    """Name the days below, as many as there is room for."""
    step = max(1, -(-len(points) // 9))
    for point in points[::step]:
        x = frame.x(point.first)
        anchor = " end" if x > WIDTH - 70 else ""
        yield f'<text class="axis{anchor}" x="{x}" y="{HEIGHT - 6}">{day_words(point.first)[:-5]}</text>'


def _coverage(frame: _Frame, points: Sequence[Point]) -> Iterator[str]:
    for point in points:
        x, end = frame.x(point.first), frame.x(point.last, end=True)
        height = round(COVERAGE * min(point.row.coverage, 1.0), 1)
        told = f"{_days(point)}: {100 * point.row.coverage:.1f}% of {point.row.predictions:,} labelled"
        place = f'x="{x + 0.5}" width="{max(end - x - 1, 0.5):.1f}"'
        yield f'<rect class="room" {place} y="{COVERAGE_TOP}" height="{COVERAGE}"><title>{told}</title></rect>'
        yield f'<rect class="bar" {place} y="{COVERAGE_TOP + COVERAGE - height}" height="{height}"><title>{told}</title></rect>'


def _days(point: Point) -> str:
    first = day_words(point.first)
    return first if point.first == point.last else f"{first} to {day_words(point.last)}"


def _alerts(frame: _Frame, incidents: Sequence[IncidentLine]) -> Iterator[str]:
    for line in incidents:
        x = frame.x(line.since[:10])
        end = WIDTH - RIGHT if line.until is None else frame.x(line.until[:10], end=True)
        severity = line.severity if line.severity in ("critical", "error", "warning") else "info"
        told = escape(f"{line.severity}: {line.title} ({day_words(line.since[:10])})")
        yield (
            f'<rect class="alert {severity}" x="{x}" y="{ALERTS_TOP}" width="{max(end - x, 4):.1f}" '
            f'height="{ALERTS}" rx="2"><title>{told}</title></rect>'
        )


def _curve(frame: _Frame, points: Sequence[Point], metric: str) -> Iterator[str]:
    for known, some in groupby(points, key=lambda point: metric in point.row.metrics):
        if known:
            yield from _piece(frame, list(some), metric)


def _piece(frame: _Frame, points: Sequence[Point], metric: str) -> Iterator[str]:
    found = [(frame.middle(point), point.row.metrics[metric]) for point in points]
    sure = [(x, e) for x, e in found if e.low is not None and e.high is not None]
    if len(sure) > 1:
        above = [f"{x},{frame.y(e.high)}" for x, e in sure if e.high is not None]
        below = [f"{x},{frame.y(e.low)}" for x, e in reversed(sure) if e.low is not None]
        yield f'<polygon class="band" points="{" ".join(above + below)}"/>'
    line = " ".join(f"{x},{frame.y(e.value)}" for x, e in found)
    yield f'<polyline class="curve" points="{line}"/>'
    for (x, estimate), point in zip(found, points, strict=True):
        final = point.row.standing == "final"
        told = f"{_days(point)}: {interval(metric, estimate)}{'' if final else f', {point.row.standing}'}"
        shape = "dot" if final else "dot hollow"
        yield f'<circle class="{shape}" cx="{x}" cy="{frame.y(estimate.value)}" r="3"><title>{told}</title></circle>'


def _slope(frame: _Frame, trend: MetricTrend | None) -> Iterator[str]:
    if trend is None or not trend.found or trend.jumps:
        return
    points = [(trend.since, trend.level), (trend.until, trend.level + trend.change.value)]
    places = " ".join(f"{frame.x(day)},{frame.y(value)}" for day, value in points)
    yield f'<polyline class="slope" points="{places}"/>'


def _versions(frame: _Frame, report: Report) -> Iterator[str]:
    named = report.versions if len(report.versions) <= LABELS_MAX else ()
    last = -100.0
    for life in report.versions:
        x = frame.x(life.first)
        yield f'<line class="version" x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{TOP + CURVE}"/>'
        if life in named and x - last > 70:
            last = x
            anchor = " end" if x > WIDTH - 90 else ""
            yield f'<text class="axis{anchor}" x="{x}" y="{TOP - 11}">{escape(name(life.version))[:60]}</text>'
