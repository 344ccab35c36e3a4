"""Liveness by progress: a process that is behind and does not move, without knowing why, ends so that it is restarted."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

import structlog

from consumers.stats import WorkerStats
from schemas.errors import Stop
from watchkeeper.health import PROGRESS_WITHIN_S, progress_age_s, stall_reason

LOOK_S: Final = 1.0
GRACE_S: Final = 20.0
"""So long a process that was told to end may take; then it hangs where nothing can be told, and is cut off."""

EXIT_CODE: Final = 1

_log = structlog.get_logger("watchkeeper.liveness")


class Liveness:
    """Watches a process from a thread of its own.

    A known outage (Redis or Kafka does not answer) is waited out: a restart would not mend it.

    Parameters
    ----------
    stall
        Told once, from the thread, with the error to end with.
    clock
        Monotonic seconds, the one that `stats` is kept by.
    within_s
        Longest time without progress while partitions are behind.
    cut_off
        Ends the process at once; for when nobody listens any more.
    """

    def __init__(  # noqa: PLR0913 - tests shorten what they wait for
        self,
        stats: WorkerStats,
        *,
        stall: Callable[[Stop], None],
        clock: Callable[[], float],
        within_s: float = PROGRESS_WITHIN_S,
        grace_s: float = GRACE_S,
        cut_off: Callable[[int], None] = os._exit,
    ) -> None:
        self._stats = stats
        self._stall = stall
        self._clock = clock
        self._within_s = within_s
        self._grace_s = grace_s
        self._cut_off = cut_off
        self._started_s = clock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="liveness", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching: the process has come to its end by itself."""
        self._ended.set()
        self._thread.join(LOOK_S + 1.0)

    def reason(self) -> str | None:
        """Say why the process must end, None while it need not."""
        if self._stats.waiting_for:
            return None
        age_s = progress_age_s(self._stats, now_s=self._clock(), started_s=self._started_s)
        return stall_reason(self._stats, age_s=age_s, within_s=self._within_s)

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            reason = self.reason()
            if reason is not None:
                self._stall(Stop(f"{reason}; restart this process, its work is stored", exit_code=EXIT_CODE))
                if not self._ended.wait(self._grace_s):
                    _log.error("the process hangs and is cut off", reason=reason)
                    self._cut_off(EXIT_CODE)
                return
