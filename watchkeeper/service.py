"""`watchkeeper run`: the roles of the settings, wired together and run until somebody says stop."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Final

import structlog

from alerts.heartbeat import HeartbeatStats
from alerts.kafka_source import SourceStats
from alerts.notifier import NotifierStats
from consumers.evaluate_role import Assignment, EvaluateRole
from consumers.integrity_role import IntegrityRole
from consumers.kafka_client import check_topics
from consumers.kafka_gate import EventSource
from consumers.kafka_sink import EventSink
from consumers.kafka_topics import TopicWatch
from consumers.outbox import Outboxes
from consumers.plan import ModelPlan
from consumers.redis_gate import RedisGate
from consumers.redis_models import RedisModels
from consumers.redis_partitions import RedisPartitions
from consumers.source import Callbacks, TopicNames
from consumers.stats import WorkerStats
from consumers.worker import JoinWorker
from detectors.river_gate import load_river
from schemas.errors import Retry, Stop
from schemas.finding import JsonValue
from schemas.settings import Settings
from watchkeeper.health import PROGRESS_WITHIN_S, progress_age_s, stall_reason
from watchkeeper.liveness import Liveness
from watchkeeper.notify_role import NotifyRole
from watchkeeper.notify_store import StoredDeliveries
from watchkeeper.policy import integrity_policy, policies

ROLES: Final = ("join", "evaluate", "notify")
TEND_S: Final = 1.0

_log = structlog.get_logger("watchkeeper.service")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the service waits for what.

    Parameters
    ----------
    idle_s
        A topic that is caught up and quiet for this long holds no window open.
    evaluate_s
        Time between two looks for windows to close.
    poll_s
        Longest wait for messages.
    """

    idle_s: float = 10.0
    evaluate_s: float = 0.5
    poll_s: float = 0.2


class Service:
    """The roles of one process.

    Parameters
    ----------
    settings, plans
        What to watch, and how.
    roles
        Any of `ROLES`.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        settings: Settings,
        plans: Mapping[str, ModelPlan],
        roles: Sequence[str],
        *,
        pace: Pace = Pace(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._plans = plans
        self._roles = frozenset(roles)
        self._pace = pace
        self._clock = clock
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self.stats = WorkerStats(progress_s=clock())
        self._notifying: NotifyRole | None = None
        self._working = False
        self._looped_s = -math.inf

    def notifier_stats(self) -> NotifierStats | None:
        """Return what the notifier has delivered, or None if this process has none."""
        return None if self._notifying is None else self._notifying.stats

    def source_stats(self) -> SourceStats | None:
        """Return what the notifier has read, or None if this process has none."""
        return None if self._notifying is None else self._notifying.source_stats

    def heartbeat_stats(self) -> HeartbeatStats | None:
        """Return what became of the heartbeats, or None if this process sends none."""
        beating = None if self._notifying is None else self._notifying.heartbeat
        return None if beating is None else beating.stats

    def gets_on(self) -> bool:
        """Return whether the roles that watch get on, if this process has any: no server is away, and rounds end."""
        if not self._roles & {"join", "evaluate"}:
            return True
        if not self._working or self.stats.waiting_for:
            return False
        now_s = self._clock()
        age_s = progress_age_s(self.stats, now_s=now_s, started_s=0.0)
        if stall_reason(self.stats, age_s=age_s, within_s=PROGRESS_WITHIN_S) is not None:
            return False
        return min(age_s, now_s - self._looped_s) <= PROGRESS_WITHIN_S

    def ready(self) -> bool:
        """Return whether every role of this process has begun its work."""
        notifies = "notify" not in self._roles or self._notifying is not None
        works = self._working or not self._roles & {"join", "evaluate"}
        return notifies and works and (self.stats.owned > 0 or "join" not in self._roles)

    def stop(self) -> None:
        """Finish the batch in hand, commit it and end `run`; may be called from a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Run until `stop`.

        Raises
        ------
        Stop
            If a server is not fit for the work at the start, or going on would be wrong.
        """
        partitions = check_servers(self._settings)
        with ExitStack() as stack:
            liveness = Liveness(self.stats, stall=self._stalled, clock=self._clock)
            liveness.start()
            stack.callback(liveness.close)
            if "notify" in self._roles:
                thread = threading.Thread(target=self._notify, name="notify", daemon=True)
                thread.start()
                stack.callback(thread.join, 15.0)
                stack.callback(self._stop.set)
            if self._roles & {"join", "evaluate"}:
                self._work(stack, partitions)
            else:
                self._stop.wait()
        if self._failure is not None:
            raise self._failure

    def _stalled(self, error: Stop) -> None:
        self._failure = error
        self._stop.set()

    def _work(self, stack: ExitStack, partitions: int) -> None:
        if "evaluate" in self._roles and any(p.settings.river_monitors for p in self._plans.values()):
            load_river()  # before partitions are ours: nobody reads them while a module is loaded
        gate = connect_redis(self._settings)
        stack.callback(gate.close)
        sink = EventSink(self._settings.kafka.properties)
        stack.callback(sink.close)
        app, kafka = self._settings.app, self._settings.kafka
        outboxes = Outboxes(
            sink, app=app, alerts=kafka.alerts, dead_letters=kafka.dead_letters, stats=self.stats
        )
        worker = self._worker(gate, outboxes) if "join" in self._roles else None
        assignment = None if worker is not None else Assignment(self._source("-evaluate", labels=False))
        member = worker or assignment
        if member is not None:
            stack.callback(member.close)
        watching = self._watching(gate, outboxes, partitions) if "evaluate" in self._roles else None
        try:
            self._loop(worker, assignment, watching)
        except Stop:
            if watching is not None:  # what we stop for is told before we go
                watching.integrity.step((), now=True)
            raise

    def _watching(self, gate: RedisGate, outboxes: Outboxes, partitions: int) -> _Watching:
        store, states = RedisPartitions(gate, self._settings.app), RedisModels(gate, self._settings.app)
        evaluate = EvaluateRole(
            self._plans,
            partitions,
            windows=store,
            states=states,
            policies=policies(self._settings, self._plans),
            outboxes=outboxes,
            stats=self.stats,
            clock=self._clock,
        )
        integrity = IntegrityRole(
            self._plans,
            partitions,
            windows=store,
            states=states,
            policy=integrity_policy(self._settings, self._plans),
            outboxes=outboxes,
            watch=self._watch(),
            eviction=partial(evicting, gate),
            resized=evaluate.resize,
            clock=self._clock,
            wall_ms=wall_ms,
        )
        return _Watching(evaluate, integrity)

    def _loop(
        self, worker: JoinWorker | None, assignment: Assignment | None, watching: _Watching | None
    ) -> None:
        tended = evaluated = self._clock()
        while not self._stop.is_set():
            owned: set[int] = set()
            if worker is not None:
                worker.step(self._pace.poll_s)
                owned = worker.assigned
            elif assignment is not None:
                assignment.step(self._pace.poll_s)
                owned = assignment.partitions
                self.stats.progress_s = self._clock()
            now = self._clock()
            if worker is not None and now - tended >= TEND_S:
                worker.tend()
                tended = self._clock()
            self._working, self._looped_s = True, self._clock()
            if watching is not None and now - evaluated >= self._pace.evaluate_s:
                watching.integrity.step(owned)
                watching.evaluate.step(owned, held=watching.integrity.held)
                evaluated = self._clock()

    def _watch(self) -> TopicWatch:
        kafka = self._settings.kafka
        return TopicWatch(kafka.properties, kafka.predictions, kafka.ground_truth)

    def _worker(self, gate: RedisGate, outboxes: Outboxes) -> JoinWorker:
        kafka = self._settings.kafka
        return JoinWorker(
            self._plans,
            TopicNames(kafka.predictions, kafka.ground_truth),
            make_source=self._source("", labels=True),
            watch=self._watch(),
            store=RedisPartitions(gate, self._settings.app),
            states=RedisModels(gate, self._settings.app),
            outboxes=outboxes,
            stats=self.stats,
            clock=self._clock,
            wall_ms=wall_ms,
            idle_s=self._pace.idle_s,
            stopping=self._stop.is_set,
            message_bytes_max=kafka.max_message_bytes,
        )

    def _source(self, suffix: str, *, labels: bool) -> Callbacks:
        kafka = self._settings.kafka
        return partial(
            EventSource,
            kafka.properties,
            kafka.group + suffix,
            kafka.predictions,
            kafka.ground_truth if labels else None,
            app=self._settings.app,
        )

    def _notify(self) -> None:
        """Deliver alerts; runs on a thread of its own, because sinks are slow."""
        try:
            with closing(connect_redis(self._settings)) as gate:
                store = StoredDeliveries(RedisModels(gate, self._settings.app))
                self._notifying = NotifyRole(
                    self._settings, store, wall_ms=wall_ms, stop=self._stop, watches=self.gets_on
                )
                self._notifying.run()
        except Exception as error:  # noqa: BLE001 - the outermost loop of this thread: the main one raises it
            self._failure = error
        finally:
            self._stop.set()


@dataclass(frozen=True, slots=True)
class _Watching:
    """The two roles that read all partitions and write alerts."""

    evaluate: EvaluateRole
    integrity: IntegrityRole


def wall_ms() -> int:
    """Return the wall clock, epoch milliseconds: for alerts about now, never for a window."""
    return time.time_ns() // 1_000_000


def evicting(gate: RedisGate) -> dict[str, JsonValue] | None:
    """Return the facts of nodes that may throw away what is counted, None if every one keeps it."""
    found = {node: e for node, e in gate.policies().items() if e.policy != "noeviction"}
    if not found:
        return None
    return {
        "policy": ", ".join(sorted({e.policy for e in found.values()})),
        "nodes": ", ".join(sorted(found)),
        "evicted_keys": sum(e.evicted_keys for e in found.values()),
    }


def connect_redis(settings: Settings) -> RedisGate:
    """Return the connection to Redis that the settings describe."""
    found = settings.redis
    return RedisGate(
        str(found.url),
        cluster=found.cluster,
        timeout_s=found.command_timeout_ms / 1000,
        connect_timeout_s=found.connect_timeout_ms / 1000,
    )


def check_servers(settings: Settings) -> int:
    """Return the number of partitions, if both servers are fit for the work.

    Raises
    ------
    Stop
        With the mend, exit code 1: no answer, a missing topic, unequal partition counts, a Redis that
        throws data away.
    """
    gate = connect_redis(settings)
    try:
        server = gate.check()
    finally:
        gate.close()
    kafka = settings.kafka
    try:
        counts = check_topics(
            kafka.properties, [kafka.predictions, kafka.ground_truth, kafka.alerts, kafka.dead_letters]
        )
    except Retry as error:
        mend = "start Kafka, or correct kafka.bootstrap.servers in the settings"
        raise Stop(f"{error}; {mend}", exit_code=1) from error
    predictions, labels = counts[kafka.predictions], counts[kafka.ground_truth]
    if predictions != labels:
        raise Stop(
            f"kafka: topic {kafka.predictions!r} has {predictions} partitions and {kafka.ground_truth!r} has "
            f"{labels}; a prediction and its label must meet in one partition, so give both the same number",
            exit_code=1,
        )
    _log.info("servers are fit", redis=server, partitions=predictions)
    return predictions


@contextmanager
def stop_on_signals(service: Service) -> Iterator[None]:
    """Let SIGTERM and SIGINT drain and commit instead of killing."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        service.stop()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(TypeError):
                signal.signal(number, handler)
