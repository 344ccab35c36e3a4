"""A thread for each sink, so that a slow one holds up no other: one try at a time, at the sink's own pace."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Protocol

import structlog

from alerts.sinks import ChangeSink, Delivery
from schemas.deploy import Deploy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alerts.desk import Task
    from alerts.sinks import Sink
    from schemas.notification import Notification

LEAVE_S = 15.0

_log = structlog.get_logger("watchkeeper.notify")


class Lanes(Protocol):
    """Carries tries out and returns what came of them."""

    @property
    def busy(self) -> set[str]:
        """Names of the sinks that are at work."""

    def send(self, job: Task) -> None:
        """Hand a try to its sink, which must not be busy."""

    def results(self, timeout_s: float = 0.0) -> list[tuple[Task, Delivery]]:
        """Return the tries that have ended since the last call; waits for one if there is none."""

    def close(self) -> None:
        """Wait for tries in hand, and close every sink."""


class Threads:
    """`Lanes` with a thread for each sink.

    Parameters
    ----------
    owns
        Whether a partition is still ours: asked just before a post, for another process may tell of it by now.
    sleep
        Keeps a sink's pace.
    """

    def __init__(
        self, sinks: Mapping[str, Sink], *, owns: Callable[[int], bool], sleep: Callable[[float], None]
    ) -> None:
        self._owns = owns
        self._sleep = sleep
        self._ended: queue.SimpleQueue[tuple[Task, Delivery]] = queue.SimpleQueue()
        self._at_work: set[str] = set()
        self._inboxes: dict[str, queue.SimpleQueue[Task | None]] = {}
        self._threads: list[threading.Thread] = []
        for name, sink in sinks.items():
            inbox = self._inboxes[name] = queue.SimpleQueue()
            thread = threading.Thread(target=self._work, args=(sink, inbox), name=f"sink-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    @property
    def busy(self) -> set[str]:
        """See `Lanes.busy`."""
        return set(self._at_work)

    def send(self, job: Task) -> None:
        """See `Lanes.send`."""
        self._at_work.add(job.sink)
        self._inboxes[job.sink].put(job)

    def results(self, timeout_s: float = 0.0) -> list[tuple[Task, Delivery]]:
        """See `Lanes.results`."""
        found: list[tuple[Task, Delivery]] = []
        try:
            if timeout_s > 0:
                found.append(self._ended.get(timeout=timeout_s))
            while True:
                found.append(self._ended.get_nowait())
        except queue.Empty:
            pass
        self._at_work -= {job.sink for job, _ in found}
        return found

    def close(self) -> None:
        """See `Lanes.close`."""
        for inbox in self._inboxes.values():
            inbox.put(None)
        for thread in self._threads:
            thread.join(LEAVE_S)

    def _work(self, sink: Sink, inbox: queue.SimpleQueue[Task | None]) -> None:
        while (job := inbox.get()) is not None:
            if not self._owns(job.partition):
                self._ended.put((job, Delivery.retry("partition_lost")))
                continue
            self._ended.put((job, deliver(sink, job.message)))
            self._sleep(sink.pace_s)  # after the outcome is told: it is to be stored at once
        sink.close()


def deliver(sink: Sink, message: Notification | Deploy) -> Delivery:
    """Return what came of one try, whatever the sink does."""
    try:
        if not isinstance(message, Deploy):
            return sink.deliver(message)
        return sink.announce(message) if isinstance(sink, ChangeSink) else Delivery.dead("keeps_no_changes")
    except Exception as error:  # noqa: BLE001 - the outermost loop over a sink: one bad sink never stops the others
        # Only the type is logged: the message may hold the sink's secret.
        _log.error("sink raised", sink=sink.name, error=type(error).__name__)
        return Delivery.dead("sink_raised")
