"""Waiting for a server without losing our place in the group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import structlog

from consumers.source import Pausable
from consumers.stats import WorkerStats
from schemas.errors import Retry

RETRY_S: Final = 0.5

_log = structlog.get_logger("watchkeeper.worker")
ResultT = TypeVar("ResultT")


class GivenUp(Exception):  # noqa: N818 - not an error: what was waited for is somebody else's now
    """The partition was taken from us while we waited."""


class Patience:
    """Repeats a call until its server answers: back-pressure, instead of an error or a lost event.

    Parameters
    ----------
    source
        Paused meanwhile, and served so that the group keeps us.
    resumed
        Told after each wait.
    stopping
        Whether the process shall end: then nobody waits any more, and what is not stored is read again.
    """

    def __init__(
        self,
        source: Pausable,
        stats: WorkerStats,
        *,
        resumed: Callable[[], None],
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._source = source
        self._stats = stats
        self._resumed = resumed
        self._stopping = stopping

    def insist(self, call: Callable[[], ResultT], *, ours: Callable[[], bool]) -> ResultT:
        """Return the call's result, however long it takes.

        Raises
        ------
        GivenUp
            As soon as `ours` says no between two tries, or the process shall end.
        """
        try:
            return call()
        except Retry as error:
            self._waits(error)
        self._source.pause()
        try:
            while True:
                self._source.keep_alive(RETRY_S)
                if self._stopping() or not ours():
                    raise GivenUp
                try:
                    return call()
                except Retry as error:
                    self._waits(error)
        finally:
            self._source.resume()
            self._stats.waiting_for = ""
            self._resumed()
            _log.info("the server answers again, or nobody waits for it any more")

    def _waits(self, error: Retry) -> None:
        if not self._stats.waiting_for:
            _log.warning("waiting for a server", error=str(error))
        self._stats.waiting_for = self._stats.last_error = str(error)
        self._stats.retries += 1
        self._stats.behind = max(self._stats.behind, 1)  # what waits for a server is behind
