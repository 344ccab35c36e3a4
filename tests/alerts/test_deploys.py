"""Deploys that are announced: what they hold back, who names them, and which sinks record them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alert_builders import NOON_MS, finding, fired
from builders.watch_room import CRITICAL, ERROR, HOUR_MS, MINUTE_MS, Scene, ScriptedSink

from alerts.deploy_words import with_deploy
from alerts.routing import Route
from alerts.sinks import Delivery
from schemas.alert_wire import utc_of_ms
from schemas.control import DeployEvent
from schemas.deploy import HELD_KINDS, Deploy, deploy_id
from schemas.finding import Kind, Verdict

DAY_MS = 24 * HOUR_MS


def deploy(minute: float = 0, *, windows: float = 2, version: str = "8", **changes: Any) -> Deploy:
    at = utc_of_ms(NOON_MS + round(minute * MINUTE_MS))
    fields = {
        "id": deploy_id("prod", "fraud", version, at),
        "app": "prod",
        "model": "fraud",
        "version": version,
        "at": at,
        "holds_until": at + windows * timedelta(minutes=1),
    }
    return Deploy.model_validate({**fields, **changes})


def announced(*deploys: Deploy, **room: Any) -> Scene:
    scene = Scene(**room)
    announce(scene, *deploys)
    return scene


def announce(scene: Scene, *deploys: Deploy) -> None:
    records = [DeployEvent.of(found, now=found.at) for found in deploys]
    scene.orders.take(records, now_ms=scene.clock.now_ms)


class TestWhatIsHeldBack:
    def test_drift_that_begins_with_it_is_told_when_its_windows_have_passed_and_it_goes_on(self) -> None:
        scene = announced(deploy(0))
        scene.minute(scene.read(**ERROR))
        assert (scene.pager.said, scene.chat.said) == ([], [])
        scene.minute(scene.read(**ERROR))
        scene.room.after(5_000)
        assert scene.pager.said == scene.chat.said == ["silence_ended error"]
        assert scene.chat.got[0].since == utc_of_ms(NOON_MS)

    def test_drift_that_is_over_by_then_is_never_told(self) -> None:
        scene = announced(deploy(0, windows=6))
        scene.minute(scene.read(**ERROR))
        scene.over()
        scene.room.after(2 * HOUR_MS)
        assert (scene.pager.said, scene.chat.said) == ([], [])

    def test_the_end_of_what_was_told_before_reaches_the_pager(self) -> None:
        scene = Scene()
        scene.minute(scene.read(**ERROR))
        announce(scene, deploy(0, windows=60))
        scene.over()
        assert scene.pager.said == ["first error", "all_resolved error"]

    @pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in HELD_KINDS])
    def test_what_is_not_drift_is_told_at_once(self, kind: Kind) -> None:
        scene = announced(deploy(0, windows=60))
        scene.minute(scene.read(kind=kind, check="any", **ERROR))
        assert scene.pager.said == ["first error"]

    @pytest.mark.parametrize("kind", sorted(HELD_KINDS))
    def test_every_kind_of_drift_is_held_back(self, kind: Kind) -> None:
        scene = announced(deploy(0, windows=60))
        scene.minute(scene.read(kind=kind, check="any", **ERROR))
        assert scene.chat.said == []

    @pytest.mark.parametrize(
        ("onset_minute", "is_held"),
        [(-2, False), (-1, False), (-0.5, True), (0, True), (1.5, True), (2, False), (30, False)],
    )
    def test_only_what_began_with_it_is_held_back(self, onset_minute: float, is_held: bool) -> None:
        index = max(0, int(onset_minute))
        alert = fired(onset_ms=NOON_MS + round(onset_minute * MINUTE_MS), index=index).data
        assert deploy(0).holds(alert) is is_held

    def test_one_at_the_end_of_all_time_stops_nobody(self) -> None:
        """Whoever writes such a record to the topic must not silence all others."""
        last = datetime(9999, 12, 31, 23, 30, tzinfo=UTC)
        scene = announced(deploy(0, at=last, holds_until=last + timedelta(minutes=29)))
        scene.minute(scene.read(**ERROR))
        assert scene.pager.said == ["first error"]

    def test_another_model_is_told_at_once(self) -> None:
        scene = announced(deploy(0, windows=60, model="price"))
        scene.minute(scene.read(**ERROR))
        assert scene.pager.said == ["first error"]

    def test_a_deploy_of_another_application_is_passed_over(self) -> None:
        scene = Scene()
        scene.orders = type(scene.orders)("prod")
        scene.restart()
        announce(scene, deploy(0, windows=60, app="stage"))
        scene.minute(scene.read(**ERROR))
        assert scene.pager.said == ["first error"]

    def test_how_fast_the_wall_clock_goes_does_not_show(self) -> None:
        """An evaluator that is half an hour behind holds back as much as one that is not."""
        scene = announced(deploy(0))
        scene.clock.now_ms += 30 * MINUTE_MS
        scene.topic.window(finding(0, **{"kind": Kind.DATA_DRIFT, **ERROR}), index=0)
        scene.room.after(10_000)
        assert scene.chat.said == []
        scene.topic.window(finding(1, Verdict.BREACH, kind=Kind.DATA_DRIFT, **ERROR), index=1)
        scene.room.after(10_000)
        assert scene.chat.said == ["silence_ended error"]

    def test_where_windows_stop_it_is_told_an_hour_later(self) -> None:
        scene = announced(deploy(0))
        scene.minute(scene.read(**ERROR))
        scene.room.after(HOUR_MS)
        assert scene.chat.said == []
        scene.room.after(2 * MINUTE_MS)
        assert scene.chat.said == ["silence_ended error"]

    def test_a_restart_goes_on_holding_back(self) -> None:
        scene = announced(deploy(0, windows=4))
        scene.minute(scene.read(**ERROR))
        scene.restart()
        scene.minute(scene.read(**ERROR))
        assert scene.chat.said == []
        scene.minutes(2, **ERROR)
        scene.room.after(5_000)
        assert scene.chat.said == ["silence_ended error"]


class TestWhoNamesIt:
    def test_what_began_within_a_day_names_it_first(self) -> None:
        scene = announced(deploy(0, windows=0, note="new features", ticket="T-1", by="ada"))
        scene.clock.now_ms += 3 * MINUTE_MS
        scene.minute(scene.read(kind=Kind.ERROR_RATE, check="error_rate", **CRITICAL))
        for sink in (scene.pager, scene.chat):
            assert sink.got[0].lead.likely_causes[0] == (
                "version 8 was deployed 2026-11-01 12:00 UTC, 3 min before this began (new features, T-1, by ada)"
            )

    def test_the_end_names_it_too(self) -> None:
        scene = announced(deploy(0, windows=0))
        scene.minute(scene.read(**ERROR))
        scene.over()
        assert scene.chat.got[-1].lead.likely_causes == (
            "version 8 was deployed 2026-11-01 12:00 UTC, as this began",
        )

    def test_of_several_the_newest_before_the_begin_is_named(self) -> None:
        alert = fired(onset_ms=NOON_MS + HOUR_MS, index=60).data
        found = [deploy(0, version="7"), deploy(30, version="8"), deploy(90, version="9")]
        now = utc_of_ms(NOON_MS + 2 * HOUR_MS)
        assert with_deploy(alert, found, now=now).likely_causes[0].startswith("version 8 was deployed")

    @pytest.mark.parametrize(
        ("minute", "when"),
        [
            (-3 * 24 * 60, "last deploy: version 8 was deployed 2026-10-29 12:00 UTC, 3 d before this began"),
            (90, "last deploy: version 8 was deployed 2026-11-01 13:30 UTC, 1 h 30 min after this began"),
        ],
    )
    def test_one_that_can_hardly_be_the_cause_is_named_last(self, minute: float, when: str) -> None:
        alert = fired(onset_ms=NOON_MS).data
        named = with_deploy(alert, [deploy(minute)], now=utc_of_ms(NOON_MS + 2 * HOUR_MS))
        assert named.likely_causes == (*alert.likely_causes, when)

    def test_one_of_another_model_and_one_that_is_yet_to_come_are_not_named(self) -> None:
        alert = fired(onset_ms=NOON_MS).data
        now = utc_of_ms(NOON_MS + MINUTE_MS)
        assert with_deploy(alert, [deploy(0, model="price"), deploy(2)], now=now) == alert


class TestWhoRecordsIt:
    def test_a_sink_that_keeps_changes_is_told_once_whatever_restarts(self) -> None:
        scene = announced(deploy(0))
        for _ in range(3):
            scene.minute()
            scene.restart()
        assert scene.pager.announced == [deploy(0)]
        assert scene.pager.change_tries == 1

    def test_it_is_told_when_it_happens_and_not_before(self) -> None:
        scene = announced(deploy(5))
        scene.minutes(4, Verdict.CLEAR)
        assert scene.pager.announced == []
        scene.minutes(2, Verdict.CLEAR)
        assert scene.pager.announced == [deploy(5)]

    def test_what_the_other_side_does_not_take_now_is_tried_again(self) -> None:
        scene = announced(deploy(0))
        scene.pager.answers = [Delivery.retry("http_503"), Delivery.delivered()]
        scene.minute()
        scene.room.after(MINUTE_MS)
        assert (scene.pager.announced, scene.pager.change_tries) == ([deploy(0)], 2)

    def test_nobody_waits_for_a_sink_that_the_routes_do_not_lead_to_any_more(self) -> None:
        scene = Scene(routes=[Route({}, ("pager",))])
        scene.pager.answers = [Delivery.retry("down")] * 3
        announce(scene, deploy(0))
        scene.minute(scene.read(Verdict.CLEAR))
        assert scene.room.notifier.stats.waiting == 1
        scene.restart(routes=[Route({"model": "another"}, ("pager",))])
        scene.room.after(2 * MINUTE_MS)
        scene.room.after(10 * MINUTE_MS)
        assert (scene.room.notifier.stats.waiting, scene.room.notifier.stats.overdue) == (0, set())

    def test_what_it_refuses_is_given_up_and_counted(self) -> None:
        scene = announced(deploy(0))
        scene.pager.answers = [Delivery.dead("http_400")]
        scene.minute()
        scene.room.after(HOUR_MS)
        assert (scene.pager.announced, scene.pager.change_tries) == ([], 1)
        assert scene.room.notifier.stats.dead == {"pager": 1}

    def test_a_crash_between_the_post_and_its_outcome_repeats_nothing(self) -> None:
        class Crash(BaseException):
            """The process dies."""

        def crash(place: str) -> None:
            if place == "after the post":
                raise Crash

        scene = announced(deploy(0), crash=crash)
        with pytest.raises(Crash):
            scene.minute()
        scene.restart(crash=None)
        scene.minute()
        assert scene.pager.change_tries == 1

    def test_a_lost_delivery_log_repeats_nothing_old(self) -> None:
        scene = Scene()
        scene.clock.now_ms += 25 * HOUR_MS
        announce(scene, deploy(0))
        scene.minute()
        assert scene.pager.change_tries == 0

    def test_it_is_forgotten_after_a_month(self) -> None:
        scene = announced(deploy(0))
        scene.minute()
        assert any("deploy:" in name for name in scene.states.past("*notify:0"))
        scene.clock.now_ms += 31 * DAY_MS
        scene.orders.take([], now_ms=scene.clock.now_ms)
        scene.room.after(2 * MINUTE_MS)
        assert not any("deploy:" in name for name in scene.states.past("*notify:0"))

    @pytest.mark.parametrize(
        ("match", "is_told"),
        [
            ({}, True),
            ({"severity": "critical"}, True),
            ({"kind": "performance", "status": "firing"}, True),
            ({"model": "price|fraud"}, True),
            ({"model": "price"}, False),
            ({"team": "payments-ml"}, True),
            ({"team": "others"}, False),
        ],
    )
    def test_routes_that_its_alerts_could_take_lead_it_there(
        self, match: dict[str, str], is_told: bool
    ) -> None:
        scene = announced(deploy(0, teams=("payments-ml",)), routes=[Route(match, ("pager",))])
        scene.minute()
        assert scene.pager.announced == ([deploy(0, teams=("payments-ml",))] if is_told else [])

    def test_a_sink_that_keeps_none_is_left_alone(self) -> None:
        scene = announced(deploy(0))
        scene.minute()
        assert isinstance(scene.chat, ScriptedSink)
        assert scene.chat.tries == []
