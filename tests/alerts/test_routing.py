from __future__ import annotations

import pytest
from alert_builders import fired

from alerts.routing import Route, RoutingReason, check_routes, choose_sinks, matches
from schemas.errors import Stop
from schemas.finding import Kind, Severity

SINKS = ("stdout", "slack", "log")


@pytest.mark.parametrize(
    ("match", "taken"),
    [
        ({}, True),
        ({"model": "fraud"}, True),
        ({"model": "credit"}, False),
        ({"model": "credit|fraud"}, True),
        ({"severity": "error|critical"}, True),
        ({"severity": "info|warning"}, False),
        ({"model": "fraud", "severity": "warning"}, False),
        ({"kind": "data_drift", "check": "rank", "feature": "amount", "status": "firing"}, True),
        ({"team": "payments-ml"}, True),
        ({"team": "risk"}, False),
        ({"version": "7"}, False),
        ({"segment": ""}, False),
        ({"segment": "None"}, False),
        ({"model": "FRAUD"}, False),
        ({"model": "frau"}, False),
    ],
)
def test_a_route_takes_events_whose_fields_all_match(match: dict[str, str], *, taken: bool) -> None:
    assert matches(fired(severity=Severity.ERROR).data, match) is taken


@pytest.mark.parametrize(
    ("routes", "chosen", "reason"),
    [
        ([], SINKS, RoutingReason.NO_ROUTES),
        ([Route({}, ("slack",))], ("slack",), RoutingReason.MATCHED),
        (
            [Route({}, ("log",)), Route({"model": "fraud"}, ("slack", "log"))],
            ("slack", "log"),
            RoutingReason.MATCHED,
        ),
        (
            [Route({"model": "credit"}, ("slack",)), Route({}, ("stdout",))],
            ("stdout",),
            RoutingReason.MATCHED,
        ),
        ([Route({"model": "credit"}, ("slack",))], (), RoutingReason.UNMATCHED),
        ([Route({}, ())], (), RoutingReason.UNMATCHED),
    ],
)
def test_an_event_goes_to_the_sinks_of_every_matching_route(
    routes: list[Route], chosen: tuple[str, ...], reason: RoutingReason
) -> None:
    assert choose_sinks(fired(kind=Kind.VOLUME).data, routes=routes, sinks=SINKS) == (chosen, reason)


@pytest.mark.parametrize(
    ("route", "message"),
    [
        (Route({"modle": "x"}, ("slack",)), 'routes[1].match: .*, got "modle"; did you mean "model"?'),
        (Route({}, ("slakc",)), 'routes[1].sinks: .*, got "slakc"; did you mean "slack"?'),
    ],
)
def test_a_route_that_can_never_work_stops_with_the_mend(route: Route, message: str) -> None:
    with pytest.raises(Stop, match=message.replace("[", r"\[").replace("?", r"\?")):
        check_routes([Route({}, ("log",)), route], sinks=SINKS)


def test_a_route_without_any_sink_defined_says_so() -> None:
    with pytest.raises(Stop, match=r"expected one of no names, got \"slack\"; define one first"):
        check_routes([Route({}, ("slack",))], sinks=())
