"""What people are told: once, by the right sink, and after a crash neither twice nor never."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alert_builders import finding
from builders.watch_room import (
    CRITICAL,
    DRIFT,
    ERROR,
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    Scene,
    Topic,
    requests,
)

from alerts.kafka_source import Heard
from alerts.routing import Route
from alerts.sinks import Delivery
from alerts.telling import Rules
from consumers.memory_store import MemoryModels
from schemas.errors import Stop
from schemas.finding import Kind, Severity, Verdict
from schemas.notification import Why

if TYPE_CHECKING:
    pass

LATER = Delivery.retry("http_503")


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


def test_a_restart_does_not_put_an_escalation_off() -> None:
    scene = Scene(
        routes=[Route({}, ("chat",)), Route({"severity": "error|critical"}, ("pager",), after_s=1800.0)]
    )
    scene.minutes(20, **ERROR)
    scene.restart()
    scene.minutes(12, **ERROR)
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
