"""Where everything of a picture lies: lines, areas, marks and labels, whoever draws them.

What a colour says a shape or a word says as well: what is since the change has a mark on each point, the limit is dashed, and each
line has its name and value at its right end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final, Literal, TypeAlias

from alerts.pictures.axes import round_values, time_steps
from alerts.pictures.words import Plot
from alerts.plain_text import clip
from alerts.sizes import duration

WIDTH: Final = 640
HEIGHT: Final = 250
LEFT: Final = 66
RIGHT: Final = 118
TOP: Final = 52
BOTTOM: Final = 46
LABEL_PX: Final = 12
TITLE_PX: Final = 15
_FLAT: Final = 1e-9
_LEAST: Final = 1e-200
"""Values that differ by a smaller share of themselves, or by less than that, lie on one line."""

Anchor: TypeAlias = Literal["start", "middle", "end"]
Place: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Style:
    """How something is drawn.

    Parameters
    ----------
    width
        Of a line, pixels.
    dash
        Pixels that are drawn, and left out, in turn; 0 for a whole line.
    """

    colour: str
    width: float = 1.0
    dash: int = 0


GRID: Final = Style("#e4e4e4")
BAND: Final = Style("#dfe9f5")
USUAL: Final = Style("#6b7f99", 1.5)
LIMIT: Final = Style("#8a1c1c", 1.5, 6)
SINCE: Final = Style("#444444", 1.5, 3)
BEFORE: Final = Style("#1f5aa6", 2.0)
AFTER: Final = Style("#b3261e", 2.5)
INK: Final = Style("#222222")
FAINT: Final = Style("#555555")
PAPER: Final = Style("#ffffff")


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle that is filled."""

    low: Place
    high: Place
    style: Style


@dataclass(frozen=True, slots=True)
class Line:
    """A line through places."""

    places: tuple[Place, ...]
    style: Style


@dataclass(frozen=True, slots=True)
class Mark:
    """A dot."""

    place: Place
    radius: float
    style: Style


@dataclass(frozen=True, slots=True)
class Label:
    """Words that stand on a place."""

    place: Place
    text: str
    anchor: Anchor = "start"
    style: Style = FAINT
    size_px: int = LABEL_PX


Shape: TypeAlias = Area | Line | Mark | Label


@dataclass(frozen=True, slots=True)
class _Frame:
    """Turns times and values into places."""

    plot: Plot
    low: float
    high: float

    def x(self, time: datetime) -> float:
        series = self.plot.series
        share = (time - series.start).total_seconds() / (series.step_s * len(series.values))
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - min(max(share, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM), 1)

    def middle(self, index: int) -> float:
        series = self.plot.series
        return self.x(series.start + timedelta(seconds=series.step_s * (index + 0.5)))


def scene_of(plot: Plot) -> tuple[Shape, ...]:
    """Return what to draw, in order, on a sheet of 640 by 250 pixels."""
    frame = _frame(plot)
    return (
        Area((0, 0), (WIDTH, HEIGHT), PAPER),
        *_band(frame),
        *_grid(frame),
        *_usual(frame),
        *_across(frame, plot.series.threshold, LIMIT),
        *_since(frame),
        *_curve(frame),
        *_names(frame),
        Label((LEFT, 20), clip(plot.name, 72), style=INK, size_px=TITLE_PX),
        *_footer(plot),
    )


def _frame(plot: Plot) -> _Frame:
    """Make room for every value and for what they are compared with."""
    series = plot.series
    others = (series.reference, series.low, series.high, series.threshold, *(series.usual or ()))
    places = [*plot.known, *(value for value in others if value is not None)]
    low, high = min(places), max(places)
    size = max(abs(low), abs(high))
    if high - low > _FLAT * size and high - low > _LEAST:
        room = 0.08 * (high - low)
    else:
        room = 0.1 * size if size > _LEAST else 1.0
    is_share = series.unit == "share"
    floor = 0.0 if low >= 0 and low - room < 0 else low - room
    return _Frame(plot, floor, min(high + room, 1.0) if is_share and high < 1 else high + room)


def _grid(frame: _Frame) -> Iterator[Shape]:
    for value in round_values(frame.low, frame.high):
        y = frame.y(value)
        yield Line(((LEFT, y), (WIDTH - RIGHT, y)), GRID)
        yield Label((LEFT - 8, y + 4), frame.plot.told(value), "end")
    bottom = HEIGHT - BOTTOM
    for time, told in time_steps(frame.plot.series.start, frame.plot.end):
        x = frame.x(time)
        yield Line(((x, bottom), (x, bottom + 4)), FAINT)
        yield Label((x, bottom + 17), told, "middle")
    yield Line(((LEFT, bottom), (WIDTH - RIGHT, bottom)), FAINT)


def _band(frame: _Frame) -> Iterator[Shape]:
    series = frame.plot.series
    if series.low is not None and series.high is not None:
        yield Area((LEFT, frame.y(series.high)), (WIDTH - RIGHT, frame.y(series.low)), BAND)


def _usual(frame: _Frame) -> Iterator[Shape]:
    series = frame.plot.series
    if series.usual is None:
        yield from _across(frame, series.reference, USUAL)
        return
    places = [(frame.middle(i), frame.y(v)) for i, v in enumerate(series.usual) if v is not None]
    if len(places) > 1:
        yield Line(tuple(places), USUAL)


def _across(frame: _Frame, value: float | None, style: Style) -> Iterator[Shape]:
    if value is not None:
        y = frame.y(value)
        yield Line(((LEFT, y), (WIDTH - RIGHT, y)), style)


def _since(frame: _Frame) -> Iterator[Shape]:
    """Mark where the change began; one from before the picture is named alone."""
    series = frame.plot.series
    since = series.since.astimezone(UTC)
    told = f"since {since.day} {since:%b %H:%M}"
    if series.since < series.start:
        yield Label((LEFT, TOP - 10), f"{told}, before this picture begins", style=INK)
        return
    x = min(frame.x(series.since), WIDTH - RIGHT)
    yield Line(((x, TOP - 6), (x, HEIGHT - BOTTOM)), SINCE)
    is_left = x > (LEFT + WIDTH - RIGHT) / 2
    yield Label((x - 5 if is_left else x + 5, TOP - 10), told, "end" if is_left else "start", INK)


def _curve(frame: _Frame) -> Iterator[Shape]:
    """Draw the values, broken where there are none; from the change on with a mark on each."""
    series = frame.plot.series
    places = [None if v is None else (frame.middle(i), frame.y(v)) for i, v in enumerate(series.values)]
    since = frame.x(series.since)
    for is_known, some in groupby(places, key=lambda place: place is not None):
        piece = [place for place in some if place is not None]
        if is_known:
            yield from _piece(piece, since)
    last = next(place for place in reversed(places) if place is not None)
    yield Mark(last, 5.0, AFTER if last[0] >= since else BEFORE)


def _piece(piece: Sequence[Place], since: float) -> Iterator[Shape]:
    before = [place for place in piece if place[0] < since]
    after = [*before[-1:], *(place for place in piece if place[0] >= since)]
    if len(before) > 1:
        yield Line(tuple(before), BEFORE)
    if len(after) > 1:
        yield Line(tuple(after), AFTER)
    for place in after if not before else after[1:]:
        yield Mark(place, 3.0, AFTER)
    if len(before) == 1:
        yield Mark(before[0], 2.0, BEFORE)


def _names(frame: _Frame) -> Iterator[Shape]:
    """Name the lines at their right ends, apart from each other."""
    series, plot = frame.plot.series, frame.plot
    usual = next((v for v in reversed(series.usual or ()) if v is not None), series.reference)
    named = [("now", plot.known[-1], AFTER), ("usual", usual, USUAL), ("limit", series.threshold, LIMIT)]
    labels = sorted((frame.y(value), name, value, style) for name, value, style in named if value is not None)
    y = float(TOP - LABEL_PX)
    rows: list[float] = []
    for place, *_ in labels:
        y = max(place + 4, y + LABEL_PX + 2)
        rows.append(y)
    over = max(0.0, rows[-1] - (HEIGHT - BOTTOM + 4)) if rows else 0.0
    for row, (_, name, value, style) in zip(rows, labels, strict=True):
        told = clip(f"{name} {plot.told(value)}", 18)
        yield Label((WIDTH - RIGHT + 8, row - over), told, style=Style(style.colour))


def _footer(plot: Plot) -> Iterator[Shape]:
    series = plot.series
    step = f"each point {duration(round(series.step_s * 1_000))}"
    told = [f"UTC, {series.start.astimezone(UTC):%Y-%m-%d}", step]
    if series.low is not None and series.high is not None:
        told.append(f"shaded: {plot.told(series.low)} to {plot.told(series.high)} counts as unchanged")
    yield Label((LEFT, HEIGHT - 8), "  |  ".join(told))
