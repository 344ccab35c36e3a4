"""The alerts of a model's life, a line each, as its past keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

_EPISODE: Final = "a"


class Incident(msgspec.Struct, omit_defaults=True):
    """One alert from its onset to its end, as its last event told it.

    Parameters
    ----------
    since, detected_at, until
        RFC 3339 times; `until` is None while it fires.
    """

    alert_id: str
    status: str
    severity: str
    kind: str
    check: str
    title: str
    since: str
    detected_at: str
    until: str | None = None
    version: str | None = None
    feature: str | None = None
    segment: str | None = None


class _Event(msgspec.Struct):
    type: str
    data: msgspec.Raw


_events = msgspec.json.Decoder(_Event)
_incidents = msgspec.json.Decoder(Incident)


def incidents_of(events: Iterable[bytes]) -> dict[str, bytes]:
    """Return fields and bytes of a model's past for the alerts among published events; the last word counts."""
    found: dict[str, bytes] = {}
    for data in events:
        event = _events.decode(data)
        if ".alert." in event.type:
            incident = _incidents.decode(event.data)
            found[f"{_EPISODE}{incident.alert_id}"] = msgspec.json.encode(incident)
    return found


def read_incidents(past: Mapping[str, bytes]) -> list[Incident]:
    """Return the alerts of a model's past, by onset."""
    found = [_incidents.decode(data) for name, data in past.items() if name[0] == _EPISODE]
    return sorted(found, key=lambda incident: (incident.since, incident.alert_id))


def episode_ms_of(field: str) -> int | None:
    """Return the start of the alert that a field of the past is about, epoch milliseconds; None for another field."""
    return int(field.rsplit(":", 1)[-1]) if field[0] == _EPISODE else None
