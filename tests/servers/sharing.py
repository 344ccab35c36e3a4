"""One server for all workers of a pytest-xdist run: the first to ask starts it, and stops it when all are done."""

from __future__ import annotations

import fcntl
import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from servers.selection import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAIT_S = 600.0


@contextmanager
def shared(name: str, *, root: Path, start: Callable[[], Server]) -> Iterator[Server]:
    """Give the run's server called `name`, started by `start` in whichever process asks first.

    `root` is a directory that all processes of the run share. Each user holds a shared lock on `<name>.users`
    until it is done; the owner stops the server once it can lock that file alone. The kernel drops the locks of
    a process that dies, so nobody is waited for in vain.
    """
    notice = root / f"{name}.json"
    with (root / f"{name}.users").open("a") as users, (root / f"{name}.start").open("a") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        if notice.exists():
            fcntl.flock(users, fcntl.LOCK_SH)
            fcntl.flock(starting, fcntl.LOCK_UN)
            yield Server(**json.loads(notice.read_text(encoding="utf-8")))
            return
        try:
            server = start()
            notice.write_text(
                json.dumps({"address": server.address, "taken": server.taken}), encoding="utf-8"
            )
        finally:
            fcntl.flock(starting, fcntl.LOCK_UN)
        try:
            yield server
        finally:
            _wait_for_users(users.fileno(), starting.fileno())
            notice.unlink()
            server.close()


def _wait_for_users(users: int, starting: int) -> None:
    """Return when nobody else uses the server, holding `starting` so that nobody begins to."""
    deadline = time.monotonic() + WAIT_S
    while True:
        fcntl.flock(starting, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return
        else:
            return
        fcntl.flock(starting, fcntl.LOCK_UN)
        time.sleep(0.1)
