"""Labels that nobody sends: silence that means a class, and predictions that never get one."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from builders.pipeline import Keyed, Pipeline
from independent.recount import ModelRules, recount
from independent.stream import ModelStream, StreamSpec, generate

from consumers.interning import Tables
from consumers.memory_store import MemoryModels
from consumers.plan import ModelPlan, plan_model
from consumers.rollup import read_days
from consumers.silence import Silence
from detectors.metrics import metrics_of
from schemas.model_settings import ModelSettings
from watchkeeper.lives import Waiting, count_waiting, describe_lives

HOUR = 3_600_000
NOON = 1_772_452_800_000
AFTER_S = 900.0


def plan(**more: Any) -> ModelPlan:
    raw: dict[str, Any] = {
        "name": "fraud",
        "task": "binary",
        "positive_class": "fraud",
        "label_horizon": "14d",
        "labels": {
            "implicit": {"class": "ok", "after": "2h"},
            "unlabelled_when": {"decision": ["decline", 1]},
        },
        **more,
    }
    return plan_model(ModelSettings.model_validate(raw), None)


def prediction(
    name: str, at: int, *, label: str = "ok", decision: object = None, **more: Any
) -> tuple[bytes, bytes]:
    output = {"label": label, "score": 0.75, "decision": decision}
    event = {"prediction_id": name, "model": "fraud", "time": at, "output": output, **more}
    return name.encode(), json.dumps(event).encode()


def truth(name: str, at: int, label: str, *, revision: int = 0) -> tuple[bytes, bytes]:
    event = {"prediction_id": name, "model": "fraud", "time": at, "label": label, "revision": revision}
    return name.encode(), json.dumps(event).encode()


def described(pipeline: Pipeline, now_ms: int) -> dict[str, Any]:
    """Return the versions of the report, judged at a time."""
    waiting = Waiting()
    for partition in pipeline.partitions:
        stored = pipeline.store.peek(partition.number).tables
        tables = msgspec.msgpack.decode(stored, type=Tables) if stored else Tables()
        waiting.add(count_waiting(pipeline.store.entries(partition.number), tables, pipeline.plans, now_ms))
    found: dict[str, Any] = describe_lives(pipeline.lives(), pipeline.plans, waiting)["fraud"]["versions"]
    return found


class TestByHand:
    def test_silence_becomes_a_label_when_its_time_has_passed_and_a_late_label_takes_its_place(self) -> None:
        pipeline = Pipeline({"fraud": plan()})
        labels = ["fraud", "ok", "ok", "fraud"]
        pipeline.feed([prediction(f"p{i}", NOON + i, label=label) for i, label in enumerate(labels)], [])
        pipeline.feed([], [truth("p0", NOON + HOUR, "fraud")])
        early = described(pipeline, NOON + HOUR)["0"]
        assert (early["joined"], early["implicit"], early["pending"]) == (1, 0, 3)
        assert early["metrics"]["accuracy"] == 1.0
        later = described(pipeline, NOON + 3 * HOUR)["0"]
        assert (later["joined"], later["implicit"], later["pending"], later["expired"]) == (1, 3, 0, 0)
        assert later["metrics"]["accuracy"] == 0.75, "p3 was called fraud, and nobody ever said so"
        pipeline.feed([], [truth("p1", NOON + 30 * HOUR, "fraud"), truth("p3", NOON + 30 * HOUR, "fraud")])
        last = described(pipeline, NOON + 30 * HOUR)["0"]
        assert (last["joined"], last["implicit"]) == (3, 1)
        assert last["metrics"]["accuracy"] == 0.75, "p3 was right after all, p1 was not"

    def test_a_time_that_is_just_over_has_not_passed(self) -> None:
        pipeline = Pipeline({"fraud": plan()})
        pipeline.feed([prediction("p", NOON)], [])
        assert described(pipeline, NOON + 2 * HOUR)["0"]["pending"] == 1
        assert described(pipeline, NOON + 2 * HOUR + 1)["0"]["implicit"] == 1

    def test_what_was_declined_never_waits_for_a_label(self) -> None:
        pipeline = Pipeline({"fraud": plan()})
        decisions = ["decline", "accept", 1, "1", True]
        pipeline.feed([prediction(f"p{i}", NOON, decision=d) for i, d in enumerate(decisions)], [])
        found = described(pipeline, NOON + 3 * HOUR)["0"]
        assert (found["unobservable"], found["implicit"], found["pending"]) == (2, 3, 0)
        cohort = pipeline.cohorts()[NOON]["0", ""]
        assert (cohort.predictions, cohort.unobservable, cohort.observable) == (5, 2, 3)

    def test_a_label_that_comes_for_it_all_the_same_counts(self) -> None:
        pipeline = Pipeline({"fraud": plan()})
        pipeline.feed([prediction(f"p{i}", NOON, decision="decline") for i in range(2)], [])
        pipeline.feed([], [truth("p0", NOON + HOUR, "fraud"), truth("p0", NOON + HOUR, "ok", revision=1)])
        found = described(pipeline, NOON + 3 * HOUR)["0"]
        assert (found["joined"], found["unobservable"], found["implicit"]) == (1, 1, 0)
        cohort = pipeline.cohorts()[NOON]["0", ""]
        assert (cohort.labelled, cohort.unobservable) == (1, 1)

    def test_shadow_answers_are_a_version_of_their_own_in_cohorts(self) -> None:
        pipeline = Pipeline({"fraud": plan()})
        pipeline.feed([prediction("p", NOON), prediction("p", NOON, version="1", shadow=True)], [])
        pipeline.feed([], [truth("p", NOON + HOUR, "ok")])
        cohorts = pipeline.cohorts()[NOON]
        assert {key: cohort.labelled for key, cohort in cohorts.items()} == {
            ("0", ""): 1,
            ("1+shadow", ""): 1,
        }

    def test_a_day_holds_the_implicit_labels_of_the_hours_that_are_old_enough(self) -> None:
        pipeline = Pipeline({"fraud": plan()})
        pipeline.feed([prediction("p", NOON), prediction("q", NOON + HOUR)], [])
        for now_ms, implicit in ((NOON + 2 * HOUR, 0), (NOON + 3 * HOUR, 1), (NOON + 4 * HOUR, 2)):
            days = read_days(pipeline.plans["fraud"], pipeline.store, MemoryModels(), 1, now_ms=now_ms)
            (day,) = days.values()
            cohort = day["0", ""]
            assert (cohort.implicit, cohort.labelled, cohort.received) == (implicit, implicit, 0.0)

    def test_switched_on_later_it_holds_for_predictions_from_then_on(self) -> None:
        before = plan(labels={})
        pipeline = Pipeline({"fraud": before})
        pipeline.feed([prediction(f"old{i}", NOON + i) for i in range(3)], [])
        later = Pipeline({"fraud": plan()}, store=pipeline.store)
        later.feed([prediction("new", NOON + 10)], [truth("old0", NOON + HOUR, "fraud")])
        (version,) = later.lives()["fraud"].assumed.values()
        assert version.vector[0] == 1, "what was never assumed is not taken back"
        assert (version.vector >= 0).all()
        cohort = later.cohorts()[NOON]["0", ""]
        assert cohort.assumed is not None
        assert (cohort.labelled, int(cohort.assumed.vector[0])) == (1, 1)

    def test_error_windows_get_the_silence_of_a_cohort_when_its_last_prediction_is_old_enough(self) -> None:
        found = plan(labels={"implicit": {"class": "ok", "after": "2h"}})
        pipeline = Pipeline({"fraud": found})
        pipeline.feed([prediction(f"p{i}", NOON + i * HOUR // 3, label="fraud") for i in range(4)], [])
        pipeline.feed([], [truth("p0", NOON + HOUR, "fraud"), truth("p1", NOON + 5 * HOUR, "fraud")])
        silence = Silence(found, pipeline.store, 1)
        due = NOON + 3 * HOUR
        assert silence.windows(after_ms=-1, until_ms=due - 1)[0] == {}
        windows, until_ms = silence.windows(after_ms=-1, until_ms=due)
        assert until_ms == due
        (blob,) = windows[due]
        summary: Any = found.window(blob.stream, "", blob.data)
        assert summary.vector[0] == 2, (
            "p1's label came after silence had spoken for it, and p3 is of the next hour"
        )
        assert metrics_of(summary, positive="fraud")["accuracy"] == 0.0
        later, _ = silence.windows(after_ms=due, until_ms=due + HOUR)
        assert list(later) == [due + HOUR]
        assert silence.cohorts_of(due) == NOON
        assert silence.cohorts_of(due - 60_000) == NOON - HOUR


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("seed", [1, 2])
def test_counts_and_metrics_equal_an_independent_recount(seed: int, partitions: int) -> None:
    settings = {
        "label_horizon": "30m",
        "labels": {
            "late_memory": "30m",
            "implicit": {"class": "ok", "after": f"{AFTER_S:.0f}s"},
            "unlabelled_when": {"decision": ["decline"]},
        },
    }
    spec = StreamSpec(
        seed=seed, predictions=1500, models=(ModelStream(task="binary"),), rate_per_s=5,
        label_horizon_s=1800.0, late_memory_s=1800.0,
    )  # fmt: skip
    events = generate(spec)
    predictions = declined(list(events.predictions))
    pipeline = Pipeline({"fraud": plan(**settings)}, partitions=partitions)
    for at in range(0, max(len(predictions), len(events.labels)), 400):
        pipeline.feed(predictions[at : at + 400], events.labels[at : at + 400])
    rules = ModelRules(
        "binary", "fraud", label_horizon_s=1800.0, late_memory_s=1800.0,
        implicit=("ok", AFTER_S), unlabelled=("decline",),
    )  # fmt: skip
    expected: Any = recount([v for _, v in predictions], [v for _, v in events.labels], {"fraud": rules})
    now_ms = max(partition.time.latest_ms() for partition in pipeline.partitions)
    actual = described(pipeline, now_ms)
    seen = 0
    for version, row in expected["models"]["fraud"]["versions"].items():
        for name in ("predictions", "joined", "implicit", "unobservable", "pending", "expired"):
            if "predictions" in row:
                assert actual[version][name] == row[name], (version, name)
        for name, value in row.get("metrics", {}).items():
            if name != "confusion":
                assert actual[version]["metrics"][name] == pytest.approx(value), (version, name)
        seen += row.get("implicit", 0) * row.get("unobservable", 0)
    assert seen, "the stream has both kinds"


def declined(predictions: Keyed) -> Keyed:
    """Return the predictions, a fifth of them declined."""
    found = []
    for place, (key, value) in enumerate(predictions):
        try:
            event = json.loads(value)
            event["output"]["decision"] = "decline" if place % 5 == 0 else "accept"
        except (ValueError, TypeError, KeyError):
            found.append((key, value))
            continue
        found.append((key, json.dumps(event).encode()))
    return found
