"""A model that learned its profile by itself is estimated without labels, once labels that stand for all have calibrated its scores."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from builders.learning import (
    START_MS,
    Event,
    Events,
    batches,
    binary_events,
    learning_settings,
    run,
    run_with_pasts,
)

from consumers.learner import Learner, StoredLearning, lacks_labels
from consumers.plan import plan_model
from consumers.window_evidence import WindowEvidence
from consumers.window_reader import WindowReader
from detectors.estimation.cells import AnswerLayout
from detectors.estimation.figures import estimated
from detectors.layout import WINDOW_SCORE_BINS, prediction_layout
from detectors.profile import Learned, ReferenceProfile, from_json
from detectors.profile_learned import with_calibration
from watchkeeper.policy import policies
from watchkeeper.replay import Replay, ReplayResult
from watchkeeper.report.build import build_report
from watchkeeper.report.past import Past, past_from_json, past_to_json
from watchkeeper.report.text import report_text

PER_MINUTE = 20
MINUTES, MOVES = 90, 60
"""From minute `MOVES` on the model is unsure of everything."""
SETTINGS = learning_settings("    cohort_window: 10m\n")


def unsure(place: int, event: Event) -> None:
    if place >= MOVES * PER_MINUTE:
        rng = random.Random(place)
        score = rng.uniform(0.45, 0.55)
        event["output"]["score"], event["truth"] = score, rng.random() < score


@cache
def moved_with_past(*, partitions: int = 1, batch_ms: int = 600_000) -> tuple[ReplayResult, Past]:
    events = binary_events(MINUTES * PER_MINUTE, change=unsure)
    found, pasts = run_with_pasts(SETTINGS, events, partitions=partitions, batch_ms=batch_ms)
    return found, pasts["m"]


def moved(*, partitions: int = 1, batch_ms: int = 600_000) -> ReplayResult:
    return moved_with_past(partitions=partitions, batch_ms=batch_ms)[0]


def told(found: ReplayResult, kind: str) -> list[dict[str, Any]]:
    alerts = [json.loads(event)["data"] for event in found.events]
    return [alert for alert in alerts if alert.get("kind") == kind]


def learned_profiles() -> tuple[ReferenceProfile, ReferenceProfile]:
    """Return what is learned from predictions, and the same once labels have calibrated it."""
    plan, events = plan_model(SETTINGS.models["m"], None), binary_events(600)
    lines = [json.dumps(event).encode() for event in events.predictions]
    before = Learner(plan, StoredLearning(from_ms=0, events=600)).profile(lines, until_ms=1)
    assert before is not None
    cells = np.arange(2 * WINDOW_SCORE_BINS) + 1
    after = with_calibration(before, cells.tolist(), at_ms=5)
    assert after is not None
    labelled = replace(
        before, labelled=9, learned=replace(after.learned or Learned(0, 0, 0), labels=9, calibrated_ms=0)
    )
    return labelled, replace(
        after, labelled=9, learned=replace(labelled.learned or Learned(0, 0, 0), calibrated_ms=5)
    )


def test_a_shift_to_where_the_model_is_unsure_is_told_as_a_fall_of_the_estimate() -> None:
    [alert] = told(moved(), "estimated_performance")
    evidence = alert["evidence"]
    assert evidence["rests_on_labels"] >= 400
    assert evidence["learned_events"] >= 400
    assert 0.45 < evidence["accuracy_now"] < 0.65 < evidence["accuracy_before"] < 0.85


def test_reports_have_the_estimate_and_labels_bear_it_out() -> None:
    version = moved().models["m"]["versions"]["1"]
    assert version["estimated"]["reliable"] is True
    accuracy = version["estimated"]["accuracy"]
    assert accuracy["low"] < version["metrics"]["accuracy"] < accuracy["high"]


def test_the_report_of_its_life_has_the_estimate_too_also_out_of_a_file() -> None:
    """The day has labels for now; its horizon is open, so it is estimated."""
    plan, (found, past) = plan_model(SETTINGS.models["m"], None), moved_with_past()
    report = build_report(plan, past, since_ms=30 * 86_400_000)
    [point] = report.estimates
    estimated = found.models["m"]["versions"]["1"]["estimated"]["accuracy"]
    assert point.row.estimated["accuracy"].value == estimated["value"]
    text = report_text(report).replace("\n  ", " ")
    assert f"Expected from the answers alone: accuracy {estimated['value']:.1%}" in text
    again = past_from_json(past_to_json({"m": past}, until_ms=past.now_ms), plan, source="x")
    assert again == past
    assert build_report(plan, again, since_ms=30 * 86_400_000) == report


def test_what_was_learned_is_no_yardstick_in_the_report_of_a_life() -> None:
    """A user's profile is; but the labels that come first may be mostly of one class."""
    plan, past = plan_model(SETTINGS.models["m"], None), moved_with_past()[1]
    later = replace(past, now_ms=past.now_ms + 90 * 86_400_000)
    report = build_report(plan, later, since_ms=180 * 86_400_000)
    assert report.estimate_check is not None
    assert report.estimate_check.hold is True
    assert report.comparisons == ()


def test_partitions_and_batches_change_nothing() -> None:
    for found in (moved(partitions=3), moved(batch_ms=60_000)):
        assert found.models == moved().models
        assert told(found, "estimated_performance") == told(moved(), "estimated_performance")


def test_labels_of_one_class_that_come_first_calibrate_nothing() -> None:
    """Half of all is true and labelled after two minutes; what is not true is never labelled while this lasts."""
    events = binary_events(MINUTES * PER_MINUTE, change=unsure)
    quick = Events(events.predictions, [label for label in events.labels if label["label"]])
    found = run(SETTINGS, quick)
    assert found.models["m"]["versions"]["1"]["labels"] > 800
    assert "estimated" not in found.models["m"]["versions"]["1"]
    assert told(found, "estimated_performance") == []


def test_calibrating_changes_neither_cells_nor_what_the_rest_is_compared_with() -> None:
    before, after = learned_profiles()
    assert lacks_labels(before)
    assert not lacks_labels(after)
    assert prediction_layout(before).hash == prediction_layout(after).hash
    assert (before.inputs_hash, before.errors_hash) == (after.inputs_hash, after.errors_hash)
    assert before.content_hash != after.content_hash
    assert from_json(before.to_json(), source="x") == before
    assert from_json(after.to_json(), source="x") == after


def test_without_labels_a_calibration_estimates_nothing() -> None:
    before, _ = learned_profiles()
    assert before.calibration is not None
    layout = AnswerLayout("binary", before.calibration.edges)
    assert estimated(before.calibration, layout, np.full(layout.counts, 10)) == {}


def with_channel(place: int, event: Event) -> None:
    event["segments"] = {"channel": "web" if place % 3 else "shop"}


@pytest.mark.parametrize("partitions", [1, 3])
def test_answers_of_parts_are_the_same_of_windows_from_before_the_reference_was_known(
    partitions: int,
) -> None:
    """Segments are counted on fixed cells; versions, in such windows, from the messages that were kept."""
    settings = learning_settings("    cohort_window: 10m\n    segments: [channel]\n")
    plans = {"m": plan_model(settings.models["m"], None)}
    events = binary_events(60 * PER_MINUTE, change=with_channel)
    replay = Replay(plans, partitions=partitions, policies=policies(settings, plans))
    replay.run(batches(events.predictions, events.labels, partitions=partitions, batch_ms=1_200_000))
    plan = replay._references.plans["m"]
    reader, evaluator = WindowReader(plan, replay._store, partitions), replay._evaluators[0]
    evidence = WindowEvidence(plan, reader, reader.progress(), evaluator._detectors)
    answers = evidence._answers(START_MS, START_MS + 60 * 60_000)
    assert plan.predictions.answers is not None
    scores = np.array([event["output"]["score"] for event in events.predictions])
    web = np.arange(len(scores)) % 3 > 0
    for part, own in (
        (("version", "1"), web | True),
        (("segment", "channel=web"), web),
        (("segment", "channel=shop"), ~web),
    ):
        cells = plan.predictions.answers.cells(scores[own], scores[own] >= 0.5)
        assert answers[part].tolist() == np.bincount(cells, minlength=plan.predictions.answers.size).tolist()  # type: ignore[index] # a literal
