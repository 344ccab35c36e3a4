"""What a report says, as one value. Times are days (`2026-05-02`, UTC); a last day is part of what it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from detectors.confidence import Estimate

FORMAT: Final = "watchkeeper.report/1"

Tone = Literal["bad", "good", "plain", "unknown"]
Standing = Literal["final", "horizon open", "few labelled", "too few labels"]
"""The two in the middle are provisional."""

Estimates = dict[str, Estimate]
"""By metric; a metric that the labels do not give is absent."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence, and how to take it. Names in it are made printable and short."""

    tone: Tone
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one version, or of all of them (version None; answers of the fallback and in the shadow left out).

    Parameters
    ----------
    coverage
        Share of labelled predictions among those that can have a label.
    usual
        The share of labels sent that the version usually reaches, None where nothing tells.
    metrics
        Empty where there are too few labels.
    implicit
        Labels that are there because none came.
    unobservable
        Predictions that never get a label, by the settings.
    estimated
        Metrics that are expected of all answers, labelled or not, by what they tell; empty where they tell nothing.
    """

    version: str | None
    predictions: int
    labelled: int
    coverage: float
    usual: float | None
    standing: Standing
    metrics: Estimates
    implicit: int = 0
    unobservable: int = 0
    estimated: Estimates = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Period:
    """A month or a week, all versions first."""

    name: str
    first: str
    last: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve: a week, or a day where the report is short."""

    first: str
    last: str
    row: Row


@dataclass(frozen=True, slots=True)
class Jump:
    """A step in a trend, and the version that came on about that day."""

    day: str
    change: Estimate
    version: str | None


@dataclass(frozen=True, slots=True)
class MetricTrend:
    """The slow change of a metric, as `detectors.trend.Trend` has it, with days for numbers.

    Parameters
    ----------
    found
        False: `change` is that of a straight line, and chance may explain it.
    """

    metric: str
    found: bool
    since: str
    since_low: str
    since_high: str
    until: str
    level: float
    change: Estimate
    jumps: tuple[Jump, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of days, and the metrics of its labels."""

    name: str
    first: str | None
    last: str | None
    labelled: int
    metrics: Estimates


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two stretches set against each other; `differences` are now minus before."""

    kind: Literal["first period", "profile", "version before"]
    before: Stretch
    now: Stretch
    differences: Estimates


@dataclass(frozen=True, slots=True)
class VersionLife:
    """A version's days, and what changed when it came; None for the first one, or with too few labels around."""

    version: str
    first: str
    last: str
    predictions: int
    labelled: int
    after: str | None
    switch: Comparison | None


@dataclass(frozen=True, slots=True)
class LabelGap:
    """Days that had predictions and next to no labels."""

    first: str
    last: str
    predictions: int
    labelled: int
    ongoing: bool


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """One alert of the model's past, and the periods that it touches."""

    alert_id: str
    title: str
    severity: str
    kind: str
    status: str
    since: str
    until: str | None
    duration_ms: int
    periods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SegmentLine:
    """A segment's part of all labels and of the whole loss (errors, or absolute error)."""

    segment: str
    labelled: int
    share_of_labels: float
    share_of_loss: float
    metric: Estimate


@dataclass(frozen=True, slots=True)
class SegmentEstimate:
    """What is expected of a segment's answers on days whose labels are not in.

    Parameters
    ----------
    hold
        As in `EstimateCheck`, of the segment's own labels: whether scores mean in it what they mean in the whole model.
    """

    segment: str
    predictions: int
    coverage: float
    estimated: Estimates
    hold: bool | None


@dataclass(frozen=True, slots=True)
class EstimateCheck:
    """What labels say of estimates.

    Parameters
    ----------
    hold
        Whether the newest labels that are all in bear them out; None where they are too few, or nothing can tell.
    labelled
        Those labels.
    until
        The last of their days.
    """

    hold: bool | None
    labelled: int
    until: str | None


@dataclass(frozen=True, slots=True)
class People:
    """What the settings say of whom to ask; None where they say nothing."""

    team: str | None
    contact: str | None
    escalation: tuple[str, ...]
    updated_by: str | None
    cadence: str | None
    trigger: str | None
    fallback: str | None
    runbook: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """The quality of a model from one day to another.

    Parameters
    ----------
    metrics
        Those that tables show, in order.
    headlines
        The metrics that sentences and curves are about, the main one first.
    final_until
        Last day whose labels are all in by the label horizon; None for no such day.
    estimates
        Of the weeks, or days, whose labels are not in: what is expected of them (`Row.estimated`), newest last.
    estimate_check
        None where nothing is estimated.
    segment_estimates
        Of all these days, the worst first.
    """

    format: str
    model: str
    task: str
    first: str
    last: str
    final_until: str | None
    horizon: str
    unit: Literal["month", "week"]
    metrics: tuple[str, ...]
    headlines: tuple[str, ...]
    statements: tuple[Statement, ...]
    periods: tuple[Period, ...]
    points: tuple[Point, ...]
    trends: tuple[MetricTrend, ...]
    comparisons: tuple[Comparison, ...]
    versions: tuple[VersionLife, ...]
    gaps: tuple[LabelGap, ...]
    incidents: tuple[IncidentLine, ...]
    segments: tuple[SegmentLine, ...]
    people: People
    estimates: tuple[Point, ...] = ()
    estimate_check: EstimateCheck | None = None
    segment_estimates: tuple[SegmentEstimate, ...] = ()


def report_json(report: Report) -> str:
    """Return the report as JSON; the same report gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1).decode() + "\n"
