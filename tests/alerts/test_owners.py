"""Who an alert belongs to: the owner of its feature, else that of its model."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from alert_builders import CONTEXT, finding
from builders.notifications import told

from alerts.message import message_of
from alerts.policy import AlertBook, step
from alerts.routing import Route, choose_sinks
from alerts.sinks.alertmanager import render_alertmanager
from schemas.alert import AlertData, AlertOwner
from schemas.finding import Severity
from schemas.notification import Notification, Why
from schemas.settings import Settings
from watchkeeper.policy import context_of

DATA_ENG = AlertOwner(team="data-eng", contact="@data-eng", escalation=("data-oncall",))
OWNED = replace(CONTEXT, feature_owners={"income": DATA_ENG})
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def alert(feature: str | None, severity: Severity = Severity.WARNING) -> AlertData:
    _, events = step(AlertBook(), [finding(feature=feature, severity=severity)], context=OWNED)
    return events[0].data


def owner_lines(notification: Notification) -> tuple[str, ...]:
    return next(part.lines for part in message_of(notification).sections if part.title == "Owner")


@pytest.mark.parametrize(
    ("feature", "owner"), [("income", DATA_ENG), ("age", CONTEXT.owner), (None, CONTEXT.owner)]
)
def test_an_alert_names_the_owner_of_its_feature_else_of_its_model(
    feature: str | None, owner: AlertOwner
) -> None:
    data = alert(feature)
    assert data.owner == owner
    assert f"Call first: {owner.team} ({owner.contact}), then {owner.escalation[0]}" in data.suggested_action


def test_routes_lead_it_to_the_team_of_its_owner() -> None:
    routes = [Route({"team": "data-eng"}, ("sources",)), Route({"team": "payments-ml"}, ("model",))]
    for feature, sink in (("income", "sources"), ("age", "model")):
        chosen, _ = choose_sinks(alert(feature), routes=routes, sinks=["model", "sources"])
        assert chosen == (sink,)


def test_an_incident_of_one_owner_is_addressed_to_that_owner() -> None:
    notification = told([alert("income")], why=Why.FIRST)
    assert owner_lines(notification) == ("data-eng, @data-eng, then data-oncall",)


def test_an_incident_of_several_is_addressed_to_the_owner_of_the_worst_and_names_the_others() -> None:
    notification = told([alert("income", Severity.ERROR), alert("age")], why=Why.FIRST)
    assert owner_lines(notification) == (
        "data-eng, @data-eng, then data-oncall",
        "other alerts: payments-ml",
    )


def test_alertmanager_hears_of_the_team_of_each_alert() -> None:
    notification = told([alert("income"), alert("age")], why=Why.FIRST)
    labels = [
        found["labels"] for found in render_alertmanager(notification, now=NOW) if isinstance(found, dict)
    ]
    assert {found["feature"]: found["team"] for found in labels if isinstance(found, dict)} == {
        "income": "data-eng",
        "age": "payments-ml",
    }


def test_settings_say_who_owns_a_feature() -> None:
    settings = Settings.model_validate(
        {
            "models": {
                "m": {
                    "task": "regression",
                    "features": {
                        "income": {
                            "owner": {
                                "team": "data-eng",
                                "contact": "@data-eng",
                                "escalation": ["data-oncall"],
                            }
                        },
                        "zip": {"type": "categorical"},
                    },
                }
            }
        }
    )
    context = context_of(settings, settings.models["m"], profile_hash=None)
    assert context.feature_owners == {"income": DATA_ENG}
    assert context.owner_of("zip") == AlertOwner()
