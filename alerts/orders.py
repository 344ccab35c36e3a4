"""What people have ordered, as the control topic tells it: which alerts are silenced, who looks after what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from alerts.causes import cause_of
from schemas.control import Acknowledgement, ControlRecord, Silence, SilenceEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerts.board import Incident
    from schemas.alert import AlertData


class Orders:
    """All silences and acknowledgements; times are the wall clock's."""

    def __init__(self) -> None:
        self._silences: dict[str, Silence] = {}
        self._acks: dict[str, Acknowledgement] = {}

    def take(self, records: Iterable[ControlRecord], *, now_ms: int) -> None:
        """Take orders in; the newest of a key holds, and what is over is forgotten."""
        for record in records:
            if isinstance(record, SilenceEvent):
                self._silences[record.data.id] = record.data
            else:
                self._acks[record.data.incident] = record.data
        now = _time(now_ms)
        self._silences = {key: s for key, s in self._silences.items() if s.ends > now}
        self._acks = {key: a for key, a in self._acks.items() if a.until > now}

    @property
    def silences(self) -> list[Silence]:
        """Silences that are not over, by their begin."""
        return sorted(self._silences.values(), key=lambda s: (s.starts, s.id))

    def silenced(self, data: AlertData, now_ms: int) -> bool:
        """Return whether somebody wants to hear nothing of this alert now."""
        now = _time(now_ms)
        return any(s.starts <= now < s.ends and mutes(s, data) for s in self._silences.values())

    def acknowledged(self, incident: Incident, now_ms: int) -> bool:
        """Return whether somebody looks after an incident that has not become worse since they said so."""
        ack = self._acks.get(incident.id)
        return ack is not None and ack.until > _time(now_ms) and ack.severity.rank >= incident.severity.rank

    def acknowledged_by(self, incident: Incident, now_ms: int) -> str | None:
        """Return who looks after an incident, None for nobody."""
        return self._acks[incident.id].by if self.acknowledged(incident, now_ms) else None


def mutes(silence: Silence, data: AlertData) -> bool:
    """Return whether an alert meets every matcher of a silence."""
    found = {
        "model": data.model,
        "kind": data.kind.value,
        "check": data.check,
        "severity": data.severity.value,
        "version": data.version,
        "feature": data.feature,
        "segment": data.segment,
        "team": data.owner.team,
        "cause": data.cause or cause_of(data.kind, data.check).value,
    }
    return all(matcher.fits(found[matcher.field]) for matcher in silence.matchers)


def _time(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)
