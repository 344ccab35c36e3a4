"""A model without a profile learns its reference from its own first events."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from builders.learning import (
    START_MS,
    STEP_MS,
    Event,
    Events,
    batches,
    binary_events,
    firing,
    learning_settings,
    run,
)
from builders.pipeline import Pipeline

from consumers.closing import merged
from consumers.evaluator import ModelEvaluator
from consumers.learning_rows import is_rows
from consumers.memory_store import MemoryModels, MemoryPartitions
from consumers.plan import plan_model
from consumers.windows import WindowBlob
from detectors.profile import ReferenceProfile, from_json
from schemas.finding import Stream
from watchkeeper.policy import policies
from watchkeeper.replay import Replay, ReplayResult, report

LEARNED = 400
CHANGE = 1_000
CHANGED_AT = "2026-03-02T00:50:00.000Z"


def shifted(place: int, event: Event) -> None:
    if place >= CHANGE:
        event["features"]["a"] += 1.5


def spoiled(first: int, last: int) -> Any:
    def change(place: int, event: Event) -> None:
        if first <= place < last:
            event["truth"] = place % 2 == 0

    return change


def alerts(result: ReplayResult) -> list[str]:
    return sorted(e.decode() for e in result.events if b"window_complete" not in e)


def learned(result: ReplayResult) -> dict[str, Any]:
    """What the first alert says that it compares with."""
    return {key: value for key, value in firing(result)[0]["evidence"].items() if key.startswith("learned")}


def test_a_change_after_the_learned_events_is_found_and_says_what_it_is_compared_with() -> None:
    result = run(learning_settings(), binary_events(1_500, change=shifted))
    found = firing(result)
    assert {(a["kind"], a["feature"]) for a in found} == {("data_drift", "a")}
    assert found[0]["evidence"]["learned_events"] == LEARNED
    assert found[0]["evidence"]["learned_from"] == "2026-03-02T00:00:00.000Z"
    assert found[0]["evidence"]["learned_until"] == "2026-03-02T00:20:00.000Z"
    assert "learned from 400 events" in found[0]["impact"]
    assert found[0]["since"] == CHANGED_AT


def test_a_stream_that_does_not_change_raises_nothing() -> None:
    assert firing(run(learning_settings(), binary_events(2_000, seed=5))) == []


@pytest.mark.parametrize(("partitions", "batch_ms"), [(1, 45_000), (3, 200_000), (12, 3_000_000)])
def test_partitions_and_batches_change_nothing(partitions: int, batch_ms: int) -> None:
    events = binary_events(1_500, change=shifted)
    plain, other = (
        run(learning_settings(), events),
        run(learning_settings(), events, partitions=partitions, batch_ms=batch_ms),
    )
    assert alerts(other) == alerts(plain)
    assert report(other)["windows"] == report(plain)["windows"]


def test_a_model_without_labels_learns_all_the_same() -> None:
    result = run(learning_settings(), binary_events(1_500, change=shifted), labelled=False)
    assert {(a["kind"], a["feature"]) for a in firing(result)} == {("data_drift", "a")}


def test_learning_can_be_switched_off() -> None:
    settings = learning_settings().models["m"].model_copy(update={"learn": None})
    off = learning_settings()
    assert settings.learning is not None, "it is the default"
    off.models["m"] = type(settings).model_validate(
        {"name": "m", "task": "binary", "positive_class": True, "learn": False}
    )
    assert off.models["m"].learning is None
    assert firing(run(off, binary_events(1_500, change=shifted))) == []


class TestLabels:
    def test_the_model_that_becomes_worse_is_found_by_its_learned_errors(self) -> None:
        often = "    cohort_window: 10m\n"  # so that it is soon known that prompt labels stand for all
        result = run(learning_settings(often), binary_events(2_000, change=spoiled(CHANGE, 2_000)))
        found = {a["check"]: a for a in firing(result)}
        assert found["performance"]["kind"] == "performance"
        assert found["performance"]["evidence"]["learned_labels"] == LEARNED
        assert found["performance"]["since"] >= CHANGED_AT

    def test_its_figures_are_those_of_the_labels(self) -> None:
        events = binary_events(800)
        profile = profile_of(events)
        right = sum(
            (p["output"]["score"] >= 0.5) == y["label"]
            for p, y in zip(events.predictions[:LEARNED], events.labels[:LEARNED], strict=True)
        )
        assert profile.metrics["accuracy"] == pytest.approx(right / LEARNED)
        assert sum(n for _, _, n in profile.confusion) == LEARNED == sum(profile.score_cells)

    def test_a_regression_learns_how_its_errors_lie(self) -> None:
        events = regression_events(2_000, worse_from=CHANGE)
        found = {a["check"]: a for a in firing(run(learning_settings(task="regression"), events))}
        assert found["performance"]["evidence"]["learned_labels"] == LEARNED
        assert found["performance"]["since"] >= CHANGED_AT
        profile = profile_of(events, task="regression")
        assert profile.error is not None
        assert profile.error.sd == pytest.approx(2.0, rel=0.15)
        assert sum(profile.error.counts) == LEARNED

    @pytest.mark.parametrize("loss", ["poisson", "gamma", "{name: tweedie, power: 1.5}"])
    def test_a_regression_with_a_deviance_learns_the_size_of_its_errors(self, loss: str) -> None:
        events = regression_events(2_000, worse_from=CHANGE)
        for event in events.predictions[:LEARNED:200]:
            event["output"] = {"value": 0.0}  # which none of these losses allows
        more = f"    loss: {loss}\n"
        found = {a["check"]: a for a in firing(run(learning_settings(more, task="regression"), events))}
        assert found["performance"]["since"] >= CHANGED_AT
        assert found["performance"]["evidence"]["signal"] == "loss"
        profile = profile_of(events, task="regression", more=more)
        assert profile.error is not None
        assert sum(profile.error.counts) == LEARNED
        assert 0 < profile.metrics["deviance"] < 1
        model = learning_settings(more, task="regression").models["m"]
        before, after = (plan_model(model, known) for known in (None, profile))
        assert (before.errors, before.totals) == (after.errors, after.totals)


class TestIncidents:
    def test_nothing_is_learned_while_answers_fail(self) -> None:
        def failing(place: int, event: Event) -> None:
            if place < 300:
                event["features"]["a"] += 3
                if place % 3:
                    event["status"] = "error"
            shifted(place, event)

        result = run(learning_settings(), binary_events(1_500, change=failing))
        first = next(a for a in firing(result) if a["kind"] == "data_drift")
        assert first["since"] >= CHANGED_AT, "and not when it went back to normal"
        assert first["evidence"]["learned_from"] >= "2026-03-02T00:15:00.000Z"

    def test_nothing_is_learned_while_labels_say_that_the_model_is_wrong(self) -> None:
        limit = "    metrics: {accuracy: {min: 0.7}}\n"

        def broken(place: int, event: Event) -> None:
            if place < 400:
                event["features"]["a"] += 3
            spoiled(0, 400)(place, event)
            if place >= 1_600:
                event["features"]["a"] += 1.5

        result = run(learning_settings(limit), binary_events(2_000, change=broken))
        drift = [a for a in firing(result) if a["kind"] == "data_drift"]
        assert [a["since"] for a in drift] == ["2026-03-02T01:20:00.000Z"]
        assert drift[0]["evidence"]["learned_from"] >= "2026-03-02T00:20:00.000Z"

    def test_the_same_is_learned_whatever_the_partitions(self) -> None:
        limit = "    metrics: {accuracy: {min: 0.7}}\n"
        events = binary_events(1_500, change=spoiled(0, 300))
        one, many = (run(learning_settings(limit), events, partitions=n, batch_ms=90_000) for n in (1, 7))
        assert alerts(one) == alerts(many)
        assert report(one)["windows"] == report(many)["windows"]


class TestNothingIsLost:
    def test_every_window_after_the_learned_ones_has_all_its_features(self) -> None:
        """Whenever the partitions hear of the reference: counted late or at once, it comes to the same."""
        events = binary_events(900)
        counted = {batch_ms: columns_of(events, batch_ms=batch_ms) for batch_ms in (60_000, 900_000)}
        assert counted[60_000].keys() == counted[900_000].keys()
        for start, vector in counted[900_000].items():
            assert np.array_equal(vector, counted[60_000][start]), start

    def test_rows_are_let_go_once_a_reference_is_there(self) -> None:
        replay = fed(binary_events(1_500))
        assert not [
            blob
            for blob in replay._store.windows(0, "m", Stream.PREDICTIONS, from_ms=START_MS + CHANGE * STEP_MS)
            if is_rows(blob)
        ]


def regression_events(n: int, *, worse_from: int) -> Events:
    rng = np.random.default_rng(3)
    events = binary_events(n)
    for place, (event, label) in enumerate(zip(events.predictions, events.labels, strict=True)):
        value = float(rng.normal(100, 10))
        event["output"] = {"value": value}
        label["value"] = value + float(rng.normal(0, 6 if place >= worse_from else 2))
        del label["label"]
    return events


def fed(events: Events, *, batch_ms: int = 600_000, task: str = "binary", more: str = "") -> Replay:
    settings = learning_settings(more, task=task)
    plans = {"m": plan_model(settings.models["m"], None)}
    replay = Replay(plans, partitions=1, policies=policies(settings, plans))
    replay.run(batches(events.predictions, events.labels, partitions=1, batch_ms=batch_ms))
    return replay


def profile_of(events: Events, *, task: str = "binary", more: str = "") -> ReferenceProfile:
    text = fed(events, task=task, more=more)._models.profile("m")
    assert text is not None
    return from_json(text, source="learned")


def columns_of(events: Events, *, batch_ms: int) -> dict[int, Any]:
    """Return the vectors of the windows after the learned ones, as the evaluator merges them."""
    replay = fed(events, batch_ms=batch_ms)
    plan = replay._references.plans["m"]
    assert plan.profile is not None
    found: dict[int, list[Any]] = {}
    for blob in replay._store.windows(0, "m", Stream.PREDICTIONS, from_ms=START_MS + LEARNED * STEP_MS):
        found.setdefault(blob.start_ms, []).append(blob)
    return {
        start: merged(plan, Stream.PREDICTIONS, start, blobs).overall.vector for start, blobs in found.items()
    }


HOUR_MS = 3_600_000


class CountingPartitions(MemoryPartitions):
    """A store that counts the windows that it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    def windows(self, *args: Any, **kwargs: Any) -> list[WindowBlob]:
        found = super().windows(*args, **kwargs)
        self.read += len(found)
        return found


def test_predictions_that_wait_for_labels_are_not_read_again_and_again() -> None:
    settings = learning_settings()
    plan = plan_model(settings.models["m"], None)
    pipeline = Pipeline({"m": plan}, store=CountingPartitions())
    events = binary_events(LEARNED)
    keyed = [
        [(e["prediction_id"].encode(), json.dumps(e).encode()) for e in side]
        for side in (events.predictions, events.labels[: LEARNED // 4])
    ]
    pipeline.feed(*keyed)
    evaluator = ModelEvaluator(
        plan, 1, windows=pipeline.store, states=MemoryModels(), policy=policies(settings, {"m": plan})["m"]
    )
    assert 0 < len(evaluator.evaluate().closed) < LEARNED // 20, "most windows wait for their labels"
    assert isinstance(pipeline.store, CountingPartitions)
    before = pipeline.store.read
    assert evaluator.evaluate().closed == []
    assert pipeline.store.read == before


def test_windows_of_labels_teach_nothing_and_those_before_the_first_prediction_are_passed_over() -> None:
    wanted = 1_500  # an hour and a quarter
    settings = learning_settings(events=wanted)
    events = binary_events(wanted + 400)
    stray = {"prediction_id": "nobody", "model": "m", "time": START_MS - 3 * HOUR_MS, "label": True}
    result = run(settings, Events(events.predictions, [stray, *events.labels]))
    labels = [record for record in result.windows if record.stream == "labels"]
    assert [record.start_ms for record in labels] == [START_MS, START_MS + HOUR_MS]
    assert sum(record.n for record in labels) == wanted + 400
    progress = [record.learning for record in result.windows if record.learning is not None]
    assert {record.stream for record in result.windows if record.learning is not None} <= {
        "predictions",
        "errors",
    }
    assert max(seen for seen, _ in progress) < wanted
    told = [
        record for record in result.windows if record.stream == "predictions" and record.learning is not None
    ]
    assert [record.learning[0] for record in told if record.learning] == np.cumsum(
        [r.n for r in told]
    ).tolist()
