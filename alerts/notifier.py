"""Brings incidents to people: reads the alerts topic, decides what each sink is told, and remembers it in the store.

One thread decides; every sink has one of its own (`alerts.lanes`). In a round the outcomes of tries and the records of
the topic are taken in, what is due is decided, all of it is stored in one write for each partition, and only then are
messages posted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from alerts.announcements import Announcement
from alerts.delivery import Backoff, NextStep
from alerts.desk import Desk, Outcome
from alerts.ledger import LETTER_FIELD
from alerts.pictures.gallery import PictureStats
from alerts.routing import check_routes
from alerts.telling import Rules
from schemas.errors import Retry

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from alerts.kafka_source import Heard
    from alerts.lanes import Lanes
    from alerts.notify_store import NotifyStore
    from alerts.outlook import Outlook
    from alerts.sinks import Sink

BACKOFF: Final = Backoff(wait_s_max=300.0, horizon_s=24 * 3600.0, attempts_max=1_000)

LETTERS_MAX: Final = 100
PUBLISH_AGAIN_MS: Final = 10_000

_log = structlog.get_logger("watchkeeper.notify")


@dataclass(slots=True)
class NotifierStats:
    """Counts since the start, by sink: messages delivered and given up, tries that were repeated.

    Parameters
    ----------
    unrouted
        Incidents that no route leads anywhere from: nobody was told.
    fenced
        Partitions whose state was thrown away because somebody else has it, or the store has lost it.
    waiting
        Messages that are on their way.
    unburied
        Messages that were given up and are not in the dead-letter topic yet.
    overdue
        Sinks that have been waited for longer than five minutes over one message.
    behind
        Partitions whose backlog is still being read: nobody is told before it has been.
    latency_s
        By sink, the time from the end of the window that decided to the delivery, of the last message.
    pictures
        What became of their pictures.
    """

    delivered: Counter[str] = field(default_factory=Counter)
    retried: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    latency_s: dict[str, float] = field(default_factory=dict)
    unrouted: int = 0
    fenced: int = 0
    waiting: int = 0
    unburied: int = 0
    overdue: set[str] = field(default_factory=set)
    behind: int = 0
    pictures: PictureStats = field(default_factory=PictureStats)


class Notifier:
    """Decides and remembers what people are told. Not thread-safe.

    Parameters
    ----------
    sinks
        By name.
    wall_ms
        Epoch milliseconds: the age of an incident, and when to tell again, are about now.
    rng
        Source of the jitter.
    rules, backoff
        How often people are told, and how long a message is tried.
    publish
        Writes keys and values of messages that were given up to the dead-letter topic; returns how many, from the
        first on, it has. May block for a second or two.

    Raises
    ------
    Stop
        A route names an unknown field or sink.
    """

    def __init__(  # noqa: PLR0913 - wired once, by keyword, in the composition root
        self,
        sinks: Sequence[Sink],
        *,
        app: str,
        outlook: Outlook,
        store: NotifyStore,
        make_lanes: Callable[[Mapping[str, Sink], Callable[[int], bool]], Lanes],
        wall_ms: Callable[[], int],
        rng: random.Random,
        rules: Rules | None = None,
        backoff: Backoff = BACKOFF,
        publish: Callable[[Sequence[tuple[bytes, bytes]]], int],
    ) -> None:
        self._sinks = {sink.name: sink for sink in sinks}
        check_routes(outlook.routes, sinks=self._sinks)
        self._app = app
        self._outlook = outlook
        self._store = store
        self._wall_ms = wall_ms
        self._rng = rng
        self._rules = rules if rules is not None else Rules()
        self._backoff = backoff
        self._desks: dict[int, Desk] = {}
        self._lanes = make_lanes(self._sinks, self._desks.__contains__)
        self._publish = publish
        self._publish_ms = 0
        self._unrouted_before = 0
        self.stats = NotifierStats()

    def assigned(self, partition: int, committed: int) -> int:
        """Take a partition over; returns the offset to read on from, -1 for its beginning.

        Parameters
        ----------
        committed
            What Kafka believes to have been told, -1 for nothing: it counts only where the store has forgotten.
        """
        claimed = self._store.claim(partition)
        forgotten = claimed.offset < 0 <= committed
        if forgotten:
            _log.error(
                "the delivery log is lost: nobody is paged for what was told before", partition=partition
            )
        self._desks[partition] = Desk(
            partition,
            claimed,
            app=self._app,
            sinks=self._sinks,
            outlook=self._outlook,
            rules=self._rules,
            backoff=self._backoff,
            now_ms=self._wall_ms(),
            known_until=committed if forgotten else 0,
        )
        return claimed.offset

    def gone(self, partition: int) -> None:
        """Forget a partition that is somebody else's now."""
        desk = self._desks.pop(partition, None)
        self._unrouted_before += 0 if desk is None else desk.unrouted

    @property
    def busy(self) -> bool:
        """Whether a sink is at work."""
        return bool(self._lanes.busy)

    def offsets(self) -> dict[int, int]:
        """Return the stored offsets by partition."""
        return {number: desk.ledger.offset for number, desk in self._desks.items() if desk.ledger.offset >= 0}

    def step(self, heard: Heard, *, wait_s: float = 0.0, prove: bool = False) -> list[int]:
        """Take in what was read and what was delivered, and tell what is due.

        Parameters
        ----------
        heard
            What the topic said since the last round.
        wait_s
            How long to wait for the outcome of a try.
        prove
            Write to the store even if nothing has changed.

        Returns
        -------
        list of int
            Partitions whose state was thrown away, because somebody else has it or the store has lost it: they must
            be claimed again.

        Raises
        ------
        Retry
            If the store does not answer; nothing was posted then, and the next round tries again.
        """
        now_ms = self._wall_ms()
        for job, delivery in self._lanes.results(wait_s):
            if (desk := self._desks.get(job.partition)) is not None:
                self._count(desk.settle(job, delivery, now_ms=now_ms, fraction=self._rng.random()), now_ms)
        for partition, records in heard.records.items():
            if (desk := self._desks.get(partition)) is not None:
                for offset, record in records:
                    desk.take(offset, record, now_ms=now_ms)
        for partition in heard.ended:
            if partition in self._desks:
                self._desks[partition].caught_up = True
        for desk in self._desks.values():
            desk.ledger.unproved |= prove
        return self._tell(now_ms)

    def close(self) -> None:
        """Wait for the tries in hand, remember their outcome, and close the sinks."""
        self._lanes.close()
        now_ms = self._wall_ms()
        for job, delivery in self._lanes.results():
            if (desk := self._desks.get(job.partition)) is not None:
                self._count(desk.settle(job, delivery, now_ms=now_ms, fraction=0.0), now_ms)
        try:
            for desk in self._desks.values():
                self._stored(desk)
        except Retry as error:
            _log.warning("the last outcomes are not stored: their messages may be repeated", error=str(error))

    def _tell(self, now_ms: int) -> list[int]:
        busy = self._lanes.busy | {job.sink for desk in self._desks.values() for job in desk.outgoing}
        lost: list[int] = []
        for number, desk in list(self._desks.items()):
            before = len(desk.outgoing)
            desk.plan(now_ms=now_ms, busy=busy)
            busy |= {job.sink for job in desk.outgoing[before:]}
            if self._stored(desk):
                self._post(desk)
            else:
                self.stats.fenced += 1
                _log.warning("delivery log thrown away", partition=number)
                del self._desks[number]
                lost.append(number)
        desks = self._desks.values()
        self._bury(now_ms)
        self.stats.unburied = sum(len(desk.ledger.letters) for desk in desks)
        self.stats.waiting = sum(desk.ledger.waiting for desk in desks)
        self.stats.behind = sum(not desk.caught_up for desk in desks)
        self.stats.overdue = set().union(*(desk.ledger.overdue(now_ms) for desk in desks))
        self.stats.unrouted = self._unrouted_before + sum(desk.unrouted for desk in desks)
        return lost

    def _bury(self, now_ms: int) -> None:
        """Write what was given up, and is stored, to the dead-letter topic: at least once."""
        if now_ms < self._publish_ms:
            return
        for desk in self._desks.values():
            names = list(desk.ledger.letters)[:LETTERS_MAX]
            if names:
                done = self._publish(
                    [(n.removeprefix(LETTER_FIELD).encode(), desk.ledger.letters[n]) for n in names]
                )
                desk.ledger.buried(names[:done])
                if done < len(names):
                    _log.error(
                        "undelivered messages are not in the dead-letter topic yet", count=len(names) - done
                    )
                    self._publish_ms = now_ms + PUBLISH_AGAIN_MS
                    return

    def _post(self, desk: Desk) -> None:
        while desk.outgoing:
            self._lanes.send(desk.outgoing.pop(0))

    def _stored(self, desk: Desk) -> bool:
        while (draft := desk.ledger.draft()) is not None:
            kept = self._store.commit(
                desk.partition,
                token=desk.ledger.token,
                sequence=draft.sequence,
                offset=draft.offset,
                changed=draft.changed,
                forgotten=draft.forgotten,
            )
            if not kept:
                return False
            desk.ledger.stored()
        return True

    def _count(self, outcome: Outcome, now_ms: int) -> None:
        job, sink = outcome.job, outcome.job.sink
        if outcome.step is NextStep.DELIVERED:
            self.stats.delivered[sink] += 1
            if not isinstance(job, Announcement):
                noticed_ms = job.notification.detected_at.timestamp() * 1000
                self.stats.latency_s[sink] = max(0.0, (now_ms - noticed_ms) / 1000)
        elif outcome.step in (NextStep.BACK_OFF, NextStep.WAIT_AS_ASKED):
            self.stats.retried[sink] += 1
        else:
            self.stats.dead[sink] += 1
            about = (
                {"deploy": job.message.id} if isinstance(job, Announcement) else {"incident": job.incident}
            )
            _log.error(
                "message not delivered",
                sink=sink,
                reason=outcome.reason,
                step=outcome.step.value,
                **about,
            )
