"""What can happen to a Redis, alone or one of a cluster: a crash that loses its last seconds, an old copy put back,
emptied, frozen.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Final

import redis
from chaos.schedule import HURT_KEYS, Store
from servers.cluster import LocalCluster
from servers.redis import LocalRedis, store_binary

SAVE_S: Final = 30.0
_MANIFEST: Final = "appendonly.aof.manifest"
_BASE: Final = "appendonly.aof.1.base.rdb"


class ChaosStore:
    """A Redis with an append-only file, `appendfsync everysec`, and everything that can befall it.

    A killed process loses nothing that it has written, because the kernel keeps it. What a machine loses
    that goes down is cut off the file by hand: whatever came after `mark`.

    Parameters
    ----------
    server
        The one that it all befalls; it runs.
    cluster
        What it is a node of; the others are left alone.
    """

    def __init__(self, server: LocalRedis, *, cluster: LocalCluster | None = None) -> None:
        self._server = server
        self._cluster = cluster
        self._files = server.directory / "appendonlydir"
        self._dump = server.directory / "dump.rdb"
        self._copy = server.directory / "copy.rdb"
        self._synced: dict[Path, int] = {}
        self._frozen = False

    @property
    def url(self) -> str:
        """Where the workers are told to look."""
        return self._server.url if self._cluster is None else self._cluster.url

    def start(self) -> None:
        """Start it and return when it has read its data back, and its cluster is whole."""
        self._server.start()
        deadline = time.monotonic() + SAVE_S
        with self._client() as client:
            while client.info("persistence")["loading"]:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self._server.url} was still reading its data after {SAVE_S:g} s")
        self._wait_until_whole()

    def mark(self) -> None:
        """Remember how much of the file is taken to be on the disk."""
        self._synced = {path: path.stat().st_size for path in self._files.glob("*.incr.aof")}

    def crash(self) -> str:
        self._server.kill()
        lost = 0
        for path in self._files.glob("*.incr.aof"):
            size = path.stat().st_size
            kept = min(size, self._synced.get(path, 0))
            os.truncate(path, kept)
            lost += size - kept
        return f"{lost / 1e6:.1f} MB lost"

    def copy(self) -> str:
        with self._client() as client:
            client.save()
        shutil.copyfile(self._dump, self._copy)
        return f"{self._copy.stat().st_size / 1e6:.1f} MB"

    def put_back(self) -> None:
        """Stop it and replace its data by the copy."""
        self._server.stop()
        shutil.rmtree(self._files)
        self._files.mkdir()
        shutil.copyfile(self._copy, self._files / _BASE)
        (self._files / _MANIFEST).write_text(f"file {_BASE} seq 1 type b\n", encoding="utf-8")

    def empty(self) -> None:
        with self._client() as client:
            client.flushall()

    def freeze(self) -> None:
        os.kill(self._server.pid, signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        os.kill(self._server.pid, signal.SIGCONT)
        self._frozen = False
        self._wait_until_whole()

    def close(self) -> None:
        if self._frozen:
            self.thaw()
        (self._cluster or self._server).stop()

    def _wait_until_whole(self) -> None:
        if self._cluster is not None:
            self._cluster.wait_until_whole()

    def _client(self) -> redis.Redis:
        return redis.Redis.from_url(self._server.url, socket_timeout=SAVE_S)


def started_store(kind: Store, directory: Path) -> ChaosStore:
    """Start a Redis, or a cluster of which the master of one key is the one to be hurt."""
    directory.mkdir()
    if kind == "alone":
        server = LocalRedis(binary=store_binary(), directory=directory, appendonly=True)
        server.start()
        return ChaosStore(server)
    settings = {"appendfsync": "everysec"}
    cluster = LocalCluster(binary=store_binary(), directory=directory, settings=settings)
    cluster.start()
    return ChaosStore(cluster.nodes[cluster.node_of(HURT_KEYS[kind])], cluster=cluster)
