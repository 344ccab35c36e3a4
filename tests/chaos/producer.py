"""Sends a timetable to Kafka on a thread of its own, at its pace, whatever happens to the broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from chaos.traffic import Due
from confluent_kafka import KafkaError, Message, Producer

CHUNK_S = 0.05
IN_HAND_MAX = 50_000


class PacedProducer:
    """Sends events when they are due; `start` once, then `join`.

    Parameters
    ----------
    predictions, labels
        Topic names.
    """

    def __init__(self, due: Iterable[Due], bootstrap: str, *, predictions: str, labels: str) -> None:
        self._due = due
        self._topics = (predictions, labels)
        self._failures: list[str] = []
        self._halt = threading.Event()
        # The order within a partition survives retries; a broker that comes back is found at once.
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "linger.ms": 20,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        self._thread = threading.Thread(target=self._run, name="producer", daemon=True)
        self.began_s = 0.0

    def start(self) -> None:
        self.began_s = time.monotonic()
        self._thread.start()

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def join(self) -> None:
        """Wait for the end; every record must have been acknowledged."""
        self._thread.join()
        if self._failures:
            raise RuntimeError(f"{len(self._failures)} records were not acknowledged: {self._failures[0]}")

    def halt(self) -> None:
        """Give up: the run has failed."""
        self._halt.set()
        self._thread.join()

    def _run(self) -> None:
        for event in self._due:
            while self._wait_s(event) > 0 or len(self._producer) > IN_HAND_MAX:
                self._producer.poll(0)
                if self._halt.wait(CHUNK_S):
                    return
            self._producer.produce(
                self._topics[event.is_label], event.value, event.key, event.partition, on_delivery=self._note
            )
        self._producer.flush()

    def _wait_s(self, event: Due) -> float:
        return self.began_s + event.at_s - time.monotonic()

    def _note(self, fault: KafkaError | None, _: Message) -> None:
        if fault is not None:
            self._failures.append(fault.str())
