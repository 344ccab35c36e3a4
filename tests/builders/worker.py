"""A join worker of one partition and one model, over a source and a topic that only pretend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from consumers.kafka_gate import PartitionMessages
from consumers.kafka_topics import TopicsSeen
from consumers.memory_store import MemoryModels, MemoryPartitions
from consumers.outbox import Outboxes
from consumers.plan import plan_model
from consumers.source import TopicNames
from consumers.stats import WorkerStats
from consumers.worker import JoinWorker
from schemas.model_settings import ModelSettings

PLANS: Final = {
    "price": plan_model(ModelSettings.model_validate({"name": "price", "task": "regression"}), None)
}
NAMES: Final = TopicNames("predictions", "labels")


class QuietSource:
    """A group that gives us partition 0, of topics in which nothing new comes."""

    def __init__(self) -> None:
        self.on_assign: Callable[[list[int]], None] | None = None

    def consume(self, count: int, timeout_s: float) -> dict[int, PartitionMessages]:
        del count, timeout_s
        if self.on_assign is not None:
            self.on_assign([0])
            self.on_assign = None
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

    def hold_labels(self, partition: int) -> None: ...

    def release_labels(self, partition: int) -> None: ...

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


def worker_over(source: QuietSource, store: MemoryPartitions, topic: Topic) -> JoinWorker:
    """Return a worker that owns the partition."""
    stats = WorkerStats()

    def made(
        *,
        on_assign: Callable[[list[int]], None],
        on_revoke: Callable[[list[int]], None],
        on_lost: Callable[[list[int]], None],
    ) -> QuietSource:
        del on_revoke, on_lost
        source.on_assign = on_assign
        return source

    worker = JoinWorker(
        PLANS,
        NAMES,
        make_source=made,
        watch=source,
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
    return worker
