"""The servers under the other tests: real, found in a known order, and never missing unnoticed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from servers.fixtures import ways
from servers.kafka import LocalKafka, given_kafka
from servers.kafka_jars import cache_directory, kafka_jars, kafka_version
from servers.ports import reserved_port
from servers.redis import LocalRedis, given_redis, store_binary
from servers.selection import Misnamed, Server, Unavailable, do_without, first_that_works, must_have_servers
from servers.sharing import shared

from watchkeeper.embedded import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.fixtures import TopicFactory

ROOT = Path(__file__).parents[2]
DEADLINE_S = 30.0


def produce(address: str, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True})
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(DEADLINE_S) == 0


def consume(consumer: Consumer, count: int) -> list[bytes | None]:
    """Read until `count` messages came, or as many as came in time."""
    messages: list[Message] = []
    deadline = time.monotonic() + DEADLINE_S
    while len(messages) < count and time.monotonic() < deadline:
        messages += consumer.consume(count, 0.1)
    assert not [message.error() for message in messages if message.error()]
    return [message.value() for message in messages]


@pytest.mark.servers
class TestKafka:
    @pytest.mark.parametrize(
        "protocol",
        [{"partition.assignment.strategy": "cooperative-sticky"}, {"group.protocol": "consumer"}],
        ids=["classic", "consumer"],
    )
    def test_what_is_produced_comes_back_through_a_group_of_either_protocol(
        self, kafka_server: Server, topics: TopicFactory, protocol: dict[str, str]
    ) -> None:
        topic = topics("round-trip")
        values = [str(number).encode() for number in range(100)]
        produce(kafka_server.address, topic, values)
        place = {"bootstrap.servers": kafka_server.address, "group.id": topic}
        consumer = Consumer({**place, **protocol, "auto.offset.reset": "earliest"})
        consumer.subscribe([topic])
        try:
            assert consume(consumer, len(values)) == values
        finally:
            consumer.close()

    def test_a_topic_has_the_partitions_and_settings_asked_for_and_is_never_made_by_accident(
        self, kafka_server: Server, topics: TopicFactory
    ) -> None:
        topic = topics("shape", partitions=5, config={"cleanup.policy": "compact"})
        admin = AdminClient({"bootstrap.servers": kafka_server.address})
        assert len(admin.list_topics(topic, timeout=DEADLINE_S).topics[topic].partitions) == 5
        assert f"{topic}-typo" not in admin.list_topics(timeout=DEADLINE_S).topics

    def test_kill_and_restart_keep_address_and_data(self, tmp_path: Path) -> None:
        kafka = LocalKafka(jars=kafka_jars(cache=cache_directory()), directory=tmp_path)
        kafka.start()
        try:
            address = kafka.address
            admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
            admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(DEADLINE_S)
            produce(address, "kept", [b"before the crash"])
            kafka.kill()
            kafka.start()
            produce(address, "kept", [b"after the crash"])
            kafka.restart()
            assert kafka.address == address
            consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "log_level": 0})
            consumer.assign([TopicPartition("kept", 0, 0)])
            assert consume(consumer, 2) == [b"before the crash", b"after the crash"]
            consumer.close()
        finally:
            kafka.close()
        assert (tmp_path / "kafka.log").exists()
        assert not (tmp_path / "data").exists()

    def test_a_start_that_fails_quotes_the_log(self, tmp_path: Path) -> None:
        settings = {"num.network.threads": "none at all"}
        kafka = LocalKafka(jars=kafka_jars(cache=cache_directory()), directory=tmp_path, settings=settings)
        with pytest.raises(Unavailable, match="none at all for configuration num"):
            kafka.start()
        kafka.close()


class TestKafkaJars:
    @staticmethod
    def fetched(directory: Path) -> None:
        (directory / "kafka_2.13-fake.jar").touch()

    def test_jars_are_fetched_once_also_by_runs_at_the_same_time(self, tmp_path: Path) -> None:
        fetches: list[Path] = []
        both_wait = threading.Barrier(2)

        def fetch(directory: Path) -> None:
            fetches.append(directory)
            self.fetched(directory)

        def run() -> None:
            both_wait.wait(DEADLINE_S)
            kafka_jars(cache=tmp_path, fetch=fetch)

        runs = [threading.Thread(target=run) for _ in range(2)]
        for thread in runs:
            thread.start()
        for thread in runs:
            thread.join(DEADLINE_S)
        assert len(fetches) == 1
        assert (tmp_path / f"kafka-{kafka_version()}" / "kafka_2.13-fake.jar").exists()

    def test_an_interrupted_fetch_does_no_harm(self, tmp_path: Path) -> None:
        def interrupted(directory: Path) -> None:
            (directory / "kafka_2.13-half.jar").touch()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            kafka_jars(cache=tmp_path, fetch=interrupted)
        directory = kafka_jars(cache=tmp_path, fetch=self.fetched)
        assert sorted(path.name for path in directory.glob("*.jar")) == ["kafka_2.13-fake.jar"]

    def test_jars_of_another_pom_are_fetched_again(self, tmp_path: Path) -> None:
        directory = kafka_jars(cache=tmp_path, fetch=self.fetched)
        (directory / "complete").write_text("the digest of an older POM", encoding="utf-8")
        (directory / "left-over.jar").touch()
        kafka_jars(cache=tmp_path, fetch=self.fetched)
        assert not (directory / "left-over.jar").exists()

    def test_a_fetch_without_kafka_is_no_fetch(self, tmp_path: Path) -> None:
        with pytest.raises(Unavailable, match="without Kafka's own jar"):
            kafka_jars(cache=tmp_path, fetch=lambda _: None)


@pytest.mark.servers
class TestRedis:
    def test_it_keeps_values_runs_scripts_by_digest_and_evicts_nothing(self, redis_url: str) -> None:
        with redis.Redis.from_url(redis_url) as client:
            client.set("{app:0}m", b"\x00\xff")
            assert client.get("{app:0}m") == b"\x00\xff"
            digest = client.script_load("return redis.call('INCRBY', KEYS[1], ARGV[1])")
            assert client.evalsha(digest, 1, "{app:0}n", 40) == 40
            assert client.evalsha(digest, 1, "{app:0}n", 2) == 42
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}

    @pytest.mark.parametrize("times", range(2))
    def test_each_test_finds_its_database_empty(self, redis_url: str, times: int) -> None:
        with redis.Redis.from_url(redis_url) as client:
            assert client.dbsize() == 0
            client.set(f"left behind {times}", 1)

    @pytest.mark.parametrize(("appendonly", "kept"), [(True, b"1"), (False, None)])
    def test_only_an_append_only_file_outlives_a_kill(
        self, tmp_path: Path, *, appendonly: bool, kept: bytes | None
    ) -> None:
        settings = {"appendfsync": "always"}
        server = LocalRedis(
            binary=store_binary(), directory=tmp_path, appendonly=appendonly, settings=settings
        )
        server.start()
        try:
            url = server.url
            with redis.Redis.from_url(url) as client:
                client.set("value", 1)
            server.kill()
            server.start()
            server.restart()
            assert server.url == url
            with redis.Redis.from_url(url) as client:
                assert client.get("value") == kept
        finally:
            server.stop()


class TestPorts:
    GIVEN = "from servers.ports import reserved_port; print(reserved_port(), flush=True); input()"

    def test_a_port_that_another_process_of_these_tests_was_given_is_not_given_until_that_has_ended(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", self.GIVEN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
            text=True,
        ) as other:
            assert other.stdout is not None
            theirs = int(other.stdout.readline())
            seen_free = iter([theirs, theirs, free_port(), theirs])
            monkeypatch.setattr("servers.ports.free_port", lambda: next(seen_free))
            assert reserved_port() != theirs
            other.communicate("\n")
        assert reserved_port() == theirs


class TestSelection:
    @staticmethod
    def way(answer: str | None, tried: list[str], name: str) -> Callable[[], Server]:
        def take() -> Server:
            tried.append(name)
            if answer is None:
                raise Unavailable(f"{name} is down")
            return Server(answer, answer)

        return take

    @pytest.mark.parametrize(
        ("variable", "local", "in_docker", "taken", "tried"),
        [
            ("named:1", "local", "docker", "named:1", ["given"]),
            ("", "local", "docker", "local", ["local"]),
            ("", None, "docker", "docker", ["local", "docker"]),
        ],
    )
    def test_the_environment_goes_before_this_machine_and_docker_comes_last(
        self, variable: str, local: str | None, in_docker: str | None, taken: str, tried: list[str]
    ) -> None:
        seen: list[str] = []

        def given(address: str) -> Server:
            seen.append("given")
            return Server(address, address)

        order = ways(
            "WATCHKEEPER_TEST_KAFKA",
            {"WATCHKEEPER_TEST_KAFKA": variable},
            given=given,
            local=self.way(local, seen, "local"),
            in_docker=self.way(in_docker, seen, "docker"),
        )
        assert first_that_works(order, server="Kafka").address == taken
        assert seen == tried

    def test_where_no_way_works_the_text_names_why_each_one_failed(self) -> None:
        down = [self.way(None, [], name) for name in ("local", "docker")]
        order = ways("WATCHKEEPER_TEST_REDIS", {}, given=given_redis, local=down[0], in_docker=down[1])
        with pytest.raises(Unavailable) as caught:
            first_that_works(order, server="Redis")
        assert str(caught.value) == (
            "no Redis for the tests. WATCHKEEPER_TEST_REDIS: not set. "
            "on this machine: local is down. in Docker: docker is down"
        )

    @pytest.mark.parametrize("given", [given_kafka, given_redis])
    def test_a_named_server_that_is_down_is_never_replaced_by_another(
        self, given: Callable[[str], Server], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("servers.kafka.GIVEN_S", 0.5)
        seen: list[str] = []
        address = "127.0.0.1:1" if given is given_kafka else "redis://user:hidden@127.0.0.1:1/0"
        local = self.way("local", seen, "local")
        order = ways("NAMED", {"NAMED": address}, given=given, local=local, in_docker=local)
        with pytest.raises(Misnamed, match="which fails") as caught:
            first_that_works(order, server="any")
        assert not seen
        assert "hidden" not in str(caught.value)

    @pytest.mark.parametrize(
        ("environment", "demanded"),
        [
            ({}, False),
            ({"CI": ""}, False),
            ({"CI": "false"}, False),
            ({"CI": "0"}, False),
            ({"CI": "true"}, True),
            ({"CI": "1"}, True),
            ({"CI": "woodpecker"}, True),
            ({"WATCHKEEPER_REQUIRE_SERVERS": "0"}, False),
            ({"WATCHKEEPER_REQUIRE_SERVERS": "1"}, True),
            ({"CI": "false", "WATCHKEEPER_REQUIRE_SERVERS": "1"}, True),
        ],
    )
    def test_a_missing_server_fails_where_servers_are_demanded_and_skips_elsewhere(
        self, environment: dict[str, str], *, demanded: bool
    ) -> None:
        assert must_have_servers(environment) is demanded
        outcome = pytest.fail.Exception if demanded else pytest.skip.Exception
        with pytest.raises(outcome, match="no mvn on PATH"):
            do_without(Unavailable("no mvn on PATH"), environment)

    @pytest.mark.parametrize(("installed", "name"), [(None, "valkey-server"), ("redis", "redis-server")])
    def test_an_installed_redis_goes_before_the_one_of_the_wheel(
        self, tmp_path: Path, installed: str | None, name: str
    ) -> None:
        def which(program: str) -> str | None:
            return str(tmp_path / program) if installed else None

        binary = store_binary(which=which)
        assert binary.name == name
        assert (binary.parent == tmp_path) is (installed is not None)


class TestSharing:
    USER = (
        "import pathlib, sys\n"
        "from servers.selection import Server\n"
        "from servers.sharing import shared\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "with shared('kafka', root=root, start=lambda: Server('a second one', '')) as server:\n"
        "    print(server.address, flush=True)\n"
        "    sys.stdin.readline()\n"
        "    (root / 'done').touch()\n"
    )

    def test_a_second_process_uses_the_server_of_the_first_which_waits_for_it(self, tmp_path: Path) -> None:
        done_at_close: list[bool] = []
        server = Server(
            "127.0.0.1:9", "fake", close=lambda: done_at_close.append((tmp_path / "done").exists())
        )
        path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
        with shared("kafka", root=tmp_path, start=lambda: server), contextlib.ExitStack() as later:
            user = subprocess.Popen(
                [sys.executable, "-c", self.USER, str(tmp_path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=path,
            )
            assert user.stdin is not None
            assert user.stdout is not None
            assert user.stdout.readline() == "127.0.0.1:9\n"
            # The first leaves before the second is told to.
            later.callback(threading.Timer(0.3, user.stdin.close).start)
        assert user.wait(DEADLINE_S) == 0
        user.stdout.close()
        assert done_at_close == [True]
        assert not (tmp_path / "kafka.json").exists()
