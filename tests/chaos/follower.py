"""Follows the alerts topic and knows how far each stream of windows has been closed: cheap to ask again and again."""

from __future__ import annotations

import json
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

BATCH: Final = 500
METADATA_S: Final = 30.0


class Follower:
    """A plain subscriber without a group, from the topic's beginning."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        settings = {"bootstrap.servers": bootstrap, "group.id": "follower", "enable.auto.commit": False}
        self._consumer = Consumer({**settings, "reconnect.backoff.max.ms": 500, "log_level": 0})
        partitions = self._consumer.list_topics(topic, timeout=METADATA_S).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        self._closed: dict[str, str] = {}

    def closed_until(self, *, timeout_s: float) -> dict[str, str]:
        """Return the start of the last window closed, by stream; waits for news at most so long."""
        for message in self._consumer.consume(BATCH, timeout_s):
            if message.error() is None:
                self._take(json.loads(message.value() or b"{}"))
        return self._closed

    def close(self) -> None:
        self._consumer.close()

    def _take(self, event: dict[str, str | dict[str, dict[str, str]]]) -> None:
        data = event["data"]
        if event["type"] == "io.watchkeeper.window_complete" and isinstance(data, dict):
            stream, start = str(data["stream"]), data["window"]["start"]
            self._closed[stream] = max(self._closed.get(stream, ""), start)
