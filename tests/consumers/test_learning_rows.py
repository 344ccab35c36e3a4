"""What a partition keeps of a learning model's predictions, and how it goes over to what was learned."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from builders.learning import START_MS, STEP_MS, binary_events, learning_settings
from builders.pipeline import Pipeline

from consumers import learning_rows
from consumers.closing import merged
from consumers.learner import LearnedRows, Learner, StoredLearning
from consumers.learning_rows import is_rows, rows_of
from consumers.memory_store import MemoryModels
from consumers.plan import ModelPlan, plan_model
from consumers.references import References
from consumers.store import ModelCommit
from consumers.windows import WindowBlob
from detectors.profile import Learned, ReferenceProfile
from detectors.profile_learned import learned_profile
from schemas.errors import Stop
from schemas.finding import Stream

EVENTS = 300


def learning_plan(events: int = 400) -> ModelPlan:
    return plan_model(learning_settings(events=events).models["m"], None)


def keyed(count: int = EVENTS, **more: Any) -> list[tuple[bytes, bytes]]:
    return [
        (event["prediction_id"].encode(), json.dumps({**event, **more}).encode())
        for event in binary_events(count).predictions
    ]


def stored(pipeline: Pipeline) -> list[WindowBlob]:
    return [
        blob
        for partition in pipeline.partitions
        for blob in pipeline.store.windows(partition.number, "m", Stream.PREDICTIONS, from_ms=0)
    ]


def kept(pipeline: Pipeline) -> list[bytes]:
    return list(rows_of([blob for blob in stored(pipeline) if is_rows(blob)]))


def profile_of(plan: ModelPlan, lines: list[bytes]) -> ReferenceProfile:
    found = Learner(plan, StoredLearning(from_ms=START_MS, events=len(lines))).profile(
        lines, until_ms=START_MS + 1
    )
    assert found is not None
    return found


def test_each_counted_prediction_is_kept_once_whatever_the_batches_and_partitions() -> None:
    pipeline = Pipeline({"m": learning_plan()}, partitions=3)
    events = keyed()
    pipeline.feed(events[:100], [])
    pipeline.feed(events[50:], [])  # fifty come again
    assert sorted(kept(pipeline)) == sorted(value for _, value in events)


def test_shadow_predictions_are_not_kept() -> None:
    pipeline = Pipeline({"m": learning_plan()})
    pipeline.feed(keyed(shadow=True), [])
    assert kept(pipeline) == []


def test_of_very_many_predictions_some_ids_are_kept_the_same_ones_in_any_partition() -> None:
    plan = learning_plan(events=10 * learning_rows.ROWS_MAX)
    one, three = (Pipeline({"m": plan}, partitions=n) for n in (1, 3))
    for pipeline in (one, three):
        pipeline.feed(keyed(2_000), [])
    assert sorted(kept(one)) == sorted(kept(three))
    assert 120 < len(kept(one)) < 290, "about one in ten"


def test_events_of_a_monstrous_size_are_counted_and_not_kept() -> None:
    pipeline = Pipeline({"m": learning_plan()})
    pipeline.feed(keyed(20, trace_id="x" * learning_rows.ROW_BYTES_MAX), [])
    assert kept(pipeline) == []
    assert pipeline.counts()["m", "1"]["predictions"] == 20


def test_what_waits_for_an_evaluator_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_rows, "WAITING_MAX", 100)
    pipeline = Pipeline({"m": learning_plan()})
    for first in range(0, EVENTS, 20):
        pipeline.feed(keyed()[first : first + 20], [])
    assert len(kept(pipeline)) == 100
    pipeline.partitions[0].evaluated("m", START_MS + EVENTS * STEP_MS)
    pipeline.feed(keyed(EVENTS + 20)[EVENTS:], [])
    assert len(kept(pipeline)) == 120


def test_bytes_that_are_no_kept_predictions_stop_with_a_mend() -> None:
    with pytest.raises(Stop, match="stored predictions to learn from"):
        list(rows_of([WindowBlob("m", Stream.PREDICTIONS, 0, "", "rows@1", b"nothing")]))


@pytest.mark.parametrize("name", ["", "channel=web", "rows@1=web"])
def test_no_segment_passes_for_kept_predictions(name: str) -> None:
    assert not is_rows(WindowBlob("m", Stream.PREDICTIONS, 0, "rows@1", name, b""))


class TestAdoption:
    def test_a_window_counted_half_before_and_half_after_is_the_window_counted_whole(self) -> None:
        """Also where the partition is handed over in between, and where one goes back to learning."""
        events = keyed()
        profile = profile_of(learning_plan(), [value for _, value in events])
        plan = plan_model(learning_settings().models["m"], profile)
        whole = Pipeline({"m": plan})
        whole.feed(events, [])
        half = Pipeline({"m": learning_plan()})
        half.feed(events[:107], [])
        half.partitions[0].adopt(plan)
        half.feed(events[107:190], [])
        half.plans = {"m": plan}
        half.partitions[0] = half.claim(0)
        half.feed(events[190:], [])
        assert counted(plan, half) == counted(plan, whole)
        half.partitions[0].adopt(learning_plan())
        half.feed(keyed(EVENTS + 9)[EVENTS:], [])
        start = max(counted(plan, half))
        assert counted(plan, half)[start][0] == 9, "the events of a window are counted whatever the reference"

    def test_a_reference_is_taken_up_once_and_let_go_when_the_store_has_lost_it(self) -> None:
        plan, models = learning_plan(), MemoryModels()
        references = References({"m": plan}, models)
        assert references.look() == []
        profile = profile_of(plan, [value for _, value in keyed()])
        token = models.claim("m").token
        text = profile.to_json().encode()
        models.commit(ModelCommit("m", token, 0, b"", [], [], 60_000, ("hash of another release", text)))
        assert references.look() == ["m"]
        assert references.plans["m"].profile == profile
        assert references.look() == []
        models._models.clear()
        assert references.look() == ["m"]
        assert references.plans["m"].learning


def counted(plan: ModelPlan, pipeline: Pipeline) -> dict[int, tuple[int, bytes]]:
    """Return events and vector of each window as an evaluator reads it."""
    windows: dict[int, list[WindowBlob]] = {}
    for blob in stored(pipeline):
        windows.setdefault(blob.start_ms, []).append(blob)
    found = {start: merged(plan, Stream.PREDICTIONS, start, blobs) for start, blobs in windows.items()}
    return {start: (window.span.n, window.overall.vector.tobytes()) for start, window in found.items()}


class TestWhatIsLearned:
    def test_the_order_in_which_rows_are_read_changes_nothing(self) -> None:
        lines = [value for _, value in keyed()]
        shuffled = [lines[i] for i in np.random.default_rng(1).permutation(len(lines)).tolist()]
        assert profile_of(learning_plan(), shuffled) == profile_of(learning_plan(), lines)

    def test_names_that_hardly_any_event_carries_are_no_features(self) -> None:
        events = binary_events(EVENTS).predictions
        for place, event in enumerate(events):
            event["features"][f"once{place}"] = 1
            event["features"]["output.score"] = 0.5
        profile = profile_of(learning_plan(), [json.dumps(event).encode() for event in events])
        assert {c.name for c in profile.columns if "." not in c.name} == {"a", "b"}

    def test_events_of_two_days_show_their_times_and_fewer_do_not(self) -> None:
        def read() -> list[Any]:
            return list(LearnedRows(learning_plan(), [value for _, value in keyed()]).batches())

        settings = learning_settings().models["m"]
        short = learned_profile(settings, read, Learned(EVENTS, 0, 86_400_000))
        long = learned_profile(settings, read, Learned(EVENTS, 0, 2 * 86_400_000))
        assert (short.span_ms, long.span_ms) == (0, (EVENTS - 1) * STEP_MS)
