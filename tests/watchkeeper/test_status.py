"""The status: the figures of a replay's report, read from Redis by somebody who only looks."""

from __future__ import annotations

import io
import json
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
import redis
import yaml
from alert_builders import ONE_OF_ONE, run_letters

from alerts.book_codec import book_to_bytes
from consumers.closing import ClosedRecord
from consumers.columns import Records
from consumers.evaluation import StoredEvaluation
from consumers.evaluator import ModelEvaluator
from consumers.interning import Tables
from consumers.memory_store import MemoryModels, MemoryPartitions
from consumers.partition import Partition
from consumers.pending import Entry, PendingPrediction, encode_entry
from consumers.plan import plan_model
from consumers.redis_gate import RedisGate
from consumers.redis_models import RedisModels
from consumers.redis_partitions import RedisPartitions
from consumers.store import CommitStatus, ModelCommit, Position
from schemas.errors import Stop
from schemas.settings import KafkaSettings, ModelSettings, Settings
from watchkeeper.embedded import EmbeddedKafka
from watchkeeper.event_files import read_events
from watchkeeper.lives import Waiting, count_waiting
from watchkeeper.policy import policies
from watchkeeper.replay import Replay
from watchkeeper.status_command import Stores, look, partition_numbers, run_status, status_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from consumers.store import PartitionStore

NOON_MS: Final = 1_793_534_400_000
MODEL: Final = {"task": "binary", "positive_class": "fraud", "label_horizon": "1h", "window": "1m"}
PLANS: Final = {"fraud": plan_model(ModelSettings.model_validate({"name": "fraud", **MODEL}), None)}
_numbers = count()


def prediction(name: str, second: int, *, version: str = "7", label: str = "ok", **rest: object) -> bytes:
    event = {"prediction_id": name, "model": "fraud", "version": version, "time": NOON_MS + second * 1000}
    return json.dumps({**event, "features": {}, "output": {"label": label, "score": 0.2}, **rest}).encode()


def truth(name: str, second: int, label: str = "ok", **rest: object) -> bytes:
    event = {"prediction_id": name, "model": "fraud", "time": NOON_MS + second * 1000, "label": label}
    return json.dumps({**event, **rest}).encode()


PREDICTIONS: Final = [
    prediction("expired", -7200),
    prediction("right", 0),
    prediction("right", 0),
    prediction("wrong", 1, label="fraud"),
    prediction("failed", 2, status="error"),
    prediction("open", 3),
    prediction("other version", 4, version="8"),
    prediction("fell back", 400, version="8", status="fallback"),
]
LABELS: Final = [
    truth("right", 10, "fraud"),
    truth("right", 11, "ok", revision=1),
    truth("wrong", 12),
    truth("wrong", 12),
    truth("fell back", 401),
    truth("nobody's", 13),
]


def fed(store: PartitionStore, number: int, predictions: list[bytes], labels: list[bytes]) -> Partition:
    """Take one batch into a partition of the store, as its worker does."""
    partition = Partition(PLANS, number, store.claim(number), start=Position(0, 0, 0), guarded=True)
    take(store, partition, predictions, labels)
    return partition


def take(store: PartitionStore, partition: Partition, predictions: list[bytes], labels: list[bytes]) -> None:
    decoded = partition.decode(Records(predictions), Records(labels))
    found = store.fetch(partition.number, decoded.ids())
    at = partition.position
    applied = partition.apply(decoded, found, to=(at.predictions + len(predictions), at.labels + len(labels)))
    assert store.commit(applied.commit) is CommitStatus.COMMITTED


@pytest.fixture
def stores(redis_url: str) -> Iterator[Stores]:
    gate = RedisGate(redis_url)
    yield Stores(RedisPartitions(gate, "prod"), RedisModels(gate, "prod"))
    gate.close()


@pytest.fixture
def config(tmp_path: Path, redis_url: str) -> Path:
    path = tmp_path / "watchkeeper.yaml"
    settings = {"app": "prod", "redis": {"url": redis_url}, "models": {"fraud": MODEL}}
    path.write_text(yaml.safe_dump(settings), "utf-8")
    return path


def shown(config: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    assert run_status(config, json_output=True) == 0
    return json.loads(capsys.readouterr().out)


def evaluated(stores: Stores, partitions: int) -> None:
    """Close what can be closed, as the evaluator does."""
    settings = Settings.model_validate({"models": {"fraud": MODEL}})
    ModelEvaluator(
        PLANS["fraud"],
        partitions,
        windows=stores.partitions,
        states=stores.models,
        policy=policies(settings, PLANS)["fraud"],
    ).evaluate()


@pytest.mark.servers
class TestFigures:
    def test_counts_and_metrics_are_those_of_the_contract(
        self, stores: Stores, config: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fed(stores.partitions, 0, PREDICTIONS[:4], LABELS[:2])
        fed(stores.partitions, 1, PREDICTIONS[4:], [])
        fed(stores.partitions, 5, [], [truth("nobody's", 13)])  # a gap in the numbers is no end
        partition = fed(stores.partitions, 0, [], [])
        take(stores.partitions, partition, [], LABELS[2:4])
        found = shown(config, capsys)["models"]["fraud"]
        seventh = dict(found["versions"]["7"])
        assert seventh.pop("metrics")["accuracy"] == 0.5
        assert seventh.pop("intervals")["accuracy"] == pytest.approx([0.0945, 0.9055], abs=1e-4)
        assert sum(n for row in seventh.pop("tables")["confusion"].values() for n in row.values()) == 2
        assert seventh == {
            "predictions": 5,
            "labels": 4,
            "joined": 2,
            "implicit": 0,
            "unobservable": 0,
            "duplicates": {"predictions": 1, "labels": 1},
            "corrections": 1,
            "conflicts": 0,
            "late": 0,
            "expired": 1,
            "pending": 2,
            "late_events": seventh["late_events"],
            "status": {"ok": 4, "fallback": 0, "error": 1},
        }
        assert found["versions"]["8"]["status"] == {"ok": 1, "fallback": 1, "error": 0}
        assert found["orphan_labels"] == 1

    def test_the_figures_are_those_of_a_replay_of_the_same_events(
        self, stores: Stores, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name, lines in (("p", PREDICTIONS), ("l", LABELS)):
            (tmp_path / f"{name}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
        settings = Settings.model_validate({"models": {"fraud": MODEL}})
        replay = Replay(PLANS, partitions=1, policies=policies(settings, PLANS))
        batches = read_events(str(tmp_path / "p.jsonl"), str(tmp_path / "l.jsonl"), partitions=1)
        expected = replay.run(batches).models["fraud"]
        fed(stores.partitions, 0, PREDICTIONS, LABELS)
        found = shown(config, capsys)["models"]["fraud"]
        assert {key: found[key] for key in expected} == expected
        assert expected["versions"]["7"]["predictions"] == 5

    def test_positions_watermarks_and_dead_letters_are_told_by_partition(
        self, stores: Stores, config: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fed(stores.partitions, 0, PREDICTIONS[:4], LABELS[:1])
        fed(stores.partitions, 2, PREDICTIONS[4:5], [])
        found = shown(config, capsys)
        assert (found["app"], found["partitions_known_from"], found["moving"]) == ("prod", "redis", False)
        assert found["partitions"][0] == {
            "partition": 0,
            "next_offsets": {"predictions": 4, "labels": 1},
            "commits": 1,
            "idle": {"predictions": False, "labels": False},
            "watermarks": {
                "fraud": {"predictions": "2026-11-01T12:00:01.000Z", "labels": "2026-11-01T12:00:10.000Z"}
            },
            "dead_letters_waiting": 0,
        }
        assert [partition["partition"] for partition in found["partitions"]] == [0, 2]
        assert found["partitions"][1]["watermarks"]["fraud"]["labels"] is None

    def test_closed_windows_come_newest_first(
        self, stores: Stores, config: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fed(stores.partitions, 0, PREDICTIONS, LABELS)
        evaluated(stores, 1)
        found = shown(config, capsys)["models"]["fraud"]
        windows = [(w["start"], w["n"]) for w in found["windows"] if w["stream"] == "predictions"]
        assert windows == [("2026-11-01T12:00:00.000Z", 5), ("2026-11-01T10:00:00.000Z", 1)]
        assert found["closed_until"]["predictions"] == "2026-11-01T12:01:00.000Z"
        assert found["events_waiting"] == len(found["windows"])

    def test_firing_alerts_are_told_with_what_they_are_about(
        self, stores: Stores, config: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        book, (event,) = run_letters("B", hysteresis=ONE_OF_ONE)
        state = msgspec.msgpack.encode(StoredEvaluation(book=book_to_bytes(book)))
        token = stores.models.claim("fraud").token
        assert stores.models.commit(ModelCommit("fraud", token, 0, state, [], [])) is CommitStatus.COMMITTED
        (alert,) = shown(config, capsys)["models"]["fraud"]["alerts"]
        assert alert == {
            "alert_id": event.data.alert_id,
            "state": "firing",
            "severity": "warning",
            "kind": "data_drift",
            "check": "rank",
            "version": None,
            "feature": "amount",
            "segment": None,
            "since": "2026-11-01T12:00:00.000Z",
            "last_breach": "2026-11-01T12:01:00.000Z",
        }
        assert run_status(config, json_output=False) == 0
        said = capsys.readouterr().out
        assert "firing alerts: 1" in said
        assert "warning  data_drift/rank  feature amount  since 2026-11-01T12:00:00.000Z  firing" in said


@pytest.mark.servers
class TestOnlyLooking:
    def test_nothing_is_written_and_nobody_is_fenced(
        self, stores: Stores, config: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        owner = fed(stores.partitions, 0, PREDICTIONS, LABELS)
        evaluated(stores, 1)
        with redis.Redis.from_url(redis_url) as client:
            before = {key: client.dump(key) for key in client.keys()}  # noqa: SIM118 - not a mapping
            shown(config, capsys)
            assert {key: client.dump(key) for key in client.keys()} == before  # noqa: SIM118
        take(stores.partitions, owner, [prediction("next", 500)], [])

    def test_an_empty_redis_is_no_error(self, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        found = shown(config, capsys)
        assert found["partitions"] == []
        assert found["models"]["fraud"]["versions"] == {}
        assert run_status(config, json_output=False) == 0
        assert "no prediction yet" in capsys.readouterr().out

    def test_names_from_events_reach_a_terminal_without_control_characters(
        self, stores: Stores, config: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fed(stores.partitions, 0, [prediction("a", 0, version="\x1b[31mred")], [])
        assert run_status(config, json_output=False) == 0
        said = capsys.readouterr().out
        assert "\x1b" not in said
        assert "\\x1b[31mred" in said


def test_a_redis_that_is_away_stops_it_with_the_mend(tmp_path: Path) -> None:
    config = tmp_path / "watchkeeper.yaml"
    settings = {"redis": {"url": "redis://:hunter2@127.0.0.1:1/0"}, "models": {"fraud": MODEL}}
    config.write_text(yaml.safe_dump(settings), "utf-8")
    with pytest.raises(Stop, match=r"start Redis, or correct redis\.url") as stop:
        run_status(config, json_output=False)
    assert stop.value.exit_code == 1
    assert "hunter2" not in str(stop.value)


def test_kafka_names_the_partitions_if_it_has_the_topic_else_redis_does() -> None:
    store = MemoryPartitions()
    for number in (1, 40):
        fed(store, number, [prediction(f"p{number}", 0)], [])
    with EmbeddedKafka(topics={"predictions": 3}) as broker:
        place = {"bootstrap.servers": broker.bootstrap_servers}
        named = KafkaSettings.model_validate(place)
        unknown = KafkaSettings.model_validate({**place, "predictions": "elsewhere"})
        assert partition_numbers(named, store) == ([0, 1, 2], "kafka")
        assert partition_numbers(unknown, store) == ([1, 40], "redis")
    assert partition_numbers(KafkaSettings(), store) == ([1, 40], "redis")


class BusyPartitions(MemoryPartitions):
    """A store whose worker goes on while somebody reads: a new version comes in mid-way."""

    def entries(self, partition: int) -> Iterator[bytes]:
        yield from super().entries(partition)
        number = next(_numbers)
        fed(self, partition, [prediction(f"late {number}", number, version=f"new {number}")], [])
        yield from super().entries(partition)


def test_events_that_come_in_meanwhile_are_no_error_and_are_told() -> None:
    store = BusyPartitions()
    fed(store, 0, PREDICTIONS, LABELS)
    found = look(PLANS, Stores(store, MemoryModels()), [0], stream=io.StringIO())
    assert found["moving"]
    for version in found["models"]["fraud"]["versions"].values():
        if "pending" in version:
            assert 0 <= version["pending"] <= version["predictions"] - version["joined"]
            assert version["expired"] >= 0
    lines = list(status_lines({"app": "prod", "partitions_known_from": "redis", **found}))
    assert "events came in meanwhile: pending and expired are off by as many" in lines


def test_dead_letters_and_windows_beyond_the_limit_are_told_as_such() -> None:
    store, models = MemoryPartitions(), MemoryModels()
    fed(store, 0, [prediction("a", 0)], [])
    token = models.claim("fraud").token
    record = ClosedRecord(
        model="fraud",
        stream="predictions",
        start_ms=NOON_MS,
        end_ms=NOON_MS + 60_000,
        n=5,
        versions={"7": 5},
        metrics={},
        findings=1,
    )
    history, events = [msgspec.json.encode(record)] * 50, [b"event"] * 150
    state = msgspec.msgpack.encode(StoredEvaluation())
    models.commit(ModelCommit("fraud", token, 0, state, events, history))
    found = look(PLANS, Stores(store, models), [0], stream=io.StringIO())
    assert len(found["models"]["fraud"]["windows"]) == 10
    lines = list(status_lines({"app": "prod", "partitions_known_from": "kafka", **found}))
    assert "  alert events that wait for Kafka: 100 or more" in lines


def test_entries_that_are_ahead_of_their_tables_are_passed_over() -> None:
    """Redis went back between the two reads: the figures are off for a moment, and nothing breaks."""
    single = encode_entry(Entry(0, (PendingPrediction(0, 3, 0, 0, False, 0, 0.5),)), regression=False)
    double = encode_entry(
        Entry(2, tuple(PendingPrediction(0, v, 0, 0, False, 0, 0.5) for v in (3, 4))), regression=False
    )
    assert count_waiting([single, double], Tables(), {}, 0) == Waiting()
