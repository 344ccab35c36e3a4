"""While a backlog is worked off, labels wait for the predictions of their time."""

from __future__ import annotations

import json
from typing import Any, Final

from builders.worker import PLANS, QuietSource, Topic, worker_over

from consumers.kafka_gate import PartitionMessages, TopicMessages
from consumers.memory_store import MemoryPartitions
from consumers.worker import LEAD_WINDOWS, JoinWorker

START_MS: Final = 1_790_000_000_000
WINDOW_MS: Final = PLANS["price"].window_ms


class Record:
    """A message of Kafka."""

    def __init__(self, offset: int, value: dict[str, Any]) -> None:
        self._offset, self._value = offset, value

    def key(self) -> None: ...

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes:
        return json.dumps({"model": "price", **self._value}).encode()

    def timestamp(self) -> tuple[int, int]:
        return (1, START_MS + 10**9)


class Backlog(QuietSource):
    """A group that gives us partition 0, and what a test puts into it; notes whether labels are held."""

    def __init__(self) -> None:
        super().__init__()
        self.next = PartitionMessages()
        self.read = {"predictions": 0, "labels": 0}
        self.held = False

    def put(self, side: str, window: float, *, end: bool = False) -> None:
        """Let an event come whose time is so many windows after the first."""
        offset, time_ms = self.read[side], START_MS + int(window * WINDOW_MS)
        self.read[side] += 1
        value = {"prediction_id": f"{side}{offset}", "time": time_ms}
        value |= {"value": 1.0} if side == "labels" else {"output": {"value": 1.0}}
        messages: TopicMessages = getattr(self.next, side)
        messages.messages.append(Record(offset, value))  # type: ignore[arg-type]
        if end:
            setattr(self.next, f"{side}_end", True)

    def consume(self, count: int, timeout_s: float) -> dict[int, PartitionMessages]:
        super().consume(count, timeout_s)
        found, self.next = self.next, PartitionMessages()
        return {0: found}

    def hold_labels(self, partition: int) -> None:
        assert partition == 0
        self.held = True

    def release_labels(self, partition: int) -> None:
        assert partition == 0
        self.held = False


def worker_of(source: Backlog) -> JoinWorker:
    return worker_over(source, MemoryPartitions(), Topic())


def test_labels_that_run_ahead_wait_until_predictions_have_come_half_way() -> None:
    source = Backlog()
    worker = worker_of(source)
    source.put("predictions", 0)
    source.put("labels", LEAD_WINDOWS)
    worker.step()
    assert not source.held
    source.put("labels", LEAD_WINDOWS + 1)
    worker.step()
    assert source.held
    source.put("predictions", LEAD_WINDOWS / 2)
    worker.step()
    assert source.held
    source.put("predictions", LEAD_WINDOWS / 2 + 1)
    worker.step()
    assert not source.held


def test_labels_are_not_held_where_there_is_nothing_to_wait_for() -> None:
    source = Backlog()
    worker = worker_of(source)
    source.put("predictions", 0)
    source.put("labels", 5 * LEAD_WINDOWS, end=True)
    worker.step()
    assert not source.held
    source.put("labels", 6 * LEAD_WINDOWS)
    worker.step()
    assert source.held
    source.put("predictions", 1, end=True)
    worker.step()
    assert not source.held


def test_labels_wait_for_the_first_prediction_of_a_backlog() -> None:
    source = Backlog()
    worker = worker_of(source)
    source.put("labels", 0)
    worker.step()
    assert source.held
    source.next.predictions_end = True
    worker.step()
    assert not source.held
