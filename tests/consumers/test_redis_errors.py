"""Which errors of the Redis client are waited out, and which ones stop with a line that says what to mend."""

from __future__ import annotations

import ssl

import pytest
import redis
from redis import exceptions

from consumers.redis_errors import translated
from schemas.errors import Retry, Stop

SCRIPT = "script: 0a1b2c, on @user_script:12."


@pytest.mark.parametrize(
    "error",
    [
        redis.ConnectionError("Connection refused"),
        redis.TimeoutError("Timeout reading from socket"),
        exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
        exceptions.ReadOnlyError("You can't write against a read only replica."),
        exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        exceptions.ClusterDownError("Hash slot not served"),
        exceptions.MasterDownError("Link with MASTER is down"),
        exceptions.TryAgainError("Multiple keys request during rehashing of slot"),
        exceptions.MovedError("12182 127.0.0.1:7001"),
        exceptions.AskError("12182 127.0.0.1:7001"),
        exceptions.SlotNotCoveredError('Slot "5" not covered by the cluster.'),
        exceptions.RedisClusterException("All slots are not covered after query all startup_nodes."),
        exceptions.ClusterError("TTL exhausted."),
        redis.ResponseError(f"READONLY You can't write against a read only replica. {SCRIPT}"),
        redis.ResponseError(f"ERR Error running script: CLUSTERDOWN Hash slot not served {SCRIPT}"),
        redis.ResponseError(f"OOM command not allowed when used memory > 'maxmemory'. {SCRIPT}"),
        redis.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
        redis.ResponseError("NOREPLICAS Not enough good replicas to write."),
        redis.ResponseError("BUSY Redis is busy running a script."),
    ],
    ids=lambda error: f"{type(error).__name__} {str(error)[:20]}",
)
def test_what_passes_by_itself_is_tried_again(error: Exception) -> None:
    told = translated(error, "redis://store:6379", cluster=True)
    assert isinstance(told, Retry)
    assert str(told).startswith("redis redis://store:6379: ")


@pytest.mark.parametrize(
    ("error", "cluster", "line"),
    [
        (exceptions.AuthenticationError("invalid username-password pair"), False, "user or password refused"),
        (exceptions.NoPermissionError("User w has no permissions to run the 'evalsha' command"), False, "'evalsha'"),
        (redis.ResponseError(f"ACL failure in script: User w has no 'hset' {SCRIPT}"), False, "'hset'"),
        (exceptions.MovedError("12182 127.0.0.1:7001"), False, "set redis.cluster: true"),
        (redis.ResponseError("ERR This instance has cluster support disabled"), True, "redis.cluster: false"),
        (redis.ResponseError("WRONGTYPE Operation against a key"), True, "WRONGTYPE"),
    ],
)  # fmt: skip
def test_what_a_person_must_mend_stops_with_one_line(error: Exception, line: str, *, cluster: bool) -> None:
    told = translated(error, "redis://store:6379", cluster=cluster)
    assert isinstance(told, Stop)
    assert line in str(told)
    assert "\n" not in str(told)


def test_what_a_node_answered_is_found_inside_the_error_of_the_clusters_client() -> None:
    outer = exceptions.RedisClusterException("Redis Cluster cannot be connected: redis://user:hunter2@store")
    outer.__cause__ = exceptions.AuthenticationError("invalid username-password pair")
    told = translated(outer, "redis://store:6379", cluster=True)
    assert isinstance(told, Stop)
    assert "hunter2" not in str(told)


def test_a_certificate_that_is_not_trusted_is_named_as_the_reason() -> None:
    inner = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    inner.verify_message = "self-signed certificate"
    outer = redis.ConnectionError("Error 1 connecting to store:6379")
    outer.__context__ = inner
    assert "no TLS connection (certificate: self-signed certificate)" in str(
        translated(outer, "rediss://store:6379", cluster=False)
    )
