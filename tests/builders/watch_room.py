"""A notifier over stores in memory, with scripted sinks and a clock that is moved by hand."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from alert_builders import CONTEXT, NOON_MS, ONE_OF_ONE, finding, span

from alerts.kafka_source import Heard
from alerts.lanes import deliver
from alerts.notifier import Notifier
from alerts.orders import Orders
from alerts.outlook import Outlook
from alerts.policy import AlertBook, step
from alerts.sinks import Delivery
from consumers.memory_store import MemoryModels
from schemas.alert import AlertsRecord, AlertWindow, WindowComplete, WindowCompleteData
from schemas.finding import Kind, Severity, Stream, Verdict
from watchkeeper.notify_store import StoredDeliveries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from alerts.desk import Task
    from alerts.routing import Route
    from alerts.sinks import Sink
    from alerts.telling import Rules
    from schemas.deploy import Deploy
    from schemas.finding import Finding
    from schemas.notification import Notification

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
CRITICAL: dict[str, Any] = {"severity": Severity.CRITICAL}
ERROR: dict[str, Any] = {"severity": Severity.ERROR}
DRIFT: dict[str, Any] = {"kind": Kind.DATA_DRIFT, "check": "drift", "hysteresis": ONE_OF_ONE}


@dataclass
class Clock:
    """The wall clock, from noon on."""

    now_ms: int = NOON_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class ScriptedSink:
    """A sink that answers from a list, then for ever as its last answer, and keeps what it was told."""

    name: str
    clock: Clock
    answers: list[Delivery | BaseException] = field(default_factory=list)
    pages: bool = False
    repeatable: bool = False
    refresh_s: float | None = None
    pace_s: float = 0.0
    tries: list[tuple[int, Notification]] = field(default_factory=list)
    got: list[Notification] = field(default_factory=list)
    closed: int = 0

    def deliver(self, notification: Notification) -> Delivery:
        self.tries.append((self.clock.now_ms, notification))
        answer = self.answers.pop(0) if self.answers else Delivery.delivered()
        if isinstance(answer, BaseException):
            raise answer
        if answer == Delivery.delivered():
            self.got.append(notification)
        return answer

    def close(self) -> None:
        self.closed += 1

    @property
    def said(self) -> list[str]:
        """What arrived: why and how bad."""
        return [f"{n.why} {n.severity}" for n in self.got]


@dataclass
class ScriptedPager(ScriptedSink):
    """A scripted sink that keeps a record of changes beside: it answers them from the same list."""

    announced: list[Deploy] = field(default_factory=list)
    change_tries: int = 0

    def announce(self, deploy: Deploy) -> Delivery:
        self.change_tries += 1
        answer = self.answers.pop(0) if self.answers else Delivery.delivered()
        if isinstance(answer, BaseException):
            raise answer
        if answer == Delivery.delivered():
            self.announced.append(deploy)
        return answer


class AtOnce:
    """`alerts.lanes.Lanes` that delivers on the spot; the outcome is heard of in the next round.

    Parameters
    ----------
    crash
        Called before and after each delivery; what it raises stands for a process that dies there.
    """

    def __init__(self, sinks: Mapping[str, Sink], crash: Callable[[str], None] | None = None) -> None:
        self._sinks = sinks
        self._crash = crash or (lambda _: None)
        self._ended: list[tuple[Task, Delivery]] = []

    @property
    def busy(self) -> set[str]:
        return {job.sink for job, _ in self._ended}

    def send(self, job: Task) -> None:
        self._crash("before the post")
        delivery = deliver(self._sinks[job.sink], job.message)
        self._crash("after the post")
        self._ended.append((job, delivery))

    def results(self, timeout_s: float = 0.0) -> list[tuple[Task, Delivery]]:
        del timeout_s
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        for sink in self._sinks.values():
            sink.close()


class Topic:
    """The alerts topic: what the evaluator writes of one model, one partition."""

    def __init__(self, clock: Clock, *, model: str = "fraud") -> None:
        self.records: list[AlertsRecord] = []
        self._clock = clock
        self._model = model
        self._book = AlertBook()

    def window(self, *findings: Finding, index: int | None = None) -> None:
        """Evaluate a minute: the one that ends now, or the one of that number."""
        number = (self._clock.now_ms - NOON_MS) // MINUTE_MS if index is None else index
        self._book, events = step(self._book, findings, context=CONTEXT)
        self.records += events
        data = WindowCompleteData(
            app="prod",
            model=self._model,
            stream=Stream.PREDICTIONS,
            window=AlertWindow.of(span(number)),
            findings=len(findings),
            firing=self._book.firing(Stream.PREDICTIONS),
        )
        self.records.append(WindowComplete.of(data))


class Room:
    """A notifier at work.

    Parameters
    ----------
    sinks
        Where messages go.
    crash
        As for `AtOnce`.
    """

    def __init__(
        self,
        *sinks: ScriptedSink,
        clock: Clock,
        topic: Topic,
        routes: Sequence[Route] = (),
        rules: Rules | None = None,
        orders: Orders | None = None,
        stand_ins: Mapping[str, str] | None = None,
        states: MemoryModels | None = None,
        crash: Callable[[str], None] | None = None,
        committed: int = -1,
        publish: Callable[[Sequence[tuple[bytes, bytes]]], int] = len,
    ) -> None:
        self.clock, self.topic, self.sinks = clock, topic, sinks
        self.states = MemoryModels() if states is None else states
        self.crash = crash or (lambda _: None)
        self.notifier = Notifier(
            sinks,
            app="prod",
            outlook=Outlook(routes, orders=orders or Orders(), stand_ins=stand_ins or {}),
            store=StoredDeliveries(self.states),
            make_lanes=lambda found, _owns: AtOnce(found, self.crash),
            wall_ms=clock,
            rng=random.Random(7),
            rules=rules,
            publish=publish,
        )
        self._read = max(0, self.notifier.assigned(0, committed))

    def step(self) -> list[int]:
        """Read what is new in the topic, up to its end, and tell what is due."""
        news: Iterable[tuple[int, AlertsRecord | None]] = enumerate(
            self.topic.records[self._read :], self._read
        )
        heard = Heard({0: list(news)}, (0,))
        self._read = len(self.topic.records)
        return self.notifier.step(heard)

    def settle(self, rounds: int = 60) -> None:
        """Go on until nothing more is due now."""
        for _ in range(rounds):
            before = [len(sink.tries) for sink in self.sinks]
            self.step()
            if before == [len(sink.tries) for sink in self.sinks] and not self.notifier.stats.waiting:
                return

    def after(self, ms: int) -> None:
        """Let time pass, then tell what is due."""
        self.clock.now_ms += ms
        self.settle(5)


class Scene:
    """A clock, a topic, a pager and a chat."""

    def __init__(self, **room: Any) -> None:
        self.clock = Clock()
        self.topic = Topic(self.clock)
        self.pager = ScriptedPager("pager", self.clock, pages=True, repeatable=True)
        self.chat = ScriptedSink("chat", self.clock)
        self.states = MemoryModels()
        self.orders = Orders()
        self._room = room
        self.restart()

    def restart(self, **changes: Any) -> None:
        """Let another process take over, with nothing but the store and the topic."""
        self._room |= changes
        self.room = Room(
            self.pager,
            self.chat,
            clock=self.clock,
            topic=self.topic,
            states=self.states,
            orders=self.orders,
            **self._room,
        )

    def minute(self, *findings: Finding) -> None:
        """Let a minute pass, evaluate it and tell what is due."""
        index = (self.clock.now_ms - NOON_MS) // MINUTE_MS
        self.clock.now_ms += MINUTE_MS
        self.topic.window(*findings, index=index)
        self.room.settle()

    def minutes(self, number: int, verdict: Verdict = Verdict.BREACH, **what: Any) -> None:
        for _ in range(number):
            self.minute(self.read(verdict, **what))

    def read(self, verdict: Verdict = Verdict.BREACH, **what: Any) -> Finding:
        index = (self.clock.now_ms - NOON_MS) // MINUTE_MS
        return finding(index, verdict, **{**DRIFT, **what})

    def over(self, **what: Any) -> None:
        self.minutes(2, Verdict.CLEAR, **what)


def requests(*sinks: ScriptedSink) -> int:
    return sum(len(sink.tries) for sink in sinks)
