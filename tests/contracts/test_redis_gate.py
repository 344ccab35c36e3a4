"""What the gate promises wherever Redis runs: answers alike, and errors that say what to do."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

import pytest
import redis

from consumers.redis_gate import RedisGate
from schemas.errors import Retry, Stop
from watchkeeper.embedded import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers
NOWHERE = f"redis://watchkeeper:hunter2@127.0.0.1:{free_port()}/0"
fresh_names = count()


@pytest.fixture(params=["redis", "cluster"])
def gate(request: pytest.FixtureRequest) -> Iterator[RedisGate]:
    cluster = request.param == "cluster"
    gate = RedisGate(
        request.getfixturevalue("redis_cluster_url" if cluster else "redis_url"), cluster=cluster
    )
    yield gate
    gate.close()


@pytest.fixture
def app() -> str:
    return f"gate-{os.getpid()}-{next(fresh_names)}"


class TestPipeline:
    def test_each_answer_is_that_of_the_command_alone(self, gate: RedisGate, app: str) -> None:
        hashes, lists = f"{{{app}:0}}t", f"{{{app}:1}}o"
        gate.call("HSET", hashes, "a", b"\x00\xff", "b", "2")
        gate.call("RPUSH", lists, "x", "y")
        commands = [
            ("HGETALL", hashes),
            ("HMGET", hashes, "b", "none"),
            ("LRANGE", lists, 0, 9),
            ("HGET", f"{{{app}:2}}m", "seq"),
            ("HGETALL", f"{{{app}:2}}m"),
            ("LLEN", lists),
        ]
        assert gate.pipeline(commands) == [gate.call(*command) for command in commands]
        assert gate.pipeline(commands)[3] is None
        assert gate.pipeline([]) == []

    def test_a_command_that_fails_stops_and_the_next_pipeline_is_not_disturbed(
        self, gate: RedisGate, app: str
    ) -> None:
        gate.call("RPUSH", f"{{{app}:1}}o", "x")
        reads = [("LRANGE", f"{{{app}:1}}o", 0, 9), ("HGET", f"{{{app}:1}}o", "x"), ("LLEN", f"{{{app}:1}}o")]
        with pytest.raises(Stop, match="wrong kind of value"):
            gate.pipeline(reads)
        assert gate.pipeline(reads[::2]) == [[b"x"], 1]

    def test_it_goes_in_one_round_trip_where_all_keys_are_on_one_node(self, redis_url: str) -> None:
        gate = RedisGate(redis_url)
        gate.call("SET", "k", 1)
        with redis.Redis.from_url(redis_url) as client:
            before = client.info("stats")["total_reads_processed"]
            assert gate.pipeline([("GET", "k")] * 500) == [b"1"] * 500
            reads = int(client.info("stats")["total_reads_processed"]) - int(before)
        assert reads < 20


class TestEviction:
    def test_the_policy_and_what_it_has_cost_are_told_by_node(self, redis_url: str) -> None:
        gate = RedisGate(redis_url)
        ((node, eviction),) = gate.policies().items()
        assert node == redis_url.rsplit("/", 1)[0]
        assert eviction == ("noeviction", 0)


class TestNoAnswer:
    @pytest.mark.parametrize("cluster", [False, True])
    def test_every_call_asks_to_be_tried_again_and_the_check_says_what_to_mend(
        self, *, cluster: bool
    ) -> None:
        gate = RedisGate(NOWHERE, cluster=cluster, connect_timeout_s=0.2)
        for call in (
            lambda: gate.call("GET", "k"),
            lambda: gate.pipeline([("GET", "k")]),
            lambda: gate.script("partition_fetch", ["{a:0}m"], [b"", 12]),
            gate.policies,
            gate.used_memory_bytes,
        ):
            with pytest.raises(Retry, match="no answer") as caught:
                call()
            assert "hunter2" not in str(caught.value)
        with pytest.raises(Stop, match="start Redis"):
            gate.check()
