"""How every client of Kafka is made, and the questions that each may ask about topics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.errors import Retry, Stop

METADATA_TIMEOUT_S: Final = 8.0
MAKES_NO_TOPICS: Final = {"allow.auto.create.topics": False}

_log = logging.getLogger("watchkeeper.kafka")
_log.addHandler(logging.NullHandler())
_log.propagate = False

ClientT = TypeVar("ClientT")


def partition_counts(client: Any, topics: Sequence[str]) -> dict[str, int]:
    """Return the number of partitions of each topic.

    Parameters
    ----------
    client
        A consumer, producer or admin client.

    Raises
    ------
    Retry
        If no broker answers.
    Stop
        If a topic does not exist.
    """
    counts: dict[str, int] = {}
    for topic in topics:
        try:
            found = client.list_topics(topic, timeout=METADATA_TIMEOUT_S).topics[topic]
        except KafkaException as error:
            raise Retry(f"kafka: no broker answers ({error.args[0].str()})") from error
        unknown = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)  # noqa: SLF001
        if found.error is not None and found.error.code() not in unknown:
            raise Stop(
                f"kafka: topic {topic!r}: {found.error.str()}; check its state and our rights", exit_code=1
            )
        if found.error is not None or not found.partitions:
            mend = f"create it: kafka-topics.sh --create --topic {topic} --partitions N"
            raise Stop(f"kafka: topic {topic!r} does not exist; {mend}", exit_code=1)
        counts[topic] = len(found.partitions)
    return counts


def check_topics(properties: Mapping[str, Any], topics: Sequence[str]) -> dict[str, int]:
    """Return partition counts of topics, connecting for it; raises `Retry` and `Stop` as `partition_counts`."""
    return partition_counts(client_of(Producer, {**properties, **MAKES_NO_TOPICS}), topics)


def client_of(kind: Callable[..., ClientT], properties: Mapping[str, Any]) -> ClientT:
    """Return a client, or say which property it refuses."""
    try:
        return kind(dict(properties), logger=_log)
    except KafkaException as error:
        mend = "correct it under kafka in the settings"
        raise Stop(f"kafka: {error.args[0].str()}; {mend}") from error
