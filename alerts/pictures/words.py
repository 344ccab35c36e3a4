"""The words of a picture: what is shown, its values with their unit, what a reader who does not see it is told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from alerts.plain_text import short
from alerts.sizes import duration, figure, metric_name, percent
from schemas.finding import Kind
from schemas.series import Series, series_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.alert import AlertData

_SHOWN: Final[Mapping[str, str]] = {
    "median": "median of {thing}",
    "mean": "mean of {thing}",
    "spread": "standard deviation of {thing}",
    "share": "share of {of} in {thing}",
    "rate": "share in {thing}",
    "missing": "missing values of {thing}",
    "invalid": "invalid values of {thing}",
    "unseen": "unknown categories of {thing}",
    "error_rate": "answers with an error",
    "fallback_rate": "answers by the fallback",
    "events": "predictions in an hour",
    "labels": "labels in an hour",
    "label_delay": "median delay of labels",
    "orphan_labels": "labels without a prediction",
    "late_labels": "labels after the horizon",
    "label_duplicates": "labels that are sent again",
    "label_conflicts": "labels that contradict others",
    "label_corrections": "labels that are corrected",
    "gain": "gain of version {of}",
}
_LEVELS: Final = "▁▂▃▄▅▆▇█"
_GAP: Final = "·"
SPARKS_MAX: Final = 24
"""Blocks of a line at most."""


@dataclass(frozen=True, slots=True)
class Plot:
    """What is to be drawn: a series and its name in words."""

    series: Series
    name: str

    @property
    def end(self) -> datetime:
        """End of the last point."""
        series = self.series
        return series.start + timedelta(seconds=series.step_s * len(series.values))

    def told(self, value: float) -> str:
        """Return a value with its unit."""
        match self.series.unit:
            case "share":
                return percent(value)
            case "ms":
                return f"{figure(value)} ms"
            case "s":
                return duration(round(value * 1_000))
        return figure(value)

    @property
    def known(self) -> list[float]:
        """The values that are there."""
        return [value for value in self.series.values if value is not None]


def plot_of(data: AlertData) -> Plot | None:
    """Return what there is to draw of an alert, None where it carries no series."""
    series = series_in(data.evidence)
    if series is None:
        return None
    of = "" if series.of is None else short(series.of, 30)
    thing = "the latency" if data.feature is None else short(data.feature)
    if series.figure == "wrong_answers":
        name = f"wrong answers where the truth is {of}" if of else "wrong answers"
    elif data.kind is Kind.OOD_RATE:
        name = f"{short(series.figure)} distance of cases from the reference"
    elif series.figure in _SHOWN:
        name = _SHOWN[series.figure].format(thing=thing, of=of)
    else:
        name = metric_name(short(series.figure))
    parts = (("version", data.version if series.figure != "gain" else None), ("segment", data.segment))
    where = ", ".join(f"{what} {short(part, 30)}" for what, part in parts if part is not None)
    return Plot(series, f"{name} ({where})" if where else name)


def described(plot: Plot) -> str:
    """Return in one sentence what a picture shows, for those who do not see it."""
    series = plot.series
    known = plot.known
    told = [f"{plot.name} from {_time(series.start)} to {_time(plot.end)} UTC"]
    told.append(f"first {plot.told(known[0])}, last {plot.told(known[-1])}")
    told.append(f"between {plot.told(min(known))} and {plot.told(max(known))}")
    if series.reference is not None:
        told.append(f"usual {plot.told(series.reference)}")
    if series.low is not None and series.high is not None:
        told.append(f"{plot.told(series.low)} to {plot.told(series.high)} counts as unchanged")
    if series.threshold is not None:
        told.append(f"limit {plot.told(series.threshold)}")
    return f"{'; '.join(told)}; since {_time(series.since)} UTC"


def sparkline(plot: Plot) -> str:
    """Return the values as a line of at most 24 blocks, and from what to what they went beside what is usual.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    >>> series = Series(
    ...     figure="median", start=noon, step_s=60, values=(42, 43, None, 61), n=(9, 9, 0, 9), reference=42, since=noon
    ... )
    >>> sparkline(Plot(series, "median of amount"))
    '▁▁·█ median of amount 42 to 61, usual 42, over 4 min'
    """
    series, known = plot.series, plot.known
    words = f"{plot.name} {plot.told(known[0])} to {plot.told(known[-1])}"
    if series.reference is not None:
        words += f", usual {plot.told(series.reference)}"
    if series.threshold is not None:
        words += f", limit {plot.told(series.threshold)}"
    length = duration(round(series.step_s * len(series.values) * 1_000))
    return f"{_blocks(series.values)} {words}, over {length}"


def _blocks(values: Sequence[float | None]) -> str:
    """Return a block for each value, or for the mean of some neighbours where there are too many."""
    size = math.ceil(len(values) / SPARKS_MAX)
    # From the end: the newest block is whole.
    cuts = range(len(values) % size or size, len(values) + 1, size)
    groups = [[v for v in values[max(cut - size, 0) : cut] if v is not None] for cut in cuts]
    means = [sum(group) / len(group) if group else None for group in groups]
    known = [mean for mean in means if mean is not None]
    low, span = min(known), max(known) - min(known)
    shown = [
        _GAP if mean is None else _LEVELS[int((mean - low) / span * 7.999) if span > 0 else 0]
        for mean in means
    ]
    return "".join(shown)


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"
