"""The life of one alert: its states, and the small decisions that move it, each with a reason.

ok -> pending -> firing -> recovering -> resolved. Nothing here reads a clock: windows bring the time.
An alert that is ok or resolved is not kept, so only `Pending` and `Episode` exist as values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from schemas.alert import AlertType
from schemas.finding import Finding, Hysteresis, Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from alerts.identity import Subject
    from schemas.finding import WindowSpan

LOOKBACK_WINDOWS_MAX: Final = 256
"""Longest look-back and longest row of clear windows, whatever the settings say."""


class AlertState(StrEnum):
    """Where an alert is in its life."""

    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"
    RESOLVED = "resolved"


class Reason(StrEnum):
    """Why a window moved an alert, or did not."""

    EVIDENCE_ONLY = "evidence_only"
    STALE_WINDOW = "stale_window"
    UNKNOWN_HOLDS = "unknown_holds"
    HEEDED = "heeded"

    NOTHING_WRONG = "nothing_wrong"
    COLLECTING = "collecting"
    FIRST = "first"
    NO_ROOM = "no_room"

    STILL_FIRING = "still_firing"
    SEVERITY_UP = "severity_up"
    SEVERITY_DOWN = "severity_down"
    DATED_ANEW = "dated_anew"
    RECOVERING = "recovering"
    ROW_BROKEN = "row_broken"
    RELAPSED = "relapsed"
    RECOVERED = "recovered"
    VERSION_RETIRED = "version_retired"
    SEGMENT_GONE = "segment_gone"
    ESTIMATE_REFUTED = "estimate_refuted"
    CAUSE_OVER = "cause_over"
    ACCEPTED = "accepted"
    NOT_WATCHED = "not_watched"


EVENT_TYPES: Final[Mapping[Reason, AlertType]] = {
    Reason.FIRST: AlertType.FIRING,
    Reason.SEVERITY_UP: AlertType.UPDATED,
    Reason.SEVERITY_DOWN: AlertType.UPDATED,
    Reason.DATED_ANEW: AlertType.UPDATED,
    Reason.CAUSE_OVER: AlertType.UPDATED,
    Reason.RECOVERED: AlertType.RESOLVED,
    Reason.VERSION_RETIRED: AlertType.RESOLVED,
    Reason.SEGMENT_GONE: AlertType.RESOLVED,
    Reason.ESTIMATE_REFUTED: AlertType.RESOLVED,
    Reason.ACCEPTED: AlertType.RESOLVED,
    Reason.NOT_WATCHED: AlertType.RESOLVED,
}
"""The reasons that people hear about; every other one is silent."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One informed window of a pending alert; `severity` is None where it did not breach."""

    start_ms: int
    severity: Severity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Trouble seen, not yet often enough: nobody has been told.

    Parameters
    ----------
    readings
        The windows that still count towards firing, oldest first; the oldest one breached.
    last_end_ms
        End of the newest window heeded; an older one is stale.
    """

    subject: Subject
    readings: tuple[Reading, ...]
    last_end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One stretch of trouble from firing to resolved: what is told about it has one alert id.

    Parameters
    ----------
    severity
        The severity last told.
    lower
        Severities of the latest breaches in a row that were lower than the one told.
    clears
        Clear windows in a row so far.
    episode_ms
        Start of the first breaching window.
    since_ms
        Estimated onset, at the latest `episode_ms`.
    revisions
        How many events the episode has emitted: the number of the next one.
    window
        The newest window heeded.
    breach_end_ms
        End of the newest breaching window.
    peak, peak_ms
        Highest score of a breaching window, and that window's start.
    evidence
        What the last event with bad news said, for a resolve that has no finding.
    incident
        Id of the incident that it belongs to; empty until it is given one.
    muted_by, mute_until_ms
        Id of the alert that explains it, empty for none; and, once that one is over, when it is to be told after all.
    """

    subject: Subject
    state: AlertState
    severity: Severity
    lower: tuple[Severity, ...] = ()
    clears: int = 0
    episode_ms: int
    since_ms: int
    revisions: int = 0
    window: WindowSpan
    breach_end_ms: int
    peak: float
    peak_ms: int
    evidence: Mapping[str, JsonValue]
    incident: str = ""
    muted_by: str = ""
    mute_until_ms: int = 0


def bounded(rule: Hysteresis) -> Hysteresis:
    """Return a rule that can be met: every number at least 1, none above the limit, M at most N."""
    breaches = _between(rule.breaches, 1, LOOKBACK_WINDOWS_MAX)
    return Hysteresis(
        breaches=breaches,
        windows=_between(rule.windows, breaches, LOOKBACK_WINDOWS_MAX),
        clears=_between(rule.clears, 1, LOOKBACK_WINDOWS_MAX),
    )


def _between(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))


def decide_heed(finding: Finding, *, last_end_ms: int | None) -> Reason:
    """Say whether a finding may move its alert: HEEDED, or why not."""
    if finding.evidence_only:
        return Reason.EVIDENCE_ONLY
    if last_end_ms is not None and finding.window.end_ms <= last_end_ms:
        return Reason.STALE_WINDOW
    if finding.verdict is Verdict.UNKNOWN:
        return Reason.UNKNOWN_HOLDS
    return Reason.HEEDED


def useful_readings(readings: tuple[Reading, ...], rule: Hysteresis) -> tuple[Reading, ...]:
    """Return the newest readings from the first breach on that can still be one of M among N."""
    kept = readings[-rule.windows :]
    while kept and (kept[0].severity is None or not _reachable(kept, rule)):
        kept = kept[1:]
    return kept


def _breaches(readings: tuple[Reading, ...]) -> int:
    return sum(reading.severity is not None for reading in readings)


def _reachable(readings: tuple[Reading, ...], rule: Hysteresis) -> bool:
    still_to_come = rule.windows - len(readings)
    return _breaches(readings) + still_to_come >= rule.breaches


def decide_opening(readings: tuple[Reading, ...], rule: Hysteresis) -> Reason:
    """Say what the useful readings of a pending alert amount to."""
    if not readings:
        return Reason.NOTHING_WRONG
    return Reason.FIRST if _breaches(readings) >= rule.breaches else Reason.COLLECTING


def decide_open(episode: Episode, finding: Finding, rule: Hysteresis) -> Reason:
    """Say what a heeded window means for an alert that is firing or recovering."""
    if finding.verdict is Verdict.GONE:
        return _decide_gone(finding)
    if finding.verdict is Verdict.BREACH:
        reason = _decide_breach(episode, finding.severity, rule)
        is_silent = reason not in EVENT_TYPES
        return Reason.DATED_ANEW if is_silent and _is_dated_anew(episode, finding) else reason
    if finding.verdict is Verdict.CLEAR:
        return Reason.RECOVERED if episode.clears + 1 >= rule.clears else Reason.RECOVERING
    return Reason.ROW_BROKEN if episode.state is AlertState.RECOVERING else Reason.STILL_FIRING


def _is_dated_anew(episode: Episode, finding: Finding) -> bool:
    return finding.dated_anew and since_of(finding, episode.episode_ms) != episode.since_ms


def since_of(finding: Finding, episode_ms: int) -> int:
    """Return when a trouble began, epoch milliseconds: as its detector says, at the latest with its first breach."""
    return episode_ms if finding.onset_ms is None else min(finding.onset_ms, episode_ms)


def _decide_gone(finding: Finding) -> Reason:
    if finding.refuted:
        return Reason.ESTIMATE_REFUTED
    return Reason.VERSION_RETIRED if finding.segment is None else Reason.SEGMENT_GONE


def _decide_breach(episode: Episode, severity: Severity, rule: Hysteresis) -> Reason:
    if severity.rank > episode.severity.rank:
        return Reason.SEVERITY_UP
    if severity.rank < episode.severity.rank and len(episode.lower) + 1 >= rule.clears:
        return Reason.SEVERITY_DOWN
    return Reason.RELAPSED if episode.state is AlertState.RECOVERING else Reason.STILL_FIRING
