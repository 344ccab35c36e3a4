"""Brings events to their sinks: each as often as it takes within a bounded time, none holding up another."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog

from alerts.compose import alone
from alerts.delivery import Backoff, Effort, NextStep, decide_next
from alerts.routing import RoutingReason, check_routes, choose_sinks
from alerts.sinks import Delivery, Outcome

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from alerts.routing import Route
    from alerts.sinks import Sink
    from schemas.alert import AlertEvent

ALERTS_REMEMBERED_MAX: Final = 10_000

OnDead: TypeAlias = "Callable[[AlertEvent, str, str], None]"
"""Called with the event, the sink's name and the reason when a sink has not got an event."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class NotifierStats:
    """Counts since the start: per sink name events delivered and dead, and attempts that were repeated.

    Parameters
    ----------
    unrouted
        Events that no route matched: nobody was told.
    repeated
        Events skipped because the same or a later revision of their alert was handled before.
    """

    delivered: Mapping[str, int]
    retried: Mapping[str, int]
    dead: Mapping[str, int]
    unrouted: int
    repeated: int


@dataclass(slots=True)
class _Lane:
    """One event's way to one sink."""

    sink: Sink
    due_s: float
    attempts: int = 0


@dataclass(slots=True)
class _Counts:
    delivered: Counter[str] = field(default_factory=Counter)
    retried: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    unrouted: int = 0
    repeated: int = 0


class Notifier:
    """Delivers events to sinks. Not thread-safe.

    Parameters
    ----------
    clock
        Monotonic seconds.
    sleep
        Waits that many seconds; it may raise to break off, and then the event is not done.
    rng
        Source of the jitter.
    on_dead
        Takes over what could not be delivered; what it raises goes to the caller of `handle`.

    Raises
    ------
    Stop
        A route names an unknown field or sink.
    """

    def __init__(  # noqa: PLR0913 - wired once, by keyword, in the composition root
        self,
        sinks: Sequence[Sink],
        routes: Sequence[Route],
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        rng: random.Random,
        on_dead: OnDead,
        backoff: Backoff | None = None,
    ) -> None:
        self._sinks = {sink.name: sink for sink in sinks}
        check_routes(routes, sinks=self._sinks)
        self._routes = tuple(routes)
        self._clock = clock
        self._sleep = sleep
        self._rng = rng
        self._on_dead = on_dead
        self._backoff = backoff if backoff is not None else Backoff()
        self._counts = _Counts()
        self._free_s: dict[str, float] = {}
        self._on_probation: set[str] = set()
        self._heads: OrderedDict[str, int] = OrderedDict()

    @property
    def stats(self) -> NotifierStats:
        """The counts so far."""
        counts = self._counts
        return NotifierStats(
            dict(counts.delivered), dict(counts.retried), dict(counts.dead), counts.unrouted, counts.repeated
        )

    def handle(self, event: AlertEvent) -> None:
        """Bring one event to its sinks.

        Returns when each of them has it or `on_dead` was told. Blocks at most about the backoff's horizon
        plus one attempt of each sink. A revision that was handled before, or is older, is skipped.
        """
        if self._heads.get(event.data.alert_id, -1) >= event.data.revision:
            self._counts.repeated += 1
            return
        names, reason = choose_sinks(event.data, routes=self._routes, sinks=tuple(self._sinks))
        if reason is RoutingReason.UNMATCHED:
            self._counts.unrouted += 1
            _log.warning("alert_unrouted", alert=event.id, severity=event.data.severity.value)
        self._deliver(event, [self._sinks[name] for name in names])
        self._remember(event)

    def close(self) -> None:
        """Close every sink."""
        for sink in self._sinks.values():
            sink.close()

    def _deliver(self, event: AlertEvent, sinks: Sequence[Sink]) -> None:
        began_s = self._clock()
        lanes = [_Lane(sink, max(began_s, self._free_s.get(sink.name, began_s))) for sink in sinks]
        while lanes:
            lane = min(lanes, key=lambda waiting: waiting.due_s)
            self._wait_until(lane.due_s)
            if not self._attempt(lane, event, began_s):
                lanes.remove(lane)

    def _attempt(self, lane: _Lane, event: AlertEvent, began_s: float) -> bool:
        """Try once; return whether another attempt follows."""
        name = lane.sink.name
        delivery = _delivered_by(lane.sink, event)
        lane.attempts += 1
        now_s = self._clock()
        self._free_s[name] = now_s + lane.sink.pace_s
        decision = decide_next(
            delivery,
            Effort(attempts=lane.attempts, elapsed_s=now_s - began_s, probation=name in self._on_probation),
            backoff=self._backoff,
            fraction=self._rng.random(),
        )
        if decision.again:
            self._counts.retried[name] += 1
            lane.due_s = now_s + max(decision.wait_s, lane.sink.pace_s)
        else:
            self._settle(event, name, delivery, decision.step)
        return decision.again

    def _settle(self, event: AlertEvent, name: str, delivery: Delivery, step: NextStep) -> None:
        if step is NextStep.DELIVERED:
            self._counts.delivered[name] += 1
            if name in self._on_probation:
                self._on_probation.discard(name)
                _log.info("sink_recovered", sink=name)
            return
        self._counts.dead[name] += 1
        if delivery.outcome is Outcome.RETRY and name not in self._on_probation:
            self._on_probation.add(name)
            _log.error("sink_failing", sink=name, reason=delivery.reason, step=step.value)
        _log.error("alert_not_delivered", sink=name, alert=event.id, reason=delivery.reason, step=step.value)
        self._on_dead(event, name, delivery.reason)

    def _wait_until(self, due_s: float) -> None:
        wait_s = due_s - self._clock()
        if wait_s > 0:
            self._sleep(wait_s)

    def _remember(self, event: AlertEvent) -> None:
        self._heads[event.data.alert_id] = event.data.revision
        self._heads.move_to_end(event.data.alert_id)
        if len(self._heads) > ALERTS_REMEMBERED_MAX:
            self._heads.popitem(last=False)


def _delivered_by(sink: Sink, event: AlertEvent) -> Delivery:
    try:
        return sink.deliver(alone(event, sink=sink.name))
    except Exception as error:  # noqa: BLE001 - the outermost loop over sinks: one bad sink never stops the others
        # Only the type is logged: the message may hold the sink's secret.
        _log.error("sink_raised", sink=sink.name, error=type(error).__name__)
        return Delivery.dead("sink_raised")
