"""A worker that takes a partition over publishes the dead letters that its predecessor left in the outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from builders.pipeline import Pipeline

from consumers.columns import DecodedBatch
from consumers.kafka_gate import PartitionMessages
from consumers.kafka_topics import TopicsSeen
from consumers.memory_store import MemoryModels, MemoryPartitions
from consumers.outbox import Outboxes
from consumers.plan import plan_model
from consumers.source import TopicNames
from consumers.stats import WorkerStats
from consumers.store import CommitStatus
from consumers.worker import JoinWorker
from schemas.model_settings import ModelSettings

PLANS: Final = {
    "price": plan_model(ModelSettings.model_validate({"name": "price", "task": "regression"}), None)
}
NAMES: Final = TopicNames("predictions", "labels")
LETTERS: Final = [b'{"id":"one"}', b'{"id":"two"}']


class QuietSource:
    """A group that gives us partition 0, of topics in which nothing new comes."""

    def __init__(self, on_assign: Callable[[list[int]], None]) -> None:
        self._on_assign: Callable[[list[int]], None] | None = on_assign

    def consume(self, count: int, timeout_s: float) -> dict[int, PartitionMessages]:
        del count, timeout_s
        if self._on_assign is not None:
            self._on_assign([0])
            self._on_assign = None
        return {}

    def bounds(self, partition: int) -> dict[str, tuple[int, int]]:
        del partition
        return {NAMES.predictions: (0, 0), NAMES.labels: (0, 0)}

    def committed(self, partition: int) -> dict[str, int]:
        del partition
        return {NAMES.predictions: -1, NAMES.labels: -1}

    def start(self, partition: int, predictions: int, labels: int) -> None: ...

    def halt(self, partition: int) -> None: ...

    def witness(self, offsets: Mapping[int, tuple[int, int]]) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def keep_alive(self, timeout_s: float) -> None: ...

    def close(self) -> None: ...

    def ends(self) -> dict[int, int] | None:
        return {}

    def look(self) -> TopicsSeen:
        return TopicsSeen("a/b", 1, 1, frozenset({0}))


class Topic:
    """A twin of the producer that keeps what is published."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def partitions(self, topic: str) -> int:
        del topic
        return 3

    def publish(self, topic: str, records: Sequence[tuple[bytes, bytes]], *, partition: int | None) -> int:
        assert (topic, partition) == ("dead", 0)
        self.values += [value for _, value in records]
        return len(records)


def left_behind(store: MemoryPartitions) -> None:
    """Let an owner store dead letters and end before it has published them."""
    owner = Pipeline(PLANS, store=store).partitions[0]
    here = (owner.position.predictions, owner.position.labels)
    commit = owner.apply(DecodedBatch(), {}, to=here).commit
    assert store.commit(replace(commit, dead_letters=LETTERS)) is CommitStatus.COMMITTED


def test_a_new_owner_publishes_the_letters_that_the_one_before_it_left() -> None:
    store, topic, stats = MemoryPartitions(), Topic(), WorkerStats()
    left_behind(store)
    worker = JoinWorker(
        PLANS,
        NAMES,
        make_source=lambda on_assign, on_revoke, on_lost: QuietSource(on_assign),  # noqa: ARG005 - nothing is taken away
        watch=QuietSource(print),
        store=store,
        states=MemoryModels(),
        outboxes=Outboxes(topic, app="prod", alerts="alerts", dead_letters="dead", stats=stats),
        stats=stats,
        clock=lambda: 0.0,
        wall_ms=lambda: 0,
    )
    worker.step()
    worker.step()
    assert worker.owned
    worker.tend()
    assert topic.values == LETTERS
    assert store.dead_letters(0, 10) == []
    worker.tend()
    assert topic.values == LETTERS
