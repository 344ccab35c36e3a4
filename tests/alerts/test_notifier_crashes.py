"""Whoever dies when: a page arrives under one key, chat hears at most once more, and lost answers change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from builders.watch_room import (
    CRITICAL,
    ERROR,
    HOUR_MS,
    MINUTE_MS,
    Scene,
    ScriptedSink,
    requests,
)

from alerts.sinks import Delivery
from schemas.errors import Retry
from schemas.finding import Kind, Verdict
from schemas.notification import Why

if TYPE_CHECKING:
    from consumers.store import CommitStatus, ModelCommit


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


@pytest.mark.parametrize(
    "answer", [Delivery.retry("down"), Delivery.delivered()], ids=lambda a: a.outcome.value
)
def test_nobody_waits_for_a_sink_that_the_settings_do_not_name_any_more(answer: Delivery) -> None:
    """Else the heartbeat would stop for ever, and the incident would be kept for ever."""
    scene = Scene()
    scene.chat.answers = [answer] * 100
    scene.minute(scene.read(**ERROR))
    scene.chat = ScriptedSink("talk", scene.clock)
    scene.restart()
    scene.room.after(10 * MINUTE_MS)
    stats = scene.room.notifier.stats
    assert (stats.waiting, stats.overdue) == (0, set())
    assert scene.chat.said, "the one in its place hears of it"
    scene.over()
    scene.room.after(25 * HOUR_MS)
    scene.room.after(MINUTE_MS)
    assert list(scene.states.past("*notify:0")) == ["state"], "and all of it is forgotten in time"
