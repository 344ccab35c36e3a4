"""What breaks under a running worker is told by an alert that says what to do, and nothing is papered over."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import redis
from builders.site import (
    PARTITIONS,
    PAUSE,
    Site,
    compare_counts,
    make_site,
    recount_topics,
    stop_workers,
    traffic,
    wait_until_published,
    wait_until_read,
)
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic
from independent.recount import read_topics
from independent.stream import Stream, generate
from servers.redis import LocalRedis, store_binary

from consumers.strays import murmur2

pytestmark = [pytest.mark.servers, pytest.mark.slow]

WITHIN_S = 60.0
START_MS = 1_790_000_000_000


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[LocalRedis]:
    folder = tmp_path / "redis"
    folder.mkdir()
    server = LocalRedis(binary=store_binary(), directory=folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def site(tmp_path: Path, kafka_server: Any, own_redis: LocalRedis, topics: Callable[..., str]) -> Site:
    return make_site(tmp_path, kafka_server.address, own_redis.url, topics, calm=1_500)


@pytest.fixture
def admin(site: Site) -> AdminClient:
    return AdminClient({"bootstrap.servers": site.kafka})


def integrity(site: Site) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the integrity alerts' data by check and model, in the order they were published."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _, _, _, _, value in read_topics(site.kafka, [site.topics["alerts"]]):
        record = json.loads(value or b"{}")
        data = record.get("data", {})
        if data.get("kind") == "monitor_integrity":
            found.setdefault((data["check"], data["model"]), []).append(data)
    return found


def wait_for(site: Site, check: str, status: str = "firing", *, model: str = "*") -> dict[str, Any]:
    """Return the data of the alert once it has come."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        told = [d for d in integrity(site).get((check, model), []) if d["status"] == status]
        if told:
            return told[-1]
        PAUSE.wait(0.3)
    pytest.fail(f"no {check} {status} for {model} within {WITHIN_S:g} s; there was {list(integrity(site))}")


def some(count: int = 1_200, **changes: Any) -> Stream:
    return generate(traffic(count, seed=5, **changes))


def size(events: Stream) -> int:
    return len(events.predictions) + len(events.labels)


class Running:
    """A worker for the length of a `with` block."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.code: int | None = None

    def __enter__(self) -> Self:
        self.process = self.site.start_worker()
        return self

    def ready(self) -> None:
        """Wait until every partition is claimed."""
        deadline = time.monotonic() + WITHIN_S
        with redis.Redis.from_url(self.site.redis, decode_responses=True) as client:
            while time.monotonic() < deadline:
                if sum(1 for _ in client.scan_iter("{e2e:*}m")) == PARTITIONS:
                    return
                PAUSE.wait(0.2)
        pytest.fail("not all partitions were claimed")

    def read(self, messages: int) -> None:
        wait_until_read(self.site, [self.process], messages=messages)

    def __exit__(self, *_: object) -> None:
        (self.code,) = stop_workers([self.process])


def exact(site: Site) -> bool:
    return compare_counts(recount_topics(site), site.status()["models"]["fraud"]) == []


def test_an_emptied_redis_is_told_and_everything_is_counted_again(site: Site, own_redis: LocalRedis) -> None:
    events = some()
    site.produce(events)
    with Running(site) as worker:
        worker.read(size(events))
        PAUSE.wait(2.5)  # the witness is committed about once a second
        with redis.Redis.from_url(own_redis.url) as client:
            client.flushall()
        told = wait_for(site, "redis_emptied")
        wait_for(site, "redis_emptied", "resolved")
        worker.read(size(events))
    assert worker.code == 0
    assert told["evidence"]["records"] > 0
    assert exact(site)


def test_a_roll_back_in_a_quiet_topic_heals_by_itself(site: Site, own_redis: LocalRedis) -> None:
    first, second = some(600), generate(traffic(600, seed=6))
    site.produce(first)
    with Running(site) as worker, redis.Redis.from_url(own_redis.url) as client:
        worker.read(size(first))
        wait_until_published(site, [worker.process])
        dumped = {key: client.dump(key) for key in client.scan_iter(count=1000)}
        snapshot = {
            key: value for key, value in dumped.items() if value is not None
        }  # an outbox just emptied
        site.produce(second)
        worker.read(size(first) + size(second))
        PAUSE.wait(2.5)
        client.flushall()
        for key, value in snapshot.items():
            client.restore(key, 0, value, replace=True)
        began = time.monotonic()
        worker.read(size(first) + size(second))
        healed_s = time.monotonic() - began
        told = wait_for(site, "redis_rolled_back")
        wait_for(site, "redis_rolled_back", "resolved")
    assert worker.code == 0
    assert healed_s < 15.0
    assert 0 < told["evidence"]["records"] <= size(second)
    assert exact(site)


def test_a_full_redis_is_waited_for_and_nothing_is_lost(site: Site, own_redis: LocalRedis) -> None:
    first, second = some(600), generate(traffic(6_000, seed=6))
    site.produce(first)
    with Running(site) as worker, redis.Redis.from_url(own_redis.url) as client:
        worker.read(size(first))
        client.config_set("maxmemory", str(client.info("memory")["used_memory"] // 2))
        site.produce(second)
        PAUSE.wait(5.0)
        full = site.taken()
        assert full < size(first) + size(second), "Redis took writes beyond its limit"
        assert worker.process.poll() is None
        client.config_set("maxmemory", "0")
        worker.read(size(first) + size(second))
    assert worker.code == 0
    assert exact(site)


def test_a_topic_that_was_recreated_is_not_read_and_the_alert_says_so(site: Site, admin: AdminClient) -> None:
    events = some(600)
    site.produce(events)
    with Running(site) as worker:
        worker.read(size(events))
        before = site.status()["models"]["fraud"]["versions"]
        name = site.topics["predictions"]
        admin.delete_topics([name])[name].result(30)
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            try:
                admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(30)
                break
            except Exception:  # noqa: BLE001 - the deletion is still under way
                PAUSE.wait(0.5)
        told = wait_for(site, "topic_recreated")
        site.produce(generate(traffic(3_000, seed=7)))  # more than before, so that no offset looks wrong
        PAUSE.wait(3.0)
        assert worker.process.poll() is None
        after = site.status()["models"]["fraud"]["versions"]
    assert "give the application a new name" in told["suggested_action"]
    counted = {v: row["predictions"] for v, row in after.items() if "predictions" in row}
    assert counted == {v: row["predictions"] for v, row in before.items() if "predictions" in row}


def test_records_that_retention_removed_are_counted_as_lost(site: Site, admin: AdminClient) -> None:
    first, second = some(600), generate(traffic(600, seed=6))
    site.produce(first)
    with Running(site) as worker:
        worker.read(size(first))
    site.produce(second)
    name = site.topics["predictions"]
    ends = {p: _end(site, name, p) for p in range(PARTITIONS)}
    cut = [TopicPartition(name, p, end - 3) for p, end in ends.items()]
    for done in admin.delete_records(cut).values():
        done.result(30)
    with Running(site) as worker:
        told = wait_for(site, "offsets_gone")
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline and not _caught_up(site, ends):
            PAUSE.wait(0.3)
        assert _caught_up(site, ends)
    assert worker.code == 0
    assert told["evidence"]["records"] == len(second.predictions) - 3 * PARTITIONS
    assert "retention.ms" in told["suggested_action"]


def _end(site: Site, topic: str, partition: int) -> int:
    records = [r for r in read_topics(site.kafka, [topic]) if r[1] == partition]
    return max((r[2] for r in records), default=-1) + 1


def _caught_up(site: Site, ends: dict[int, int]) -> bool:
    stored = {p["partition"]: p["next_offsets"] for p in site.status()["partitions"]}
    return all(stored[p] is not None and stored[p]["predictions"] == end for p, end in ends.items())


def test_an_eviction_policy_set_while_running_is_told(site: Site, own_redis: LocalRedis) -> None:
    events = some(300)
    site.produce(events)
    with Running(site) as worker, redis.Redis.from_url(own_redis.url) as client:
        worker.read(size(events))
        client.config_set("maxmemory-policy", "allkeys-lru")
        told = wait_for(site, "eviction_policy")
    assert "config set maxmemory-policy noeviction" in told["suggested_action"]
    assert told["severity"] == "critical"


def test_partitions_added_to_one_topic_are_told_and_to_both_are_read(site: Site, admin: AdminClient) -> None:
    with Running(site) as worker:
        worker.ready()
        for topic in ("predictions", "labels"):
            name = site.topics[topic]
            admin.create_partitions([NewPartitions(name, PARTITIONS + 2)])[name].result(30)
            if topic == "predictions":
                told = wait_for(site, "partition_counts")
        wait_for(site, "partition_counts", "resolved")
        events = some(600)
        _place(site, events, lambda key: hash(key) % 2 + PARTITIONS)
        worker.read(size(events))
    assert worker.code == 0
    assert (told["evidence"]["predictions"], told["evidence"]["labels"]) == (PARTITIONS + 2, PARTITIONS)
    assert exact(site)


def _place(site: Site, events: Stream, where: Callable[[bytes], int]) -> None:
    """Produce both logs to partitions of our own choice."""
    producer = Producer({"bootstrap.servers": site.kafka})
    for topic, log in (("predictions", events.predictions), ("labels", events.labels)):
        for key, value in log:
            producer.produce(site.topics[topic], value, key, where(key))
    assert producer.flush(30) == 0


def test_another_partitioner_on_the_label_topic_is_named(site: Site) -> None:
    events = some()
    producer = Producer({"bootstrap.servers": site.kafka, "partitioner": "consistent_random"})
    for key, value in events.predictions:
        producer.produce(site.topics["predictions"], value, key)
    for key, value in events.labels:
        place = (murmur2(key) & 0x7FFF_FFFF) % PARTITIONS
        producer.produce(site.topics["labels"], value, key, place)
    assert producer.flush(30) == 0
    with Running(site):
        told = wait_for(site, "partitioner_mismatch")
    assert told["evidence"]["predictions_by"].startswith("crc32")
    assert told["evidence"]["labels_by"].startswith("murmur2")
    assert "murmur2_random" in told["suggested_action"]


def _rewritten(events: Stream, change: Callable[[int, dict[str, Any]], dict[str, Any]]) -> Stream:
    predictions = []
    for place, (key, value) in enumerate(events.predictions):
        try:
            predictions.append((key, json.dumps(change(place, json.loads(value))).encode()))
        except (ValueError, AttributeError):
            predictions.append((key, value))
    return Stream(predictions, events.labels, events.prediction_arrivals_ms, events.label_arrivals_ms)


def test_event_times_in_the_future_are_told(site: Site) -> None:
    ahead_ms = int((time.time() + 86_400) * 1000)
    events = some(3_000, poison=0.0, nan_features=0.0)
    site.produce(
        _rewritten(
            events, lambda n, e: {**e, "time": ahead_ms} if n % 4 == 0 else {**e, "time": START_MS + n}
        )
    )
    with Running(site):
        told = wait_for(site, "events_in_future", model="fraud")
    assert "max_clock_skew" in told["suggested_action"]


def test_a_model_whose_messages_are_mostly_refused_is_held_until_they_are_not(site: Site) -> None:
    broken = _rewritten(some(4_000, poison=0.0), lambda _, e: {**e, "time": "noon"})
    site.produce(Stream(broken.predictions, [], broken.prediction_arrivals_ms, []))
    with Running(site) as worker:
        told = wait_for(site, "quarantined", model="fraud")
        mended = generate(traffic(30_000, seed=8))
        site.produce(mended)
        wait_for(site, "quarantined", "resolved", model="fraud")
        worker.read(len(broken.predictions) + size(mended))
    assert worker.code == 0
    assert told["severity"] == "error"
    assert exact(site)


def test_a_stream_that_cannot_be_decoded_stops_the_worker_and_says_why(site: Site) -> None:
    junk = bytes(range(256)) * 4
    producer = Producer({"bootstrap.servers": site.kafka})
    for number in range(3_000):
        producer.produce(site.topics["predictions"], junk, str(number).encode())
    assert producer.flush(30) == 0
    worker = site.start_worker()
    try:
        told = wait_for(site, "undecodable")
        assert worker.wait(timeout=30) == 1
    finally:
        stop_workers([worker])
    assert told["severity"] == "critical"
    assert site.status()["partitions"]
