"""What Kafka and the store say of each other when a partition is claimed, and what follows from it; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from consumers.notices import Notice
from consumers.store import Claimed, Position
from schemas.integrity import IntegrityCheck

LOSS_TOLD_MS: Final = 86_400_000
"""A loss that nothing can heal is told for a day."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """What Kafka says of one topic's partition.

    Parameters
    ----------
    name
        The topic.
    first, end
        Oldest offset that is kept, and the one that the next record will get.
    committed
        What our group has committed for this application, as witness; -1 for nothing.
    """

    name: str
    first: int
    end: int
    committed: int = -1


@dataclass(frozen=True, slots=True)
class Judgement:
    """Where to read from, and what is wrong.

    Parameters
    ----------
    start
        None if the partition must not be read.
    notices
        What to tell.
    """

    start: Position | None
    notices: Mapping[IntegrityCheck, Notice] = field(default_factory=dict)


def judge_claim(  # noqa: PLR0913 - each is one side's word
    claimed: Claimed,
    predictions: TopicState,
    labels: TopicState,
    *,
    topics: str,
    known: Position | None,
    now_ms: int,
) -> Judgement:
    """Compare the store with Kafka before anything is read.

    Parameters
    ----------
    topics
        Ids of both topics as Kafka has them now, empty where the broker does not tell.
    known
        The position that this process has seen stored itself, if it owned the partition before.
    """
    both = (predictions, labels)
    if claimed.topics and topics and claimed.topics != topics:
        detail: dict[str, str | int] = {
            "topics": f"{predictions.name}, {labels.name}",
            "why": "other topic ids",
        }
        return _halted(detail, now_ms)
    if claimed.position is None:
        return _from_the_beginning(predictions, labels, now_ms=now_ms)
    stored = (claimed.position.predictions, claimed.position.labels)
    for topic, offset in zip(both, stored, strict=True):
        if offset > topic.end:
            why = f"{topic.name} ends at offset {topic.end}, and {offset} had been read"
            return _halted({"topics": topic.name, "why": why}, now_ms)
    notices: dict[IntegrityCheck, Notice] = {}
    gone = [(t, at) for t, at in zip(both, stored, strict=True) if at < t.first]
    if gone:
        notices[IntegrityCheck.OFFSETS_GONE] = Notice(
            since_ms=now_ms,
            until_ms=now_ms + LOSS_TOLD_MS,
            detail={
                "topics": ", ".join(t.name for t, _ in gone),
                "records": sum(t.first - at for t, at in gone),
                "ranges": [f"{t.name}: {at} to {t.first - 1}" for t, at in gone],
            },
        )
    seen = (
        max(predictions.committed, -1 if known is None else known.predictions),
        max(labels.committed, -1 if known is None else known.labels),
    )
    if seen[0] > stored[0] or seen[1] > stored[1]:
        notices[IntegrityCheck.REDIS_ROLLED_BACK] = _healing(seen, stored, both, now_ms)
    start = Position(
        max(stored[0], predictions.first), max(stored[1], labels.first), claimed.position.sequence
    )
    return Judgement(start, notices)


def _halted(detail: Mapping[str, str | int], now_ms: int) -> Judgement:
    return Judgement(None, {IntegrityCheck.TOPIC_RECREATED: Notice(since_ms=now_ms, detail=dict(detail))})


def _from_the_beginning(predictions: TopicState, labels: TopicState, *, now_ms: int) -> Judgement:
    start = Position(predictions.first, labels.first, 0)
    seen = predictions.committed, labels.committed
    if max(seen) < 0 or (seen[0] <= predictions.first and seen[1] <= labels.first):
        return Judgement(start)
    notice = _healing(seen, (start.predictions, start.labels), (predictions, labels), now_ms)
    return Judgement(start, {IntegrityCheck.REDIS_EMPTIED: notice})


def _healing(
    seen: tuple[int, int], stored: tuple[int, int], topics: tuple[TopicState, TopicState], now_ms: int
) -> Notice:
    """Return a notice that ends once everything that had been read before has been read again."""
    again = [max(0, s - at) for s, at in zip(seen, stored, strict=True)]
    return Notice(
        since_ms=now_ms,
        until_predictions=min(max(seen[0], stored[0]), topics[0].end),
        until_labels=min(max(seen[1], stored[1]), topics[1].end),
        detail={"topics": ", ".join(t.name for t in topics), "records": sum(again)},
    )
