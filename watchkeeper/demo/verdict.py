"""Whether the demo's incident was found: the changed input and the lost quality, and nothing before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.alert import AlertData, AlertEvent, AlertType
from schemas.finding import Kind
from watchkeeper.demo.story import CHANGED, INCIDENT_MS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all alerts of one run come to.

    Parameters
    ----------
    early, later
        Alerts that fired before the incident began (false alarms) and after it.
    problems
        What went wrong, a sentence each; empty if the incident was found and nothing was reported before.
    """

    early: tuple[AlertData, ...]
    later: tuple[AlertData, ...]
    problems: tuple[str, ...]


def judge(events: Sequence[AlertEvent]) -> Verdict:
    """Return the verdict on the alert events of one run, given in the order in which they came."""
    fired = [event.data for event in events if event.type is AlertType.FIRING]
    early = tuple(alert for alert in fired if minutes_after(alert) <= 0)
    later = tuple(alert for alert in fired if minutes_after(alert) > 0)
    problems = [f"false alarm before the incident: {alert.title}" for alert in early]
    if not any((alert.kind, alert.feature) == (Kind.DATA_DRIFT, CHANGED) for alert in later):
        problems.append(f'missed: no data-drift alert for "{CHANGED}" after its unit had changed')
    if not any(alert.kind is Kind.PERFORMANCE for alert in later):
        problems.append("missed: no performance alert although the labels showed the mistakes")
    return Verdict(early, later, tuple(problems))


def minutes_after(alert: AlertData) -> float:
    """Return how long after the begin of the incident an alert fired, minutes of event time."""
    return (alert.detected_at.timestamp() * 1000 - INCIDENT_MS) / 60_000
