"""The gate and the stores on a cluster whose nodes forget scripts, die, come back and go back in time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import redis
from builders.stores import NOON_MS, START, commit, entry, everything, key
from servers.cluster import MASTERS, LocalCluster
from servers.redis import store_binary

from consumers.redis_gate import RedisGate
from consumers.redis_partitions import RedisPartitions
from consumers.store import CommitStatus, Position
from schemas.errors import Retry, Stop
from schemas.keys import partition_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("redis-cluster")]
PARTITIONS = range(12)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    cluster = LocalCluster(binary=store_binary(), directory=tmp_path_factory.mktemp("cluster"))
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(started: LocalCluster) -> LocalCluster:
    started.flush()
    return started


@pytest.fixture
def gate(cluster: LocalCluster) -> Iterator[RedisGate]:
    gate = RedisGate(cluster.url, cluster=True, timeout_s=2.0, connect_timeout_s=1.0)
    yield gate
    gate.close()


@pytest.fixture
def store(gate: RedisGate) -> RedisPartitions:
    return RedisPartitions(gate, "app")


def nodes_of(cluster: LocalCluster) -> dict[int, int]:
    """Return the node of each partition."""
    return {partition: cluster.node_of(partition_prefix("app", partition) + "m") for partition in PARTITIONS}


def on_node(cluster: LocalCluster, number: int) -> int:
    """Return a partition that lies on a node."""
    return next(partition for partition, node in nodes_of(cluster).items() if node == number)


def test_partitions_spread_over_the_nodes(cluster: LocalCluster) -> None:
    assert set(nodes_of(cluster).values()) == set(range(MASTERS))


def test_a_node_that_forgot_its_scripts_is_told_them_again(
    cluster: LocalCluster, store: RedisPartitions
) -> None:
    tokens = {partition: store.claim(partition).token for partition in PARTITIONS}
    cluster.nodes[1].restart()
    cluster.wait_until_whole()
    for node in (0, 2):
        with redis.Redis.from_url(cluster.nodes[node].url) as client:
            client.script_flush()
    for partition, token in tokens.items():
        put = {key(partition): entry(NOON_MS)}
        attempt = commit(token, partition=partition, entries=put)
        assert store.commit(attempt) is CommitStatus.COMMITTED
        assert store.fetch(partition, list(put)) == put


def test_every_node_must_keep_what_it_is_given_and_the_one_that_does_not_is_named(
    cluster: LocalCluster, gate: RedisGate
) -> None:
    assert re.match(r"(Valkey|Redis) \d", gate.check())
    place = cluster.nodes[2].url.removesuffix("/0")
    with redis.Redis.from_url(cluster.nodes[2].url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            with pytest.raises(Stop, match=rf"{place}: maxmemory-policy is allkeys-lru"):
                gate.check()
            policies = gate.policies()
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert {node.url.removesuffix("/0") for node in cluster.nodes} == policies.keys()
    assert policies.pop(place) == ("allkeys-lru", 0)
    assert set(policies.values()) == {("noeviction", 0)}


def test_memory_is_that_of_all_nodes(cluster: LocalCluster, gate: RedisGate) -> None:
    single = []
    for node in cluster.nodes:
        with redis.Redis.from_url(node.url) as client:
            single.append(int(client.info("memory")["used_memory"]))
    assert gate.used_memory_bytes() == pytest.approx(sum(single), rel=0.1)


def test_a_pipeline_answers_in_order_from_all_nodes(gate: RedisGate) -> None:
    for number in range(100):
        gate.call("SET", f"k{number}", number)
    found = gate.pipeline([("GET", f"k{number}") for number in range(101)])
    assert found == [*(str(number).encode() for number in range(100)), None]


def test_a_node_that_is_down_is_waited_for_and_all_goes_on_when_it_is_back(
    cluster: LocalCluster, gate: RedisGate, store: RedisPartitions
) -> None:
    partition, other = on_node(cluster, 1), on_node(cluster, 0)
    attempts = [commit(store.claim(number).token, partition=number) for number in (partition, other)]
    cluster.kill(1)
    try:
        reads = [("HGET", partition_prefix("app", number) + "m", "seq") for number in (partition, other)]
        for call in (
            lambda: store.commit(attempts[0]),
            lambda: store.progress(partition),
            lambda: gate.pipeline(reads),
            gate.policies,
        ):
            with pytest.raises(Retry, match=r"^redis redis://"):
                call()
        cluster.wait_until_broken(1)
        with pytest.raises(Retry):
            store.commit(attempts[1])
        with pytest.raises(Stop, match="start Redis"):
            RedisGate(cluster.nodes[1].url, cluster=True, connect_timeout_s=0.5).check()
    finally:
        cluster.restart(1)
    assert [store.commit(attempt) for attempt in attempts] == [CommitStatus.COMMITTED] * 2
    assert gate.pipeline(reads) == [b"1", b"1"]


def test_a_node_that_goes_back_in_time_takes_only_its_own_partitions_back(
    cluster: LocalCluster, store: RedisPartitions
) -> None:
    back, stays = on_node(cluster, 2), on_node(cluster, 0)
    tokens = {partition: store.claim(partition).token for partition in (back, stays)}
    first = {p: commit(token, partition=p) for p, token in tokens.items()}
    second = {p: commit(token, first[p].new, partition=p) for p, token in tokens.items()}
    third = {p: commit(token, second[p].new, partition=p) for p, token in tokens.items()}
    for partition in tokens:
        store.commit(first[partition])
    snapshot = cluster.snapshot(2)
    for partition in tokens:
        store.commit(second[partition])
    cluster.roll_back(2, snapshot)
    assert store.commit(third[back]) is CommitStatus.MISMATCH
    assert store.commit(third[stays]) is CommitStatus.COMMITTED
    assert store.claim(back).position == first[back].new == Position(15, 25, 1)


def test_a_client_that_was_told_the_wrong_kind_of_server_says_which_setting_to_change(
    cluster: LocalCluster, redis_url: str
) -> None:
    single = RedisPartitions(RedisGate(cluster.nodes[0].url), "app")
    with pytest.raises(Stop, match=r"set redis\.cluster: true"):
        single.claim(on_node(cluster, 1))
    wrong = RedisGate(redis_url.rsplit("/", 1)[0] + "/0", cluster=True)
    with pytest.raises(Stop, match=r"set redis\.cluster: false"):
        wrong.check()


def test_slots_that_move_are_followed(cluster: LocalCluster, gate: RedisGate, store: RedisPartitions) -> None:
    partition = on_node(cluster, 0)
    token = store.claim(partition).token
    prefix = partition_prefix("app", partition)
    cluster.move_slot(prefix, to=1)
    try:
        attempt = everything(token, START)
        assert store.commit(commit(token, partition=partition, entries=attempt.entries)) is (
            CommitStatus.COMMITTED
        )
        assert gate.pipeline([("HGET", prefix + "m", "seq"), ("GET", "other")]) == [b"1", None]
    finally:
        cluster.move_slot(prefix, to=0)
