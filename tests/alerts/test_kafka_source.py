from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from alert_builders import fired, span
from confluent_kafka import Consumer, Producer, TopicPartition
from structlog.testing import capture_logs

from alerts.kafka_source import AlertSource, Taken
from schemas.alert import CONTENT_TYPE, AlertWindow, WindowComplete, WindowCompleteData
from schemas.errors import Stop
from schemas.finding import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

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

    def write(self, *values: bytes) -> None:
        for value in values:
            self._producer.produce(self.name, value=value, headers={"content-type": CONTENT_TYPE})
        assert self._producer.flush(DEADLINE_S) == 0

    def source(self) -> AlertSource:
        return AlertSource(self.properties, topic=self.name, group=self.group)

    def committed(self) -> int:
        """Return the offset that the notifier's group would go on from."""
        with closing(Consumer({**self.properties, "group.id": f"{self.group}-notify"})) as consumer:
            (place,) = consumer.committed([TopicPartition(self.name, 0)], timeout=DEADLINE_S)
        return int(place.offset)


@pytest.fixture
def topic(kafka_server: Server, topics: TopicFactory) -> Topic:
    return Topic(kafka_server, topics("alerts"))


def until(holds: Callable[[], bool], source: AlertSource) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, source.stats
        source.poll(timeout_s=0.1)


def take(source: AlertSource) -> Taken:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        taken = source.poll(timeout_s=0.1)
        if taken is not None:
            return taken
    pytest.fail(f"no event came in time: {source.stats}")


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
def test_events_come_in_order_and_window_complete_and_bad_records_are_passed_over(topic: Topic) -> None:
    first, second = fired(feature="a"), fired(feature="b")
    topic.write(
        window_complete(), first.to_json_bytes(), b"junk", b"", window_complete(), second.to_json_bytes()
    )
    with closing(topic.source()) as source, capture_logs() as lines:
        got = []
        for _ in range(2):
            got.append(take(source))
            source.done(got[-1])
        stats = source.stats
    assert [(taken.event, taken.offset) for taken in got] == [(first, 1), (second, 5)]
    assert (stats.taken, stats.skipped, dict(stats.rejected), stats.errors) == (
        2,
        2,
        {"alert_not_json": 2},
        0,
    )
    rejections = [line for line in lines if line["event"] == "alerts_record_rejected"]
    assert [(line["reason"], line["offset"]) for line in rejections] == [
        ("alert_not_json", 2),
        ("alert_not_json", 3),
    ]
    assert topic.committed() == 6


@pytest.mark.servers
def test_an_event_that_was_not_done_comes_again_and_a_done_one_does_not(topic: Topic) -> None:
    first, second = fired(feature="a"), fired(feature="b")
    topic.write(first.to_json_bytes(), second.to_json_bytes())
    with closing(topic.source()) as source:
        source.done(take(source))
        assert take(source).event == second
        assert source.poll(timeout_s=0).event == second  # type: ignore[union-attr] # it is there until it is done
    assert topic.committed() == 1
    with closing(topic.source()) as source:
        assert take(source).event == second


@pytest.mark.servers
def test_records_behind_an_undone_event_are_not_committed(topic: Topic) -> None:
    topic.write(fired().to_json_bytes(), window_complete(), window_complete())
    with closing(topic.source()) as source:
        take(source)
        for _ in range(5):
            source.poll(timeout_s=0.05)
        assert source.stats.skipped == 0
    assert topic.committed() < 0


@pytest.mark.servers
def test_what_was_passed_over_is_committed_when_the_topic_is_quiet(topic: Topic) -> None:
    topic.write(*[window_complete()] * 3)
    with closing(topic.source()) as source:
        until(lambda: source.stats.skipped == 3, source)
        source.poll(timeout_s=1.0)
        assert topic.committed() == 3


@pytest.mark.servers
def test_an_event_whose_partition_went_elsewhere_is_counted_and_raises_nothing(topic: Topic) -> None:
    topic.write(fired().to_json_bytes())
    with closing(topic.source()) as source:
        taken = take(source)
        source._consumer.unassign()
        with capture_logs() as lines:
            source.done(taken)
        assert source.stats.errors == 1
        assert [line["event"] for line in lines] == ["alerts_topic_error"]
    assert topic.committed() < 0


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
        AlertSource(properties, topic="alerts", group=GROUP)
    assert "geheim" not in str(stopped.value)
    assert stopped.value.__context__ is None
