"""What each sink knows of each incident: the delivery log, as fields of the store."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from schemas.finding import Severity
from schemas.notification import Why

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.board import Incident

TOLD_FIELD: Final = "t/"
"""Begin of the name of the field that holds what a sink knows: `t/<incident>/<sink>`."""


class Attempt(msgspec.Struct):
    """A message that is on its way: decided, not yet known to have arrived.

    Parameters
    ----------
    begun_ms, due_ms
        When it was first due, and when the next try is; wall clock.
    tries
        Tries that have ended.
    posting
        A try has begun and nobody knows how it ended.
    since_ms
        Since when the sink is to be told something of the incident and does not know it: a message that takes
        another one's place waits no shorter. 0 in what older releases stored.
    """

    why: Why
    tier: str
    begun_ms: int
    due_ms: int
    tries: int = 0
    posting: bool = False
    since_ms: int = 0


class Held(StrEnum):
    """What keeps an incident from people."""

    SILENCED = "silenced"
    ACKNOWLEDGED = "acknowledged"


class Told(msgspec.Struct):
    """What one sink knows of one incident; stored.

    Parameters
    ----------
    sequence
        Number of the next message.
    severity
        The worst severity told; None if nothing was.
    members
        Ids of the alerts that were told as firing.
    tiers
        Page tiers that are open at a pager.
    at_ms
        When the last message was delivered, wall clock; 0 for never.
    over_ms
        When its end was first told.
    held
        What kept it from people when it was last looked at.
    stands_in
        The sink hears of it because another one could not be reached.
    done
        Its end was told, and nothing more is to come.
    """

    sequence: int = 0
    severity: Severity | None = None
    members: list[str] = []
    tiers: list[str] = []
    at_ms: int = 0
    over_ms: int = 0
    held: Held | None = None
    stands_in: bool = False
    done: bool = False
    attempt: Attempt | None = None


_decoder = msgspec.msgpack.Decoder(Told)


def told_in(fields: Mapping[str, bytes]) -> dict[tuple[str, str], Told]:
    """Return what each sink knows of each incident, by incident and sink."""
    return {
        _pair(name): _decoder.decode(value) for name, value in fields.items() if name.startswith(TOLD_FIELD)
    }


def field_of(incident: str, sink: str) -> str:
    """Return the name of the field that holds what a sink knows of an incident."""
    return f"{TOLD_FIELD}{incident}/{sink}"


def informed(told: Told, incident: Incident, now_ms: int) -> Told:
    """Return what a sink knows that has been told of an incident as it stands."""
    return replace(
        told,
        sequence=told.sequence + 1,
        attempt=None,
        severity=incident.severity,
        members=sorted(incident.alerts),
        at_ms=now_ms,
    )


def _pair(name: str) -> tuple[str, str]:
    incident, _, sink = name.removeprefix(TOLD_FIELD).partition("/")
    return incident, sink
