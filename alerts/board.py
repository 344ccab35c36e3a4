"""The incidents as the alerts topic tells them: what each alert last said, and whether its window is complete.

A function of the records alone, whoever delivers what to whom. Every alert of the board is a stored field, so that a
new owner goes on where the last one stopped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from alerts.causes import Cause
from schemas.alert import AlertEvent, AlertStatus, WindowComplete

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.alert import AlertData, AlertsRecord
    from schemas.finding import Severity

ALERT_FIELD: Final = "a/"
"""Begin of the name of the field that holds an alert's last event."""


@dataclass(slots=True, eq=False)
class Incident:
    """The alerts of one incident.

    Parameters
    ----------
    opened_ms
        Start of the first window that breached, event time: the same after a restart.
    alerts
        What each alert said last, by id; written by `put` alone.
    changed_ms
        Since when, by the wall clock, it has changes whose window is not complete; 0 for none.
    look_ms
        Nothing can be due before, unless it changes: then it is 0 again.
    """

    id: str
    cause: str
    model: str
    opened_ms: int
    alerts: dict[str, AlertData] = field(default_factory=dict)
    changed_ms: int = 0
    look_ms: int = 0
    _severity: Severity | None = None

    def put(self, data: AlertData) -> None:
        """Take in what an alert says now."""
        self.alerts[data.alert_id] = data
        self.opened_ms = min(self.opened_ms, data.episode)
        self._severity = None

    @property
    def severity(self) -> Severity:
        """The worst of what fires, or, once nothing does, of what did."""
        if self._severity is None:
            firing = [data.severity for data in self.alerts.values() if data.status is AlertStatus.FIRING]
            every = firing or [data.severity for data in self.alerts.values()]
            self._severity = max(every, key=lambda severity: severity.rank)
        return self._severity

    @property
    def told_ms(self) -> int:
        """Event time of its newest event."""
        return max(_ms(data) for data in self.alerts.values())

    @property
    def is_over(self) -> bool:
        """Whether no alert fires any more."""
        return all(data.status is AlertStatus.RESOLVED for data in self.alerts.values())

    def settled(self, now_ms: int, wait_ms: int) -> bool:
        """Return whether all that belongs to the last change has been heard, or has been waited for."""
        return not self.changed_ms or now_ms - self.changed_ms >= wait_ms


class Board:
    """All incidents of one partition of the alerts topic.

    Parameters
    ----------
    fields
        What was stored; fields that are not alerts are left alone.
    now_ms
        The wall clock at the time of reading.
    """

    def __init__(self, fields: Mapping[str, bytes], *, now_ms: int) -> None:
        self.incidents: dict[str, Incident] = {}
        self.complete_ms: dict[str, int] = {}
        """Model to the end of its newest complete window, event time."""
        for name, value in sorted(fields.items()):
            if name.startswith(ALERT_FIELD):
                self._keep(AlertEvent.model_validate_json(value).data, now_ms)
        for incident in self.incidents.values():
            incident.changed_ms = 0

    def take(self, record: AlertsRecord, *, now_ms: int) -> dict[str, bytes]:
        """Take a record in; returns the fields to store. What is older than what is known changes nothing."""
        if isinstance(record, WindowComplete):
            self._complete(record)
            return {}
        data = record.data
        incident = self.incidents.get(incident_of(data))
        known = None if incident is None else incident.alerts.get(data.alert_id)
        if known is not None and known.revision >= data.revision:
            return {}
        self._keep(data, now_ms)
        return {f"{ALERT_FIELD}{data.alert_id}": record.to_json_bytes()}

    def forget(self, incident: Incident) -> list[str]:
        """Let an incident go; returns the fields to let go."""
        del self.incidents[incident.id]
        return [f"{ALERT_FIELD}{alert_id}" for alert_id in incident.alerts]

    def evidence_ms(self, incident: Incident, *, now_ms: int) -> int:
        """Return the event time of the newest evidence that the incident goes on, or, once it is over, of its end."""
        if incident.is_over:
            return incident.told_ms
        if incident.cause == Cause.MONITOR:  # it is about now, and says so until it is over
            return now_ms
        return max(incident.told_ms, self.complete_ms.get(incident.model, 0))

    def names_muted_by(self, alerts: Iterable[AlertData]) -> tuple[str, ...]:
        """Return the titles of alerts that these explain."""
        sources = {data.alert_id for data in alerts}
        muted = [
            data
            for incident in self.incidents.values()
            for data in incident.alerts.values()
            if data.muted_by in sources and data.status is AlertStatus.FIRING
        ]
        return tuple(sorted(data.title for data in muted))

    def _keep(self, data: AlertData, now_ms: int) -> None:
        name = incident_of(data)
        incident = self.incidents.get(name)
        if incident is None:
            cause = data.cause or data.kind.value
            incident = self.incidents[name] = Incident(name, cause, data.model, data.episode)
        incident.put(data)
        incident.look_ms = 0
        # What the monitor says of itself is not part of a window: nothing else is waited for.
        incident.changed_ms = 0 if incident.cause == Cause.MONITOR else incident.changed_ms or now_ms

    def _complete(self, record: WindowComplete) -> None:
        model, end_ms = record.data.model, round(record.data.window.end.timestamp() * 1000)
        self.complete_ms[model] = max(end_ms, self.complete_ms.get(model, 0))
        for incident in self.incidents.values():
            if incident.model == model and incident.changed_ms:
                incident.changed_ms = incident.look_ms = 0


def incident_of(data: AlertData) -> str:
    """Return the id of an alert's incident; one that older releases wrote stands alone."""
    return data.incident or data.alert_id


def _ms(data: AlertData) -> int:
    return round(data.detected_at.timestamp() * 1000)
