"""Applies a decision of `alerts.lifecycle` to an alert: old alert and window in, new alert and reason out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from alerts.evidence import evidence_of
from alerts.lifecycle import (
    EVENT_TYPES,
    AlertState,
    Episode,
    Pending,
    Reading,
    Reason,
    bounded,
    decide_open,
    decide_opening,
    since_of,
    useful_readings,
)
from schemas.finding import Finding, Severity, Verdict

if TYPE_CHECKING:
    from alerts.identity import Subject

Alert: TypeAlias = Pending | Episode


def advance(alert: Alert | None, finding: Finding, *, subject: Subject) -> tuple[Alert | None, Reason]:
    """Return the alert after a heeded finding, and why it is so.

    None stands for ok. A resolved episode comes back in state RESOLVED, so that it can still be told.
    """
    rule = bounded(finding.hysteresis)
    if isinstance(alert, Episode):
        reason = decide_open(alert, finding, rule)
        return _after(alert, finding, reason), reason
    if finding.verdict is Verdict.GONE:
        return None, Reason.NOTHING_WRONG
    before = alert.readings if alert is not None else ()
    readings = useful_readings((*before, _reading_of(finding)), rule)
    reason = decide_opening(readings, rule)
    if reason is Reason.FIRST:
        return _opened(readings, finding, subject), reason
    if reason is Reason.COLLECTING:
        return Pending(subject=subject, readings=readings, last_end_ms=finding.window.end_ms), reason
    return None, reason


def told(episode: Episode) -> Episode:
    """Return the episode after one more of its events was emitted."""
    return replace(episode, revisions=episode.revisions + 1)


def _reading_of(finding: Finding) -> Reading:
    breach = finding.verdict is Verdict.BREACH
    return Reading(finding.window.start_ms, finding.severity if breach else None)


def _opened(readings: tuple[Reading, ...], finding: Finding, subject: Subject) -> Episode:
    breaches = [(reading.start_ms, reading.severity) for reading in readings if reading.severity is not None]
    episode_ms = breaches[0][0]
    return Episode(
        subject=subject,
        state=AlertState.FIRING,
        severity=_worst(tuple(severity for _, severity in breaches)),
        episode_ms=episode_ms,
        since_ms=since_of(finding, episode_ms),
        window=finding.window,
        breach_end_ms=finding.window.end_ms,
        peak=finding.score,
        peak_ms=finding.window.start_ms,
        evidence=evidence_of(finding),
    )


def _after(episode: Episode, finding: Finding, reason: Reason) -> Episode:
    if finding.verdict is Verdict.GONE:  # that says nothing about health: what was last seen stands
        return replace(episode, state=AlertState.RESOLVED)
    moved = replace(episode, window=finding.window)
    if finding.verdict is Verdict.BREACH:
        return _after_breach(moved, finding, reason)
    if finding.verdict is Verdict.CLEAR:
        state = AlertState.RESOLVED if reason is Reason.RECOVERED else AlertState.RECOVERING
        return replace(moved, state=state, clears=episode.clears + 1)
    return replace(moved, state=AlertState.FIRING, clears=0)


def _after_breach(episode: Episode, finding: Finding, reason: Reason) -> Episode:
    severity, lower = _severity_after(episode, finding.severity, reason)
    higher = math.isnan(episode.peak) or finding.score > episode.peak
    return replace(
        episode,
        state=AlertState.FIRING,
        severity=severity,
        lower=lower,
        clears=0,
        since_ms=since_of(finding, episode.episode_ms) if finding.dated_anew else episode.since_ms,
        breach_end_ms=finding.window.end_ms,
        peak=finding.score if higher else episode.peak,
        peak_ms=finding.window.start_ms if higher else episode.peak_ms,
        evidence=evidence_of(finding) if reason in EVENT_TYPES else episode.evidence,
    )


def _severity_after(
    episode: Episode, severity: Severity, reason: Reason
) -> tuple[Severity, tuple[Severity, ...]]:
    row = (*episode.lower, severity)
    if reason is Reason.SEVERITY_UP:
        return severity, ()
    if reason is Reason.SEVERITY_DOWN:
        return _worst(row), ()
    return episode.severity, row if severity.rank < episode.severity.rank else ()


def _worst(severities: tuple[Severity, ...]) -> Severity:
    return max(severities, key=lambda severity: severity.rank)
