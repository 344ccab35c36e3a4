"""Nobody is woken about a model that has no owner or no runbook: `run` refuses such settings."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import Stop
from schemas.settings import Settings
from watchkeeper.paging import check_paging

OWNED: dict[str, Any] = {
    "task": "regression",
    "owner": {"team": "pricing", "contact": "@pricing"},
    "runbook": "https://wiki.example/price",
}
BARE: dict[str, Any] = {"task": "regression"}
PAGER: dict[str, Any] = {"type": "pagerduty", "routing_key": "k" * 32}
CHAT: dict[str, Any] = {"type": "stdout"}


def settings(model: dict[str, Any], **more: Any) -> Settings:
    sinks = {"pager": PAGER, "chat": CHAT}
    return Settings.model_validate({"models": {"price": model, "other": OWNED}, "sinks": sinks, **more})


@pytest.mark.parametrize("lacks", ["owner", "runbook"])
def test_a_model_that_pages_needs_an_owner_and_a_runbook(lacks: str) -> None:
    model = {key: value for key, value in OWNED.items() if key != lacks}
    with pytest.raises(Stop, match=rf"models\.price: expected {lacks}, because sink 'pager' pages about it"):
        check_paging(settings(model))


@pytest.mark.parametrize(
    "more",
    [
        {"routes": [{"match": {"model": "other"}, "sinks": ["pager"]}]},
        {"routes": [{"sinks": ["chat"]}]},
    ],
)
def test_a_model_that_no_pager_hears_of_needs_neither(more: dict[str, Any]) -> None:
    check_paging(settings(BARE, **more))


@pytest.mark.parametrize(
    "more",
    [
        {"routes": [{"match": {"model": "other|price"}, "sinks": ["pager"]}]},
        {"routes": [{"match": {"severity": "critical"}, "sinks": ["pager"], "after": "30m"}]},
        {"routes": [{"sinks": ["chat"]}], "notify": {"stand_ins": {"chat": "pager"}}},
    ],
)
def test_routes_delays_and_stand_ins_lead_to_the_pager_as_well(more: dict[str, Any]) -> None:
    with pytest.raises(Stop, match="owner and runbook"):
        check_paging(settings(BARE, **more))


def test_whoever_has_both_is_welcome() -> None:
    check_paging(settings(OWNED))
