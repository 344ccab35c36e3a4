"""Composes a notification: the alerts of an incident as they stand, the worst of them first."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from schemas.alert import AlertStatus
from schemas.notification import MEMBERS_MAX, Member, Notification, Why

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.alert import AlertData, AlertEvent

_WHY_ALONE: Final[Mapping[str, Why]] = {
    "severity_up": Why.SEVERITY_UP,
    "severity_down": Why.SEVERITY_DOWN,
    "dated_anew": Why.REPEAT,
    "first": Why.FIRST,
}


def compose(alerts: Sequence[AlertData], *, sink: str, tier: str = "", **said: Any) -> Notification:
    """Return the notification that these alerts, all of one incident, come to.

    Parameters
    ----------
    alerts
        The newest word of each alert of the incident, at least one, in any order.
    sink, tier
        Name of the sink, and the page tier: both are part of the key.
    said
        The fields of `Notification` that do not follow from the alerts: `app`, `incident`, `cause`, `why`,
        `sequence`, and the marks.
    """
    ranked = sorted(alerts, key=_rank)
    lead = ranked[0]
    firing = sum(data.status is AlertStatus.FIRING for data in ranked)
    over = [data.until for data in ranked if data.until is not None]
    return Notification(
        key=key_of(sink, said["incident"], tier),
        status=AlertStatus.FIRING if firing else AlertStatus.RESOLVED,
        severity=lead.severity,
        model=lead.model,
        since=min(data.since for data in ranked),
        detected_at=max(data.detected_at for data in ranked),
        until=None if firing else max(over),
        lead=lead,
        members=tuple(Member.of(data) for data in ranked[:MEMBERS_MAX]),
        total=len(ranked),
        firing=firing,
        **said,
    )


def alone(event: AlertEvent, *, app: str = "", sink: str = "", cause: str = "") -> Notification:
    """Return the notification of one event by itself, as programs show it that follow single alerts."""
    data = event.data
    reason = str(data.evidence.get("reason"))
    why = Why.ALL_RESOLVED if data.status is AlertStatus.RESOLVED else _WHY_ALONE.get(reason, Why.FIRST)
    return compose(
        [data],
        sink=sink,
        app=app,
        incident=data.alert_id,
        cause=cause or data.kind.value,
        why=why,
        sequence=data.revision,
    )


def key_of(sink: str, incident: str, tier: str) -> str:
    """Return what a pager tells repeats by: 64 hexadecimal digits, so that no name of ours can be too long for it."""
    return hashlib.sha256(f"{sink}\x1f{incident}\x1f{tier}".encode()).hexdigest()


def _rank(data: AlertData) -> tuple[bool, int, object, str, str]:
    """Return the place of an alert: firing before over, the worst first, then the oldest."""
    return data.status is not AlertStatus.FIRING, -data.severity.rank, data.since, data.title, data.alert_id
