"""From notices of partitions to alerts about the monitor itself, over the stores in memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from builders.ground import PARTITIONS, Ground

from alerts.compose import alone
from alerts.integrity_words import INTEGRITY
from alerts.message import message_of
from consumers.evaluate_role import home_partition
from consumers.integrity_role import SERVERS_S, SEVERITIES, IntegrityRole
from consumers.kafka_topics import TopicsSeen
from schemas.alert import parse_alert_event
from schemas.integrity import ALL_MODELS, IntegrityCheck

if TYPE_CHECKING:
    from pathlib import Path

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
