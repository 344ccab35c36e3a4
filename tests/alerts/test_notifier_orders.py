"""Silences and acknowledgements: who is not told, and what ends that."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from builders.watch_room import (
    CRITICAL,
    ERROR,
    HOUR_MS,
    MINUTE_MS,
    Scene,
    requests,
)

from alerts.routing import Route
from schemas.alert_wire import utc_of_ms
from schemas.control import (
    Acceptance,
    AcceptEvent,
    AckEvent,
    Acknowledgement,
    Matcher,
    Silence,
    SilenceEvent,
)
from schemas.finding import Kind

if TYPE_CHECKING:
    from schemas.control import ControlRecord


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


def keep(scene: Scene, **changes: str) -> AcceptEvent:
    now, incident = utc_of_ms(scene.clock.now_ms), scene.chat.got[0]
    found = Acceptance(
        app="prod",
        model="fraud",
        decision="keep",
        at=now,
        by="ada",
        incident=incident.incident,
        severity=incident.severity,
    )
    return AcceptEvent.of(found.model_copy(update=changes), now=now)


def test_an_incident_whose_reference_is_kept_is_not_repeated_however_long_it_goes_on() -> None:
    scene = Scene(routes=[Route({}, ("chat",)), Route({}, ("pager",), after_s=1800.0)])
    scene.minute(scene.read(**ERROR))
    order(scene, keep(scene))
    for _ in range(10):
        scene.room.after(24 * HOUR_MS)
        order(scene)
    assert (scene.pager.said, scene.chat.said) == ([], ["first error"])
    scene.over()
    assert scene.chat.said == ["first error", "all_resolved error"]


def test_a_kept_reference_does_not_keep_what_becomes_worse_from_anybody() -> None:
    scene = Scene()
    scene.minute(scene.read(**ERROR))
    order(scene, keep(scene))
    scene.minute(scene.read(**CRITICAL))
    assert scene.pager.said == ["first error", "severity_up critical"]
    scene.room.after(4 * HOUR_MS + MINUTE_MS)
    assert scene.chat.said[-1] == "repeat critical"


@pytest.mark.parametrize("in_order", [True, False])
def test_who_takes_an_acknowledgement_back_takes_a_kept_reference_back_too(in_order: bool) -> None:
    """`ack --undo` says that nobody looks after the incident any more, whatever was said before."""
    scene = Scene()
    scene.minute(scene.read(**ERROR))
    kept = keep(scene)
    scene.clock.now_ms += MINUTE_MS
    undone = ack(scene, 0)
    said: list[ControlRecord] = [kept, undone]
    order(scene, *(said if in_order else reversed(said)))
    scene.room.after(25 * HOUR_MS)
    assert scene.chat.said == ["first error", "repeat error"]
    order(scene, keep(scene))
    scene.room.after(25 * HOUR_MS)
    assert scene.chat.said == ["first error", "repeat error"], "the newest word holds"


def test_an_answer_of_another_application_is_passed_over() -> None:
    scene = Scene()
    scene.orders = type(scene.orders)("prod")
    scene.restart()
    scene.minute(scene.read(**ERROR))
    order(scene, keep(scene, app="stage"))
    scene.room.after(25 * HOUR_MS)
    assert scene.chat.said == ["first error", "repeat error"]
