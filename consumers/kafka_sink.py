"""The gate to Kafka for what we publish: one idempotent producer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, Message, Producer

from consumers.kafka_client import MAKES_NO_TOPICS, client_of, partition_counts

CONTENT_TYPE: Final = "application/cloudevents+json; charset=UTF-8"


class EventSink:
    """An idempotent producer.

    Parameters
    ----------
    properties
        librdkafka's properties.
    """

    def __init__(self, properties: Mapping[str, Any]) -> None:
        own = {"enable.idempotence": True, "acks": "all", "linger.ms": 5, "message.max.bytes": 2_000_000}
        self._producer = client_of(Producer, {**properties, **own, **MAKES_NO_TOPICS})
        self._partitions: dict[str, int] = {}

    def partitions(self, topic: str) -> int:
        """Return the number of partitions of a topic; raises `Retry` if the broker does not answer."""
        if topic not in self._partitions:
            self._partitions[topic] = partition_counts(self._producer, [topic])[topic]
        return self._partitions[topic]

    def publish(
        self,
        topic: str,
        records: Sequence[tuple[bytes, bytes]],
        *,
        partition: int | None,
        timeout_s: float = 10.0,
    ) -> int:
        """Publish (key, value) records; returns how many, from the first on, were acknowledged.

        Parameters
        ----------
        partition
            The partition for all of them, or None to let the key decide.
        """
        failed: list[int] = []

        def acknowledged(place: int) -> Callable[[KafkaError | None, Message], None]:
            return lambda error, _: None if error is None else failed.append(place)

        headers: list[tuple[str, str | bytes | None]] = [("content-type", CONTENT_TYPE)]
        where: dict[str, Any] = {} if partition is None else {"partition": partition}
        for place, (key, value) in enumerate(records):
            self._producer.produce(
                topic, value, key, headers=headers, on_delivery=acknowledged(place), **where
            )
        waiting = self._producer.flush(timeout_s)
        return min([len(records) - waiting, *failed])

    def close(self) -> None:
        """Send what is left."""
        self._producer.flush(5.0)
