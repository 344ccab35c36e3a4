"""From notices of partitions to alerts about the monitor itself, over the stores in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from alerts.compose import alone
from alerts.integrity_words import INTEGRITY
from alerts.message import message_of
from consumers.evaluate_role import home_partition
from consumers.integrity_role import SERVERS_S, SEVERITIES, IntegrityRole
from consumers.kafka_topics import TopicsSeen
from consumers.memory_store import MemoryModels, MemoryPartitions
from consumers.notices import Notice, encode_notice, field_of
from consumers.outbox import Outboxes
from consumers.stats import WorkerStats
from schemas.alert import parse_alert_event
from schemas.integrity import ALL_MODELS, IntegrityCheck
from schemas.settings import Settings
from watchkeeper.loading import load_plans
from watchkeeper.policy import integrity_policy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from schemas.finding import JsonValue

PARTITIONS = 4
NOW_MS = 1_800_000_000_000
SETTINGS = Settings.model_validate(
    {
        "app": "prod",
        "models": {
            "fraud": {
                "task": "binary",
                "positive_class": "fraud",
                "owner": {"team": "payments-ml", "contact": "@payments-ml"},
                "runbook": "https://wiki.example/fraud",
            }
        },
    }
)


@dataclass
class Topic:
    """A twin of the producer that keeps what is published."""

    records: list[tuple[int | None, bytes, Any]] = field(default_factory=list)
    up: bool = True

    def partitions(self, topic: str) -> int:
        del topic
        return 7

    def publish(self, topic: str, records: Sequence[tuple[bytes, bytes]], *, partition: int | None) -> int:
        del topic
        if not self.up:
            return 0
        self.records += [(partition, key, json.loads(value)) for key, value in records]
        return len(records)


@dataclass
class Ground:
    """Everything around the role, moved by hand."""

    folder: Path
    windows: MemoryPartitions = field(default_factory=MemoryPartitions)
    states: MemoryModels = field(default_factory=MemoryModels)
    topic: Topic = field(default_factory=Topic)
    seen: TopicsSeen | None = field(
        default_factory=lambda: TopicsSeen("a/b", PARTITIONS, PARTITIONS, frozenset())
    )
    evicts: dict[str, JsonValue] | None = None
    clock_s: float = 0.0
    resized: list[int] = field(default_factory=list)

    def look(self) -> TopicsSeen | None:
        return self.seen

    def role(self) -> IntegrityRole:
        outboxes = Outboxes(self.topic, app="prod", alerts="alerts", dead_letters="dead", stats=WorkerStats())
        return IntegrityRole(
            PARTITIONS,
            windows=self.windows,
            states=self.states,
            policy=integrity_policy(SETTINGS, load_plans(SETTINGS, self.folder)),
            outboxes=outboxes,
            watch=self,
            eviction=lambda: self.evicts,
            resized=self.resized.append,
            clock=lambda: self.clock_s,
            wall_ms=lambda: NOW_MS + int(self.clock_s * 1000),
        )

    def note(self, partition: int, check: IntegrityCheck, model: str = ALL_MODELS, **detail: Any) -> None:
        token = self.windows.claim(partition).token
        notice = Notice(since_ms=NOW_MS - 5000, detail=detail)
        self.windows.note(partition, token, raised={field_of((check, model)): encode_notice(notice)})

    def clear(self, partition: int, check: IntegrityCheck, model: str = ALL_MODELS) -> None:
        token = self.windows.claim(partition).token
        self.windows.note(partition, token, cleared=[field_of((check, model))])

    def told(self) -> list[tuple[str, str, str]]:
        return [
            (r["type"].rpartition(".")[2], r["data"]["check"], r["data"]["model"])
            for _, _, r in self.topic.records
        ]


HOME = {home_partition(ALL_MODELS, PARTITIONS)}


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def step(ground: Ground, role: IntegrityRole, owned: set[int] = HOME) -> None:
    ground.clock_s += 2.0
    role.step(owned)


def test_one_alert_tells_what_many_partitions_say_and_resolves_when_the_last_is_well(ground: Ground) -> None:
    role = ground.role()
    step(ground, role)
    assert ground.told() == []
    for partition in (0, 2):
        ground.note(partition, IntegrityCheck.REDIS_ROLLED_BACK, records=100)
    step(ground, role)
    step(ground, role)
    assert ground.told() == [("firing", "redis_rolled_back", "*")]
    data = ground.topic.records[0][2]["data"]
    assert (data["evidence"]["records"], data["evidence"]["partitions"]) == (200, [0, 2])
    assert "2 partitions" in data["title"]
    ground.clear(0, IntegrityCheck.REDIS_ROLLED_BACK)
    step(ground, role)
    assert len(ground.told()) == 1
    ground.clear(2, IntegrityCheck.REDIS_ROLLED_BACK)
    step(ground, role)
    assert ground.told()[1:] == [("resolved", "redis_rolled_back", "*")]
    assert len({key for _, key, _ in ground.topic.records}) == 1, "one episode, one alert id"


def test_only_the_owner_of_one_partition_tells(ground: Ground) -> None:
    ground.note(1, IntegrityCheck.REDIS_EMPTIED, records=1)
    role = ground.role()
    step(ground, role, owned=set(range(PARTITIONS)) - HOME)
    assert ground.told() == []
    step(ground, role)
    assert ground.told() == [("firing", "redis_emptied", "*")]


def test_a_new_owner_goes_on_and_tells_nothing_twice(ground: Ground) -> None:
    ground.note(1, IntegrityCheck.REDIS_EMPTIED, records=1)
    first, second = ground.role(), ground.role()
    step(ground, first)
    step(ground, second)
    ground.clear(1, IntegrityCheck.REDIS_EMPTIED)
    step(ground, second)
    step(ground, first)
    assert ground.told() == [("firing", "redis_emptied", "*"), ("resolved", "redis_emptied", "*")]


def test_what_kafka_did_not_take_is_published_later(ground: Ground) -> None:
    role = ground.role()
    ground.topic.up = False
    ground.note(1, IntegrityCheck.REDIS_EMPTIED, records=1)
    step(ground, role)
    assert ground.told() == []
    ground.topic.up = True
    step(ground, role)
    assert ground.told() == [("firing", "redis_emptied", "*")]


def test_a_models_trouble_names_its_owner_goes_to_its_partition_and_holds_its_evaluation(
    ground: Ground,
) -> None:
    role = ground.role()
    ground.note(1, IntegrityCheck.QUARANTINED, "fraud", share=0.62, limit=0.5)
    ground.note(1, IntegrityCheck.REDIS_EMPTIED, records=1)
    step(ground, role)
    assert role.held == {"fraud"}
    ((place, _, about_fraud),) = [r for r in ground.topic.records if r[2]["data"]["model"] == "fraud"]
    ((other_place, _, _),) = [r for r in ground.topic.records if r[2]["data"]["model"] == "*"]
    assert place != other_place
    assert about_fraud["source"] == "/models/fraud"
    assert about_fraud["data"]["owner"]["team"] == "payments-ml"
    assert "62% of them, limit 50%" in about_fraud["data"]["title"]
    ground.clear(1, IntegrityCheck.QUARANTINED, "fraud")
    step(ground, role)
    assert role.held == frozenset()


def test_an_eviction_policy_set_while_running_is_told_within_half_a_minute(ground: Ground) -> None:
    role = ground.role()
    step(ground, role)
    ground.evicts = {"policy": "allkeys-lru", "evicted_keys": 3}
    step(ground, role)
    assert ground.told() == []
    ground.clock_s += SERVERS_S
    step(ground, role)
    assert ground.told() == [("firing", "eviction_policy", "*")]
    ground.evicts = None
    ground.clock_s += SERVERS_S
    step(ground, role)
    assert ground.told()[1:] == [("resolved", "eviction_policy", "*")]


def test_unequal_partition_counts_are_told_and_equal_ones_are_taken_up(ground: Ground) -> None:
    role = ground.role()
    ground.seen = TopicsSeen("a/b", PARTITIONS + 2, PARTITIONS, frozenset())
    step(ground, role)
    assert ground.told() == [("firing", "partition_counts", "*")]
    assert ground.resized == []
    ground.seen = TopicsSeen("a/b", PARTITIONS + 2, PARTITIONS + 2, frozenset())
    step(ground, role, owned=set(range(PARTITIONS + 2)))
    step(ground, role, owned=set(range(PARTITIONS + 2)))
    assert ground.resized == [PARTITIONS + 2]
    assert ground.told()[1:] == [("resolved", "partition_counts", "*")]
    ground.seen = None
    step(ground, role, owned=set(range(PARTITIONS + 2)))
    assert len(ground.told()) == 2, "a broker that does not answer has said nothing"


@pytest.mark.parametrize("check", IntegrityCheck)
def test_every_check_says_what_to_do_in_words_that_fit_every_sink(
    ground: Ground, check: IntegrityCheck
) -> None:
    assert check in INTEGRITY
    assert check in SEVERITIES
    detail: dict[str, Any] = {
        "topics": "predictions, ground-truth",
        "records": 1234567,
        "ranges": ["predictions: 5 to 12"],
    }
    ground.note(3, check, **detail)
    ground.role().step((), now=True)
    ((_, _, record),) = ground.topic.records
    event = parse_alert_event(json.dumps(record).encode())
    message = message_of(alone(event))
    assert len(message.headline) <= 130
    assert "all models: " in message.headline
    text = "\n".join(line for section in message.sections for line in section.lines)
    assert "predictions, ground-truth" in text
    assert "If ignored: " in text
    assert "events in the window" not in text
