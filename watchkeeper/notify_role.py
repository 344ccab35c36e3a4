"""The notify role: reads the alerts topic and brings incidents to people, until somebody says stop."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from alerts.control_source import ControlSource
from alerts.heartbeat import Heartbeat, Ill
from alerts.http_gate import HttpGate
from alerts.kafka_source import AlertSource, SourceStats
from alerts.lanes import Threads
from alerts.notifier import Notifier, NotifierStats
from alerts.orders import Orders
from alerts.outlook import Outlook
from alerts.routing import Route
from alerts.telling import Rules
from consumers.kafka_sink import EventSink
from schemas.errors import Retry
from schemas.finding import Severity
from watchkeeper.sinks import make_gallery, make_sinks

if TYPE_CHECKING:
    import threading

    from alerts.notify_store import NotifyStore
    from alerts.sinks import Sink
    from schemas.notify_settings import NotifySettings
    from schemas.settings import Settings

POLL_S: Final = 0.2
AGAIN_S: Final = 1.0
PROOF_S: Final = 15.0
"""With a heartbeat the store is written to so often even if nothing has changed: it proves that it can be."""

SOUND_S: Final = 30.0
"""A round in which all servers answered is a sign of life for so long."""

ANSWER_S: Final = 5.0
PUBLISH_S: Final = 2.0

_log = structlog.get_logger("watchkeeper.notify")


class NotifyRole:
    """One notifier with its source, and the heartbeat that tells that both are well.

    Parameters
    ----------
    store
        Keeps the delivery log.
    wall_ms
        Epoch milliseconds.
    stop
        Set when the process is to end.
    watches
        Whether the other roles of this process get on.
    sinks
        In place of those that the settings name.
    """

    def __init__(  # noqa: PLR0913 - wired once, by keyword, in the composition root
        self,
        settings: Settings,
        store: NotifyStore,
        *,
        wall_ms: Callable[[], int],
        stop: threading.Event,
        watches: Callable[[], bool] = lambda: True,
        sinks: Sequence[Sink] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stop = stop
        self._wall_ms = wall_ms
        self._orders = Orders(settings.app)
        kafka = settings.kafka
        self._control = ControlSource(kafka.properties, topic=kafka.control, group=kafka.group)
        self._letters = EventSink(kafka.properties)
        pictures = make_gallery(settings.notify.pictures)
        self._notifier = Notifier(
            make_sinks(settings, pictures) if sinks is None else sinks,
            app=settings.app,
            outlook=Outlook(routes_of(settings), orders=self._orders, stand_ins=settings.notify.stand_ins),
            store=store,
            make_lanes=lambda sinks, owns: Threads(sinks, owns=owns, sleep=time.sleep),
            wall_ms=wall_ms,
            rng=random.Random(),  # noqa: S311 - jitter
            rules=rules_of(settings.notify),
            publish=partial(self._letters.publish, kafka.dead_letters, partition=None, timeout_s=PUBLISH_S),
        )
        self._notifier.stats.pictures = pictures.stats
        self._source = AlertSource(
            kafka.properties,
            topic=kafka.alerts,
            group=kafka.group,
            assigned=partial(self._insist, self._notifier.assigned),
            gone=self._notifier.gone,
        )
        self._clock = clock
        self._watches = watches
        self._sound_s = self._proved_s = -math.inf
        self.heartbeat = _heartbeat(settings.notify, self.ill, clock)
        """None without one in the settings."""

    @property
    def stats(self) -> NotifierStats:
        """What was delivered."""
        return self._notifier.stats

    @property
    def source_stats(self) -> SourceStats:
        """What was read."""
        return self._source.stats

    def ill(self) -> Ill | None:
        """Return what is wrong with this process, None for nothing; for another thread than that of `run`."""
        stats = self._notifier.stats
        if self._clock() - self._sound_s > SOUND_S:
            return Ill.ROUNDS
        if not self._watches():
            return Ill.EVALUATION
        if stats.behind:
            return Ill.BACKLOG
        if stats.overdue:
            return Ill.OVERDUE
        return None if self._source.answers(ANSWER_S) else Ill.BROKER

    def run(self) -> None:
        """Run until told to stop; tries in hand are finished and remembered."""
        if self.heartbeat is not None:
            self.heartbeat.start()
        try:
            while not self._stop.is_set():
                self.step()
        except _Stopping:
            _log.info("stopped while Redis did not answer; what is due is told after the restart")
        finally:
            if self.heartbeat is not None:
                self.heartbeat.close()
            self._notifier.close()
            self._source.witness(self._notifier.offsets())
            self._source.close()
            self._control.close()
            self._letters.close()

    def step(self) -> None:
        """Do one round: hear what is new, tell what is due; blocks for up to a fifth of a second."""
        self._orders.take(self._control.poll(), now_ms=self._wall_ms())
        if not self._control.ready:  # nobody is told before it is known who wants to hear nothing
            self._stop.wait(POLL_S)
            return
        # While sinks are at work their outcome is waited for instead: the next message follows at once.
        busy = self._notifier.busy
        heard = self._source.poll(timeout_s=0.0 if busy else POLL_S)
        now_s = self._clock()
        prove = self.heartbeat is not None and now_s - self._proved_s >= PROOF_S
        try:
            lost = self._notifier.step(heard, wait_s=POLL_S if busy else 0.0, prove=prove)
        except Retry as error:
            self._wait(error)
            return
        self._sound_s, self._proved_s = now_s, now_s if prove else self._proved_s
        for partition in lost:
            self._source.again(partition)
        self._source.witness(self._notifier.offsets())

    def _insist(self, claim: Callable[[int, int], int], partition: int, committed: int) -> int:
        while True:
            try:
                return claim(partition, committed)
            except Retry as error:
                self._wait(error)

    def _wait(self, error: Retry) -> None:
        self._sound_s = -math.inf
        _log.warning("waiting for a server", error=str(error))
        if self._stop.wait(AGAIN_S):
            raise _Stopping from error


class _Stopping(Exception):  # noqa: N818 - not an error: the way out of a wait
    """The process ends while a server does not answer."""


def _heartbeat(
    notify: NotifySettings, ill: Callable[[], Ill | None], clock: Callable[[], float]
) -> Heartbeat | None:
    found = notify.heartbeat
    if found is None:
        return None
    return Heartbeat(found.url, every_s=found.every_ms / 1000, gate=HttpGate(), ill=ill, clock=clock)


def routes_of(settings: Settings) -> list[Route]:
    """Return the routes of the settings."""
    return [
        Route(dict(route.match), tuple(route.sinks), after_s=route.after_ms / 1000)
        for route in settings.routes
    ]


def rules_of(notify: NotifySettings) -> Rules:
    """Return when and how often people are told."""
    return Rules(
        wait_ms=notify.wait_ms,
        interval_ms=notify.interval_ms,
        repeat_ms={severity: getattr(notify.repeat, f"{severity.value}_ms") for severity in Severity},
        page_age_ms=notify.page_age_ms,
        pages_from=notify.pages_from,
        pages_max=notify.pages_per_hour,
    )
