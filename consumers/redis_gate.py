"""The gate to Redis: connection, scripts, errors. Nothing else imports the redis package.

Works with Redis 7 and Valkey, standalone and as a cluster; every script touches one hash slot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry as RedisRetry

from schemas.errors import Retry, Stop
from schemas.finding import JsonValue

ResultT = TypeVar("ResultT")
TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 2.0


class RedisGate:
    """A connection that speaks bytes and raises only our errors.

    Parameters
    ----------
    url
        `redis://`, `rediss://` or `unix://`; its password appears in no message.
    cluster
        True to follow a Redis Cluster's slots.
    timeout_s, connect_timeout_s
        Longest a call, and the making of a connection, may block.
    """

    def __init__(
        self,
        url: str,
        *,
        cluster: bool = False,
        timeout_s: float = TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        self._where = _safe(url)
        options: dict[str, Any] = {
            "socket_timeout": timeout_s,
            "socket_connect_timeout": connect_timeout_s,
            "decode_responses": False,
            "retry": RedisRetry(ExponentialBackoff(cap=0.5, base=0.05), 2),
        }
        kind = redis.RedisCluster if cluster else redis.Redis
        try:
            self._client: Any = self._guard(lambda: kind.from_url(url, **options))
        except ValueError as error:
            raise Stop(f"redis.url: expected redis://host:port/0, found {self._where}: {error}") from error
        self._scripts: dict[str, Any] = {}

    def script(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script of `consumers/lua` (EVALSHA, and EVAL where the node does not know it yet).

        Raises
        ------
        Retry
            Redis did not answer, is loading, is read-only after a failover, or is out of memory.
        """
        script = self._scripts.get(name)
        if script is None:
            text = resources.files("consumers").joinpath("lua", f"{name}.lua").read_text("utf-8")
            script = self._scripts[name] = self._client.register_script(text)
        return self._guard(lambda: script(keys=list(keys), args=list(arguments)))

    def call(self, *command: Any) -> Any:
        """Run one command; raises `Retry` as `script` does."""
        return self._guard(lambda: self._client.execute_command(*command))

    def pipeline(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Run independent commands in one round trip per node; raises `Retry` as `script` does."""
        if not commands:
            return []

        def send() -> list[Any]:
            pipe = self._client.pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(*command)
            return list(pipe.execute())

        return self._guard(send)

    def check(self) -> str:
        """Return the server's name and version, if it answers and keeps what it is given.

        Raises
        ------
        Stop
            If it does not answer, or has an eviction policy.
        """
        try:
            info = self._guard(self._client.info)
        except Retry as error:
            mend = "start Redis, or correct redis.url in the settings"
            raise Stop(f"{error}; {mend}", exit_code=1) from error
        policy = _text(_one_node(info).get("maxmemory_policy", "noeviction"))
        if policy != "noeviction":
            raise Stop(
                f"redis {self._where}: maxmemory-policy is {policy}, so it may throw away what is counted; "
                "set it with `redis-cli config set maxmemory-policy noeviction` and in redis.conf",
                exit_code=1,
            )
        return _server_name(info)

    def eviction(self) -> dict[str, JsonValue] | None:
        """Return the policy of a server that may throw data away, and what it has thrown; None if none may."""
        info = self._guard(self._client.info)
        policy = _text(_one_node(info).get("maxmemory_policy", "noeviction"))
        if policy == "noeviction":
            return None
        return {"policy": policy, "evicted_keys": int(_one_node(info).get("evicted_keys", 0))}

    def used_memory_bytes(self) -> int:
        """Return the bytes that the server's data takes."""
        info = self._guard(lambda: self._client.info("memory"))
        return int(info["used_memory"])

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _guard(self, call: Callable[[], ResultT]) -> ResultT:
        try:
            return call()
        except redis.AuthenticationError as error:
            raise Stop(
                f"redis {self._where}: user or password refused; correct redis.url", exit_code=1
            ) from error
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise Retry(f"redis {self._where}: no answer ({type(error).__name__})") from error
        except (redis.exceptions.ReadOnlyError, redis.exceptions.OutOfMemoryError) as error:
            raise Retry(f"redis {self._where}: {error}") from error
        except redis.ResponseError as error:
            if any(word in str(error) for word in ("READONLY", "OOM", "LOADING", "BUSY", "CLUSTERDOWN")):
                raise Retry(f"redis {self._where}: {error}") from error
            raise Stop(f"redis {self._where}: {error}", exit_code=1) from error
        except redis.RedisError as error:
            raise Retry(f"redis {self._where}: {type(error).__name__}") from error


def _safe(url: str) -> str:
    """Return a URL without user, password and query."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(an address that cannot be read)"
    return f"{parts.scheme}://{parts.hostname or parts.path}{port}"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _one_node(info: Any) -> Any:
    """Return one node's part of an INFO reply; a cluster's reply has one per node."""
    return info if "redis_version" in info else next(iter(info.values()))


def _server_name(info: Any) -> str:
    first = _one_node(info)
    if "valkey_version" in first:
        return f"Valkey {_text(first['valkey_version'])}"
    return f"Redis {_text(first['redis_version'])}"
