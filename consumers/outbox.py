"""Records that were stored with the state they belong to, on their way to Kafka.

Publishing is at least once: a record is removed after the broker has acknowledged it, and a crash in between
sends it again under the same id.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import groupby
from typing import Final, Protocol

import msgspec

from consumers.stats import WorkerStats
from consumers.store import ModelStore, PartitionStore

BATCH_MAX: Final = 500


class _Id(msgspec.Struct):
    id: str


class _About(msgspec.Struct):
    model: str


class _Record(msgspec.Struct):
    id: str
    data: _About


_id = msgspec.json.Decoder(_Id)
_record = msgspec.json.Decoder(_Record)


class Publisher(Protocol):
    """What outboxes ask of Kafka: `consumers.kafka_sink.EventSink`. May block for its time-out."""

    def partitions(self, topic: str) -> int:
        """Return the number of partitions of a topic; raises `Retry` if the broker does not answer."""

    def publish(self, topic: str, records: Sequence[tuple[bytes, bytes]], *, partition: int | None) -> int:
        """Publish (key, value) records; returns how many, from the first on, were acknowledged."""


class Outboxes:
    """Publishes the outboxes of partitions and models.

    Parameters
    ----------
    sink
        Where records go.
    alerts, dead_letters
        Topic names.
    """

    def __init__(
        self, sink: Publisher, *, app: str, alerts: str, dead_letters: str, stats: WorkerStats
    ) -> None:
        self._sink = sink
        self._app = app
        self._alerts = alerts
        self._dead_letters = dead_letters
        self._stats = stats

    def publish_dead_letters(self, store: PartitionStore, partition: int, token: str) -> int:
        """Publish a partition's waiting dead letters; returns how many went out."""
        waiting = store.dead_letters(partition, BATCH_MAX)
        if not waiting:
            return 0
        records = [(_id.decode(data).id.encode(), data) for data in waiting]
        sent = self._sink.publish(self._dead_letters, records, partition=None)
        store.drop_dead_letters(partition, token, sent)
        self._stats.published[self._dead_letters] += sent
        return sent

    def publish_alerts(self, store: ModelStore, model: str, token: str) -> int:
        """Publish an evaluator's waiting events, in order; returns how many went out.

        Each goes to the partition of the model that it is about, so that a model's alerts keep their order.
        """
        waiting = store.events(model, BATCH_MAX)
        if not waiting:
            return 0
        count = self._sink.partitions(self._alerts)
        sent = 0
        for partition, records in groupby(map(_keyed, waiting), key=lambda r: self._place(r[0]) % count):
            batch = [(key, data) for _, key, data in records]
            done = self._sink.publish(self._alerts, batch, partition=partition)
            sent += done
            if done < len(batch):
                break
        store.drop_events(model, token, sent)
        self._stats.published[self._alerts] += sent
        return sent

    def _place(self, model: str) -> int:
        return zlib.crc32(f"{self._app}\x1f{model}".encode())


def _keyed(data: bytes) -> tuple[str, bytes, bytes]:
    """Return an event's model, its record key (the alert's id: the event's id without its revision), itself."""
    record = _record.decode(data)
    return record.data.model, record.id.rpartition(":")[0].encode(), data
