"""A model without predictions is told of by the wall clock, and never because somebody else was away."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from builders.ground import NOW_MS, PARTITIONS, SETTINGS, Ground

from consumers.clocks import ModelClock, PartitionClocks, TopicClock
from consumers.evaluate_role import home_partition
from consumers.evaluation import StoredEvaluation
from consumers.kafka_topics import TopicsSeen
from consumers.memory_store import MemoryPartitions
from consumers.partition_time import StoredTime
from consumers.silence_watch import LOOK_S
from consumers.store import ModelCommit, Progress
from detectors.betting.usual_volume import UsualVolume
from detectors.state_codec import STATES_VERSION
from schemas.integrity import ALL_MODELS, IntegrityCheck
from schemas.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from consumers.integrity_role import IntegrityRole

HOME = {home_partition(ALL_MODELS, PARTITIONS)}
BUSY = 50.0
"""Usual events of a minute."""


class Read(MemoryPartitions):
    """Partitions that have read so far as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.last_ms, self.offset = NOW_MS, 100

    def progress(self, partition: int) -> Progress:
        """Return that every partition has read as far, and heard of the model in partition 1 alone."""
        models = {"fraud": ModelClock(self.last_ms, self.last_ms)} if partition == 1 else {}
        clocks = PartitionClocks(TopicClock(self.last_ms, models), TopicClock())
        return Progress(1, msgspec.msgpack.encode(StoredTime(clocks)), self.offset, 0)


class Silent(Ground):
    """Ground on which the model `fraud` may go silent."""

    def __init__(self, folder: Path, *, settings: Settings = SETTINGS, usual: float | None = BUSY) -> None:
        self.read = Read()
        super().__init__(folder, windows=self.read, settings=settings)
        self.log_ends = dict.fromkeys(range(PARTITIONS), 100)
        self.seen = TopicsSeen("a/b", PARTITIONS, PARTITIONS, frozenset(range(PARTITIONS)))
        if usual is not None:
            self.learn(usual)

    def learn(self, per_minute: float) -> None:
        """Let the model's evaluator know its traffic: the same at every hour of the week."""
        volume = UsualVolume(60_000)
        volume.visits = [[0.0, 0.0] for _ in volume.visits]
        volume.level = math.log(per_minute)
        states = msgspec.msgpack.encode((STATES_VERSION, {"volume": {"usual": volume.to_bytes()}}))
        state = msgspec.msgpack.encode(StoredEvaluation(detectors=states))
        claimed = self.states.claim("fraud")
        self.states.commit(ModelCommit("fraud", claimed.token, claimed.sequence, state, [], history=()))

    def wait(
        self, role: IntegrityRole, minutes: float, *, step_s: float = LOOK_S
    ) -> list[tuple[str, str, str]]:
        """Let time go by, with a look every so often; returns all that has been told."""
        for _ in range(round(60 * minutes / step_s)):
            self.clock_s += step_s
            role.step(HOME)
        return self.told()

    def speak(self) -> None:
        """Let one more prediction come, and be read."""
        self.read.last_ms = NOW_MS + int(1_000 * self.clock_s)
        self.read.offset += 1
        self.log_ends = dict.fromkeys(range(PARTITIONS), self.read.offset)


FIRED = [("firing", "silence", "fraud")]


def test_a_silence_is_told_after_a_quarter_of_an_hour_and_ends_with_the_next_prediction(
    tmp_path: Path,
) -> None:
    ground = Silent(tmp_path)
    role = ground.role()
    assert ground.wait(role, 14.5) == []
    assert ground.wait(role, 1) == FIRED
    assert ground.wait(role, 60) == FIRED
    data: dict[str, Any] = ground.topic.records[0][2]["data"]
    assert (data["kind"], data["severity"], data["owner"]["team"]) == ("volume", "critical", "payments-ml")
    assert data["title"] == "fraud: no predictions any more, none for 15 min where 750 are usual"
    ground.speak()
    assert ground.wait(role, 1) == [*FIRED, ("resolved", "silence", "fraud")]


def test_a_model_that_goes_on_is_never_told(tmp_path: Path) -> None:
    ground = Silent(tmp_path)
    role = ground.role()
    for _ in range(20):
        ground.wait(role, 5)
        ground.speak()
    assert ground.told() == []


def test_rare_traffic_is_waited_for_until_twenty_predictions_are_missing(tmp_path: Path) -> None:
    ground = Silent(tmp_path, usual=0.5)
    role = ground.role()
    assert ground.wait(role, 38) == []
    assert ground.wait(role, 4) == FIRED


def test_without_knowing_what_is_usual_nothing_is_told_unless_the_settings_say_how_long(
    tmp_path: Path,
) -> None:
    ground = Silent(tmp_path, usual=None)
    assert ground.wait(ground.role(), 300) == []
    ground = Silent(tmp_path, usual=None, settings=rule({"after": "5m"}))
    assert ground.wait(ground.role(), 4.5) == []
    assert ground.wait(ground.role(), 5.5) == FIRED


def rule(silence: object) -> Settings:
    raw = SETTINGS.model_dump(mode="json", by_alias=True, exclude_unset=True)
    raw["models"]["fraud"]["silence"] = silence
    return Settings.model_validate(raw)


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    ground = Silent(tmp_path, settings=rule(False))
    assert ground.wait(ground.role(), 60) == []


def test_nothing_is_told_before_all_that_kafka_has_was_read(tmp_path: Path) -> None:
    ground = Silent(tmp_path)
    role = ground.role()
    ground.log_ends = {0: 100, 1: 170, 2: 100, 3: 100}  # the worker is away: seventy records wait
    assert ground.wait(role, 60) == []
    ground.log_ends = None
    assert ground.wait(role, 60) == [], "nobody says where the logs end"
    ground.speak()
    assert ground.wait(role, 14.5) == []


def test_a_model_whose_predictions_are_refused_is_not_silent(tmp_path: Path) -> None:
    ground = Silent(tmp_path)
    ground.note(1, IntegrityCheck.QUARANTINED, "fraud", share=0.9, limit=0.5)
    assert ground.wait(ground.role(), 60) == [("firing", "quarantined", "fraud")]


@pytest.mark.parametrize(
    "seen",
    [None, TopicsSeen("a/b", PARTITIONS, PARTITIONS, frozenset({0, 1, 2}))],
    ids=["no broker", "no leader"],
)
def test_the_silence_of_a_broker_is_not_that_of_a_model(tmp_path: Path, seen: TopicsSeen | None) -> None:
    ground = Silent(tmp_path)
    role = ground.role()
    ground.seen = seen
    assert ground.wait(role, 60) == []


def test_a_process_that_was_stopped_has_heard_nothing_meanwhile(tmp_path: Path) -> None:
    ground = Silent(tmp_path)
    role = ground.role()
    ground.wait(role, 1)
    assert ground.wait(role, 120, step_s=3_600) == []
    assert ground.wait(role, 15) == FIRED


def test_a_new_owner_keeps_the_alert_and_ends_it(tmp_path: Path) -> None:
    ground = Silent(tmp_path)
    assert ground.wait(ground.role(), 16) == FIRED
    heir = ground.role()
    assert ground.wait(heir, 16) == FIRED
    ground.speak()
    assert ground.wait(heir, 1) == [*FIRED, ("resolved", "silence", "fraud")]


def test_a_prediction_that_came_while_nobody_owned_it_ends_the_alert(tmp_path: Path) -> None:
    ground = Silent(tmp_path)
    assert ground.wait(ground.role(), 16) == FIRED
    ground.speak()
    assert ground.wait(ground.role(), 1) == [*FIRED, ("resolved", "silence", "fraud")]
