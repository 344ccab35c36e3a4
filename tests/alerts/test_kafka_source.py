from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from alert_builders import fired, span
from confluent_kafka import Consumer, Producer, TopicPartition
from structlog.testing import capture_logs

from alerts.kafka_source import AlertSource
from schemas.alert import (
    CONTENT_TYPE,
    AlertEvent,
    AlertsRecord,
    AlertWindow,
    WindowComplete,
    WindowCompleteData,
)
from schemas.errors import Stop
from schemas.finding import Stream

if TYPE_CHECKING:
    from servers.fixtures import TopicFactory
    from servers.selection import Server

DEADLINE_S = 30.0
GROUP = "wk"


class Topic:
    """An alerts topic with one partition, and a group of its own, on a real broker."""

    def __init__(self, server: Server, name: str) -> None:
        self.name = name
        self.group = f"{GROUP}-{name}"
        self.properties = {"bootstrap.servers": server.address, "session.timeout.ms": 6_000}
        self._producer = Producer({"bootstrap.servers": server.address})
        self.claims: list[tuple[int, int]] = []
        self.gone: list[int] = []

    def write(self, *values: bytes) -> None:
        for value in values:
            self._producer.produce(self.name, value=value, headers={"content-type": CONTENT_TYPE})
        assert self._producer.flush(DEADLINE_S) == 0

    def source(self, start: int = -1) -> AlertSource:
        """Return a reader whose store says where to begin; what it was told of is in `claims`."""

        def assigned(partition: int, committed: int) -> int:
            self.claims.append((partition, committed))
            return start

        return AlertSource(
            self.properties, topic=self.name, group=self.group, assigned=assigned, gone=self.gone.append
        )

    def committed(self) -> int:
        """Return the offset that the notifier's group would go on from."""
        with closing(Consumer({**self.properties, "group.id": f"{self.group}-notify"})) as consumer:
            (place,) = consumer.committed([TopicPartition(self.name, 0)], timeout=DEADLINE_S)
        return int(place.offset)


@pytest.fixture
def topic(kafka_server: Server, topics: TopicFactory) -> Topic:
    return Topic(kafka_server, topics("alerts"))


def read(source: AlertSource) -> list[tuple[int, AlertsRecord | None]]:
    """Return offsets and records up to the end of the topic."""
    found: list[tuple[int, AlertsRecord | None]] = []
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        heard = source.poll(timeout_s=0.1)
        found += heard.records.get(0, [])
        if 0 in heard.ended:
            return found
    pytest.fail(f"the topic has no end: {source.stats}")


def window_complete() -> bytes:
    data = WindowCompleteData(
        app="prod",
        model="fraud",
        stream=Stream.PREDICTIONS,
        window=AlertWindow.of(span(0)),
        findings=0,
        firing=0,
    )
    return WindowComplete.of(data).to_json_bytes()


@pytest.mark.servers
def test_records_come_in_order_and_what_is_broken_is_told_and_passed_over(topic: Topic) -> None:
    first, second = fired(feature="a"), fired(feature="b")
    topic.write(
        window_complete(), first.to_json_bytes(), b"junk", b"", window_complete(), second.to_json_bytes()
    )
    with closing(topic.source()) as source, capture_logs() as lines:
        got = read(source)
        stats = source.stats
    assert [offset for offset, _ in got] == list(range(6))
    assert [record for _, record in got if isinstance(record, AlertEvent)] == [first, second]
    assert [offset for offset, record in got if record is None] == [2, 3]
    assert (stats.taken, stats.skipped, dict(stats.rejected), stats.errors) == (
        2,
        2,
        {"alert_not_json": 2},
        0,
    )
    rejections = [line for line in lines if line["event"] == "alerts record rejected"]
    assert [(line["reason"], line["offset"]) for line in rejections] == [
        ("alert_not_json", 2),
        ("alert_not_json", 3),
    ]
    assert topic.gone == [0]


@pytest.mark.servers
def test_the_store_says_where_to_read_on_and_kafka_is_a_witness(topic: Topic) -> None:
    first, second = fired(feature="a"), fired(feature="b")
    topic.write(first.to_json_bytes(), second.to_json_bytes())
    with closing(topic.source()) as source:
        read(source)
        source.witness({0: 2})
    assert topic.claims == [(0, -1)]
    deadline = time.monotonic() + DEADLINE_S
    while topic.committed() != 2:
        assert time.monotonic() < deadline
    with closing(topic.source(start=1)) as source:
        assert read(source) == [(1, second)]
    assert topic.claims[1] == (0, 2)


@pytest.mark.servers
def test_a_partition_that_is_claimed_afresh_is_read_again_from_where_the_store_says(topic: Topic) -> None:
    topic.write(fired(feature="a").to_json_bytes(), fired(feature="b").to_json_bytes())
    with closing(topic.source()) as source:
        assert len(read(source)) == 2
        source.again(0)
        assert [offset for offset, _ in read(source)] == [0, 1]


@pytest.mark.servers
def test_what_goes_wrong_while_a_partition_is_claimed_is_raised_by_the_next_poll(topic: Topic) -> None:
    topic.write(fired().to_json_bytes())

    def assigned(_partition: int, _committed: int) -> int:
        raise Stop("the store is of another release")

    source = AlertSource(
        topic.properties, topic=topic.name, group=topic.group, assigned=assigned, gone=topic.gone.append
    )
    with closing(source), pytest.raises(Stop, match="another release"):
        read(source)


@pytest.mark.servers
def test_close_may_be_called_twice(topic: Topic) -> None:
    source = topic.source()
    source.close()
    source.close()


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"security.protocol": "geheim"}, '"security.protocol"'),
        ({"no.such.thing": "geheim"}, '"no.such.thing"'),
    ],
)
def test_a_property_that_librdkafka_refuses_stops_with_its_name_and_without_its_value(
    properties: dict[str, str], named: str
) -> None:
    with pytest.raises(Stop, match=named) as stopped:
        AlertSource(properties, topic="alerts", group=GROUP, assigned=lambda _p, _c: -1, gone=lambda _p: None)
    assert "geheim" not in str(stopped.value)
    assert stopped.value.__context__ is None


@pytest.mark.servers
def test_a_member_without_partitions_is_a_member_and_one_without_a_broker_is_not(topic: Topic) -> None:
    with closing(topic.source()) as source, closing(topic.source()) as spare:
        assert not source.joined
        deadline = time.monotonic() + DEADLINE_S
        while not (source.answers(5.0) and spare.answers(5.0)):
            assert time.monotonic() < deadline
            source.poll(timeout_s=0.1)
            spare.poll(timeout_s=0.1)
        assert len(topic.claims) >= 1
    topic.properties["bootstrap.servers"] = "127.0.0.1:1"
    with closing(topic.source()) as lonely:
        lonely.joined = True
        assert not lonely.answers(0.2)
