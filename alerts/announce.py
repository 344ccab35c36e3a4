"""Builds the event that tells people about a transition: the episode's facts, in words, for one owner."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerts.causes import cause_of
from alerts.evidence import evidence_of
from alerts.identity import alert_id_of
from alerts.lifecycle import EVENT_TYPES, Episode, Reason
from alerts.wording import Case, words_for
from schemas.alert import (
    AlertData,
    AlertEvent,
    AlertOwner,
    AlertReproduce,
    AlertStatus,
    AlertType,
    AlertWindow,
)
from schemas.alert_wire import rfc3339, utc_of_ms, wire_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from schemas.finding import Finding
    from schemas.finding import JsonValue as FindingValue


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertContext:
    """What an event says that no finding knows; plain values, one context per model.

    Parameters
    ----------
    app
        Stands for tenant and environment; part of every fingerprint.
    mute_ms
        An alert that another one explains is told after all if it still fires so long after that one is over: a
        window and the lateness, for the windows of that time hold events of both.
    owner, feature_owners
        Who is told of the model, and of a feature by its name, where that is somebody else.
    fallback
        Name of what can answer instead of the model.
    links
        Name to URL, for instance a report pinned to the window.
    profiles
        By version that has a profile of its own, in the name that its alerts carry: the profile's hash.
    """

    app: str
    mute_ms: int = 0
    owner: AlertOwner = field(default_factory=AlertOwner)
    feature_owners: Mapping[str, AlertOwner] = field(default_factory=dict)
    runbook: str | None = None
    fallback: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    reproduce: AlertReproduce = field(default_factory=AlertReproduce)
    profiles: Mapping[str, str] = field(default_factory=dict)

    def reproduce_of(self, version: str | None) -> AlertReproduce:
        """Return how an alert is had again: compared with the version's profile, else with the model's."""
        own = None if version is None else self.profiles.get(version)
        return self.reproduce if own is None else self.reproduce.model_copy(update={"profile_hash": own})

    def owner_of(self, feature: str | None) -> AlertOwner:
        """Return who is told of a feature: its own owner, else the model's."""
        return self.owner if feature is None else self.feature_owners.get(feature, self.owner)


@dataclass(frozen=True, slots=True)
class Transition:
    """A move of an alert that people should hear about.

    Parameters
    ----------
    episode
        The episode after the move; its `revisions` is the number of this event.
    at_ms
        Event time of the move: end of the window that caused it.
    finding
        What that window said; None where it said nothing, as of a version that is gone.
    suppressed
        Alerts that it explains.
    explanation
        What changed around the begin of the episode (see `alerts.cause_words`); None where nobody knows.
    shown
        Evidence that windows before it add (see `schemas.finding.Show`); None where nothing is kept of it.
    """

    fingerprint: str
    episode: Episode
    reason: Reason
    at_ms: int
    finding: Finding | None = None
    suppressed: tuple[str, ...] = ()
    explanation: Mapping[str, FindingValue] | None = None
    shown: Mapping[str, FindingValue] | None = None

    @property
    def event_type(self) -> AlertType:
        """The CloudEvents type of the move."""
        return EVENT_TYPES[self.reason]

    @property
    def status(self) -> AlertStatus:
        """What the move leaves behind."""
        resolved = self.event_type is AlertType.RESOLVED
        return AlertStatus.RESOLVED if resolved else AlertStatus.FIRING


def announce(transition: Transition, *, context: AlertContext) -> AlertEvent:
    """Return the event for a transition whose reason `EVENT_TYPES` lists."""
    episode, subject = transition.episode, transition.episode.subject
    evidence = _evidence(transition)
    words = words_for(_case(transition, evidence, context))
    resolved = transition.status is AlertStatus.RESOLVED
    data = AlertData(
        alert_id=alert_id_of(transition.fingerprint, episode_ms=episode.episode_ms),
        fingerprint=transition.fingerprint,
        episode=episode.episode_ms,
        revision=episode.revisions,
        status=transition.status,
        severity=episode.severity,
        kind=subject.kind,
        check=subject.check,
        model=subject.model,
        version=subject.version,
        feature=subject.feature,
        segment=subject.segment,
        title=words.title,
        since=utc_of_ms(episode.since_ms),
        detected_at=utc_of_ms(transition.at_ms),
        until=utc_of_ms(episode.breach_end_ms) if resolved else None,
        window=AlertWindow.of(episode.window),
        evidence=evidence,
        impact=words.impact,
        likely_causes=words.likely_causes,
        incident=episode.incident,
        cause=cause_of(subject.kind, subject.check),
        suppressed=transition.suppressed,
        muted_by=episode.muted_by or None,
        suggested_action=words.suggested_action,
        owner=context.owner_of(subject.feature),
        runbook=context.runbook,
        links=dict(context.links),
        reproduce=context.reproduce_of(subject.version),
    )
    return AlertEvent.of(transition.event_type, data)


def _evidence(transition: Transition) -> dict[str, JsonValue]:
    episode, finding = transition.episode, transition.finding
    evidence = dict(episode.evidence) if finding is None else evidence_of(finding)
    evidence["reason"] = transition.reason.value
    if transition.explanation is not None:
        evidence["explanation"] = wire_json(transition.explanation)
    for key, value in (transition.shown or {}).items():
        evidence[key] = wire_json(value)
    if transition.status is AlertStatus.RESOLVED:
        evidence["peak_value"] = episode.peak
        evidence["peak_at"] = rfc3339(utc_of_ms(episode.peak_ms))
    return evidence


def _case(transition: Transition, evidence: Mapping[str, JsonValue], context: AlertContext) -> Case:
    episode = transition.episode
    owner = context.owner_of(episode.subject.feature)
    return Case(
        subject=episode.subject,
        reason=transition.reason,
        evidence=evidence,
        events=episode.window.n,
        lasted_ms=max(0, episode.breach_end_ms - episode.since_ms),
        fallback=context.fallback,
        team=owner.team,
        contact=owner.contact,
        escalation=owner.escalation,
    )
