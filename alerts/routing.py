"""Which sinks an event goes to: every sink of every route that matches; without routes, all sinks."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from schemas.errors import Stop

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from schemas.alert import AlertData

MATCH_KEYS: Final = (
    "model",
    "severity",
    "kind",
    "check",
    "version",
    "feature",
    "segment",
    "status",
    "team",
)
"""What a route can match; `team` is the owner's."""


class RoutingReason(StrEnum):
    """Why an event goes where it goes."""

    NO_ROUTES = "no_routes"
    MATCHED = "matched"
    UNMATCHED = "unmatched"


@dataclass(frozen=True, slots=True)
class Route:
    """Sends events whose fields equal all of `match` to `sinks`.

    Parameters
    ----------
    match
        Field to value; `error|critical` means either. An empty match takes every event.
    after_s
        The sinks are told only of what nobody has acknowledged for so long.
    """

    match: Mapping[str, str]
    sinks: tuple[str, ...]
    after_s: float = 0.0


def check_routes(routes: Sequence[Route], *, sinks: Collection[str]) -> None:
    """Refuse a route that can never work.

    Raises
    ------
    Stop
        A route names a field or a sink that does not exist; the message names the nearest one.
    """
    for position, route in enumerate(routes):
        for key in route.match:
            _check_known(key, MATCH_KEYS, f"routes[{position}].match")
        for name in route.sinks:
            _check_known(name, sinks, f"routes[{position}].sinks")


def choose_sinks(
    data: AlertData, *, routes: Sequence[Route], sinks: Sequence[str]
) -> tuple[tuple[str, ...], RoutingReason]:
    """Return the names of the sinks an event goes to, each once and in the order of `sinks`, and why."""
    if not routes:
        return tuple(sinks), RoutingReason.NO_ROUTES
    wanted = {name for route in routes if matches(data, route.match) for name in route.sinks}
    chosen = tuple(name for name in sinks if name in wanted)
    return chosen, RoutingReason.MATCHED if chosen else RoutingReason.UNMATCHED


def matches(data: AlertData, match: Mapping[str, str]) -> bool:
    """Say whether every named field has one of its wanted values; a field that is null has none."""
    return all(_field(data, key) in wanted.split("|") for key, wanted in match.items())


def _field(data: AlertData, key: str) -> str | None:
    fields: dict[str, str | None] = {
        "model": data.model,
        "severity": data.severity,
        "kind": data.kind,
        "check": data.check,
        "version": data.version,
        "feature": data.feature,
        "segment": data.segment,
        "status": data.status,
        "team": data.owner.team,
    }
    return fields[key]


def _check_known(name: str, known: Collection[str], place: str) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.0)
    mend = f'did you mean "{near[0]}"?' if near else "define one first"
    raise Stop(f'{place}: expected one of {", ".join(sorted(known)) or "no names"}, got "{name}"; {mend}')
