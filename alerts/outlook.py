"""What each sink may hear of an incident: routes, muting, silences, planned change, acknowledgement, escalation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from alerts.orders import Orders
from alerts.routing import matches
from alerts.telling import View
from alerts.told import Held
from schemas.alert import AlertStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerts.board import Board, Incident
    from alerts.routing import Route
    from alerts.sinks import Sink
    from alerts.told import Told
    from schemas.alert import AlertData
    from schemas.deploy import Deploy


class Spells(Protocol):
    """What is known of the past of an incident: `alerts.desk`."""

    board: Board

    def is_flapping(self, incident: Incident) -> bool:
        """Return whether it comes and goes."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """How incidents look from the sinks.

    Parameters
    ----------
    routes
        Without any, every sink hears of everything.
    stand_ins
        Sink to the one that is told where it cannot be reached.
    """

    routes: Sequence[Route]
    orders: Orders = field(default_factory=Orders)
    stand_ins: Mapping[str, str] = field(default_factory=dict)

    def stand_in(self, sink: str) -> str | None:
        """Return the name of the sink that stands in for another, None for none."""
        return self.stand_ins.get(sink)

    def view(self, incident: Incident, sink: Sink, told: Told, past: Spells, *, now_ms: int) -> View:
        """Return how an incident stands for a sink."""
        known_s = (now_ms - incident.opened_ms) / 1000
        acknowledged = self.orders.acknowledged(incident, now_ms)
        due = [
            r
            for r in self._routes_to(sink.name)
            if r.after_s == 0 or (known_s >= r.after_s and not acknowledged)
        ]
        everything = not self.routes or told.stands_in or told.severity is not None
        firing = [d for d in incident.alerts.values() if d.status is AlertStatus.FIRING]
        mine = [d for d in firing if everything or any(_concerns(route, d) for route in due)]
        heard = [d for d in mine if d.muted_by is None or d.alert_id in told.members]
        seen_ms = past.board.complete_ms.get(incident.model, 0)
        loud = [d for d in heard if not self._is_held(d, seen_ms=seen_ms, now_ms=now_ms)]
        held = Held.ACKNOWLEDGED if acknowledged else Held.SILENCED if len(loud) < len(heard) else None
        noticed = [round(d.detected_at.timestamp() * 1000) for d in loud]
        return View(
            firing=tuple(loud),
            is_over=incident.is_over,
            evidence_ms=past.board.evidence_ms(incident, now_ms=now_ms),
            noticed_ms=max(noticed, default=now_ms),
            held=held,
            escalated=bool(due) and all(route.after_s > 0 for route in due),
            flapping=past.is_flapping(incident),
            pages=sink.pages,
            refresh_ms=None if sink.refresh_s is None else round(sink.refresh_s * 1000),
        )

    def _is_held(self, data: AlertData, *, seen_ms: int, now_ms: int) -> bool:
        planned = self.orders.planned(data, seen_ms=seen_ms, now_ms=now_ms)
        return planned is not None or self.orders.silenced(data, now_ms)

    def announces(self, deploy: Deploy, sink: str) -> bool:
        """Return whether routes may lead from any alert of a deploy's model to a sink, whatever its severity."""
        mine = self._routes_to(sink)
        return not self.routes or any(_may_concern(route, deploy) for route in mine)

    def reaches(self, incident: Incident) -> bool:
        """Return whether the routes lead from an incident to anybody."""
        return not self.routes or any(
            _concerns(route, data) for route in self.routes for data in incident.alerts.values()
        )

    def hears(self, sink: str, *, is_over: bool) -> bool:
        """Return whether the routes to a sink let a message of this status through."""
        status = AlertStatus.RESOLVED if is_over else AlertStatus.FIRING
        wanted = [route.match.get("status", status).split("|") for route in self._routes_to(sink)]
        return not wanted or any(status in statuses for statuses in wanted)

    def shown(self, incident: Incident, view: View) -> Sequence[AlertData]:
        """Return the alerts that a message shows: those that fire for the sink, or, of the end, all that did."""
        if view.firing:
            return view.firing
        return [data for data in incident.alerts.values() if data.muted_by is None] or list(
            incident.alerts.values()
        )

    def _routes_to(self, sink: str) -> list[Route]:
        return [route for route in self.routes if sink in route.sinks]


def _concerns(route: Route, data: AlertData) -> bool:
    """Return whether an alert is one of a route's; its status is asked about when a message is written."""
    return matches(data, {key: wanted for key, wanted in route.match.items() if key != "status"})


def _may_concern(route: Route, deploy: Deploy) -> bool:
    """Return whether some alert of a deploy's model may be one of a route's."""
    may_be = {"model": {deploy.model}, "team": set(deploy.teams)}
    return all(
        names & set(route.match[key].split("|")) for key, names in may_be.items() if key in route.match
    )
