"""The gate to what Kafka says of the two topics: their ids, their partitions, and whether anybody leads them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined] # imported there under its own name
    AdminClient,
    OffsetSpec,
)

ANSWER_WITHIN_S: Final = 1.0
_CLIENT_KEYS: Final = ("bootstrap.", "client.", "security.", "sasl.", "ssl.", "socket.", "broker.", "debug")
_CLIENT_KEYS_BARE: Final = ("enable.ssl.certificate.verification", "metadata.broker.list", "log_level")

_log = logging.getLogger("watchkeeper.kafka.topics")
_log.addHandler(logging.NullHandler())
_log.propagate = False


@dataclass(frozen=True, slots=True)
class TopicsSeen:
    """One look at both topics.

    Parameters
    ----------
    ids
        "predictions id/labels id"; empty where the broker never tells, None where it did not tell this time.
    predictions, labels
        Number of partitions; 0 for a topic that is not there.
    led
        Partitions for which somebody leads both topics.
    """

    ids: str | None
    predictions: int
    labels: int
    led: frozenset[int]


class TopicWatch:
    """Looks at the two topics.

    Parameters
    ----------
    properties
        librdkafka's properties; those of connections are used.
    predictions, labels
        Topic names.
    """

    def __init__(self, properties: Mapping[str, Any], predictions: str, labels: str) -> None:
        own = {key: value for key, value in properties.items() if key.startswith(_CLIENT_KEYS)}
        own |= {key: value for key, value in properties.items() if key in _CLIENT_KEYS_BARE}
        self._admin = AdminClient(own, logger=_log)
        self._names = (predictions, labels)
        self._ids: str | None = None

    def look(self) -> TopicsSeen | None:
        """Return what the brokers say, None if none answers within a second."""
        try:
            found = [self._admin.list_topics(name, timeout=ANSWER_WITHIN_S) for name in self._names]
        except KafkaException:
            return None
        self._ask_ids(found[0])
        topics = [answer.topics.get(name) for answer, name in zip(found, self._names, strict=True)]
        parts = [{} if t is None or t.error is not None else dict(t.partitions) for t in topics]
        led = [{n for n, p in part.items() if p.leader >= 0} for part in parts]
        return TopicsSeen(self._ids, len(parts[0]), len(parts[1]), frozenset(led[0] & led[1]))

    def ends(self) -> dict[int, int] | None:
        """Return the next offset of each partition of the predictions, None if not all of them are told."""
        try:
            latest = OffsetSpec.latest()  # type: ignore[no-untyped-call] # has no types
            topic = self._admin.list_topics(self._names[0], timeout=ANSWER_WITHIN_S).topics[self._names[0]]
            asked = {TopicPartition(self._names[0], number): latest for number in topic.partitions}
            told = self._admin.list_offsets(asked, request_timeout=ANSWER_WITHIN_S) if asked else {}
            return {place.partition: told[place].result(2 * ANSWER_WITHIN_S).offset for place in told}
        except (KafkaException, TimeoutError, KeyError):
            return None

    def _ask_ids(self, seen: Any) -> None:
        if seen.controller_id not in seen.brokers:  # librdkafka's mock cluster: it would never answer
            self._ids = ""
            return
        try:
            asked = self._admin.describe_topics(
                TopicCollection(list(self._names)), request_timeout=ANSWER_WITHIN_S
            )
            described = [asked[name].result(2 * ANSWER_WITHIN_S) for name in self._names]
        except (KafkaException, TimeoutError):
            return  # deleted just now, or nobody answers: the ids of before stand until there are others
        self._ids = "/".join(str(topic.topic_id) for topic in described)
