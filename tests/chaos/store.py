"""What can happen to a Redis: a crash that loses its last seconds, an old copy put back, emptied, frozen."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Final

import redis
from servers.redis import LocalRedis, store_binary

SAVE_S: Final = 30.0
_MANIFEST: Final = "appendonly.aof.manifest"
_BASE: Final = "appendonly.aof.1.base.rdb"


class ChaosStore:
    """A Redis with an append-only file, `appendfsync everysec`, and everything that can befall it.

    A killed process loses nothing that it has written, because the kernel keeps it. What a machine loses
    that goes down is cut off the file by hand: whatever came after `mark`.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._server = LocalRedis(binary=store_binary(), directory=directory, appendonly=True)
        self._files = directory / "appendonlydir"
        self._dump = directory / "dump.rdb"
        self._copy = directory / "copy.rdb"
        self._synced: dict[Path, int] = {}
        self._frozen = False

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        """Start it and return when it has read its data back."""
        self._server.start()
        deadline = time.monotonic() + SAVE_S
        with redis.Redis.from_url(self.url, socket_timeout=SAVE_S) as client:
            while client.info("persistence")["loading"]:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self.url} was still reading its data after {SAVE_S:g} s")

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
        with redis.Redis.from_url(self.url, socket_timeout=SAVE_S) as client:
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
        with redis.Redis.from_url(self.url, socket_timeout=SAVE_S) as client:
            client.flushall()

    def freeze(self) -> None:
        os.kill(self._server.pid, signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        os.kill(self._server.pid, signal.SIGCONT)
        self._frozen = False

    def close(self) -> None:
        if self._frozen:
            self.thaw()
        self._server.stop()
