"""What the runtime asks of Kafka, and when it may be answered: `kafka_gate` and `kafka_topics` do it.

All calls come from one thread. Callbacks come from inside `consume` and `keep_alive`, and must return at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from consumers.kafka_gate import PartitionMessages
from consumers.kafka_topics import TopicsSeen


class Pausable(Protocol):
    """What is fed by Kafka and can be told to wait."""

    def pause(self) -> None:
        """Fetch nothing until `resume`."""

    def resume(self) -> None:
        """Fetch again."""

    def keep_alive(self, timeout_s: float) -> None:
        """Serve the group for a while without taking messages."""


class PartitionSource(Protocol):
    """What ownership asks of Kafka."""

    def start(self, partition: int, predictions: int, labels: int) -> None:
        """Begin to fetch, or fetch again, from these offsets."""

    def halt(self, partition: int) -> None:
        """Fetch nothing more of a partition that stays assigned."""

    def bounds(self, partition: int) -> dict[str, tuple[int, int]]:
        """Return first and next offset by topic; raises `Retry`."""

    def committed(self, partition: int) -> dict[str, int]:
        """Return the witness by topic, -1 for none; raises `Retry`."""

    def witness(self, offsets: Mapping[int, tuple[int, int]]) -> None:
        """Commit offsets to Kafka without waiting."""


class Topics(Protocol):
    """What is known of the two topics."""

    def look(self) -> TopicsSeen | None:
        """Return ids, partitions and leaders, None if no broker answers."""

    def ends(self) -> dict[int, int] | None:
        """Return the next offset of each partition of the predictions, None if no broker answers."""


class Source(PartitionSource, Pausable, Protocol):
    """What the worker asks of Kafka: `consumers.kafka_gate.EventSource`."""

    def hold_labels(self, partition: int) -> None:
        """Fetch no labels of a partition for a while."""

    def release_labels(self, partition: int) -> None:
        """Fetch them again."""

    def consume(self, count: int, timeout_s: float) -> dict[int, PartitionMessages]:
        """Return the next messages by partition; may call back."""

    def close(self) -> None:
        """Leave the group."""


@dataclass(frozen=True, slots=True)
class TopicNames:
    """Names of the topics that a worker reads."""

    predictions: str
    labels: str


class Callbacks(Protocol):
    """What a source is made with; see `consumers.kafka_gate.EventSource`."""

    def __call__(
        self,
        *,
        on_assign: Callable[[list[int]], None],
        on_revoke: Callable[[list[int]], None],
        on_lost: Callable[[list[int]], None],
    ) -> Source:
        """Return a member of the group."""
