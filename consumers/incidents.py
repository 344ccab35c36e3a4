"""The alerts of a model's life, a line each, as its past keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from detectors.causes.facts import Fact
from schemas.clock import parse_time_ms
from schemas.finding import Kind, stream_of

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
    return {f"{_EPISODE}{incident.alert_id}": msgspec.json.encode(incident) for incident in _told(events)}


def _told(events: Iterable[bytes]) -> Iterator[Incident]:
    for data in events:
        event = _events.decode(data)
        if ".alert." in event.type:
            yield _incidents.decode(event.data)


def facts_of(events: Iterable[bytes]) -> list[Fact]:
    """Return what the alerts among published events say that has happened."""
    return [_fact(incident) for incident in _told(events)]


def _fact(incident: Incident) -> Fact:
    told_ms = parse_time_ms(incident.detected_at)
    return Fact(
        key=incident.alert_id,
        kind=incident.kind,
        check=incident.check,
        stream=stream_of(Kind(incident.kind), incident.check),
        title=incident.title,
        since_ms=parse_time_ms(incident.since),
        told_ms=told_ms,
        over_ms=None if incident.until is None else parse_time_ms(incident.until),
        over_told_ms=None if incident.until is None else told_ms,
        feature=incident.feature,
        segment=incident.segment,
        version=incident.version,
    )


def read_incidents(past: Mapping[str, bytes]) -> list[Incident]:
    """Return the alerts of a model's past, by onset."""
    found = [_incidents.decode(data) for name, data in past.items() if name[0] == _EPISODE]
    return sorted(found, key=lambda incident: (incident.since, incident.alert_id))


def episode_ms_of(field: str) -> int | None:
    """Return the start of the alert that a field of the past is about, epoch milliseconds; None for another field."""
    return int(field.rsplit(":", 1)[-1]) if field[0] == _EPISODE else None
