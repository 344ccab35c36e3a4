"""The dead man's switch: it is told that all is well while it is, and nothing when it is not."""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from alert_builders import finding
from builders.scripted_http import Answer, ScriptedServer, a_closed_port, a_server
from builders.watch_room import CRITICAL, DRIFT, MINUTE_MS, Clock, ScriptedSink, Topic
from pydantic import SecretStr
from structlog.testing import capture_logs

from alerts.heartbeat import Heartbeat, Ill
from alerts.http_gate import HttpGate
from alerts.kafka_source import Heard
from alerts.sinks import Delivery
from consumers.memory_store import MemoryModels
from schemas.errors import Retry
from schemas.finding import Verdict
from schemas.settings_text import parse_settings
from watchkeeper import notify_role
from watchkeeper.notify_role import NotifyRole
from watchkeeper.notify_store import StoredDeliveries
from watchkeeper.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLANT = "/ping/hunter2plant"
SETTINGS = "models: {{fraud: {{task: regression}}}}\nkafka: {{bootstrap.servers: h:1}}\n"


@dataclass
class Source:
    """The alerts topic of one partition without Kafka: read to its end in every poll."""

    topic: Topic
    assigned: Callable[[int, int], int]
    up: bool = True
    ended: bool = True
    read: int | None = None
    waits: list[float] = field(default_factory=list)

    def poll(self, *, timeout_s: float) -> Heard:
        self.waits.append(timeout_s)
        if self.read is None:
            self.read = max(0, self.assigned(0, -1))
        news = list(enumerate(self.topic.records[self.read :], self.read))
        self.read = len(self.topic.records)
        return Heard({0: news}, (0,) if self.ended else ())

    def answers(self, timeout_s: float) -> bool:
        del timeout_s
        return self.up

    def witness(self, offsets: object) -> None:
        del offsets

    def close(self) -> None:
        pass


@dataclass
class Control:
    """A control topic with nothing in it."""

    ready: bool = True

    def poll(self) -> list[Any]:
        return []

    def close(self) -> None:
        pass


class Store(StoredDeliveries):
    """A store that can be away."""

    away = False
    writes = 0

    def commit(self, *place: Any, **what: Any) -> bool:
        self.writes += 1
        if self.away:
            raise Retry("redis: no answer")
        return super().commit(*place, **what)


@dataclass
class Ward:
    """A notify role over all that, with a clock that is moved by hand."""

    server: ScriptedServer
    clock: Clock = field(default_factory=Clock)
    watches: bool = True

    def build(self, monkeypatch: pytest.MonkeyPatch) -> Ward:
        self.topic = Topic(self.clock)
        self.sink = ScriptedSink("ops", self.clock)
        self.control, self.store = Control(), Store(MemoryModels())
        monkeypatch.setattr(notify_role, "AGAIN_S", 0.0)
        monkeypatch.setattr(notify_role, "POLL_S", 0.0)
        monkeypatch.setattr(notify_role, "make_sinks", lambda *_: [self.sink])
        monkeypatch.setattr(notify_role, "ControlSource", lambda *_, **__: self.control)
        monkeypatch.setattr(
            notify_role, "AlertSource", lambda *_, assigned, **__: Source(self.topic, assigned)
        )
        monkeypatch.setattr(notify_role, "EventSink", lambda _: self)
        url = self.server.url.get_secret_value()
        settings = parse_settings(
            f'{SETTINGS.format()}notify: {{heartbeat: {{url: "{url}"}}}}\n',
            source="f",
            env={},
            read_secret=str,
        )
        self.role = NotifyRole(
            settings,
            self.store,
            wall_ms=self.clock,
            stop=threading.Event(),
            watches=lambda: self.watches,
            clock=lambda: self.clock.now_ms / 1000,
        )
        return self

    def publish(self, _: str, records: list[Any], **__: object) -> int:
        return len(records)

    @property
    def source(self) -> Any:
        return self.role._source

    def minutes(self, number: int = 1) -> int:
        """Let minutes pass in steps of ten seconds; returns how many heartbeats came."""
        before = len(self.server.requests)
        assert self.role.heartbeat is not None
        for _ in range(6 * number):
            self.clock.now_ms += MINUTE_MS // 6
            self.role.step()
            if self.role._notifier._lanes.busy:  # what a lane was given is taken in before the clock moves on
                self.role._notifier.step(Heard(), wait_s=0.5)
            self.role.heartbeat.look()
        return len(self.server.requests) - before

    @property
    def withheld(self) -> set[str]:
        assert self.role.heartbeat is not None
        return {str(reason) for reason in self.role.heartbeat.stats.withheld}

    def alert(self) -> None:
        self.topic.window(finding(0, Verdict.BREACH, **{**DRIFT, **CRITICAL}), index=0)


@pytest.fixture
def ward(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    with a_server(*(Answer() for _ in range(100)), path=PLANT) as server:
        ward = Ward(server).build(monkeypatch)
        yield ward
        assert ward.role.heartbeat is not None
        ward.role.heartbeat.close()
        ward.role._notifier.close()


def test_it_beats_once_a_minute_while_all_is_well(ward: Ward) -> None:
    assert ward.minutes(10) == 10
    assert {(r.method, r.path) for r in ward.server.requests} == {("GET", PLANT)}
    assert ward.withheld == set()


def test_the_store_is_written_to_without_news_and_when_it_is_away_the_heart_stops(ward: Ward) -> None:
    ward.minutes(2)
    assert ward.store.writes >= 6
    ward.store.away = True
    assert ward.minutes(5) <= 1
    assert ward.withheld == {Ill.ROUNDS}
    ward.store.away = False
    assert ward.minutes(3) >= 3


@pytest.mark.parametrize(
    ("break_it", "mend_it", "reason"),
    [
        (lambda w: setattr(w.source, "up", False), lambda w: setattr(w.source, "up", True), Ill.BROKER),
        (
            lambda w: setattr(w.control, "ready", False),
            lambda w: setattr(w.control, "ready", True),
            Ill.ROUNDS,
        ),
        (lambda w: setattr(w, "watches", False), lambda w: setattr(w, "watches", True), Ill.EVALUATION),
    ],
)
def test_it_stops_with_what_it_stands_for_and_goes_on_afterwards(
    ward: Ward, break_it: Callable[[Ward], None], mend_it: Callable[[Ward], None], reason: Ill
) -> None:
    ward.minutes(2)
    break_it(ward)
    ward.role.heartbeat.stats.withheld.clear()  # type: ignore[union-attr]
    assert ward.minutes(5) <= 1
    assert ward.withheld == {reason}
    mend_it(ward)
    assert ward.minutes(3) >= 3


def test_while_a_sink_is_at_work_its_outcome_is_waited_for_and_not_the_topic(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify_role, "POLL_S", 0.02)
    at_work, told = threading.Event(), threading.Event()

    def deliver(_: object) -> Delivery:
        at_work.set()
        told.wait(5)
        return Delivery.delivered()

    monkeypatch.setattr(ward.sink, "deliver", deliver)
    ward.alert()
    ward.role.step()
    assert at_work.wait(5)
    ward.role.step()
    told.set()
    while ward.role._notifier.busy:
        ward.role.step()
    ward.role.step()
    waits = ward.source.waits
    assert (waits[0], waits[-1], set(waits[1:-1])) == (0.02, 0.02, {0.0})


def test_it_waits_for_the_backlog(ward: Ward) -> None:
    ward.role.step()
    ward.role._notifier._desks[0].caught_up = False
    ward.source.ended = False
    assert ward.minutes(2) == 0
    assert ward.withheld == {Ill.BACKLOG}
    ward.source.ended = True
    assert ward.minutes(2) == 2


@pytest.mark.parametrize("answer", [Delivery.retry("http_503"), Delivery.retry("http_429", after_s=400.0)])
def test_a_sink_that_is_stuck_stops_it_after_five_minutes(ward: Ward, answer: Delivery) -> None:
    ward.sink.answers = [answer] * 1_000
    ward.alert()
    assert ward.minutes(5) == 5
    assert ward.minutes(20) <= 1, "also where a late message takes the first one's place"
    assert ward.withheld == {Ill.OVERDUE}
    assert ward.role.stats.overdue == {"ops"}
    ward.sink.answers = []
    ward.minutes(7)
    assert len(ward.sink.got) == 1
    assert ward.minutes(3) == 3


def test_a_message_that_is_refused_is_settled_and_stops_nothing(ward: Ward) -> None:
    ward.sink.answers = [Delivery.dead("http_404")]
    ward.alert()
    assert ward.minutes(10) == 10


def test_a_process_whose_evaluation_stands_still_is_not_well() -> None:
    now = [0.0]
    settings = parse_settings(SETTINGS.format(), source="f", env={}, read_secret=str)
    service = Service(settings, {}, ("join", "evaluate", "notify"), clock=lambda: now[0])
    assert not service.gets_on(), "nothing has been watched yet"
    service._working, service._looped_s = True, 0.0
    assert service.gets_on()
    now[0] = 61.0
    assert not service.gets_on(), "the loop stands"
    service.stats.progress_s = 60.0
    assert service.gets_on(), "one long step that commits"
    service._looped_s, service.stats.waiting_for = 61.0, "redis"
    assert not service.gets_on()
    service.stats.waiting_for, service.stats.behind = "", 1
    now[0] = service._looped_s = 200.0
    assert not service.gets_on(), "it turns and does not move"
    assert Service(settings, {}, ("notify",), clock=lambda: now[0]).gets_on()


@contextmanager
def beating(url: SecretStr, timeout_s: float = 0.3) -> Iterator[tuple[Heartbeat, list[float]]]:
    now = [0.0]
    gate = HttpGate(timeout_s=timeout_s, trust_env=False)
    heart = Heartbeat(url, every_s=60.0, gate=gate, ill=lambda: None, clock=lambda: now[0])
    yield heart, now
    heart.close()


def test_what_is_not_taken_is_counted_and_tried_again_soon() -> None:
    answers = deque(
        [Answer(status=500), Answer(status=302), Answer(silent=True), Answer(hang_up=True), Answer()]
    )
    with a_server(*answers) as server, beating(server.url) as (heart, now):
        for _ in range(6):
            heart.look()
            now[0] += 5.0
        assert heart.stats.failed == {"http_500": 1, "http_302": 1, "timeout": 1, "protocol": 1}
        assert heart.stats.taken_s == 20.0
        assert len(server.requests) == 5, "once it is taken, the next is a minute later"


def test_no_log_line_and_no_figure_holds_the_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = SecretStr(f"http://127.0.0.1:{a_closed_port()}{PLANT}")
    with capture_logs() as logs, beating(url) as (heart, now):
        heart.look()
        heart._ill = lambda: 1 / 0  # type: ignore[assignment, return-value]
        now[0] = 100.0
        heart.start()
        while not heart.stats.failed["raised"]:
            threading.Event().wait(0.05)
        shown = f"{logs} {caplog.text} {heart.stats} {heart!r} {vars(heart)}"
    assert [line["event"] for line in logs] == ["no heartbeat", "heartbeat raised"]
    assert "hunter2plant" not in shown
