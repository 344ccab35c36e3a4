"""The gate to what Kafka says of the two topics: their ids, their partitions, and whether anybody leads them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

ANSWER_WITHIN_S: Final = 1.0
IDS_WITHIN_S: Final = 5.0
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
        "predictions id/labels id"; empty where the broker does not tell.
    predictions, labels
        Number of partitions; 0 for a topic that is not there.
    led
        Partitions for which somebody leads both topics.
    """

    ids: str
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
        self._ids = ""
        self._asked: dict[str, Future[Any]] = {}

    def look(self) -> TopicsSeen | None:
        """Return what the brokers say, None if none answers within a second.

        The ids may be those of the look before: they are asked for without waiting.
        """
        try:
            found = [self._admin.list_topics(name, timeout=ANSWER_WITHIN_S) for name in self._names]
        except KafkaException:
            return None
        self._ask_ids(wait=False)
        topics = [answer.topics.get(name) for answer, name in zip(found, self._names, strict=True)]
        parts = [{} if t is None or t.error is not None else dict(t.partitions) for t in topics]
        led = [{n for n, p in part.items() if p.leader >= 0} for part in parts]
        return TopicsSeen(self._ids, len(parts[0]), len(parts[1]), frozenset(led[0] & led[1]))

    def ids(self) -> str:
        """Return the ids of both topics as they are now; empty where the broker does not tell."""
        self._ask_ids(wait=True)
        return self._ids

    def _ask_ids(self, *, wait: bool) -> None:
        if not self._asked:
            try:
                if not self._has_controller():  # librdkafka's mock cluster: it would never answer
                    return
                self._asked = self._admin.describe_topics(
                    TopicCollection(list(self._names)), request_timeout=IDS_WITHIN_S
                )
            except KafkaException:
                return
        if wait or all(answer.done() for answer in self._asked.values()):
            asked, self._asked = self._asked, {}
            try:
                described = [asked[name].result(IDS_WITHIN_S + 1.0) for name in self._names]
            except (KafkaException, TimeoutError):
                return  # deleted just now, or nobody answers: the ids of before stand until there are others
            self._ids = "/".join(str(topic.topic_id) for topic in described)

    def _has_controller(self) -> bool:
        found = self._admin.list_topics(self._names[0], timeout=ANSWER_WITHIN_S)
        return found.controller_id in found.brokers
