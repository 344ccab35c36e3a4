"""The gate that reads the alerts topic for the notifier: its own consumer group, offsets after delivery.

An event counts as done when the caller says so. After a crash or a rebalance an event that was not done
comes again, so delivery is at least once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.alert import AlertEvent, parse_alerts_record
from schemas.errors import Reject, Stop

if TYPE_CHECKING:
    from collections.abc import Mapping

Start: TypeAlias = Literal["earliest", "latest"]

GROUP_SUFFIX: Final = "-notify"
POLL_INTERVAL_MS: Final = 900_000
"""Longest time between two polls; the notifier may hold on to one event for minutes."""

SKIPS_BEFORE_COMMIT: Final = 500

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """An event and where it stands in the topic."""

    event: AlertEvent
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class SourceStats:
    """Counts since the start.

    Parameters
    ----------
    skipped
        Window-complete records passed over.
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
    """Reads alert events in the group `<group>-notify`. Not thread-safe.

    Parameters
    ----------
    properties
        librdkafka's, as in the settings; the group and the handling of offsets are ours.
    topic
        The alerts topic.
    group
        Watchkeeper's own group, without the suffix.
    start
        Where a group that has no offsets begins.

    Raises
    ------
    Stop
        librdkafka refuses a property; the message names it without its value.
    """

    def __init__(
        self, properties: Mapping[str, Any], *, topic: str, group: str, start: Start = "earliest"
    ) -> None:
        self._consumer = _consumer(
            {
                "max.poll.interval.ms": POLL_INTERVAL_MS,
                **properties,
                "group.id": f"{group}{GROUP_SUFFIX}",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": start,
            }
        )
        self._consumer.subscribe([topic])
        self._open: Taken | None = None
        self._taken = 0
        self._skipped = 0
        self._uncommitted = 0
        self._rejected: dict[str, int] = {}
        self._errors = 0
        self._closed = False

    @property
    def stats(self) -> SourceStats:
        """The counts so far."""
        return SourceStats(self._taken, self._skipped, dict(self._rejected), self._errors)

    def poll(self, *, timeout_s: float) -> Taken | None:
        """Return the next alert event, or None if none came in time or what came was passed over.

        Blocks at most `timeout_s`. Must be called more often than `POLL_INTERVAL_MS`. An event that is not
        `done` is returned again.

        Raises
        ------
        Stop
            The Kafka client says that it cannot go on.
        """
        if self._open is not None:
            return self._open
        message = self._consumer.poll(timeout_s)
        if message is None:
            self._commit_skipped(at_least=1)
        elif (error := message.error()) is not None:
            self._note(error)
        else:
            self._open = self._taken_from(message)
        return self._open

    def done(self, taken: Taken) -> None:
        """Commit that an event and everything before it in its partition was dealt with.

        Blocks until the broker has answered or the client gives up on it. A commit that fails is logged and counted, not raised: the
        event then comes again.
        """
        self._open = None
        self._store(taken.topic, taken.partition, taken.offset)
        self._commit()

    def close(self) -> None:
        """Commit what was passed over and leave the group; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._commit_skipped(at_least=1)
        self._consumer.close()

    def _taken_from(self, message: Message) -> Taken | None:
        event = self._event_in(message)
        if event is None:
            self._pass_over(message)
            return None
        self._taken += 1
        return Taken(event, *_place(message))

    def _event_in(self, message: Message) -> AlertEvent | None:
        try:
            record = parse_alerts_record(message.value() or b"")
        except Reject as reject:
            self._rejected[reject.reason] = self._rejected.get(reject.reason, 0) + 1
            topic, partition, offset = _place(message)
            _log.warning(
                "alerts_record_rejected",
                reason=reject.reason,
                detail=str(reject),
                topic=topic,
                partition=partition,
                offset=offset,
            )
            return None
        if isinstance(record, AlertEvent):
            return record
        self._skipped += 1
        return None

    def _pass_over(self, message: Message) -> None:
        self._store(*_place(message))
        self._uncommitted += 1
        self._commit_skipped(at_least=SKIPS_BEFORE_COMMIT)

    def _commit_skipped(self, *, at_least: int) -> None:
        if self._uncommitted >= at_least:
            self._commit()

    def _store(self, topic: str, partition: int, offset: int) -> None:
        try:
            self._consumer.store_offsets(offsets=[TopicPartition(topic, partition, offset + 1)])
        except KafkaException as failure:
            # The partition went to another member: it will read the record again.
            self._note(failure.args[0])

    def _commit(self) -> None:
        self._uncommitted = 0
        try:
            self._consumer.commit(asynchronous=False)
        except KafkaException as failure:
            self._note(failure.args[0])

    def _note(self, error: KafkaError) -> None:
        if error.code() in {KafkaError._PARTITION_EOF, KafkaError._NO_OFFSET}:  # noqa: SLF001 - librdkafka's names
            return
        self._errors += 1
        if error.fatal():
            raise Stop(
                f"alerts topic: the Kafka client cannot go on ({error.name()}); restart the notifier",
                exit_code=1,
            )
        _log.warning("alerts_topic_error", error=error.name())


def _consumer(properties: Mapping[str, Any]) -> Consumer:
    try:
        return Consumer(dict(properties))
    except KafkaException as failure:
        found = re.search(r'property:? "([\w.]+)"', failure.args[0].str())
    named = f'"{found[1]}"' if found is not None else "one of them"
    raise Stop(
        f"kafka: expected properties that librdkafka takes, but it refuses {named}; mend it in the settings"
    )


def _place(message: Message) -> tuple[str, int, int]:
    """Return topic, partition and offset; a message without an error has all three."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise Stop("alerts topic: expected a message with its place, got one without; update confluent-kafka")
    return topic, partition, offset
