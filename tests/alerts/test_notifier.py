from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from alert_builders import ONE_OF_ONE, fired, run_letters
from structlog.testing import capture_logs

from alerts import notifier as notifier_module
from alerts.delivery import Backoff
from alerts.notifier import Notifier
from alerts.routing import Route
from alerts.sinks import Delivery, Sink
from schemas.errors import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from schemas.alert import AlertEvent
    from schemas.notification import Notification

SECRET = "T000/B000/geheim"


@dataclass
class Clock:
    """Time that moves only when somebody sleeps."""

    now_s: float = 1_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


class ScriptedSink:
    """A sink that answers from a list, then for ever as its last answer."""

    def __init__(
        self,
        name: str,
        *answers: Delivery | Exception,
        clock: Clock,
        pace_s: float = 0.0,
        takes_s: float = 0.0,
    ) -> None:
        self.name = name
        self.pace_s = pace_s
        self.attempts: list[tuple[float, str]] = []
        self.closed = False
        self._answers: Iterator[Delivery | Exception] = iter(answers)
        self._last: Delivery | Exception = answers[-1] if answers else Delivery.delivered()
        self._clock = clock
        self._takes_s = takes_s

    def deliver(self, notification: Notification) -> Delivery:
        said = f"{notification.lead.alert_id}:{notification.sequence}"
        self.attempts.append((self._clock.now_s, said))
        self._clock.now_s += self._takes_s
        answer = next(self._answers, self._last)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


@dataclass
class Lost:
    """What `on_dead` was told."""

    told: list[tuple[str, str, str]] = field(default_factory=list)

    def __call__(self, event: AlertEvent, sink: str, reason: str) -> None:
        self.told.append((event.id, sink, reason))


LATER = Delivery.retry("network")


def a_notifier(
    *sinks: Sink, clock: Clock, lost: Callable[[AlertEvent, str, str], None], routes: tuple[Route, ...] = ()
) -> Notifier:
    return Notifier(
        sinks,
        routes,
        clock=clock,
        sleep=clock.sleep,
        rng=random.Random(7),
        on_dead=lost,
        backoff=Backoff(horizon_s=120, wait_s_max=30),
    )


def test_each_sink_gets_an_event_once() -> None:
    clock, lost, event = Clock(), Lost(), fired()
    sinks = [ScriptedSink("a", clock=clock), ScriptedSink("b", clock=clock)]
    notifier = a_notifier(*sinks, clock=clock, lost=lost)
    notifier.handle(event)
    assert [[identity for _, identity in sink.attempts] for sink in sinks] == [[event.id], [event.id]]
    assert notifier.stats.delivered == {"a": 1, "b": 1}
    assert lost.told == []


def test_a_sink_that_asks_for_time_gets_it_and_holds_up_no_other() -> None:
    clock, lost = Clock(), Lost()
    slow = ScriptedSink("slow", Delivery.retry("http_429", after_s=30), Delivery.delivered(), clock=clock)
    quick = ScriptedSink("quick", clock=clock)
    notifier = a_notifier(slow, quick, clock=clock, lost=lost)
    notifier.handle(fired())
    assert quick.attempts[0][0] == 1_000.0
    assert [when for when, _ in slow.attempts] == [1_000.0, 1_030.0]
    assert notifier.stats.retried == {"slow": 1}
    assert notifier.stats.delivered == {"slow": 1, "quick": 1}


def test_a_refusal_is_not_repeated_and_is_handed_over() -> None:
    clock, lost, event = Clock(), Lost(), fired()
    sink = ScriptedSink("slack", Delivery.dead("http_404"), clock=clock)
    notifier = a_notifier(sink, clock=clock, lost=lost)
    notifier.handle(event)
    assert len(sink.attempts) == 1
    assert clock.slept == []
    assert lost.told == [(event.id, "slack", "http_404")]
    assert notifier.stats.dead == {"slack": 1}


def test_a_sink_that_is_down_is_given_up_within_the_horizon() -> None:
    clock, lost = Clock(), Lost()
    sink = ScriptedSink("slack", LATER, clock=clock)
    a_notifier(sink, clock=clock, lost=lost).handle(fired())
    assert 3 <= len(sink.attempts) <= 21
    assert sink.attempts[-1][0] <= 1_000 + 120
    assert [reason for _, _, reason in lost.told] == ["network"]


def test_a_sink_that_gave_up_gets_one_attempt_an_event_until_it_delivers() -> None:
    clock, lost = Clock(), Lost()
    sink = ScriptedSink("slack", clock=clock)
    notifier = a_notifier(sink, clock=clock, lost=lost)
    sink._last = LATER
    notifier.handle(fired(feature="a"))
    tries = len(sink.attempts)
    notifier.handle(fired(feature="b"))
    assert len(sink.attempts) == tries + 1
    sink._last = Delivery.delivered()
    notifier.handle(fired(feature="c"))
    sink._last = LATER
    tries = len(sink.attempts)
    notifier.handle(fired(feature="d"))
    assert len(sink.attempts) > tries + 1
    assert notifier.stats.dead == {"slack": 3}
    assert notifier.stats.delivered == {"slack": 1}


def test_a_refusal_does_not_put_a_sink_on_probation() -> None:
    clock, lost = Clock(), Lost()
    sink = ScriptedSink("slack", Delivery.dead("http_400"), LATER, Delivery.delivered(), clock=clock)
    notifier = a_notifier(sink, clock=clock, lost=lost)
    notifier.handle(fired(feature="a"))
    notifier.handle(fired(feature="b"))
    assert notifier.stats.delivered == {"slack": 1}


def test_messages_keep_the_pace_that_the_other_side_asks_for() -> None:
    clock, lost = Clock(), Lost()
    sink = ScriptedSink("slack", clock=clock, pace_s=1.0, takes_s=0.25)
    notifier = a_notifier(sink, clock=clock, lost=lost)
    for feature in "abc":
        notifier.handle(fired(feature=feature))
    assert [when for when, _ in sink.attempts] == [1_000.0, 1_001.25, 1_002.5]


def test_a_sink_that_raises_stops_no_other_and_gives_away_no_secret() -> None:
    clock, lost, event = Clock(), Lost(), fired()
    broken = ScriptedSink(
        "broken", RuntimeError(f"cannot post to https://hooks.example/{SECRET}"), clock=clock
    )
    good = ScriptedSink("good", clock=clock)
    notifier = a_notifier(broken, good, clock=clock, lost=lost)
    with capture_logs() as lines:
        notifier.handle(event)
    assert notifier.stats.delivered == {"good": 1}
    assert lost.told == [(event.id, "broken", "sink_raised")]
    assert "RuntimeError" in str(lines)
    assert SECRET not in str(lines)


def test_routes_choose_the_sinks() -> None:
    clock, lost = Clock(), Lost()
    sinks = [ScriptedSink("a", clock=clock), ScriptedSink("b", clock=clock)]
    routes = (Route({"model": "fraud"}, ("b",)),)
    notifier = a_notifier(*sinks, clock=clock, lost=lost, routes=routes)
    notifier.handle(fired())
    assert notifier.stats.delivered == {"b": 1}


def test_an_event_without_a_route_is_counted_and_logged() -> None:
    clock, lost, event = Clock(), Lost(), fired()
    routes = (Route({"model": "credit"}, ("a",)),)
    notifier = a_notifier(ScriptedSink("a", clock=clock), clock=clock, lost=lost, routes=routes)
    with capture_logs() as lines:
        notifier.handle(event)
    assert notifier.stats.unrouted == 1
    assert [(line["event"], line["alert"]) for line in lines] == [("alert_unrouted", event.id)]


def test_a_route_to_an_unknown_sink_stops_at_once() -> None:
    clock = Clock()
    with pytest.raises(Stop, match="slack"):
        a_notifier(ScriptedSink("a", clock=clock), clock=clock, lost=Lost(), routes=(Route({}, ("slack",)),))


def test_a_revision_that_was_handled_or_overtaken_is_skipped() -> None:
    clock, lost = Clock(), Lost()
    sink = ScriptedSink("a", clock=clock)
    notifier = a_notifier(sink, clock=clock, lost=lost)
    first, second = run_letters("BCC", hysteresis=ONE_OF_ONE)[1]
    for event in (first, first, second, first, second):
        notifier.handle(event)
    assert [identity for _, identity in sink.attempts] == [first.id, second.id]
    assert notifier.stats.repeated == 3


def test_memory_of_handled_alerts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier_module, "ALERTS_REMEMBERED_MAX", 2)
    clock, lost = Clock(), Lost()
    sink = ScriptedSink("a", clock=clock)
    notifier = a_notifier(sink, clock=clock, lost=lost)
    for feature in "abcb":
        notifier.handle(fired(feature=feature))
    assert notifier.stats.repeated == 1
    notifier.handle(fired(feature="a"))
    assert len(sink.attempts) == 4


def test_breaking_off_leaves_the_event_to_be_handled_again() -> None:
    clock, lost, event = Clock(), Lost(), fired()
    sink = ScriptedSink("a", LATER, Delivery.delivered(), clock=clock)

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    notifier = Notifier([sink], [], clock=clock, sleep=interrupt, rng=random.Random(7), on_dead=lost)
    with pytest.raises(KeyboardInterrupt):
        notifier.handle(event)
    notifier.handle(event)
    assert notifier.stats.delivered == {"a": 1}
    assert notifier.stats.repeated == 0


def test_close_closes_every_sink() -> None:
    clock = Clock()
    sinks = [ScriptedSink("a", clock=clock), ScriptedSink("b", clock=clock)]
    a_notifier(*sinks, clock=clock, lost=Lost()).close()
    assert all(sink.closed for sink in sinks)
