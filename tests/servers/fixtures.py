"""Fixtures with real servers: `kafka_server`, `redis_server`, `topics`, `redis_url` and `redis_cluster_url`.

The servers live as long as the run and are shared by all tests, also by the workers of pytest-xdist: a test
that stops or kills a server starts one of its own (`servers.kafka.LocalKafka`, `servers.redis.LocalRedis`).
Each worker has a Redis database of its own, which `redis_url` empties before and after each test, so a Redis
named in WATCHKEEPER_TEST_REDIS must be one whose databases may be emptied. A cluster has one database only: a
test that uses `redis_cluster_url` takes keys that no other takes, and flushes nothing.
"""

from __future__ import annotations

import functools
import os
import time
import uuid
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import redis
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from servers.cluster import local_cluster
from servers.containers import docker_kafka, docker_redis
from servers.kafka import given_kafka, local_kafka
from servers.redis import given_redis, local_redis, store_binary
from servers.selection import Misnamed, Server, Unavailable, Way, do_without, first_that_works
from servers.sharing import shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_TAKEN = pytest.StashKey[list[str]]()
TOPIC_READY_S = 30.0


class TopicFactory(Protocol):
    """Create a topic under a name of its own and return that name; it is deleted after the test."""

    def __call__(self, name: str, *, partitions: int = 1, config: Mapping[str, str] | None = None) -> str: ...


def ways(
    variable: str,
    environment: Mapping[str, str],
    *,
    given: Callable[[str], Server],
    local: Callable[[], Server],
    in_docker: Callable[[], Server],
) -> list[Way]:
    """List the ways to a server in the order in which they are tried."""

    def named() -> Server:
        if not environment.get(variable):
            raise Unavailable("not set")
        return given(environment[variable])

    return [Way(variable, named), Way("on this machine", local), Way("in Docker", in_docker)]


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Server]:
    local = functools.partial(_in_new_directory, local_kafka, tmp_path_factory, "kafka")
    environment = os.environ
    order = ways(
        "WATCHKEEPER_TEST_KAFKA", environment, given=given_kafka, local=local, in_docker=docker_kafka
    )
    yield from _session_server("Kafka", order, tmp_path_factory, pytestconfig)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Server]:
    local = functools.partial(_in_new_directory, local_redis, tmp_path_factory, "redis")
    environment = os.environ
    order = ways(
        "WATCHKEEPER_TEST_REDIS", environment, given=given_redis, local=local, in_docker=docker_redis
    )
    yield from _session_server("Redis", order, tmp_path_factory, pytestconfig)


@pytest.fixture(scope="session")
def redis_cluster_url(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[str]:
    """The URL of one of three masters, which start when the first test asks for them."""

    def local() -> Server:
        return local_cluster(store_binary(), tmp_path_factory.mktemp("redis-cluster"))

    for server in _session_server(
        "Redis Cluster", [Way("on this machine", local)], tmp_path_factory, pytestconfig
    ):
        yield server.url


@pytest.fixture
def topics(kafka_server: Server) -> Iterator[TopicFactory]:
    admin = AdminClient({"bootstrap.servers": kafka_server.address})
    created: list[str] = []

    def create(name: str, *, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        topic = f"{name}-{uuid.uuid4().hex[:12]}"
        wanted = NewTopic(topic, partitions, 1, config=dict(config or {}))
        admin.create_topics([wanted])[topic].result(TOPIC_READY_S)
        created.append(topic)
        _wait_for_partitions(admin, topic, partitions)
        return topic

    yield create
    if created:
        for deleted in admin.delete_topics(created).values():
            try:
                deleted.result(TOPIC_READY_S)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:  # the test deleted it itself
                    raise


@pytest.fixture
def redis_url(redis_server: Server) -> Iterator[str]:
    """The URL of an empty database that nobody else uses; it is emptied again after the test."""
    url = f"{redis_server.url.rsplit('/', 1)[0]}/{1 + _worker_number()}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


def _session_server(
    name: str, order: list[Way], paths: pytest.TempPathFactory, config: pytest.Config
) -> Iterator[Server]:
    start = functools.partial(first_that_works, order, server=name)
    try:
        with shared(name.lower(), root=_shared_directory(paths), start=start) as server:
            config.stash.setdefault(_TAKEN, []).append(f"{name}: {server.taken}")
            yield server
    except Misnamed as error:
        pytest.fail(str(error), pytrace=False)
    except Unavailable as reason:
        do_without(reason, os.environ)


def _in_new_directory(start: Callable[[Path], Server], paths: pytest.TempPathFactory, name: str) -> Server:
    return start(paths.mktemp(name))


def _shared_directory(paths: pytest.TempPathFactory) -> Path:
    base = paths.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def _worker_number() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def _wait_for_partitions(admin: AdminClient, topic: str, partitions: int) -> None:
    """Return when the broker knows each partition's leader: until then producers and consumers would retry."""
    deadline = time.monotonic() + TOPIC_READY_S
    while time.monotonic() < deadline:
        found = admin.list_topics(topic, timeout=TOPIC_READY_S).topics[topic].partitions
        if len(found) == partitions and all(partition.leader >= 0 for partition in found.values()):
            return
    pytest.fail(f"topic {topic} did not get its {partitions} partitions within {TOPIC_READY_S:g} s")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what a pytest-xdist worker took to the process that writes the summary."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["watchkeeper_servers"] = session.config.stash.get(_TAKEN, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    output = getattr(node, "workeroutput", None) or {}
    taken = node.config.stash.setdefault(_TAKEN, [])
    taken += [line for line in output.get("watchkeeper_servers", []) if line not in taken]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if lines := config.stash.get(_TAKEN, []):
        terminalreporter.section("servers")
        for line in lines:
            terminalreporter.write_line(line)
