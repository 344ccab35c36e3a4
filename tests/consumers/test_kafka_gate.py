"""The consumer's gate on a real Kafka: what a pause must not outlive, what bounds say, whose witness counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from servers.kafka import LocalKafka
from servers.kafka_jars import cache_directory, kafka_jars

from consumers.kafka_gate import EventSource
from consumers.kafka_topics import TopicWatch

pytestmark = pytest.mark.servers

PARTITIONS = 4
WITHIN_S = 60.0


class Member:
    """One member of the group that starts what it is given at once, where it stopped."""

    def __init__(self, kafka: str, group: str, topics: tuple[str, str], protocol: str) -> None:
        self.given: set[int] = set()
        self.taken: dict[int, int] = {}
        self._at: dict[int, list[int]] = {}
        self._new: list[int] = []
        settings = {"bootstrap.servers": kafka, "group.protocol": protocol}
        if protocol == "classic":
            settings |= {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}
        self.source = EventSource(
            settings,
            group,
            *topics,
            app="gate",
            on_assign=self._assign,
            on_revoke=self._gone,
            on_lost=self._gone,
        )

    def _assign(self, numbers: list[int]) -> None:
        self.given |= set(numbers)
        self._new += numbers

    def _gone(self, numbers: list[int]) -> None:
        self.given -= set(numbers)
        self._new = [n for n in self._new if n not in numbers]

    def take(self) -> None:
        for number in self._new:
            self.taken.pop(number, None)
            self.source.start(number, *self._at.setdefault(number, [0, 0]))
        self._new.clear()
        for number, batch in self.source.consume(50, 0.1).items():
            both = (batch.predictions, batch.labels)
            read = sum(len(side.messages) for side in both)
            if number in self.given and read:
                at = self._at[number]
                self._at[number] = [side.next_offset(was) for side, was in zip(both, at, strict=True)]
                self.taken[number] = self.taken.get(number, 0) + read


def until(said: Callable[[], bool], *steps: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not said():
        assert time.monotonic() < deadline, "it never came to that"
        for step in steps:
            step()


def fill(kafka: str, topic: str) -> None:
    """Put ten records into each partition."""
    producer = Producer({"bootstrap.servers": kafka})
    for number in range(PARTITIONS):
        for _ in range(10):
            producer.produce(topic, b"{}", partition=number)
    assert producer.flush(20) == 0


@pytest.fixture
def names(kafka_server: Any, topics: Callable[..., str]) -> tuple[str, str]:
    both = topics("predictions", partitions=PARTITIONS), topics("labels", partitions=PARTITIONS)
    fill(kafka_server.address, both[0])
    return both


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_partition_that_comes_back_to_a_process_that_was_paused_is_read(
    protocol: str, kafka_server: Any, names: tuple[str, str]
) -> None:
    """The pause outlived the partition, which then was owned by a process that never fetched it again."""
    group = f"{names[0]}-{protocol}"
    first = Member(kafka_server.address, group, names, protocol)
    until(lambda: len(first.taken) == PARTITIONS, first.take)
    first.source.pause()
    second = Member(kafka_server.address, group, names, protocol)
    until(
        lambda: 0 < len(first.given) < PARTITIONS and len(first.given | second.given) == PARTITIONS,
        lambda: first.source.keep_alive(0.1),
        second.take,
    )
    first.source.resume()
    second.source.close()
    until(lambda: len(first.given) == PARTITIONS, first.take)
    first.taken.clear()
    fill(kafka_server.address, names[0])
    until(lambda: len(first.taken) == PARTITIONS, first.take)
    first.source.close()


def labels_read(member: Member) -> list[int]:
    return [at[1] for at in member._at.values()]


def member_that_holds_labels(kafka: str, names: tuple[str, str]) -> Member:
    """Return a member that has read all predictions, before ten labels come into each partition."""
    member = Member(kafka, names[0], names, "classic")
    until(lambda: len(member.taken) == PARTITIONS, member.take)
    for number in range(PARTITIONS):
        member.source.hold_labels(number)
    fill(kafka, names[1])
    return member


def test_labels_that_are_held_come_each_once_after_their_release_whatever_is_paused_meanwhile(
    kafka_server: Any, names: tuple[str, str]
) -> None:
    member = member_that_holds_labels(kafka_server.address, names)
    member.source.pause()
    member.source.keep_alive(0.5)
    member.source.resume()
    fill(kafka_server.address, names[0])
    until(lambda: sum(member.taken.values()) == 2 * 10 * PARTITIONS, member.take)
    member.take()
    assert labels_read(member) == [0] * PARTITIONS
    for number in range(PARTITIONS):
        member.source.release_labels(number)
    until(lambda: labels_read(member) == [10] * PARTITIONS, member.take)
    assert sum(member.taken.values()) == 3 * 10 * PARTITIONS
    member.source.close()


def test_labels_that_are_held_are_read_by_whoever_gets_their_partition_also_by_the_same_process(
    kafka_server: Any, names: tuple[str, str]
) -> None:
    first = member_that_holds_labels(kafka_server.address, names)
    second = Member(kafka_server.address, names[0], names, "classic")
    until(
        lambda: second.given != set() and sorted(labels_read(second)) == [10] * len(second.given),
        first.take,
        second.take,
    )
    moved = second.given.copy()
    second.source.close()
    until(lambda: len(first.given) == PARTITIONS, first.take)
    until(lambda: all(first._at[number][1] == 10 for number in moved), first.take)
    assert all(first._at[number][1] == 0 for number in set(range(PARTITIONS)) - moved)
    first.source.close()


def test_bounds_are_those_of_the_log_and_a_witness_is_its_own_applications(
    kafka_server: Any, names: tuple[str, str]
) -> None:
    member = Member(kafka_server.address, names[0], names, "classic")
    until(lambda: len(member.taken) == PARTITIONS, member.take)
    assert member.source.bounds(0) == {names[0]: (0, 10), names[1]: (0, 0)}
    assert member.source.committed(0) == {names[0]: -1, names[1]: -1}
    member.source.witness({0: (7, 0)})
    until(lambda: member.source.committed(0) == {names[0]: 7, names[1]: 0}, member.take)
    member.source._app = "another"
    assert member.source.committed(0) == {names[0]: -1, names[1]: -1}
    member.source.close()


def test_ends_are_those_of_the_predictions_logs_and_unknown_where_nobody_answers(
    kafka_server: Any, names: tuple[str, str]
) -> None:
    watch = TopicWatch({"bootstrap.servers": kafka_server.address}, *names)
    assert watch.ends() == dict.fromkeys(range(PARTITIONS), 10)
    nowhere = TopicWatch({"bootstrap.servers": "127.0.0.1:1", "log_level": 0}, *names)
    assert nowhere.ends() is None


class Busy:
    """A broker of its own with traffic on both topics."""

    def __init__(self, folder: Path) -> None:
        self.kafka = LocalKafka(jars=kafka_jars(cache=cache_directory()), directory=folder)
        self.kafka.start()
        self.topics = ("predictions", "labels")
        admin = AdminClient({"bootstrap.servers": self.kafka.address, "log_level": 0})
        for made in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in self.topics]).values():
            made.result(30)
        self._producer = Producer({"bootstrap.servers": self.kafka.address, "log_level": 0})

    def produce(self, records: int) -> None:
        for number in range(records):
            self._producer.produce(self.topics[number % 2], b"{}" * 300, partition=number // 2 % PARTITIONS)
        self._producer.poll(0)


@pytest.mark.slow
def test_partitions_lost_with_the_broker_while_paused_are_read_when_they_come_back(tmp_path: Path) -> None:
    """The pause outlived the loss: the partition was owned, and never fetched again."""
    busy = Busy(tmp_path)
    try:
        busy.produce(4_000)
        member = Member(busy.kafka.address, "gate", busy.topics, "classic")
        until(lambda: len(member.taken) == PARTITIONS, member.take)
        for _ in range(2):
            busy.kafka.kill()
            busy.produce(500)
            for _ in range(50):  # what is queued is still taken, as the worker does
                member.take()
            member.source.pause()
            until(lambda: not member.given, lambda: member.source.keep_alive(0.2))
            member.source.resume()
            busy.kafka.start()
            busy.produce(2_000)
            until(lambda: len(member.given) == PARTITIONS, member.take)
            until(lambda: len(member.taken) == PARTITIONS, member.take, lambda: busy.produce(20))
        member.source.close()
    finally:
        busy.kafka.close()
