"""Records that were stored with the state they belong to, on their way to Kafka.

Publishing is at least once: a record is removed after the broker has acknowledged it, and a crash in between
sends it again under the same id.
"""

from __future__ import annotations

import zlib
from typing import Final

import msgspec

from consumers.kafka_gate import EventSink
from consumers.stats import WorkerStats
from consumers.store import ModelStore, PartitionStore

BATCH_MAX: Final = 500


class _Id(msgspec.Struct):
    id: str


_id = msgspec.json.Decoder(_Id)


class Outboxes:
    """Publishes the outboxes of partitions and models.

    Parameters
    ----------
    alerts, dead_letters
        Topic names.
    """

    def __init__(
        self, sink: EventSink, *, app: str, alerts: str, dead_letters: str, stats: WorkerStats
    ) -> None:
        self._sink = sink
        self._app = app
        self._alerts = alerts
        self._dead_letters = dead_letters
        self._stats = stats

    def publish_dead_letters(self, store: PartitionStore, partition: int, token: str) -> int:
        """Publish a partition's waiting dead letters; returns how many went out.

        All to one partition, so that they stay in the order of their source.
        """
        waiting = store.dead_letters(partition, BATCH_MAX)
        if not waiting:
            return 0
        records = [(_id.decode(data).id.encode(), data) for data in waiting]
        place = partition % self._sink.partitions(self._dead_letters)
        sent = self._sink.publish(self._dead_letters, records, partition=place)
        store.drop_dead_letters(partition, token, sent)
        self._stats.published[self._dead_letters] += sent
        return sent

    def publish_alerts(self, store: ModelStore, model: str, token: str) -> int:
        """Publish a model's waiting events, all to the model's own partition; returns how many went out."""
        waiting = store.events(model, BATCH_MAX)
        if not waiting:
            return 0
        records = [(_alert_key(data), data) for data in waiting]
        count = self._sink.partitions(self._alerts)
        partition = zlib.crc32(f"{self._app}\x1f{model}".encode()) % count
        sent = self._sink.publish(self._alerts, records, partition=partition)
        store.drop_events(model, token, sent)
        self._stats.published[self._alerts] += sent
        return sent


def _alert_key(data: bytes) -> bytes:
    """Return an event's record key: the alert's id, that is the event's id without its revision."""
    return _id.decode(data).id.rpartition(":")[0].encode()
