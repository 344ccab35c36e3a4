"""The embedded broker and store, and what our worker asks of any broker, embedded or real."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.errors import Stop
from watchkeeper import embedded
from watchkeeper.embedded import EmbeddedKafka, EmbeddedStore, GuardedProcess, free_port, launch_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servers.fixtures import TopicFactory
    from servers.selection import Server

ROOT = Path(__file__).parents[2]
DEADLINE_S = 30.0
PARTITIONS = 4
PROTOCOLS: dict[str, dict[str, str | int]] = {
    "classic": {
        "partition.assignment.strategy": "cooperative-sticky",
        "heartbeat.interval.ms": 200,
        "session.timeout.ms": 2000,
    },
    "consumer": {"group.protocol": "consumer"},
}


def until(holds: Callable[[], bool], *steps: Callable[[], object]) -> bool:
    """Take the steps in turn until `holds`; False when that never came in time."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        for step in steps:
            step()
    return True


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class Reader:
    """What our worker does: subscribe to predictions, and read the same partitions of the labels beside them."""

    def __init__(
        self, address: str, predictions: str, labels: str, protocol: str, *, away_ms_max: int = 60_000
    ) -> None:
        self.predictions, self.labels = predictions, labels
        self.got: Counter[tuple[str, int]] = Counter()
        self.foreign: list[str] = []
        self.lost = 0
        place = {"bootstrap.servers": address, "group.id": predictions, "max.poll.interval.ms": away_ms_max}
        commits = {"enable.auto.commit": False, "enable.auto.offset.store": False}
        self.consumer = Consumer({**place, **commits, **PROTOCOLS[protocol]})
        # Else the classic protocol finds the leaders of the labels' partitions only 1.5 s after it needs them.
        self.consumer.list_topics(labels, timeout=DEADLINE_S)
        self.consumer.subscribe(
            [predictions], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    def _pairs(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        self.foreign += [partition.topic for partition in partitions if partition.topic != self.predictions]
        topics = (self.predictions, self.labels)
        return [TopicPartition(topic, partition.partition, 0) for partition in partitions for topic in topics]

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(self._pairs(partitions))

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_unassign(self._pairs(partitions))

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.lost += 1
        self._revoked(consumer, partitions)

    def poll(self) -> list[Message]:
        messages = self.consumer.consume(500, 0.02)
        self.got.update((str(message.topic()), message.partition() or 0) for message in messages)
        return messages

    def owned(self, topic: str) -> set[int]:
        return {place.partition for place in self.consumer.assignment() if place.topic == topic}

    def paired(self) -> bool:
        return self.owned(self.predictions) == self.owned(self.labels)


@pytest.fixture(params=["mock", "real"])
def broker(request: pytest.FixtureRequest) -> Iterator[tuple[str, str, str]]:
    """Address, prediction topic and label topic of a broker of either make."""
    if request.param == "mock":
        with EmbeddedKafka(topics={"predictions": PARTITIONS, "ground-truth": PARTITIONS}) as kafka:
            yield kafka.bootstrap_servers, "predictions", "ground-truth"
        return
    server: Server = request.getfixturevalue("kafka_server")
    topics: TopicFactory = request.getfixturevalue("topics")
    names = [topics(name, partitions=PARTITIONS) for name in ("predictions", "ground-truth")]
    yield server.address, names[0], names[1]


@pytest.fixture(params=list(PROTOCOLS))
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Writer:
    def __init__(self, address: str, *topics: str) -> None:
        self._producer = Producer({"bootstrap.servers": address, "enable.idempotence": True, "linger.ms": 0})
        self._places = [(topic, partition) for topic in topics for partition in range(PARTITIONS)]

    def write(self, times: int = 1) -> None:
        """Append one record, `times` over, to each partition of each topic."""
        for _ in range(times):
            for topic, partition in self._places:
                self._producer.produce(topic, b"record", partition=partition)
        assert self._producer.flush(DEADLINE_S) == 0


@pytest.mark.servers
class TestLabelsBesideASubscription:
    """`incremental_assign` of a topic that the group does not know, under both rebalance protocols."""

    def test_labels_are_read_beside_predictions_and_move_with_them(
        self, broker: tuple[str, str, str], protocol: str
    ) -> None:
        address, predictions, labels = broker
        writer = Writer(address, predictions, labels)
        writer.write(10)
        places = {(topic, partition) for topic in (predictions, labels) for partition in range(PARTITIONS)}
        with contextlib.ExitStack() as closing:
            first = Reader(address, predictions, labels, protocol)
            closing.callback(first.consumer.close)
            assert until(lambda: first.got == dict.fromkeys(places, 10), first.poll)

            second = Reader(address, predictions, labels, protocol)
            leave = closing.enter_context(contextlib.ExitStack())
            leave.callback(second.consumer.close)
            half = PARTITIONS // 2
            polls = first.poll, second.poll
            assert until(lambda: len(first.owned(labels)) == len(second.owned(labels)) == half, *polls)
            assert first.paired()
            assert second.paired()
            assert not first.owned(labels) & second.owned(labels)

            # Each record written now is read once, by whoever has its partition.
            assert until(lambda: sum(second.got.values()) == 2 * half * 10, *polls)
            first.got.clear()
            second.got.clear()
            writer.write(10)
            assert until(lambda: first.got + second.got == Counter(dict.fromkeys(places, 10)), *polls)
            assert {partition for _, partition in first.got} == first.owned(labels)

            leave.close()
            assert until(lambda: len(first.owned(labels)) == PARTITIONS, first.poll)
            assert first.paired()
            assert not first.foreign + second.foreign

    def test_labels_stay_through_heartbeats_and_offset_commits_of_both_topics(
        self, broker: tuple[str, str, str], protocol: str
    ) -> None:
        address, predictions, labels = broker
        writer = Writer(address, predictions, labels)
        reader = Reader(address, predictions, labels, protocol)
        try:
            assert until(lambda: len(reader.owned(labels)) == PARTITIONS, reader.poll)
            offsets = [TopicPartition(topic, 0, 1) for topic in (predictions, labels)]
            beats = time.monotonic() + 3.0  # 6 to 15 heartbeats
            while time.monotonic() < beats:
                writer.write()
                reader.poll()
                reader.consumer.commit(offsets=offsets, asynchronous=False)
            assert len(reader.owned(labels)) == PARTITIONS
            assert [place.offset for place in reader.consumer.committed(offsets)] == [1, 1]
        finally:
            reader.consumer.close()

    def test_a_reader_that_was_away_too_long_loses_both_and_comes_back_for_both(
        self, broker: tuple[str, str, str], protocol: str
    ) -> None:
        address, predictions, labels = broker
        with contextlib.ExitStack() as closing:
            away = Reader(address, predictions, labels, protocol, away_ms_max=2000)
            closing.callback(away.consumer.close)
            other = Reader(address, predictions, labels, protocol)
            closing.callback(other.consumer.close)
            half = PARTITIONS // 2
            polls = away.poll, other.poll
            assert until(lambda: len(away.owned(labels)) == len(other.owned(labels)) == half, *polls)

            assert until(lambda: len(other.owned(labels)) == PARTITIONS, other.poll)
            assert len(away.owned(labels)) == half, (
                "a reader that does not poll cannot know that it lost them"
            )

            assert until(
                lambda: away.lost > 0 and len(away.owned(labels)) == len(other.owned(labels)) == half, *polls
            )
            assert away.paired()
            assert other.paired()
            assert not away.owned(labels) & other.owned(labels)
            assert not away.foreign + other.foreign


class TestEmbeddedKafka:
    def test_each_topic_has_the_partitions_asked_for(self) -> None:
        wanted = {"predictions": 6, "ground-truth": 6, "alerts": 1}
        with EmbeddedKafka(topics=wanted) as kafka:
            found = AdminClient({"bootstrap.servers": kafka.bootstrap_servers}).list_topics(
                timeout=DEADLINE_S
            )
            assert {name: len(topic.partitions) for name, topic in found.topics.items()} == wanted
            assert kafka.partitions == wanted

    def test_a_group_forms_at_once(self) -> None:
        with EmbeddedKafka(topics={"p": PARTITIONS, "l": PARTITIONS}) as kafka:
            Writer(kafka.bootstrap_servers, "p").write()
            reader = Reader(kafka.bootstrap_servers, "p", "l", "classic")
            started = time.monotonic()
            assert until(lambda: sum(reader.got.values()) == PARTITIONS, reader.poll)
            # librdkafka waits 3 s for further members unless it is told otherwise.
            assert time.monotonic() - started < 2.5
            reader.consumer.close()

    def test_an_idempotent_producer_delivers_each_record_once_and_in_order(self) -> None:
        with EmbeddedKafka(topics={"p": 1}) as kafka:
            offsets: list[int | None] = []
            producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "enable.idempotence": True})
            for number in range(500):
                producer.produce(
                    "p", str(number).encode(), on_delivery=lambda _, record: offsets.append(record.offset())
                )
            assert producer.flush(DEADLINE_S) == 0
            assert offsets == list(range(500))
            consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": "g"})
            consumer.assign([TopicPartition("p", 0, 0)])
            values: list[bytes | None] = []
            assert until(
                lambda: len(values) >= 500,
                lambda: values.extend(record.value() for record in consumer.consume(500, 0.05)),
            )
            consumer.close()
            assert values == [str(number).encode() for number in range(500)]

    def test_without_the_mock_functions_topics_have_four_partitions_and_say_so(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded, "librdkafka", lambda: None)
        with EmbeddedKafka(topics={"p": 6, "l": 6}) as kafka:
            assert kafka.partitions == {"p": 4, "l": 4}
            Writer(kafka.bootstrap_servers, "p", "l").write()
            found = AdminClient({"bootstrap.servers": kafka.bootstrap_servers}).list_topics(
                timeout=DEADLINE_S
            )
            assert {name: len(topic.partitions) for name, topic in found.topics.items()} == {"p": 4, "l": 4}

    def test_a_library_without_the_mock_functions_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(embedded, "_SIGNATURES", (("rd_kafka_mock_no_such_function", None, ()),))
        assert embedded.librdkafka() is None

    def test_a_topic_that_cannot_be_created_is_named(self) -> None:
        with pytest.raises(Stop, match="'p' with 0 partitions"), EmbeddedKafka(topics={"p": 0}):
            pass

    @pytest.mark.parametrize("mock", [True, False])
    def test_it_is_gone_after_its_block_also_when_the_body_raises(
        self, monkeypatch: pytest.MonkeyPatch, *, mock: bool
    ) -> None:
        if not mock:
            monkeypatch.setattr(embedded, "librdkafka", lambda: None)
        kafka = EmbeddedKafka(topics={"p": 1})
        with contextlib.suppress(ZeroDivisionError), kafka:
            port = int(kafka.bootstrap_servers.rpartition(":")[2])
            assert not refuses(port)
            raise ZeroDivisionError
        assert until(lambda: refuses(port))
        with pytest.raises(Stop, match="inside its with block"):
            _ = kafka.bootstrap_servers


class TestEmbeddedStore:
    def test_it_is_a_real_store_that_evicts_nothing_and_writes_no_files(self) -> None:
        with (
            EmbeddedStore(memory_bytes_max=64 * 1024 * 1024) as store,
            redis.Redis.from_url(store.url) as client,
        ):
            digest = client.script_load("return {KEYS[1], ARGV[1]}")
            assert client.evalsha(digest, 1, "{app:0}m", "x") == [b"{app:0}m", b"x"]
            settings = client.config_get("maxmemory*", "save", "appendonly", "bind")
            assert settings["maxmemory-policy"] == "noeviction"
            assert settings["maxmemory"] == str(64 * 1024 * 1024)
            assert (settings["save"], settings["appendonly"]) == ("", "no")
            assert settings["bind"] == "127.0.0.1"

    def test_it_is_gone_after_its_block_with_its_directory_also_when_the_body_raises(self) -> None:
        store = EmbeddedStore()
        with contextlib.suppress(ZeroDivisionError), store:
            with redis.Redis.from_url(store.url) as client:
                directory = Path(client.config_get("dir")["dir"])
                port = client.config_get("port")["port"]
            assert directory.exists()
            raise ZeroDivisionError
        assert not directory.exists()
        assert refuses(int(port))
        with pytest.raises(Stop, match="inside its with block"):
            _ = store.url

    def test_two_stores_share_nothing(self) -> None:
        with (
            EmbeddedStore() as one,
            EmbeddedStore() as two,
            redis.Redis.from_url(one.url) as mine,
            redis.Redis.from_url(two.url) as yours,
        ):
            mine.set("value", 1)
            assert yours.get("value") is None

    def test_it_dies_with_a_parent_that_is_killed(self) -> None:
        program = (
            "import sys\n"
            "from watchkeeper.embedded import EmbeddedStore\n"
            "with EmbeddedStore() as store:\n"
            "    print(store.url.split(':')[2].split('/')[0], flush=True)\n"
            "    sys.stdin.read()\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as parent:
            assert parent.stdout is not None
            port = int(parent.stdout.readline())
            assert not refuses(port)
            parent.send_signal(signal.SIGKILL)
            assert until(lambda: refuses(port))

    def test_a_port_that_is_taken_is_not_mistaken_for_ones_own_store(self, tmp_path: Path) -> None:
        with EmbeddedStore() as store:
            port = int(store.url.split(":")[2].split("/")[0])
            with pytest.raises(Stop, match="Address already in use"):
                launch_store(embedded.valkey_binary(), port=port, directory=tmp_path, options={})


class TestGuardedProcess:
    def test_a_program_that_cannot_run_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(Stop, match=r"expected to run .*no-such-server"):
            GuardedProcess([str(tmp_path / "no-such-server")], directory=tmp_path, log=tmp_path / "log")

    def test_one_that_ignores_the_request_to_end_is_killed(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        command = ["/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do read -r _ </dev/zero; done"]
        process = GuardedProcess(command, directory=tmp_path, log=log)
        assert until(lambda: log.read_text() == "deaf\n")
        process.stop(grace_s=0.1)
        assert process.ended()
        process.stop()
        process.kill()

    def test_a_free_port_is_free_and_none_that_a_client_could_be_lent(self) -> None:
        port = free_port()
        assert refuses(port)
        assert port < 32768
