"""What people are told: once, by the right sink, and after a crash neither twice nor never."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from alert_builders import ONE_OF_ONE, finding
from builders.watch_room import HOUR_MS, MINUTE_MS, SECOND_MS, Clock, Room, ScriptedSink, Topic

from alerts.kafka_source import Heard
from alerts.orders import Orders
from alerts.routing import Route
from alerts.sinks import Delivery
from alerts.telling import Rules
from consumers.memory_store import MemoryModels
from schemas.alert_wire import utc_of_ms
from schemas.control import AckEvent, Acknowledgement, Matcher, Silence, SilenceEvent
from schemas.errors import Retry, Stop
from schemas.finding import Finding, Kind, Severity, Verdict
from schemas.notification import Why

if TYPE_CHECKING:
    from consumers.store import CommitStatus, ModelCommit
    from schemas.control import ControlRecord

LATER = Delivery.retry("http_503")
DRIFT: dict[str, Any] = {"kind": Kind.DATA_DRIFT, "check": "drift", "hysteresis": ONE_OF_ONE}
NULLS: dict[str, Any] = {"kind": Kind.DATA_QUALITY, "check": "missing_rate", "hysteresis": ONE_OF_ONE}
ERROR: dict[str, Any] = {"severity": Severity.ERROR}
CRITICAL: dict[str, Any] = {"severity": Severity.CRITICAL}


class Scene:
    """A clock, a topic, a pager and a chat."""

    def __init__(self, **room: Any) -> None:
        self.clock = Clock()
        self.topic = Topic(self.clock)
        self.pager = ScriptedSink("pager", self.clock, pages=True, repeatable=True)
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
        index = (self.clock.now_ms - 1_793_534_400_000) // MINUTE_MS
        self.clock.now_ms += MINUTE_MS
        self.topic.window(*findings, index=index)
        self.room.settle()

    def minutes(self, number: int, verdict: Verdict = Verdict.BREACH, **what: Any) -> None:
        for _ in range(number):
            self.minute(self.read(verdict, **what))

    def read(self, verdict: Verdict = Verdict.BREACH, **what: Any) -> Finding:
        index = (self.clock.now_ms - 1_793_534_400_000) // MINUTE_MS
        return finding(index, verdict, **{**DRIFT, **what})

    def over(self, **what: Any) -> None:
        self.minutes(2, Verdict.CLEAR, **what)


def requests(*sinks: ScriptedSink) -> int:
    return sum(len(sink.tries) for sink in sinks)


def test_forty_features_of_one_window_are_one_page_and_one_message() -> None:
    scene = Scene()
    scene.minute(*(scene.read(feature=f"f{i}", **ERROR) for i in range(40)))
    assert (scene.pager.said, scene.chat.said) == (["first error"], ["first error"])
    assert scene.chat.got[0].total == 40


def test_a_message_waits_for_the_rest_of_its_window_but_not_for_ever() -> None:
    scene = Scene()
    scene.topic.window(scene.read(**ERROR))
    complete = scene.topic.records.pop()
    scene.room.settle()
    assert scene.chat.got == []
    scene.topic.records.append(complete)
    scene.room.settle()
    assert scene.chat.said == ["first error"]
    scene.topic.window(scene.read(feature="other", kind=Kind.LATENCY))
    scene.topic.records.pop()
    scene.room.settle()
    assert len(scene.chat.got) == 1
    scene.room.after(31 * SECOND_MS)
    assert len(scene.chat.got) == 2


def test_what_explains_forty_others_is_told_alone_and_names_them_also_after_a_restart() -> None:
    scene = Scene()
    features = [f"f{i}" for i in range(40)]
    drifts = [scene.read(feature=name) for name in features]
    schema = scene.read(kind=Kind.SCHEMA, check="schema", feature=None, **ERROR)
    scene.minute(schema, *drifts)
    assert (scene.pager.said, scene.chat.said) == (["first error"], ["first error"])
    assert scene.chat.got[0].lead.kind is Kind.SCHEMA
    assert len(scene.chat.got[0].suppressed) == 40
    before = requests(scene.pager, scene.chat)
    scene.restart()
    scene.minute(*(scene.read(feature=name) for name in features))
    scene.room.after(HOUR_MS)
    assert requests(scene.pager, scene.chat) == before


def test_only_what_is_bad_pages_and_becoming_worse_pages_under_a_key_of_its_own() -> None:
    scene = Scene()
    scene.minute(scene.read())
    assert (scene.pager.said, scene.chat.said) == ([], ["first warning"])
    scene.minute(scene.read(**ERROR))
    scene.minute(scene.read(**CRITICAL))
    assert scene.pager.said == ["first error", "severity_up critical"]
    assert len({notification.key for notification in scene.pager.got}) == 2
    scene.over()
    ends = scene.pager.got[2:]
    assert [n.why for n in ends] == [Why.ALL_RESOLVED] * 2
    assert {n.key for n in ends} == {n.key for n in scene.pager.got[:2]}, "each page is closed"
    assert scene.chat.said[-1].startswith("all_resolved")
    assert len({n.key for n in scene.chat.got}) == 1


def test_new_alerts_of_an_incident_are_told_together_after_a_pause_and_page_nobody() -> None:
    scene = Scene()
    scene.minute(scene.read(feature="a", **ERROR))
    for name in "bcd":
        scene.minute(scene.read(feature=name))
    assert len(scene.chat.got) == 1
    scene.room.after(5 * MINUTE_MS)
    assert scene.chat.said == ["first error", "new_members error"]
    assert scene.chat.got[1].total == 4
    assert len(scene.pager.got) == 1


def test_an_incident_that_goes_on_is_told_again_after_hours() -> None:
    scene = Scene()
    scene.minute(scene.read(**CRITICAL))
    scene.room.after(4 * HOUR_MS - 2 * MINUTE_MS)
    assert len(scene.chat.got) == 1
    scene.room.after(3 * MINUTE_MS)
    assert scene.chat.said == ["first critical", "repeat critical"]
    assert len(scene.pager.got) == 1


def test_reading_the_topic_again_tells_nothing_again() -> None:
    scene = Scene()
    for _ in range(3):
        scene.minute(scene.read(**ERROR))
    scene.over()
    before = requests(scene.pager, scene.chat)
    for _ in range(3):
        scene.restart()
        scene.room._read = 0
        scene.room.settle()
    assert requests(scene.pager, scene.chat) == before


def test_reading_the_topic_again_after_its_incidents_are_forgotten_tells_nothing_either() -> None:
    scene = Scene()
    scene.minute(scene.read(**ERROR))
    scene.over()
    scene.room.after(25 * HOUR_MS)
    scene.room.after(1)
    before = requests(scene.pager, scene.chat)
    scene.restart()
    scene.room._read = 0
    scene.room.settle()
    assert requests(scene.pager, scene.chat) == before


def test_every_message_has_an_id_of_its_own() -> None:
    scene = Scene()
    for feature in "abc":
        scene.minute(scene.read(feature=feature, **ERROR))
        scene.room.after(6 * MINUTE_MS)
    for feature in "abc":
        scene.over(feature=feature)
    for sink in (scene.pager, scene.chat):
        ids = [n.delivery_id for n in sink.got]
        assert len(set(ids)) == len(ids) > 1


@pytest.mark.parametrize("taken", [True, False])
def test_an_answer_of_the_store_that_is_lost_changes_nothing(taken: bool) -> None:
    scene = Scene()
    commit, troubles = scene.states.commit, [1]

    def unsteady(given: ModelCommit) -> CommitStatus:
        if not troubles:
            return commit(given)
        troubles.pop()
        if taken:
            commit(given)
        raise Retry("redis: no answer")

    scene.states.commit = unsteady  # type: ignore[method-assign, assignment] # it is unsteady
    scene.topic.window(scene.read(**ERROR))
    with pytest.raises(Retry):
        scene.room.step()
    assert requests(scene.pager, scene.chat) == 0
    scene.topic.window(scene.read(kind=Kind.LATENCY, **ERROR))
    scene.room.settle()
    assert len(scene.chat.got) == len(scene.pager.got) == 2
    scene.restart()
    scene.room.settle()
    scene.room.after(HOUR_MS)
    assert len(scene.chat.got) == len(scene.pager.got) == 2


def test_an_event_that_comes_twice_is_told_once() -> None:
    scene = Scene()
    scene.minute(scene.read(**ERROR))
    scene.over()
    before = requests(scene.pager, scene.chat)
    scene.topic.records += scene.topic.records
    scene.room.settle()
    scene.room.after(HOUR_MS)
    assert requests(scene.pager, scene.chat) == before


def test_without_the_delivery_log_nobody_is_paged_for_what_was_told_and_its_end_still_arrives() -> None:
    scene = Scene()
    scene.minute(scene.read(**ERROR))
    key = scene.pager.got[0].key
    scene.states = MemoryModels()
    scene.restart(committed=len(scene.topic.records))
    scene.room.settle()
    assert len(scene.pager.got) == len(scene.chat.got) == 1
    scene.over()
    assert scene.pager.said == ["first error", "all_resolved error"]
    assert scene.pager.got[1].key == key


@pytest.mark.parametrize("why", ["never stopped", "was down for three hours"])
def test_a_critical_incident_pages_exactly_once_whether_or_not_the_notifier_was_there(why: str) -> None:
    scene = Scene()
    down = why != "never stopped"
    for minute in range(180):
        index = minute
        scene.clock.now_ms += MINUTE_MS
        scene.topic.window(finding(index, **{**DRIFT, **CRITICAL}), index=index)
        if not down:
            scene.room.settle()
    scene.room.settle()
    assert [n.lead.severity for n in scene.pager.got] == [Severity.CRITICAL]
    assert scene.pager.got[0].late is down
    assert scene.pager.got[0].why is (Why.LATE if down else Why.FIRST)


def test_what_began_and_ended_while_nobody_was_there_wakes_nobody() -> None:
    scene = Scene()
    scene.clock.now_ms += MINUTE_MS
    scene.topic.window(finding(0, **{**DRIFT, **CRITICAL}), index=0)
    for index in (1, 2):
        scene.topic.window(finding(index, Verdict.CLEAR, **DRIFT), index=index)
    scene.clock.now_ms += 3 * HOUR_MS
    scene.room.settle()
    assert requests(scene.pager, scene.chat) == 0


def test_evidence_of_yesterday_pages_nobody_and_is_marked_late_for_those_who_read() -> None:
    scene = Scene()
    scene.topic.window(finding(0, **{**DRIFT, **CRITICAL}), index=0)
    scene.clock.now_ms += 24 * HOUR_MS
    scene.room.settle()
    assert scene.pager.got == []
    assert [(n.why, n.late) for n in scene.chat.got] == [(Why.LATE, True)]


def test_nobody_is_told_before_the_backlog_is_read() -> None:
    scene = Scene()
    scene.topic.window(scene.read(**CRITICAL))
    scene.room.notifier.step(Heard({0: list(enumerate(scene.topic.records))}))
    scene.room.notifier.step(Heard())
    assert requests(scene.pager, scene.chat) == 0
    assert scene.room.notifier.stats.behind == 1
    scene.room.notifier.step(Heard({}, (0,)))
    assert requests(scene.pager, scene.chat) == 2


def test_a_sink_that_asks_for_time_gets_it_and_holds_up_no_other() -> None:
    scene = Scene()
    scene.chat.answers = [Delivery.retry("http_429", after_s=30.0)]
    scene.minute(scene.read(**ERROR))
    began = scene.chat.tries[0][0]
    assert scene.pager.said == ["first error"]
    scene.room.after(29 * SECOND_MS)
    assert len(scene.chat.tries) == 1
    scene.room.after(2 * SECOND_MS)
    assert scene.chat.said == ["first error"]
    assert scene.chat.tries[1][0] - began >= 30 * SECOND_MS
    assert scene.chat.tries[0][1].delivery_id == scene.chat.tries[1][1].delivery_id


def test_a_message_that_nobody_needs_any_more_is_given_up_and_whoever_reads_hears_of_the_end() -> None:
    scene = Scene()
    for sink in (scene.chat, scene.pager):
        sink.answers = [Delivery.retry("http_429", after_s=300.0)]
    scene.minute(scene.read(**ERROR))
    scene.over()
    scene.room.after(5 * MINUTE_MS)
    assert scene.pager.got == []
    assert [n.why for n in scene.chat.got] == [Why.ALL_RESOLVED]
    assert scene.room.notifier.stats.waiting == 0


def test_a_refusal_is_not_repeated_and_another_sink_stands_in() -> None:
    scene = Scene(stand_ins={"pager": "chat"}, routes=[Route({}, ("pager",))])
    scene.pager.answers = [Delivery.dead("http_400")]
    scene.minute(scene.read(**ERROR))
    scene.room.settle()
    scene.room.after(HOUR_MS)
    assert len(scene.pager.tries) == 1
    assert scene.room.notifier.stats.dead == {"pager": 1}
    assert scene.chat.said == ["first error"]


def test_a_critical_page_that_does_not_arrive_goes_to_the_stand_in_after_five_minutes() -> None:
    scene = Scene(stand_ins={"pager": "chat"}, routes=[Route({}, ("pager",))])
    scene.pager.answers = [Delivery.retry("network", after_s=60.0)] * 20
    scene.minute(scene.read(**CRITICAL))
    scene.room.after(4 * MINUTE_MS)
    assert scene.chat.got == []
    for _ in range(3):
        scene.room.after(MINUTE_MS)
    assert scene.chat.said == ["first critical"]
    assert scene.pager.got == []


def test_a_sink_that_raises_is_given_up_for_that_message_alone() -> None:
    scene = Scene()
    scene.chat.answers = [RuntimeError("https://hooks.example/secret")]
    scene.minute(scene.read(**ERROR))
    scene.over()
    assert scene.pager.said[0] == "first error"
    assert [n.why for n in scene.chat.got] == [Why.ALL_RESOLVED]


def test_an_alert_that_breaches_every_other_window_pages_once_a_day() -> None:
    scene = Scene()
    for minute in range(24 * 60):
        scene.minute(scene.read(Verdict.BREACH if minute % 2 else Verdict.CLEAR, **ERROR))
    assert len([n for n in scene.pager.got if n.why is not Why.ALL_RESOLVED]) == 1


def test_an_incident_that_comes_and_goes_pages_twice_and_is_then_said_to_flap() -> None:
    scene = Scene()
    for _ in range(6):
        scene.minute(scene.read(**ERROR))
        scene.over()
        scene.minutes(10, Verdict.CLEAR)
    pages = [n.why for n in scene.pager.got if n.why is not Why.ALL_RESOLVED]
    assert pages == [Why.FIRST, Why.FIRST]
    opened = [n.why for n in scene.chat.got if n.why is not Why.ALL_RESOLVED]
    assert opened == [Why.FIRST, Why.FIRST, *[Why.FLAPPING] * 4]


def test_routes_may_change_while_an_incident_is_open_and_its_key_stays() -> None:
    scene = Scene(routes=[Route({"severity": "error|critical"}, ("pager", "chat"))])
    scene.minute(scene.read(**ERROR))
    scene.restart(routes=[Route({"severity": "critical"}, ("pager",)), Route({"model": "fraud"}, ("chat",))])
    scene.over()
    for sink in (scene.pager, scene.chat):
        assert [n.why for n in sink.got] == [Why.FIRST, Why.ALL_RESOLVED]
        assert len({n.key for n in sink.got}) == 1


def test_a_route_with_a_delay_is_told_of_what_goes_on_so_long() -> None:
    scene = Scene(
        routes=[Route({}, ("chat",)), Route({"severity": "error|critical"}, ("pager",), after_s=1800.0)]
    )
    scene.minute(scene.read(**ERROR))
    scene.minutes(28, **ERROR)
    assert (scene.chat.said, scene.pager.said) == (["first error"], [])
    scene.minutes(3, **ERROR)
    assert scene.pager.said == ["escalated error"]


def test_nothing_is_escalated_that_ended_before() -> None:
    scene = Scene(routes=[Route({}, ("chat",)), Route({}, ("pager",), after_s=1800.0)])
    scene.minute(scene.read(**ERROR))
    scene.over()
    scene.room.after(HOUR_MS)
    assert scene.pager.tries == []


def test_a_route_for_one_status_hears_of_that_alone() -> None:
    scene = Scene(routes=[Route({"status": "firing"}, ("chat",)), Route({"status": "resolved"}, ("pager",))])
    scene.minute(scene.read(**ERROR))
    scene.over()
    assert [n.why for n in scene.chat.got] == [Why.FIRST]
    assert [n.why for n in scene.pager.got] == [Why.ALL_RESOLVED]


def test_an_incident_that_no_route_takes_is_counted_and_told_to_nobody() -> None:
    scene = Scene(routes=[Route({"model": "other"}, ("chat",))])
    scene.minute(scene.read(**ERROR))
    assert scene.room.notifier.stats.unrouted == 1
    assert requests(scene.pager, scene.chat) == 0


def test_a_sink_that_forgets_is_told_again_while_it_lasts_and_its_end_for_a_while() -> None:
    scene = Scene()
    scene.chat.refresh_s = 60.0
    scene.minutes(5)
    assert scene.chat.said == ["first warning", *["repeat warning"] * 4]
    scene.over()
    ends = [n for n in scene.chat.got if n.why is Why.ALL_RESOLVED]
    assert len(ends) == 1
    for _ in range(40):
        scene.room.after(MINUTE_MS)
    ends = [n for n in scene.chat.got if n.why is Why.ALL_RESOLVED]
    assert 15 <= len(ends) <= 17


@pytest.mark.parametrize("jump_ms", [-HOUR_MS, HOUR_MS])
def test_a_clock_that_jumps_an_hour_repeats_nothing(jump_ms: int) -> None:
    scene = Scene()
    scene.minute(scene.read(**ERROR))
    before = requests(scene.pager, scene.chat)
    scene.clock.now_ms += jump_ms
    scene.room.settle()
    scene.restart()
    scene.room.settle()
    assert requests(scene.pager, scene.chat) == before


def test_an_owner_that_was_fenced_tells_nothing_more() -> None:
    scene = Scene()
    old = scene.room
    scene.restart()
    scene.topic.window(scene.read(**ERROR))
    assert old.step() == [0]
    assert requests(scene.pager, scene.chat) == 0
    scene.room.settle()
    assert (scene.pager.said, scene.chat.said) == (["first error"], ["first error"])


class Died(BaseException):
    """The process was killed."""


def crashing(at: int) -> Any:
    """Return what dies at the n-th point."""
    points = iter(range(10_000))

    def crash(_where: str) -> None:
        if next(points) == at:
            raise Died

    return crash


@pytest.mark.parametrize("at", range(8))
def test_whoever_dies_when_each_page_arrives_under_one_key_and_chat_hears_at_most_once_more(at: int) -> None:
    scene = Scene(crash=crashing(at))

    def survive(work: Any) -> None:
        try:
            work()
        except Died:
            scene.restart(crash=None)
            scene.room.settle()

    survive(lambda: scene.minute(scene.read(**CRITICAL)))
    for _ in range(2):
        survive(lambda: scene.minute(scene.read(Verdict.CLEAR)))
    scene.room.settle()
    opened = [n for n in scene.pager.got if n.why is Why.FIRST]
    assert opened
    assert len({n.key for n in scene.pager.got}) == 1
    assert len({n.delivery_id for n in opened}) == 1, "a repeat is told apart by its id"
    assert scene.pager.got[-1].why is Why.ALL_RESOLVED
    firsts = [n for n in scene.chat.got if n.why is Why.FIRST]
    assert 1 <= len(firsts) <= 2
    assert all(n.possible_repeat for n in firsts[1:])


def test_a_mild_message_that_may_have_arrived_is_not_repeated_where_repeats_show() -> None:
    scene = Scene(crash=crashing(1))
    with pytest.raises(Died):
        scene.minute(scene.read())
    assert scene.chat.said == ["first warning"]
    scene.restart(crash=None)
    scene.room.settle()
    assert scene.chat.said == ["first warning"]
    scene.over()
    assert scene.chat.said[-1] == "all_resolved warning"


def test_incidents_that_are_over_are_forgotten_after_a_day() -> None:
    scene = Scene()
    for name in "abc":
        scene.minute(scene.read(feature=name, kind=Kind.LATENCY, **ERROR))
        scene.over(feature=name, kind=Kind.LATENCY)
    assert len(scene.states.past("*notify:0")) > 3
    scene.room.after(25 * HOUR_MS)
    scene.room.after(1)
    assert list(scene.states.past("*notify:0")) == ["state"]


def test_a_route_to_a_sink_that_is_not_there_is_refused() -> None:
    with pytest.raises(Stop, match="chatt"):
        Scene(routes=[Route({}, ("chatt",))])


def test_a_closed_notifier_has_closed_its_sinks() -> None:
    scene = Scene(rules=Rules())
    scene.room.notifier.close()
    assert (scene.pager.closed, scene.chat.closed) == (1, 1)


def order(scene: Scene, *records: ControlRecord) -> None:
    scene.orders.take(records, now_ms=scene.clock.now_ms)


def silence(scene: Scene, hours: float, **matchers: str) -> SilenceEvent:
    now = utc_of_ms(scene.clock.now_ms)
    found = Silence(
        id="s1",
        matchers=tuple(Matcher(field=key, value=value) for key, value in matchers.items()),  # type: ignore[arg-type] # checked by the model
        starts=now,
        ends=now + timedelta(hours=hours),
        by="ada",
        reason="a load test",
    )
    return SilenceEvent.of(found, now=now)


def ack(scene: Scene, hours: float) -> AckEvent:
    now = utc_of_ms(scene.clock.now_ms)
    incident = scene.chat.got[0]
    found = Acknowledgement(
        incident=incident.incident,
        by="ada",
        at=now,
        until=now + timedelta(hours=hours),
        severity=incident.severity,
    )
    return AckEvent.of(found, now=now)


def test_what_is_silenced_is_told_when_the_silence_ends_and_it_goes_on() -> None:
    scene = Scene()
    order(scene, silence(scene, 1, model="fraud", feature="amount"))
    scene.minute(scene.read(**ERROR))
    scene.minute(scene.read(feature="age", kind=Kind.LATENCY))
    assert (scene.pager.said, scene.chat.said) == ([], ["first warning"])
    for _ in range(7):
        scene.room.after(10 * MINUTE_MS)
    assert scene.pager.said == ["silence_ended error"]
    assert scene.chat.said == ["first warning", "silence_ended error"]
    assert scene.chat.got[1].since < scene.chat.got[0].since


def test_the_end_reaches_the_pager_during_a_silence() -> None:
    scene = Scene()
    scene.minute(scene.read(**ERROR))
    order(scene, silence(scene, 1, model="fraud"))
    scene.over()
    assert scene.pager.said == ["first error", "all_resolved error"]


def test_what_is_silenced_and_over_is_never_told() -> None:
    scene = Scene()
    order(scene, silence(scene, 1, model="fraud"))
    scene.minute(scene.read(**ERROR))
    scene.over()
    scene.room.after(2 * HOUR_MS)
    assert requests(scene.pager, scene.chat) == 0


def test_an_acknowledged_incident_is_neither_repeated_nor_escalated_until_that_ends() -> None:
    scene = Scene(routes=[Route({}, ("chat",)), Route({}, ("pager",), after_s=1800.0)])
    scene.minute(scene.read(**CRITICAL))
    order(scene, ack(scene, 6))
    for _ in range(33):
        scene.room.after(10 * MINUTE_MS)
    assert (scene.pager.said, scene.chat.said) == ([], ["first critical"])
    for _ in range(4):
        scene.clock.now_ms += 10 * MINUTE_MS
        scene.topic.window(scene.read(**CRITICAL))
        scene.room.settle()
    assert scene.chat.said == ["first critical", "ack_expired critical"]
    assert len(scene.pager.said) == 1


def test_an_acknowledgement_is_void_once_the_incident_becomes_worse() -> None:
    scene = Scene()
    scene.minute(scene.read(**ERROR))
    order(scene, ack(scene, 6))
    scene.minute(scene.read(**CRITICAL))
    assert scene.pager.said == ["first error", "severity_up critical"]
    scene.room.after(4 * HOUR_MS + MINUTE_MS)
    assert scene.chat.said[-1] == "repeat critical"


def test_a_storm_pages_ten_times_says_so_once_and_goes_on_after_the_hour() -> None:
    scene = Scene()
    models = [f"m{i}" for i in range(14)]
    topics = [Topic(scene.clock, model=model) for model in models]
    scene.clock.now_ms += MINUTE_MS
    for topic, model in zip(topics, models, strict=True):
        topic.window(finding(0, model=model, **{**DRIFT, **ERROR}), index=0)
        scene.topic.records += topic.records
    scene.room.settle()
    assert [n.why for n in scene.pager.got] == [Why.FIRST] * 10 + [Why.STORM_DIGEST]
    assert scene.pager.got[-1].untold == 4
    assert len(scene.chat.got) == 14
    for topic, model in zip(topics, models, strict=True):
        topic.records.clear()
        topic.window(finding(59, model=model, **{**DRIFT, **ERROR}), index=59)
        scene.topic.records += topic.records
    scene.room.after(59 * MINUTE_MS)
    assert len(scene.pager.got) == 11
    scene.room.after(2 * MINUTE_MS)
    scene.room.settle()
    assert len(scene.pager.got) == 14, "what still goes on is told when there is room again"
