"""The gate to Kafka for what we read: one consumer for both topics.

The group is subscribed to the predictions topic alone; the label partitions of the same numbers are assigned
by hand beside them, because no assignor of a cooperative group promises to keep two topics together. Offsets
come from the store, never from the group.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from confluent_kafka import (
    OFFSET_INVALID,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from consumers.columns import Records
from consumers.kafka_client import METADATA_TIMEOUT_S, client_of, partition_counts
from schemas.errors import Retry, Stop

_OWN_SETTINGS: Final[dict[str, Any]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "queued.max.messages.kbytes": 32_768,
}
_CLASSIC: Final = {"partition.assignment.strategy": "cooperative-sticky"}
"""The classic protocol chooses in the client; `group.protocol: consumer` (KIP-848) in the broker."""

_FATAL: Final = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own codes have a leading underscore
}
_DEFAULTS: Final[dict[str, Any]] = {"topic.metadata.refresh.interval.ms": 30_000}
"""Partitions that are added are found after this; librdkafka's default is five minutes."""

_CLASSIC_DEFAULTS: Final = {"heartbeat.interval.ms": 1000}
"""A partition on the move waits for the next heartbeat of either side; librdkafka's default is three seconds."""

_OFFSET_LOST: Final = {
    KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001
    KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - deleted; it may come back under another id
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}
"""The partition must be claimed afresh: only the checks of a claim can tell what happened to its topic."""

_log = logging.getLogger("watchkeeper.kafka")
_log.addHandler(logging.NullHandler())
_log.propagate = False


@dataclass(slots=True)
class TopicMessages:
    """Messages of one topic and partition, in log order."""

    messages: list[Message] = field(default_factory=list)

    def records(self) -> Records:
        """Return the messages as the decoder takes them."""
        times = [message.timestamp() for message in self.messages]
        stamped = all(kind != TIMESTAMP_NOT_AVAILABLE for kind, _ in times)
        stamps = np.array([ms for _, ms in times], dtype=np.int64) if stamped else None
        return Records([message.value() for message in self.messages], stamps)

    def next_offset(self, default: int) -> int:
        """Return the offset after the last message."""
        return offset_of(self.messages[-1]) + 1 if self.messages else default


@dataclass(slots=True)
class PartitionMessages:
    """What one `consume` brought for one partition, both topics.

    Parameters
    ----------
    predictions_end, labels_end
        True if the end of that topic was reached.
    lost
        What Kafka says where it no longer has the offsets that we want, else None.
    """

    predictions: TopicMessages = field(default_factory=TopicMessages)
    labels: TopicMessages = field(default_factory=TopicMessages)
    predictions_end: bool = False
    labels_end: bool = False
    lost: str | None = None


class EventSource:
    """Consumes both topics of the partitions that the group gives us.

    Parameters
    ----------
    properties
        librdkafka's properties, `bootstrap.servers` among them.
    group
        Consumer group.
    predictions, labels
        Topic names; labels is None for a member that only wants the assignment.
    app
        Written beside the offsets that are committed as witness, and asked for when they are read back.
    on_assign, on_revoke, on_lost
        Told the partition numbers, from inside `consume`; all must return at once. After `on_assign` the
        caller calls `start` for each partition when it is ready; within `on_revoke` it may still call
        `witness`.
    """

    def __init__(  # noqa: PLR0913 - the two topics and the two callbacks belong together
        self,
        properties: Mapping[str, Any],
        group: str,
        predictions: str,
        labels: str | None,
        *,
        app: str,
        on_assign: Callable[[list[int]], None],
        on_revoke: Callable[[list[int]], None],
        on_lost: Callable[[list[int]], None],
    ) -> None:
        self._predictions = predictions
        self._labels = labels
        self._app = app
        self._on_assign = on_assign
        self._on_revoke = on_revoke
        self._on_lost = on_lost
        self._started: set[int] = set()
        self._paused: set[int] = set()
        self._held: set[int] = set()
        self._ends: set[tuple[str, int]] = set()
        self._offsets_lost: dict[int, str] = {}
        self._closing = False
        own = {**_OWN_SETTINGS, "group.id": group, "error_cb": self._error}
        defaults = dict(_DEFAULTS)
        if str(properties.get("group.protocol", "classic")).lower() == "classic":
            own |= _CLASSIC
            defaults |= _CLASSIC_DEFAULTS
        made_of = {**defaults, **properties, **own}
        self._consumer = client_of(Consumer, made_of)
        # On the connection that fetches, a question waits behind the fetches in flight, a second and more.
        self._asker = client_of(Consumer, made_of)
        if labels is not None:  # known metadata spares the first label fetch a second and a half
            partition_counts(self._consumer, [labels])
        self._consumer.subscribe(
            [predictions], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    def _error(self, error: KafkaError) -> None:
        if error.code() in _FATAL:
            raise Stop(f"kafka: {error.str()}; check topics and rights", exit_code=1)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign([])  # nothing is fetched before `start`
        self._on_assign([p.partition for p in partitions])

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._on_revoke([p.partition for p in partitions])
        self._let_go(consumer, [p.partition for p in partitions])

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._on_lost([p.partition for p in partitions])
        self._let_go(consumer, [p.partition for p in partitions])

    def _let_go(self, consumer: Consumer, numbers: list[int]) -> None:
        started = [number for number in numbers if number in self._started]
        self._started -= set(numbers)
        if not self._closing:  # closing gives everything back by itself, and must not be asked about it
            self._unpause(started)
            self._release(started)
            consumer.incremental_unassign([tp for number in started for tp in self._both(number)])

    def _both(
        self, partition: int, predictions: int = OFFSET_INVALID, labels: int = OFFSET_INVALID
    ) -> list[TopicPartition]:
        both = [TopicPartition(self._predictions, partition, predictions)]
        if self._labels is not None:
            both.append(TopicPartition(self._labels, partition, labels))
        return both

    def start(self, partition: int, predictions: int, labels: int) -> None:
        """Begin to fetch a partition's topics at these offsets."""
        self._forget_ends(partition)
        if partition in self._started:
            self._rewind(partition, predictions, labels)
            return
        self._consumer.incremental_assign(self._both(partition, predictions, labels))
        self._started.add(partition)

    def _rewind(self, partition: int, predictions: int, labels: int) -> None:
        places = self._both(partition, predictions, labels)
        try:
            for place in places:
                self._consumer.seek(place)
        except KafkaException:  # it is not being fetched any more, as after an offset that was lost
            self._consumer.incremental_unassign(self._both(partition))
            self._consumer.incremental_assign(places)

    def halt(self, partition: int) -> None:
        """Fetch nothing more of a partition that stays assigned to us."""
        if partition in self._started:
            self._started.discard(partition)
            self._unpause([partition])
            self._release([partition])
            self._consumer.incremental_unassign(self._both(partition))
        self._forget_ends(partition)

    def _forget_ends(self, partition: int) -> None:
        self._ends = {end for end in self._ends if end[1] != partition}
        self._offsets_lost.pop(partition, None)

    def bounds(self, partition: int) -> dict[str, tuple[int, int]]:
        """Return (first offset, next offset) of each topic's partition.

        Raises
        ------
        Retry
            If the broker does not answer.
        """
        try:
            for topic in {tp.topic for tp in self._both(partition)}:  # it may not know new partitions yet
                self._asker.list_topics(topic, timeout=METADATA_TIMEOUT_S)
            return {
                tp.topic: self._asker.get_watermark_offsets(tp, timeout=METADATA_TIMEOUT_S)
                for tp in self._both(partition)
            }
        except KafkaException as error:
            raise Retry(f"kafka: {error.args[0].str()}") from error

    def committed(self, partition: int) -> dict[str, int]:
        """Return what the group has committed for our application, by topic; -1 for nothing.

        Raises
        ------
        Retry
            If the broker does not answer.
        """
        try:
            found = self._consumer.committed(self._both(partition), timeout=METADATA_TIMEOUT_S)
        except KafkaException as error:
            raise Retry(f"kafka: {error.args[0].str()}") from error
        return {tp.topic: tp.offset if tp.offset >= 0 and tp.metadata == self._app else -1 for tp in found}

    def consume(self, count: int, timeout_s: float) -> dict[int, PartitionMessages]:
        """Return the next messages by partition, in log order per topic; may call back.

        Raises
        ------
        Stop
            If the broker refuses us.
        """
        batches: dict[int, PartitionMessages] = {}
        for topic, number in self._ends:
            self._note_end(batches.setdefault(number, PartitionMessages()), topic)
        for number, why in self._offsets_lost.items():
            batches.setdefault(number, PartitionMessages()).lost = why
        self._ends.clear()
        self._offsets_lost.clear()
        for message in self._consumer.consume(count, timeout_s):
            error, partition = message.error(), message.partition()
            if error is None and partition is not None:
                batch = batches.setdefault(partition, PartitionMessages())
                self._topic(batch, message).messages.append(message)
            elif error is None:
                continue
            elif error.code() == KafkaError._PARTITION_EOF and partition is not None:  # noqa: SLF001
                self._note_end(batches.setdefault(partition, PartitionMessages()), message.topic())
            elif error.code() in _OFFSET_LOST and partition in self._started:
                lost = f"kafka: {message.topic()}[{partition}]: {error.str()}"
                batches.setdefault(partition, PartitionMessages()).lost = lost
            else:
                self._error(error)
        return batches

    def _note_end(self, batch: PartitionMessages, topic: str | None) -> None:
        if topic == self._predictions:
            batch.predictions_end = True
        else:
            batch.labels_end = True

    def _topic(self, batch: PartitionMessages, message: Message) -> TopicMessages:
        return batch.predictions if message.topic() == self._predictions else batch.labels

    def pause(self) -> None:
        """Fetch nothing until `resume`; the group is kept by calling `consume`."""
        self._paused |= self._started
        self._consumer.pause([tp for number in self._started for tp in self._both(number)])

    def resume(self) -> None:
        """Fetch again."""
        self._unpause(self._paused & self._started)

    def _unpause(self, numbers: Iterable[int]) -> None:
        """Take the pause off, also before a partition goes: it would still be on when the partition comes back."""
        paused = self._paused & set(numbers)
        self._paused -= paused
        both = [tp for number in paused for tp in self._both(number)]
        self._consumer.resume(
            [tp for tp in both if tp.topic != self._labels or tp.partition not in self._held]
        )

    def hold_labels(self, partition: int) -> None:
        """Fetch no labels of a partition until `release_labels`, whatever is paused and resumed meanwhile."""
        if self._labels is not None and partition in self._started - self._held:
            self._held.add(partition)
            self._consumer.pause([TopicPartition(self._labels, partition)])

    def release_labels(self, partition: int) -> None:
        """Fetch the labels of a partition again."""
        self._release([partition])

    def _release(self, numbers: Iterable[int]) -> None:
        held = self._held & set(numbers)
        self._held -= held
        if self._labels is not None:
            self._consumer.resume([TopicPartition(self._labels, number) for number in held - self._paused])

    def keep_alive(self, timeout_s: float) -> None:
        """Serve the group for a while without taking messages; meant for while we are paused."""
        for message in self._consumer.consume(1, timeout_s):
            topic, partition, error = message.topic(), message.partition(), message.error()
            if topic is None or partition is None or partition not in self._started:
                continue
            if error is None:  # fetched before the pause: it must come again
                self._consumer.seek(TopicPartition(topic, partition, offset_of(message)))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                self._ends.add((topic, partition))
            elif error.code() in _OFFSET_LOST:
                self._offsets_lost[partition] = f"kafka: {topic}[{partition}]: {error.str()}"

    def witness(self, offsets: Mapping[int, tuple[int, int]]) -> None:
        """Commit offsets to Kafka: for tools that show lag, and as witness of what Redis has held."""
        places = [
            TopicPartition(tp.topic, tp.partition, tp.offset, metadata=self._app)
            for number, (p, q) in offsets.items()
            for tp in self._both(number, p, q)
            if tp.offset >= 0
        ]
        if places:
            try:
                self._consumer.commit(offsets=places, asynchronous=True)
            except KafkaException as error:
                _log.warning("offsets not committed to the group: %s", error.args[0].str())

    def close(self) -> None:
        """Leave the group."""
        self._closing = True
        self._consumer.close()
        self._asker.close()


def offset_of(message: Message) -> int:
    """Return a fetched message's offset."""
    offset = message.offset()
    if offset is None:
        raise ValueError("a fetched message has an offset")
    return offset
