"""What a detector says about one closed window: a finding, with its verdict and its evidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | Mapping[str, JsonValue] | None"


class Kind(StrEnum):
    """The kinds of trouble an alert can be about (a closed set, used as a metric label)."""

    DATA_DRIFT = "data_drift"
    PREDICTION_DRIFT = "prediction_drift"
    LABEL_DRIFT = "label_drift"
    PERFORMANCE = "performance"
    ESTIMATED_PERFORMANCE = "estimated_performance"
    CALIBRATION = "calibration"
    DATA_QUALITY = "data_quality"
    SCHEMA = "schema"
    OOD_RATE = "ood_rate"
    VOLUME = "volume"
    LATENCY = "latency"
    ERROR_RATE = "error_rate"
    FALLBACK_RATE = "fallback_rate"
    LABEL_COVERAGE = "label_coverage"
    LABEL_LAG = "label_lag"
    ORPHAN_LABELS = "orphan_labels"
    VERSION_REGRESSION = "version_regression"
    MONITOR_LAG = "monitor_lag"
    MONITOR_INTEGRITY = "monitor_integrity"


class Severity(StrEnum):
    """How bad it is if it is true; ordered by `Severity.rank`."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Position from 0 (info) to 3 (critical)."""
        return _RANKS[self]


_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}


class Verdict(StrEnum):
    """What one window says about one check."""

    BREACH = "breach"
    """At or beyond the threshold that fires."""
    BETWEEN = "between"
    """Below the threshold that fires, not yet below the one that clears."""
    CLEAR = "clear"
    """Below the threshold that clears."""
    GONE = "gone"
    """Whatever was wrong cannot be seen to end: the segment or version gets no events any more, or, of the whole model,
    labels have refuted the estimate."""
    UNKNOWN = "unknown"
    """Not enough data to say anything: the alert's state is held."""


class Stream(StrEnum):
    """The streams of detection windows of a model."""

    PREDICTIONS = "predictions"
    """Windows by prediction time: features, outputs, service figures."""
    ERRORS = "errors"
    """Windows by label arrival (the later of label time and prediction time)."""
    LABELS = "labels"
    """How labels come, in windows as long as a cohort: predictions by their time, labels by their arrival."""


ERROR_KINDS: Final = frozenset(
    {Kind.LABEL_DRIFT, Kind.PERFORMANCE, Kind.CALIBRATION, Kind.VERSION_REGRESSION}
)
"""Kinds that are judged on windows by label arrival."""

LABEL_CHECKS: Final = (
    *("label_coverage", "label_lag", "late_labels", "orphan_labels"),
    *("label_duplicates", "label_conflicts", "label_corrections"),
)
"""Checks of how labels come; all others of a model are judged on windows by prediction time."""


def stream_of(kind: Kind, check: str) -> Stream:
    """Return the stream of windows that a check is judged on."""
    if check in LABEL_CHECKS:
        return Stream.LABELS
    return Stream.ERRORS if kind in ERROR_KINDS else Stream.PREDICTIONS


@dataclass(frozen=True, slots=True)
class WindowSpan:
    """The window a finding is about: `[start_ms, end_ms)` in epoch milliseconds, with `n` events."""

    start_ms: int
    end_ms: int
    n: int


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """How many windows it takes to fire and to resolve.

    Parameters
    ----------
    breaches
        Fire when this many of the last `windows` windows breach.
    windows
        Length of the look-back in informed windows.
    clears
        Resolve after this many clear windows in a row.
    """

    breaches: int = 3
    windows: int = 5
    clears: int = 3


class Topic(NamedTuple):
    """What a finding is about, within its model; see `Finding`."""

    kind: Kind
    check: str
    feature: str | None = None
    segment: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's reading of one closed window.

    Identity (what makes two findings the same trouble) is `kind`, `check`, `model`, `version`,
    `feature` and `segment`; everything else is what this window said.

    Parameters
    ----------
    version
        Set only by checks that run per version, or against a version's own profile.
    score
        The statistic, oriented so that more is worse.
    fire, clear
        A score at or above `fire` breaches; one below `clear` clears.
    severity
        The severity if it fires.
    onset_ms
        Estimated begin of the trouble, epoch milliseconds; None when the detector cannot tell.
    dated_anew
        What `onset_ms` says is known better than when the alert opened, and an open alert is to say so.
    refuted
        Of a trouble that is gone: labels refute what it told, so it may never have been.
    evidence
        JSON values for the alert: statistic, value, reference, effect, direction and the like.
    evidence_only
        True for readings that support other alerts and never fire by themselves.
    """

    kind: Kind
    check: str
    model: str
    window: WindowSpan
    verdict: Verdict
    score: float
    fire: float
    clear: float
    version: str | None = None
    feature: str | None = None
    segment: str | None = None
    severity: Severity = Severity.WARNING
    hysteresis: Hysteresis = field(default_factory=Hysteresis)
    onset_ms: int | None = None
    dated_anew: bool = False
    refuted: bool = False
    evidence: Mapping[str, JsonValue] = field(default_factory=dict)
    evidence_only: bool = False

    @property
    def identity(self) -> tuple[str, str, str, str | None, str | None, str | None]:
        """The tuple that is the same in every window for the same trouble."""
        return (self.kind, self.check, self.model, self.version, self.feature, self.segment)

    @property
    def topic(self) -> Topic:
        """The same without the model."""
        return Topic(self.kind, self.check, self.feature, self.segment, self.version)


Explain: TypeAlias = Callable[[Finding, int], "Mapping[str, JsonValue] | None"]
"""Says what changed around the begin (epoch milliseconds) of the trouble that a finding shows; None where nobody knows."""

Show: TypeAlias = Callable[[Finding, int], "Mapping[str, JsonValue] | None"]
"""Returns what windows before that of a finding add to its evidence, given the begin of the trouble; None for nothing.

That is `series`, what the signal did, and `estimated_parts`: see the modules of these names."""

Standing: TypeAlias = Callable[[], "Iterable[Topic]"]
"""Returns what the detectors of a stream have told and still follow, though a window may say nothing of it."""


def verdict_of(score: float, *, fire: float, clear: float, enough: bool) -> Verdict:
    """Return the verdict of a score against a firing and a clearing threshold.

    A score that is not finite, or one that rests on too few events (`enough` is False), is UNKNOWN.
    """
    if not enough or not math.isfinite(score):
        return Verdict.UNKNOWN
    if score >= fire:
        return Verdict.BREACH
    return Verdict.CLEAR if score < clear else Verdict.BETWEEN
