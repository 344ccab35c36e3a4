"""Messages that are given up: kept until the dead-letter topic has them, and tried again when somebody asks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from builders.watch_room import CRITICAL, ERROR, HOUR_MS, MINUTE_MS, Clock, Scene, ScriptedSink

from alerts.notifier import PUBLISH_AGAIN_MS
from alerts.sinks import Delivery
from consumers.kafka_letters import Record
from consumers.letters import receipt_of_id
from schemas.undelivered import read_undelivered
from watchkeeper.notify_store import StoredDeliveries
from watchkeeper.redeliver_command import collect, retell

Records = Sequence[tuple[bytes, bytes]]


class Letters:
    """The dead-letter topic."""

    def __init__(self) -> None:
        self.got: list[tuple[bytes, bytes]] = []
        self.away = False

    def __call__(self, records: Records) -> int:
        self.got += [] if self.away else records
        return 0 if self.away else len(records)

    def records(self) -> list[Record]:
        return [Record("letters", 0, key, value) for key, value in self.got]


def buried(reason: str = "http_404") -> tuple[Scene, Letters]:
    letters = Letters()
    scene = Scene(publish=letters)
    scene.chat.answers = [Delivery.dead(reason)]
    scene.minute(scene.read(**CRITICAL))
    return scene, letters


def test_a_message_that_is_refused_is_in_the_dead_letter_topic_once() -> None:
    scene, letters = buried()
    scene.room.after(MINUTE_MS)
    ((key, value),) = letters.got
    event = read_undelivered(value)
    assert event is not None
    told = scene.chat.tries[0][1]
    assert (event.data.sink, event.data.step, event.data.reason) == ("chat", "refused", "http_404")
    assert event.id == event.data.delivery_id == key.decode() == told.delivery_id
    assert (event.data.incident, event.data.notification) == (told.incident, told)
    assert scene.room.notifier.stats.unburied == 0
    kinds = {name[:2] for name in StoredDeliveries(scene.states).peek(0)}
    assert "t/" in kinds
    assert "u/" not in kinds


def test_a_message_whose_horizon_has_passed_is_given_up_with_that_reason() -> None:
    letters = Letters()
    scene = Scene(publish=letters)
    scene.chat.answers = [Delivery.retry("http_503")] * 5_000
    scene.minute(scene.read(**ERROR))
    for _ in range(26 * 6):
        scene.room.after(HOUR_MS // 6)
    steps = [event.data.step for _, value in letters.got if (event := read_undelivered(value))]
    assert steps[0] == "horizon_passed"


def test_what_the_topic_does_not_take_waits_for_it_also_in_the_next_owner() -> None:
    letters = Letters()
    letters.away = True
    scene = Scene(publish=letters)
    scene.chat.answers = [Delivery.dead("http_404")]
    scene.minute(scene.read(**CRITICAL))
    assert scene.room.notifier.stats.unburied == 1
    scene.restart()
    scene.room.after(PUBLISH_AGAIN_MS)
    assert scene.room.notifier.stats.unburied == 1
    letters.away = False
    scene.room.after(PUBLISH_AGAIN_MS)
    assert len(letters.got) == 1
    scene.room.step()
    scene.restart()
    scene.room.after(PUBLISH_AGAIN_MS)
    assert len(letters.got) == 1, "the store has let it go"


def again(
    letters: Letters, sink: ScriptedSink, *, only: str = "chat", is_open: bool = True
) -> dict[str, int]:
    undelivered, receipts = collect(letters.records())
    firing = {event.data.incident for _, event in undelivered.values()} if is_open else set()

    def note(record: Record, event: object) -> None:
        del event
        digest = hashlib.sha256(record.value or b"").hexdigest()
        letters.got.append((record.key or b"", receipt_of_id((record.key or b"").decode(), digest)))

    return retell(
        undelivered,
        {only: sink},
        known={"chat", "pager"},
        receipts=receipts,
        open_incidents=firing,
        note=note,
        sleep=lambda _: None,
    )


def test_it_is_told_again_once_and_marked_as_late() -> None:
    _, letters = buried()
    letters.got *= 2
    sink = ScriptedSink("chat", Clock(), answers=[Delivery.retry("http_503")])
    assert again(letters, sink) == {"failed": 1}
    assert again(letters, sink) == {"delivered": 1}
    assert [(n.late, n.possible_repeat) for n in sink.got] == [(True, False)]
    assert again(letters, sink) == {"already": 1}
    assert len(sink.got) == 1


def test_what_is_over_by_now_and_what_belongs_to_another_sink_is_left_alone() -> None:
    _, letters = buried()
    sink = ScriptedSink("chat", Clock())
    assert again(letters, sink, is_open=False) == {"over": 1}
    assert again(letters, sink, only="pager") == {"filtered": 1}
    assert sink.tries == []
