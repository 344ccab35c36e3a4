"""Estimates from events to alerts and reports: found before labels, refuted by them, the same however events come."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from builders.part_traffic import Outcome
from builders.scored_traffic import CHANGED, SETTINGS, UNSURE, USUAL, Traffic, World, reference, run

from alerts.figures import how_bad
from consumers.plan import plan_model
from schemas.alert import AlertEvent, parse_alerts_record
from schemas.clock import format_time
from watchkeeper.replay import ReplayResult
from watchkeeper.report.build import build_report
from watchkeeper.report.past import Past
from watchkeeper.report.text import report_text
from watchkeeper.status_command import status_lines

ESTIMATED = "estimated_performance"
SINCE = 20
LATER = Traffic(lambda minute: UNSURE if minute >= SINCE else USUAL, lag=8)
SHARPER = World(UNSURE.spread, CHANGED.steepness)
"""Inputs where the model is unsure, and scores that do not hold what they promise."""


@cache
def unlabelled() -> tuple[Outcome, ReplayResult, Past]:
    """Return what becomes of inputs that move to where the model is unsure, and no label at all."""
    return run(Traffic(lambda minute: UNSURE if minute >= SINCE else USUAL), 40)


@cache
def refuted() -> tuple[Outcome, ReplayResult, Past]:
    """Return what becomes of an estimate that promises too much."""
    return run(Traffic(lambda minute: SHARPER if minute >= SINCE else USUAL, lag=8), 70)


def estimates(found: Outcome) -> list[dict[str, Any]]:
    return [alert for alert in found.alerts if alert["kind"] == ESTIMATED]


def test_a_shift_of_the_inputs_is_told_as_a_fall_of_the_estimate_before_any_label() -> None:
    [alert] = estimates(unlabelled()[0])
    assert SINCE < alert["minute"] <= SINCE + 3
    assert alert["title"].startswith("fraud: estimated accuracy fell from 83.7% to 7")
    assert "This is an estimate, not a measurement" in alert["impact"]
    assert "from the 20,000 labelled rows of the profile" in alert["impact"]
    assert set(alert["evidence"]["estimates"]) == {"accuracy", "precision", "recall", "f1", "roc_auc"}
    event = next(
        e
        for e in map(parse_alerts_record, unlabelled()[1].events)
        if isinstance(e, AlertEvent) and e.data.kind == ESTIMATED
    )
    assert any(line.startswith("accuracy estimated at 7") for line in how_bad(event.data))


def test_nothing_is_estimated_to_be_worse_while_nothing_changes() -> None:
    assert not run(Traffic(lag=3), 120)[0].alerts


def test_labels_that_refute_an_estimate_close_its_alert_in_words() -> None:
    fired, closed = estimates(refuted()[0])
    assert (fired["status"], closed["status"]) == ("firing", "resolved")
    assert closed["evidence"]["reason"] == "estimate_refuted"
    assert "labels refute the estimate" in closed["title"]
    assert "unreliable" in closed["impact"]
    assert closed["until"] < closed["detected_at"]


def test_labels_that_bear_an_estimate_out_leave_its_alert_alone() -> None:
    assert [alert["status"] for alert in estimates(run(LATER, 70)[0])] == ["firing"]


def test_partitions_and_batches_change_neither_alerts_nor_estimates() -> None:
    one = run(Traffic(lambda minute: SHARPER if minute >= SINCE else USUAL, lag=8), 70, partitions=3, batch=1)
    many = run(
        Traffic(lambda minute: SHARPER if minute >= SINCE else USUAL, lag=8), 70, partitions=1, batch=7
    )
    expected = sorted(json.dumps(alert) for alert in refuted()[0].alerts)
    for found in (one, many):
        assert sorted(json.dumps(alert) for alert in found[0].alerts) == expected
        assert found[1].models == refuted()[1].models


@pytest.mark.parametrize(("found", "reliable"), [(unlabelled, None), (refuted, False)])
def test_a_replays_report_has_the_estimate_of_all_answers_and_says_whether_labels_bear_it_out(
    found: Any, reliable: bool | None
) -> None:
    version = found()[1].models["fraud"]["versions"]["7"]
    estimated = version["estimated"]
    assert estimated["reliable"] is reliable
    assert estimated["accuracy"]["low"] < estimated["accuracy"]["value"] < estimated["accuracy"]["high"]
    assert ("accuracy" in version["metrics"]) is (reliable is not None)


def test_an_estimate_that_labels_bear_out_is_near_what_they_say() -> None:
    version = run(LATER, 60)[1].models["fraud"]["versions"]["7"]
    assert version["estimated"]["reliable"] is True
    assert version["estimated"]["accuracy"]["value"] == pytest.approx(
        version["metrics"]["accuracy"], abs=0.02
    )


def test_the_report_shows_days_without_labels_as_estimated() -> None:
    past = unlabelled()[2]
    plan = plan_model(SETTINGS.models["fraud"], reference())
    text = report_text(build_report(plan, past, since_ms=30 * 86_400_000))
    assert "are not all in. Expected from the answers alone: accuracy 7" in text
    assert "Estimated, as labels are not all in" in text
    assert "unchecked" in text


def test_the_report_calls_an_estimate_unreliable_that_labels_of_sound_days_refute() -> None:
    _, _, past = refuted()
    plan = plan_model(SETTINGS.models["fraud"], reference())
    [day] = past.days
    later = Past(
        {**past.days, day + 2 * 86_400_000: unlabelled()[2].days[day]}, (), day + 2 * 86_400_000 + 3_600_000
    )
    report = build_report(plan, later, since_ms=30 * 86_400_000)
    assert report.estimate_check is not None
    assert report.estimate_check.hold is False
    assert [point.first for point in report.estimates] == [format_time(day + 2 * 86_400_000)[:10]]
    text = report_text(report)
    assert "labels refute such estimates, so it is unreliable" in text.replace("\n  ", " ")


def test_a_model_without_a_calibration_is_estimated_nowhere() -> None:
    _, result, past = run(Traffic(lag=3), 5, replace(reference(), calibration=None))
    assert "estimated" not in result.models["fraud"]["versions"]["7"]
    plan = plan_model(SETTINGS.models["fraud"], replace(reference(), calibration=None))
    assert build_report(plan, past, since_ms=86_400_000).estimate_check is None


def test_status_shows_the_estimate_beside_the_metrics() -> None:
    models = {
        name: {**model, "alerts": [], "closed_until": {}, "windows": [], "events_waiting": 0}
        for name, model in refuted()[1].models.items()
    }
    status = {
        "app": "a",
        "partitions": [],
        "partitions_known_from": "redis",
        "moving": False,
        "models": models,
    }
    [line] = [line for line in status_lines(status) if "estimated of 7" in line]
    assert "accuracy 0.7" in line
    assert line.endswith("unreliable: labels refute it")
