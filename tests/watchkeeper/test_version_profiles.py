"""Versions with profiles of their own: each is judged against what it was trained on, from events to alerts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import pytest
from builders.life import cohort, day_ms
from builders.part_traffic import Outcome
from builders.version_profiles import NEW, OLD, Data, Story, Traffic, plan, profile

from consumers.rollup import DAY_MS
from detectors.profile import NumericColumn
from watchkeeper.report.build import build_report
from watchkeeper.report.past import Past

HASHES: Final = {"7": profile(OLD).content_hash[:16], "8": profile(NEW, OLD).content_hash[:16]}
DRIFTS_AT: Final = 40


def rolled_out(minute: int) -> Mapping[str, float]:
    """Version 8 has a fifth of the traffic from minute 5 on, and all of it from minute 20 on."""
    if minute < 5:
        return {"7": 1.0}
    return {"7": 0.8, "8": 0.2} if minute < 20 else {"8": 1.0}


def moving_on(minute: int, version: str) -> Data:
    """What version 8 meets moves away from its profile too."""
    if version == "7":
        return OLD
    return NEW if minute < DRIFTS_AT else NEW._replace(shift=NEW.shift + 0.6)


@cache
def told(*own: str, partitions: int = 1) -> Outcome:
    """Return what is told of the roll-out, with profiles of these versions."""
    return Story(plan(*own), partitions=partitions).run(Traffic(rolled_out, moving_on), 56)


def firing(outcome: Outcome) -> list[dict[str, Any]]:
    return [a for a in outcome.alerts if a["status"] == "firing" and a["revision"] == 0]


def test_with_one_profile_the_roll_out_itself_is_drift() -> None:
    early = {(a["kind"], a["feature"]) for a in firing(told()) if a["minute"] < DRIFTS_AT}
    assert early >= {
        ("data_drift", "x"),
        ("data_drift", "country"),
        ("data_quality", "y"),
        ("performance", None),
    }


def test_with_a_profile_of_its_own_it_is_not_and_what_is_drift_then_names_the_version() -> None:
    alerts = firing(told("8"))
    assert min(a["minute"] for a in alerts) >= DRIFTS_AT
    first = alerts[0]
    assert (first["kind"], first["feature"], first["version"]) == ("data_drift", "x", "8")
    assert first["minute"] < DRIFTS_AT + 5
    assert {a["version"] for a in alerts} == {"8"}
    assert {a["reproduce"]["profile_hash"] for a in alerts} == {HASHES["8"]}
    assert first["title"].startswith("fraud version 8: values of x moved up, median 0.7")


def test_the_plot_of_such_an_alert_is_of_the_version_beside_its_own_reference() -> None:
    series = firing(told("8"))[0]["evidence"]["series"]
    own = profile(NEW, OLD).column("x")
    assert isinstance(own, NumericColumn)
    assert series["reference"] == pytest.approx(own.median, abs=0.01)
    assert sum(n == 0 for n in series["n"]) == 0, "it begins with the version"
    before = [value for value in series["values"][:30] if value is not None]
    assert sum(before) / len(before) == pytest.approx(NEW.shift, abs=0.1)


def test_any_number_of_partitions_tells_the_same() -> None:
    assert told("8", partitions=3).events == told("8").events


def test_the_whole_model_is_counted_as_ever() -> None:
    def counted(outcome: Outcome) -> list[Any]:
        return [(w.stream, w.start_ms, w.n, w.versions, w.metrics) for w in outcome.windows]

    assert counted(told("8")) == counted(told())


def test_a_version_without_a_profile_of_its_own_is_still_judged_by_that_of_the_model() -> None:
    traffic = Traffic(
        lambda _: {"7": 0.5, "8": 0.5},
        lambda minute, version: NEW if version == "8" or minute >= 5 else OLD,
        per_minute=300,
    )
    alerts = firing(Story(plan("8")).run(traffic, 25))
    assert {(a["kind"], a["feature"]) for a in alerts} >= {("data_drift", "x"), ("data_quality", "y")}
    assert {a["version"] for a in alerts} == {None}
    assert {a["reproduce"]["profile_hash"] for a in alerts} == {HASHES["7"]}


def test_labels_and_answers_without_labels_are_judged_by_the_versions_profile_too() -> None:
    worse = NEW._replace(wrong=0.5)
    traffic = Traffic(
        lambda _: {"7": 0.3, "8": 0.7},
        lambda minute, version: OLD if version == "7" else NEW if minute < 10 else worse,
        per_minute=300,
    )
    alerts = firing(Story(plan("8")).run(traffic, 30))
    about = {(a["kind"], a["version"], a["segment"]) for a in alerts}
    assert ("performance", "8", None) in about
    assert {version for _, version, _ in about} == {"8"}
    unsure = NEW._replace(shift=0.0, spread=0.4)
    traffic = Traffic(
        lambda _: {"7": 0.5, "8": 0.5},
        lambda minute, version: OLD if version == "7" else NEW if minute < 5 else unsure,
        per_minute=300,
        labels=False,
    )
    kinds = {(a["kind"], a["version"]) for a in firing(Story(plan("8")).run(traffic, 30))}
    assert ("estimated_performance", "8") in kinds
    assert {version for _, version in kinds} == {"8"}


def test_alerts_about_versions_that_get_no_traffic_any_more_end_as_retired() -> None:
    traffic = Traffic(
        lambda minute: {"7": 1.0} if minute < 15 else {"8": 1.0},
        lambda minute, version: NEW if version == "8" or minute >= 5 else OLD,
        per_minute=100,
    )
    outcome = Story(plan("8")).run(traffic, 85)
    opened = {a["alert_id"] for a in firing(outcome)}
    closed = {a["alert_id"]: a for a in outcome.alerts if a["status"] == "resolved"}
    assert opened
    assert set(closed) == opened
    ended = [a for a in closed.values() if a["evidence"]["reason"] == "version_retired"]
    assert {a["version"] for a in ended} == {None}
    assert {(a["kind"], a["feature"]) for a in ended} >= {("data_drift", "x")}
    [x] = [a for a in ended if a["feature"] == "x"]
    assert x["title"].startswith(
        "fraud: closed, versions without a profile of their own get no traffic any more"
    )


def test_a_report_sets_each_version_against_its_own_profile() -> None:
    model, right = plan("8"), {("fraud", "fraud"): 40, ("ok", "ok"): 45, ("fraud", "ok"): 15}
    days = {day_ms(day): {("7" if day < 50 else "8", ""): cohort(model, 120, right)} for day in range(20, 60)}
    report = build_report(model, Past(days, (), day_ms(75)), since_ms=60 * DAY_MS)
    found = [(c.before.name, c.now.labelled) for c in report.comparisons if c.kind == "profile"]
    assert found == [("the profile of version 7", 2_000), ("the profile of version 8", 1_000)]
    told = {s.text.partition(";")[0]: s.tone for s in report.statements if "profile" in s.text}
    assert {("profile of version 7" in text, tone) for text, tone in told.items() if "Accuracy" in text} == {
        (True, "bad"),
        (False, "good"),
    }


def test_the_report_says_what_each_version_is_compared_with() -> None:
    story = Story(plan("8"))
    story.run(Traffic(lambda _: {"7": 0.5, "8": 0.5}), 5)
    versions = story.replay.result.models["fraud"]["versions"]
    assert {version: found["profile"] for version, found in versions.items()} == HASHES
    for version, found in versions.items():
        known = found["estimated"]["accuracy"]["value"]
        assert known == pytest.approx({"7": 0.9, "8": 0.8}[version], abs=0.03), "by its own labels"
    plain = Story(plan())
    plain.run(Traffic(lambda _: {"7": 1.0}), 2)
    assert "profile" not in json.dumps(plain.replay.result.models)


def test_a_fall_is_explained_by_what_the_versions_of_that_profile_met() -> None:
    worse = OLD._replace(wrong=0.4, shift=0.5)
    traffic = Traffic(
        lambda _: {"7": 0.5, "8": 0.5},
        lambda minute, version: NEW if version == "8" else OLD if minute < 30 else worse,
        per_minute=300,
    )
    alerts = firing(Story(plan("8")).run(traffic, 45))
    [fall] = [a for a in alerts if a["kind"] == "performance" and a["segment"] is None]
    told = fall["evidence"]["explanation"]
    assert [(f["name"], f["figure"]) for f in told["features"]] == [("x", "location")]
    assert told["features"][0]["before"] == pytest.approx(0.0, abs=0.1), "version 8 is not in it"
    assert [part for part in told["segments"] if part["version"] is not None] == []
