"""Alerts on performance name what changed with it: features, segments, and what came before."""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any

import pytest
from builders.falls import IMPORTANCES, Fall, Row, replayed
from builders.part_traffic import Outcome

from alerts.compose import alone
from alerts.render_text import render_text
from alerts.sinks.slack_blocks import render_slack
from schemas.alert import parse_alert_event

BREAK = 12
MINUTES = 22


def in_cents(minute: int, _channel: str, row: Row) -> Row:
    return row | {"amount": row["amount"] * 100} if minute >= BREAK else row


def without_amount(minute: int, _channel: str, row: Row) -> Row:
    """Six of ten amounts are missing for four minutes before the fall is noticed on labels that come later."""
    is_missing = zlib.crc32(repr(row).encode()) % 10 < 6
    return row | {"amount": None} if BREAK <= minute < BREAK + 4 and is_missing else row


FALLS = {
    "unit": Fall(seen=in_cents),
    "unit, late labels": Fall(seen=in_cents, lag=6),
    "segment": Fall(wrong=lambda minute, channel: 0.9 if minute >= BREAK and channel == "web" else 0.08),
    "concept": Fall(wrong=lambda minute, _: 0.3 if minute >= BREAK else 0.08),
    "nulls": Fall(seen=without_amount, lag=10),
}


@cache
def outcome(name: str, minutes: int = MINUTES, **changes: Any) -> Outcome:
    return replayed(FALLS[name], minutes, **changes)


def fallen(found: Outcome) -> list[bytes]:
    """Return the events about performance that are not the end of one."""
    return [
        event for event in found.events if b'"kind":"performance"' in event and b'"status":"firing"' in event
    ]


def first(found: Outcome) -> dict[str, Any]:
    return next(a for a in found.alerts if a["kind"] == "performance" and a["status"] == "firing")


@pytest.mark.parametrize("name", ["unit", "unit, late labels"])
def test_the_feature_that_broke_is_named_first_and_no_other(name: str) -> None:
    told = first(outcome(name))
    explanation = told["evidence"]["explanation"]
    assert [feature["name"] for feature in explanation["features"]] == ["amount"]
    assert explanation["features"][0]["importance"] == IMPORTANCES["amount"]
    assert explanation["importance"] == "profile"
    assert told["likely_causes"][0].startswith("values of amount moved up, ")
    assert not any(name in " ".join(told["likely_causes"]) for name in ("age", "income", "country"))
    assert told["likely_causes"][-1].startswith("also possible: an input changed or broke")


def test_the_onset_is_the_time_of_the_predictions_and_not_that_of_their_labels() -> None:
    told = first(outcome("unit, late labels"))
    explanation = told["evidence"]["explanation"]
    assert told["since"] == f"2026-11-01T12:{BREAK + 6}:00.000Z"
    assert explanation["onset"] == f"2026-11-01T12:{BREAK}:00.000Z"
    assert explanation["label_delay_s"] == pytest.approx(360, rel=0.02)


def test_a_small_segment_that_broke_is_named_first_with_its_share() -> None:
    told = first(outcome("segment", 48))
    [segment] = told["evidence"]["explanation"]["segments"]
    assert (segment["segment"], segment["version"]) == ("channel=web", None)
    assert segment["share_of_excess"] > 0.6
    assert segment["share_of_labels"] < 0.08
    assert told["likely_causes"][0].startswith("channel=web makes ")
    assert told["evidence"]["explanation"]["features"] == []


def test_a_change_of_what_inputs_mean_says_that_no_feature_moved() -> None:
    told = first(outcome("concept", 30))
    assert told["evidence"]["explanation"]["features"] == []
    assert told["evidence"]["explanation"]["segments"] == []
    assert told["likely_causes"][0].startswith(
        "no feature moved with it, of 4 looked at since 2026-11-01 12:1"
    )


def test_missing_values_before_the_fall_are_named_with_their_time() -> None:
    told = first(outcome("nulls", 30))
    assert told["since"] == f"2026-11-01T12:{BREAK + 10}:00.000Z"
    assert told["likely_causes"][0].startswith("more missing values in amount, rate 0% to 5")
    assert f", since 2026-11-01 12:{BREAK} UTC until 2026-11-01 12:1" in told["likely_causes"][0]
    assert len(told["likely_causes"]) == 2


def test_an_update_explains_afresh() -> None:
    updates = [a for a in outcome("concept", 30).alerts if a["kind"] == "performance" and a["revision"] == 1]
    assert updates
    assert all("explanation" in a["evidence"] for a in updates)


def test_other_alerts_and_the_end_of_one_are_not_explained() -> None:
    explained = {(a["kind"], a["status"]) for a in outcome("unit").alerts if "explanation" in a["evidence"]}
    assert explained == {("performance", "firing"), ("prediction_drift", "firing")}


@pytest.mark.parametrize(
    "changes",
    [{"partitions": 3, "batch": 7}, {"labels_behind": 15}],
    ids=str,
)
def test_who_reads_and_how_fast_does_not_show(changes: dict[str, Any]) -> None:
    name = "unit, late labels"
    assert fallen(outcome(name))
    assert fallen(replayed(FALLS[name], MINUTES, **changes)) == fallen(outcome(name))


def test_people_read_the_cause_first() -> None:
    event = parse_alert_event(fallen(outcome("unit"))[0])
    assert "Likely cause  - values of amount moved up, " in render_text(alone(event))
    assert "*Likely cause*\\n- values of amount moved up, " in str(render_slack(alone(event)))
