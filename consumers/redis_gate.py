"""The gate to Redis: connection, scripts, pipelines. Nothing else talks to the redis package.

Works with Redis 7 and Valkey, standalone and as a cluster; every script touches one hash slot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha1
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qs, urlsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry as RedisRetry

from consumers.redis_errors import CLIENT_ERRORS, translated
from schemas.errors import Retry, Stop

ResultT = TypeVar("ResultT")
TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 2.0
CERTIFICATE_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


class Eviction(NamedTuple):
    """What a node does when its memory is full, and how many keys it has thrown away since its start."""

    policy: str
    evicted_keys: int


class RedisGate:
    """A connection that speaks bytes and raises only our errors.

    Parameters
    ----------
    url
        `redis://`, `rediss://` or `unix://`, with the options of redis-py in its query; its password appears
        in no message.
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
        self._cluster = cluster
        _demand_certificates(url)
        self._url = url
        self._options: dict[str, Any] = {
            "socket_timeout": timeout_s,
            "socket_connect_timeout": connect_timeout_s,
            "decode_responses": False,
            "retry": RedisRetry(ExponentialBackoff(cap=0.5, base=0.05), 2),
        }
        self._made: Any = None if cluster else self._new()
        self._scripts: dict[str, tuple[str, str]] = {}

    @property
    def _client(self) -> Any:
        """The client; that of a cluster is made at the first call, because making it asks the nodes."""
        if self._made is None:
            self._made = self._new()
        return self._made

    def _new(self) -> Any:
        kind = redis.RedisCluster if self._cluster else redis.Redis
        try:
            return kind.from_url(self._url, **self._options)
        except ValueError as error:
            raise Stop(f"redis.url: expected redis://host:port/0, found {self._where}: {error}") from error

    def script(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script of `consumers/lua` (EVALSHA, and EVAL where the node does not know it yet).

        Raises
        ------
        Retry
            Redis did not answer, is loading, is read-only after a failover, or is out of memory.
        """
        known = self._scripts.get(name)
        if known is None:
            text = self.source(name)
            known = self._scripts[name] = (sha1(text.encode(), usedforsecurity=False).hexdigest(), text)
        digest, text = known
        rest = (len(keys), *keys, *arguments)

        def run() -> Any:
            with suppress(NoScriptError):
                return self._client.execute_command("EVALSHA", digest, *rest)
            # The node that was asked does not know it; the others are none of this call's business.
            return self._client.execute_command("EVAL", text, *rest)

        return self._guard(run, script=text)

    def source(self, name: str) -> str:
        """Return the text of a script of `consumers/lua`."""
        return resources.files("consumers").joinpath("lua", f"{name}.lua").read_text("utf-8")

    def call(self, *command: Any) -> Any:
        """Run one command; raises `Retry` as `script` does."""
        return self._ask("execute_command", *command)

    def pipeline(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Run independent commands in one round trip per node; one answer each, in order.

        Not a transaction: commands of other clients may come in between. Raises as `script` does, at the
        first command that fails, so only reads should be sent this way.
        """

        def run() -> list[Any]:
            options = {} if self._cluster else {"transaction": False}
            with self._client.pipeline(**options) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return list(pipeline.execute())

        return self._guard(run) if commands else []

    def check(self) -> str:
        """Return the server's name and version, if it answers and every node keeps what it is given.

        Raises
        ------
        Stop
            If a node does not answer, or has an eviction policy.
        """
        try:
            infos = self._infos()
        except Retry as error:
            mend = "start Redis, or correct redis.url in the settings"
            raise Stop(f"{error}; {mend}", exit_code=1) from error
        for node, info in infos.items():
            policy = _eviction(info).policy
            if policy != "noeviction":
                raise Stop(
                    f"redis {node}: maxmemory-policy is {policy}, so it may throw away what is counted; "
                    "set it with `redis-cli config set maxmemory-policy noeviction` and in redis.conf",
                    exit_code=1,
                )
        return _server_name(next(iter(infos.values())))

    def policies(self) -> dict[str, Eviction]:
        """Return per node what it does when its memory is full; asks INFO, which an ACL allows sooner than CONFIG."""
        return {node: _eviction(info) for node, info in self._infos().items()}

    def used_memory_bytes(self) -> int:
        """Return the bytes that the data takes, of a cluster those of all its masters."""
        return sum(int(info["used_memory"]) for info in self._infos().values() if info["role"] == "master")

    def _infos(self) -> dict[str, Mapping[str, Any]]:
        """Return the INFO of every node; replicas count too, for each may become a master."""
        if not self._cluster:
            return {self._where: self._ask("info")}
        scheme = self._where.partition(":")[0]
        nodes = self._ask("get_nodes")
        return {f"{scheme}://{node.name}": self._ask("info", target_nodes=node) for node in nodes}

    def close(self) -> None:
        """Close the connections."""
        if self._made is not None:
            self._made.close()

    def _ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        return self._guard(lambda: getattr(self._client, method)(*arguments, **options))

    def _guard(self, call: Callable[[], ResultT], *, script: str = "") -> ResultT:
        try:
            return call()
        except CLIENT_ERRORS as error:
            raise translated(error, self._where, cluster=self._cluster, script=script) from error


def _demand_certificates(url: str) -> None:
    """Look for the files first: the client would only say that it could not connect."""
    query = parse_qs(urlsplit(url).query)
    for name in CERTIFICATE_FILES:
        for path in query.get(name, ()):
            if not Path(path).is_file():
                raise Stop(f"redis.url: expected {name} to name a file, found {path!r}; correct the path")


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


def _eviction(info: Mapping[str, Any]) -> Eviction:
    return Eviction(_text(info.get("maxmemory_policy", "noeviction")), int(info.get("evicted_keys", 0)))


def _server_name(info: Mapping[str, Any]) -> str:
    if "valkey_version" in info:
        return f"Valkey {_text(info['valkey_version'])}"
    return f"Redis {_text(info['redis_version'])}"


def named(stored: Any) -> dict[str, bytes]:
    """Return a hash as redis-py gives it (a mapping or a flat list, by protocol) with text for its fields."""
    pairs = stored if isinstance(stored, dict) else dict(zip(stored[::2], stored[1::2], strict=True))
    return {name.decode() if isinstance(name, bytes) else name: data for name, data in pairs.items()}
