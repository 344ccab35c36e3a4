"""The gate that reads the control topic: all of it, without a group, for every notifier needs every order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.control import parse_control_record
from schemas.errors import Reject

if TYPE_CHECKING:
    from schemas.control import ControlRecord

METADATA_TIMEOUT_S: Final = 10.0
BEGINNING: Final = -2
BATCH_MAX: Final = 1_000

_log = structlog.get_logger("watchkeeper.notify")


class ControlSource:
    """Reads the control topic from its beginning, and then what is new.

    Parameters
    ----------
    properties
        librdkafka's, as in the settings.
    group
        A name that brokers with access rules know; it is not joined.
    """

    def __init__(self, properties: Mapping[str, Any], *, topic: str, group: str) -> None:
        own = {"enable.auto.commit": False, "enable.partition.eof": True, "allow.auto.create.topics": False}
        self._consumer = Consumer({**properties, **own, "group.id": group, "auto.offset.reset": "earliest"})
        self._topic = topic
        self._unread: set[int] | None = None
        """Partitions whose end has not been seen; None before the topic is known."""

    @property
    def ready(self) -> bool:
        """Whether everything that was ordered before now has been read, or there is nowhere to order anything."""
        return self._unread is not None and not self._unread

    def poll(self) -> list[ControlRecord]:
        """Return new orders, without waiting for any."""
        if self._unread is None and not self._assign():
            return []
        found: list[ControlRecord] = []
        for message in self._consumer.consume(BATCH_MAX, 0.0 if self.ready else 0.1):
            error = message.error()
            if error is None:
                found += self._record_in(message.value(), message.partition(), message.offset())
            elif error.code() == KafkaError._PARTITION_EOF and self._unread is not None:  # noqa: SLF001 - librdkafka's
                self._unread.discard(message.partition() or 0)
            else:
                _log.warning("control topic error", error=error.name())
        return found

    def close(self) -> None:
        """Let go of the connections."""
        self._consumer.close()

    def _assign(self) -> bool:
        try:
            topics = self._consumer.list_topics(self._topic, timeout=METADATA_TIMEOUT_S).topics
        except KafkaException as failure:
            _log.warning("control topic error", error=failure.args[0].name())
            return False
        partitions = sorted(topics[self._topic].partitions)
        self._unread = set(partitions)
        if not partitions:
            _log.warning(
                "there is no control topic: nothing can be silenced or acknowledged", topic=self._topic
            )
            return False
        self._consumer.assign([TopicPartition(self._topic, number, BEGINNING) for number in partitions])
        return True

    def _record_in(
        self, value: bytes | None, partition: int | None, offset: int | None
    ) -> list[ControlRecord]:
        if not value:  # a tombstone: somebody took an order back by hand
            return []
        try:
            return [parse_control_record(value)]
        except Reject as reject:
            _log.warning(
                "order rejected", detail=str(reject), topic=self._topic, partition=partition, offset=offset
            )
            return []
