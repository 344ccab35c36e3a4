"""An evaluator over a store that goes back: it waits, and closes the same windows as if nothing had happened."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from builders.pipeline import Pipeline

from alerts.announce import AlertContext
from consumers.evaluation import Evaluation
from consumers.evaluator import ModelEvaluator
from consumers.memory_store import MemoryModels, MemoryPartitions
from consumers.plan import plan_model
from consumers.store import CommitStatus, Progress, WentBack
from consumers.windows import WindowBlob
from schemas.finding import Stream
from schemas.model_settings import ModelSettings
from watchkeeper.policy import AlertPolicy

SETTINGS = ModelSettings.model_validate(
    {"name": "fraud", "task": "binary", "positive_class": "fraud", "window": "1m", "allowed_lateness": "30s"}
)
PLANS = {"fraud": plan_model(SETTINGS, None)}
START_MS = 1_793_534_400_000


def minute(number: int, status: str = "ok") -> list[tuple[bytes, bytes]]:
    """Return thirty predictions of one minute."""
    events = []
    for n in range(30):
        identity = f"{number}-{n}"
        time_ms = START_MS + number * 60_000 + n * 2_000
        event = {"prediction_id": identity, "model": "fraud", "time": time_ms, "output": {"label": "ok"}}
        event["status"] = status
        events.append((identity.encode(), json.dumps(event).encode()))
    return events


class Scene:
    """One partition, one evaluator, and copies of the store to go back to."""

    def __init__(self) -> None:
        self.pipeline = Pipeline(PLANS)
        self.models = MemoryModels()
        self.evaluator = self.watch(self.pipeline.store)

    def watch(self, store: MemoryPartitions) -> ModelEvaluator[Any]:
        policy = AlertPolicy("test", AlertContext(app="test"))
        return ModelEvaluator(PLANS["fraud"], 1, windows=store, states=self.models, policy=policy)

    def feed(self, *minutes: int) -> None:
        for number in minutes:
            self.pipeline.feed(minute(number), [])

    def closed(self) -> list[tuple[int, int]]:
        done = self.evaluator.evaluate()
        assert done.status is CommitStatus.COMMITTED
        return [((r.start_ms - START_MS) // 60_000, r.n) for r in done.closed if r.stream == "predictions"]

    def waits(self) -> bool:
        done: Evaluation = self.evaluator.evaluate()
        return done.waiting_for is not None and not done.closed

    def go_back_to(self, copied: dict[int, Any]) -> None:
        self.pipeline.store._partitions = copy.deepcopy(copied)
        self.pipeline.partitions[0] = self.pipeline.claim(0)

    def copied(self) -> dict[int, Any]:
        return copy.deepcopy(self.pipeline.store._partitions)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_windows_wait_while_a_partition_is_read_again_and_are_closed_once(scene: Scene) -> None:
    scene.feed(0, 1, 2)
    copied = scene.copied()
    scene.feed(3, 4, 5)
    assert scene.closed() == [(0, 30), (1, 30), (2, 30), (3, 30), (4, 30)]
    scene.go_back_to(copied)
    assert scene.waits()
    scene.feed(3)
    assert scene.waits(), "not yet as far as it has been seen"
    scene.feed(4, 5)
    assert not scene.waits()
    scene.feed(6)
    assert scene.closed() == [(5, 30)]


def test_fewer_larger_commits_heal_too(scene: Scene) -> None:
    scene.feed(0)
    copied = scene.copied()
    scene.feed(1, 2, 3)
    assert scene.closed() == [(0, 30), (1, 30), (2, 30)]
    scene.go_back_to(copied)
    scene.pipeline.feed([*minute(1), *minute(2), *minute(3)], [])  # one commit in the place of three
    assert not scene.waits(), "the number of commits never comes back, the offsets do"
    scene.feed(4)
    assert scene.closed() == [(3, 30)]


def test_a_partition_of_other_topics_has_offsets_of_its_own(scene: Scene) -> None:
    scene.feed(0, 1, 2)
    assert scene.closed() == [(0, 30), (1, 30)]
    scene.pipeline.store._partitions.clear()
    scene.pipeline.partitions[0] = scene.pipeline.claim(0)
    scene.pipeline.store.note(0, scene.pipeline.partitions[0].token, topics="other/ids")
    scene.feed(3)
    assert not scene.waits()


class GoesBackBetween(MemoryPartitions):
    """A store that loses commits after an evaluator has read how far it is, and before it reads windows."""

    lost: dict[int, Any] | None = None

    def windows(
        self,
        partition: int,
        model: str,
        stream: Stream,
        *,
        from_ms: int,
        until_ms: int | None = None,
        limit: int | None = None,
        at_least: Progress | None = None,
    ) -> list[WindowBlob]:
        if self.lost is not None:
            self._partitions, self.lost = copy.deepcopy(self.lost), None
        return super().windows(
            partition, model, stream, from_ms=from_ms, until_ms=until_ms, limit=limit, at_least=at_least
        )


def test_a_roll_back_between_two_reads_closes_no_half_window(scene: Scene) -> None:
    scene.feed(0)
    scene.pipeline.feed(minute(1)[:10], [])
    store = GoesBackBetween()
    half = scene.copied()
    scene.pipeline.feed(minute(1)[10:], [])
    scene.feed(2, 3)
    store._partitions = scene.copied()
    store.lost = half
    scene.evaluator = scene.watch(store)
    assert scene.waits(), "minute 1 had 10 of its 30 events when its windows were read"


class Forgetful(MemoryPartitions):
    """Goes back once, when windows are read again for an alert."""

    went_back = False

    def windows(self, *place: Any, limit: int | None = None, **between: Any) -> list[WindowBlob]:
        if limit is None and not self.went_back:
            self.went_back = True
            raise WentBack("partition 0 went back")
        return super().windows(*place, limit=limit, **between)


def test_a_partition_that_goes_back_while_an_alert_is_made_costs_the_state_and_no_alert() -> None:
    whole, scene = Scene(), Scene()
    for each in (whole, scene):
        for number in range(12):
            each.pipeline.feed(minute(number, "ok" if number < 6 else "error"), [])
    expected = whole.evaluator.evaluate()
    assert b'"series":{' in b"".join(expected.events)
    store = Forgetful()
    store._partitions = scene.pipeline.store._partitions
    scene.evaluator = scene.watch(store)
    thrown_away = scene.evaluator.evaluate()
    assert store.went_back
    assert (thrown_away.status, thrown_away.closed, thrown_away.events) == (CommitStatus.MISMATCH, [], [])
    scene.evaluator = scene.watch(store)  # as the role does
    assert scene.evaluator.evaluate().events == expected.events
