"""The gate that reads the alerts topic for the notifier: a consumer group of its own, offsets from the store.

The store's offsets decide where to read on; Kafka's are a witness, for people and lag monitors, and for a store that has
forgotten everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.alert import parse_alerts_record
from schemas.errors import Reject, Stop

if TYPE_CHECKING:
    from schemas.alert import AlertsRecord

GROUP_SUFFIX: Final = "-notify"
BATCH_MAX: Final = 1_000
METADATA_TIMEOUT_S: Final = 10.0
BEGINNING: Final = -2
"""What librdkafka calls the first offset that there is."""

_log = structlog.get_logger("watchkeeper.notify")


@dataclass(frozen=True, slots=True)
class Heard:
    """What the topic said in one poll.

    Parameters
    ----------
    records
        Partition to offsets and records, in order; None for a record that is not ours or broken.
    ended
        Partitions that have been read to their end.
    """

    records: Mapping[int, Sequence[tuple[int, AlertsRecord | None]]] = field(default_factory=dict)
    ended: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class SourceStats:
    """Counts since the start.

    Parameters
    ----------
    taken, skipped
        Alert events, and window-complete records.
    rejected
        Records that are not ours or broken, by reason.
    errors
        Errors reported by the Kafka client, commits that failed included.
    """

    taken: int
    skipped: int
    rejected: Mapping[str, int]
    errors: int


class AlertSource:
    """Reads the alerts topic in the group `<group>-notify`. Not thread-safe.

    Parameters
    ----------
    properties
        librdkafka's, as in the settings; the group and the handling of offsets are ours.
    topic
        The alerts topic.
    group
        Watchkeeper's own group, without the suffix.
    assigned
        Called with a partition and Kafka's own offset of it (-1 for none); returns the offset to begin at, -1 for the
        beginning. Comes from inside `poll`, and may block.
    gone
        Called with a partition that is no longer ours.

    Raises
    ------
    Stop
        librdkafka refuses a property; the message names it without its value.
    """

    def __init__(
        self,
        properties: Mapping[str, Any],
        *,
        topic: str,
        group: str,
        assigned: Callable[[int, int], int],
        gone: Callable[[int], None],
    ) -> None:
        self._assigned = assigned
        self._gone = gone
        self._topic = topic
        self._taken = self._skipped = self._errors = 0
        self._rejected: dict[str, int] = {}
        self._witnessed: dict[int, int] = {}
        self._closed = False
        self.joined = False
        """Whether the group counts us in, with partitions or, where others have them all, without."""
        self._consumer = _consumer(
            {
                **properties,
                "group.id": f"{group}{GROUP_SUFFIX}",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        self._consumer.subscribe(
            [topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    @property
    def stats(self) -> SourceStats:
        """The counts so far."""
        return SourceStats(self._taken, self._skipped, dict(self._rejected), self._errors)

    def poll(self, *, timeout_s: float) -> Heard:
        """Return what has come; blocks at most `timeout_s`, and as long as `assigned` does.

        Raises
        ------
        Stop
            The Kafka client says that it cannot go on. What `assigned` raises comes out here too.
        """
        records: dict[int, list[tuple[int, AlertsRecord | None]]] = {}
        ended: list[int] = []
        messages = self._consumer.consume(BATCH_MAX, timeout_s)
        for message in messages:
            error = message.error()
            if error is None:
                partition, offset = _place(message)
                records.setdefault(partition, []).append((offset, self._record_in(message)))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's names
                ended.append(message.partition() or 0)
            else:
                self._note(error)
        return Heard(records, ended)

    def again(self, partition: int) -> None:
        """Claim a partition of ours afresh, and read on from where the store says."""
        place = TopicPartition(self._topic, partition)
        start = self._assigned(partition, self._committed(place))
        self._consumer.seek(TopicPartition(self._topic, partition, start if start >= 0 else BEGINNING))

    def witness(self, offsets: Mapping[int, int]) -> None:
        """Commit offsets to Kafka without waiting; what is known to it already is left out."""
        news = {number: at for number, at in offsets.items() if self._witnessed.get(number) != at}
        if not news:
            return
        try:
            places = [TopicPartition(self._topic, number, at) for number, at in news.items()]
            self._consumer.commit(offsets=places, asynchronous=True)
            self._witnessed |= news
        except KafkaException as failure:
            self._note(failure.args[0])

    def close(self) -> None:
        """Leave the group; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._consumer.close()

    def answers(self, timeout_s: float) -> bool:
        """Return whether the brokers answer and we are of the group; may be called from another thread until `close`."""
        try:
            self._consumer.list_topics(self._topic, timeout=timeout_s)
        except KafkaException:
            return False
        return self.joined

    def _on_assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        for place in places:
            start = self._assigned(place.partition, self._committed(place))
            place.offset = start if start >= 0 else BEGINNING
        consumer.assign(places)
        self.joined = True

    def _on_revoke(self, _: Consumer, places: list[TopicPartition]) -> None:
        self.joined = False
        for place in places:
            self._gone(place.partition)
            self._witnessed.pop(place.partition, None)

    def _committed(self, place: TopicPartition) -> int:
        try:
            (found,) = self._consumer.committed([place], timeout=METADATA_TIMEOUT_S)
        except KafkaException as failure:
            self._note(failure.args[0])
            return -1
        return int(found.offset) if found.offset >= 0 else -1

    def _record_in(self, message: Message) -> AlertsRecord | None:
        try:
            record = parse_alerts_record(message.value() or b"")
        except Reject as reject:
            self._rejected[reject.reason] = self._rejected.get(reject.reason, 0) + 1
            partition, offset = _place(message)
            _log.warning(
                "alerts record rejected",
                reason=reject.reason,
                detail=str(reject),
                topic=self._topic,
                partition=partition,
                offset=offset,
            )
            return None
        if record.type == "io.watchkeeper.window_complete":
            self._skipped += 1
        else:
            self._taken += 1
        return record

    def _note(self, error: KafkaError) -> None:
        self._errors += 1
        if error.fatal():
            raise Stop(
                f"alerts topic: the Kafka client cannot go on ({error.name()}); restart the notifier",
                exit_code=1,
            )
        _log.warning("alerts topic error", error=error.name())


def _consumer(properties: Mapping[str, Any]) -> Consumer:
    try:
        return Consumer(dict(properties))
    except KafkaException as failure:
        found = re.search(r'property:? "([\w.]+)"', failure.args[0].str())
    named = f'"{found[1]}"' if found is not None else "one of them"
    raise Stop(
        f"kafka: expected properties that librdkafka takes, but it refuses {named}; mend it in the settings"
    )


def _place(message: Message) -> tuple[int, int]:
    """Return partition and offset; a message without an error has both."""
    partition, offset = message.partition(), message.offset()
    if partition is None or offset is None:
        raise Stop("alerts topic: expected a message with its place, got one without; update confluent-kafka")
    return partition, offset
