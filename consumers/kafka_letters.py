"""The gate to Kafka for putting dead letters back: reads topics by hand, without a group, and writes records.

Consumers here are assigned, never subscribed: no group is joined and no offset is committed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from schemas.errors import Retry, Stop

POLL_S: Final = 0.1
SILENT_POLLS_MAX: Final = 300
"""After so many polls in a row without anything the broker counts as away."""

RECORDS_AT_A_TIME: Final = 50
"""A letter may have a megabyte."""

METADATA_TIMEOUT_S: Final = 8.0
MESSAGE_BYTES_MAX: Final = 200_000_000
"""Above anything that `kafka.max_message_bytes` can let in, so that the broker's limit is the one that holds."""

_READS: Final[dict[str, Any]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "allow.auto.create.topics": False,
    "queued.max.messages.kbytes": 16_384,
    "fetch.queue.backoff.ms": 10,  # by default a full queue is left alone for a second
    "receive.message.max.bytes": MESSAGE_BYTES_MAX,
}
_WRITES: Final[dict[str, Any]] = {
    "enable.idempotence": True,
    "acks": "all",
    "linger.ms": 5,
    "message.max.bytes": MESSAGE_BYTES_MAX,
    "queue.buffering.max.kbytes": 1_048_576,
    "allow.auto.create.topics": False,
}
_NO_ANSWER: Final = {
    KafkaError._MSG_TIMED_OUT,  # noqa: SLF001 - librdkafka's own codes have a leading underscore
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._PURGE_QUEUE,  # noqa: SLF001
    KafkaError._PURGE_INFLIGHT,  # noqa: SLF001
    KafkaError._FATAL,  # noqa: SLF001
}

_log = logging.getLogger("watchkeeper.kafka")
ClientT = TypeVar("ClientT")


@dataclass(frozen=True, slots=True)
class Record:
    """A record read, or to be written.

    Parameters
    ----------
    offset
        Where it was read; -1 for one that is to be written.
    timestamp_ms
        None for now.
    """

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    offset: int = -1
    timestamp_ms: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a record that was written.

    Parameters
    ----------
    error
        None once the broker has acknowledged it.
    is_final
        False if nobody knows whether the broker has it.
    """

    error: str | None
    is_final: bool = True


class TopicReader:
    """Reads a whole topic, as often as wanted, to the end that stood when the reader was made.

    Parameters
    ----------
    group
        A name that brokers with access rules know; it is not joined.
    partitions
        The topic's number of partitions.

    Raises
    ------
    Retry
        If the broker does not answer.
    """

    def __init__(self, properties: Mapping[str, Any], *, group: str, topic: str, partitions: int) -> None:
        self._consumer = _reader(properties, group, reset="earliest")
        self._topic = topic
        self._spans = {
            number: _bounds(self._consumer, TopicPartition(topic, number)) for number in range(partitions)
        }

    @property
    def count(self) -> int:
        """How many records there are at most; compaction and control records leave holes."""
        return sum(end - begin for begin, end in self._spans.values())

    def records(self) -> Iterator[Record]:
        """Yield every record, each partition in its order.

        Raises
        ------
        Retry
            If the broker falls silent.
        Stop
            If the broker refuses us.
        """
        ends = {number: end for number, (begin, end) in self._spans.items() if begin < end}
        self._consumer.assign([TopicPartition(self._topic, n, self._spans[n][0]) for n in ends])
        silent = 0
        while ends:
            messages = self._consumer.consume(RECORDS_AT_A_TIME, POLL_S)
            silent = 0 if messages else silent + 1
            if silent >= SILENT_POLLS_MAX:
                raise Retry(f"kafka: {self._topic}: no broker answers")
            for message in messages:
                number, offset = _place(message)
                is_end = _is_end(message)
                if not is_end and offset < ends.get(number, 0):
                    yield _record(message)
                if is_end or offset + 1 >= ends.get(number, 0):
                    ends.pop(number, None)
        self._consumer.unassign()

    def close(self) -> None:
        """Let go of the connections."""
        self._consumer.close()


class RecordReader:
    """Reads single records of known places.

    Parameters
    ----------
    group
        As for `TopicReader`.
    """

    def __init__(self, properties: Mapping[str, Any], *, group: str) -> None:
        self._consumer = _reader(properties, group, reset="error")

    def read(self, topic: str, partition: int, offset: int) -> Record | None:
        """Return the record at a place, None if there is none any more.

        Raises
        ------
        Retry
            If the broker does not answer.
        """
        begin, end = _bounds(self._consumer, TopicPartition(topic, partition))
        if not begin <= offset < end:
            return None
        self._consumer.assign([TopicPartition(topic, partition, offset)])
        try:
            for _ in range(SILENT_POLLS_MAX):
                message = self._consumer.poll(POLL_S)
                if message is not None:
                    is_it = not _is_end(message) and message.offset() == offset
                    return _record(message) if is_it else None
        finally:
            self._consumer.unassign()
        raise Retry(f"kafka: {topic}[{partition}]: no broker answers")

    def close(self) -> None:
        """Let go of the connections."""
        self._consumer.close()


class RecordWriter:
    """An idempotent producer that says of each record what came of it.

    Parameters
    ----------
    timeout_s
        Longest wait for an acknowledgement.
    """

    def __init__(self, properties: Mapping[str, Any], *, timeout_s: float = 30.0) -> None:
        own = {**_WRITES, "message.timeout.ms": round(timeout_s * 1000)}
        self._producer = _made(Producer, {**properties, **own})

    def write(self, records: Sequence[Record]) -> list[Answer]:
        """Write records to their partitions and wait; returns one answer for each, in their order.

        Brokers refuse whole batches of records, so what was refused is tried once more, alone.
        """
        answers = self._written(records)
        for place, answer in enumerate(answers):
            if answer.error is not None and answer.is_final:
                (answers[place],) = self._written([records[place]])
        return answers

    def _written(self, records: Sequence[Record]) -> list[Answer]:
        answers = [Answer("no answer", is_final=False)] * len(records)

        def note(place: int) -> Callable[[KafkaError | None, Message], None]:
            def noted(error: KafkaError | None, _: Message) -> None:
                answers[place] = _answer(error)

            return noted

        for place, record in enumerate(records):
            # librdkafka reads 0 as now, and a record without a time has -1.
            timed = record.timestamp_ms is not None and record.timestamp_ms > 0
            when: dict[str, Any] = {"timestamp": record.timestamp_ms} if timed else {}
            try:
                self._producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    partition=record.partition,
                    headers=list(record.headers),
                    on_delivery=note(place),
                    **when,
                )
            except KafkaException as error:
                answers[place] = _answer(error.args[0])
        self._producer.flush()  # ends by itself: `message.timeout.ms` gives every record its answer
        return answers


def _answer(error: KafkaError | None) -> Answer:
    if error is None:
        return Answer(None)
    return Answer(error.str(), is_final=error.code() not in _NO_ANSWER and not error.fatal())


def _bounds(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """Return the first offset of a partition and the one after the last."""
    try:
        begin, end = consumer.get_watermark_offsets(place, timeout=METADATA_TIMEOUT_S)
    except KafkaException as error:
        raise Retry(f"kafka: {place.topic}[{place.partition}]: {error.args[0].str()}") from error
    return begin, end


def _is_end(message: Message) -> bool:
    """Return whether nothing more is at the place that is being read; raises `Stop` if we are refused."""
    error = message.error()
    if error is None:
        return False
    ends = (KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)  # noqa: SLF001
    if error.code() in ends:
        return True
    raise Stop(f"kafka: {message.topic()}: {error.str()}; check the topic and our rights", exit_code=1)


def _place(message: Message) -> tuple[int, int]:
    partition, offset = message.partition(), message.offset()
    return -1 if partition is None else partition, -1 if offset is None else offset


def _record(message: Message) -> Record:
    partition, offset = _place(message)
    return Record(message.topic() or "", partition, message.key(), message.value(), offset)


def _reader(properties: Mapping[str, Any], group: str, *, reset: str) -> Consumer:
    return _made(Consumer, {**properties, **_READS, "group.id": group, "auto.offset.reset": reset})


def _made(kind: Callable[..., ClientT], properties: Mapping[str, Any]) -> ClientT:
    """Return a client, or say which property it refuses."""
    try:
        return kind(dict(properties), logger=_log)
    except KafkaException as error:
        mend = "correct it under kafka in the settings"
        raise Stop(f"kafka: {error.args[0].str()}; {mend}") from error
