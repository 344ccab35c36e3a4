"""The join role: own partitions, take batches, commit them, and never lose or double one.

Everything runs on one thread. The group's callbacks come from inside `EventSource.consume` and only note
what changed, so a batch is never cut in half by a rebalance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import structlog

from consumers.columns import DecodedBatch
from consumers.kafka_gate import EventSource, PartitionMessages, TopicMessages, offset_of
from consumers.outbox import Outboxes
from consumers.partition import Applied, Partition
from consumers.plan import ModelPlan
from consumers.rejects import Rejected, dead_letter
from consumers.stats import WorkerStats
from consumers.store import Commit, CommitStatus, PartitionStore, Position
from consumers.windows import WindowBlob
from schemas.errors import Retry
from schemas.finding import Stream
from schemas.kafka_settings import MESSAGE_BYTES_MAX

MESSAGES_MAX: Final = 8000
"""Messages that one round takes at most, over all partitions.

A commit writes every window that its batch touches as a whole, so that a backlog is worked off faster in
large rounds; a round still ends within a fraction of a second, before any revoke has to wait for it.
"""

RETRY_S: Final = 0.5

_log = structlog.get_logger("watchkeeper.worker")
ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class Owned:
    """A partition of ours, and when its topics were last heard of (monotonic seconds)."""

    state: Partition
    predictions_heard_s: float
    labels_heard_s: float
    predictions_end: bool = False
    labels_end: bool = False


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of the topics that a worker reads."""

    predictions: str
    labels: str


class JoinWorker:
    """Joins the two topics in the partitions that the group gives it.

    Parameters
    ----------
    plans
        The models.
    source
        Made by `make_source(on_assign, on_revoke)`.
    store
        Where partitions are kept.
    clock
        Monotonic seconds.
    idle_s
        A topic that is caught up and has been quiet for this long is idle: windows do not wait for it.
    message_bytes_max
        A longer value becomes a dead letter without being looked at.
    """

    def __init__(  # noqa: PLR0913 - the composition root names each part once
        self,
        plans: Mapping[str, ModelPlan],
        topics: Topics,
        *,
        make_source: Callable[[Callable[[list[int]], None], Callable[[list[int]], None]], EventSource],
        store: PartitionStore,
        outboxes: Outboxes,
        stats: WorkerStats,
        clock: Callable[[], float],
        idle_s: float = 10.0,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
    ) -> None:
        self._plans = plans
        self._topics = topics
        self._store = store
        self._outboxes = outboxes
        self._stats = stats
        self._clock = clock
        self._idle_s = idle_s
        self._message_bytes_max = message_bytes_max
        self._wanted: list[int] = []
        self._letters_wait: set[int] = set()
        self.owned: dict[int, Owned] = {}
        self._source = make_source(self._assigned, self._revoked)

    def _assigned(self, partitions: list[int]) -> None:
        self._wanted += partitions
        _log.info("partitions assigned", partitions=partitions)

    def _revoked(self, partitions: list[int]) -> None:
        for number in partitions:
            self.owned.pop(number, None)
        self._wanted = [n for n in self._wanted if n not in partitions]
        _log.info("partitions revoked", partitions=partitions)

    def step(self, timeout_s: float = 0.2) -> int:
        """Take one round of messages in; returns how many. Blocks for `timeout_s`, longer while Redis is away.

        Raises
        ------
        Stop
            If going on would be wrong (see `schemas.errors`).
        """
        for number in list(self._wanted):
            self._claim(number)
        taken = 0
        for number, messages in self._source.consume(MESSAGES_MAX, timeout_s).items():
            owned = self.owned.get(number)
            if owned is not None:
                taken += self._take(owned, messages)
        self._stats.owned = len(self.owned)
        self._stats.behind = sum(not (o.predictions_end and o.labels_end) for o in self.owned.values())
        if not self._stats.behind:
            self._stats.progress_s = self._clock()
        return taken

    def _claim(self, number: int) -> None:
        state = self._load(number)
        if number not in self._wanted:  # revoked while we waited
            return
        self._wanted.remove(number)
        self._own(state)
        self._source.start(number, state.position.predictions, state.position.labels)

    def _load(self, number: int) -> Partition:
        """Take a partition over in the store and build its state from what is there."""
        claimed = self._insist(lambda: self._store.claim(number))
        bounds = self._insist(lambda: self._source.bounds(number))
        start = Position(bounds[self._topics.predictions][0], bounds[self._topics.labels][0], 0)
        state = Partition(
            self._plans, number, claimed, start=start, message_bytes_max=self._message_bytes_max
        )
        for model in self._plans:
            for stream in Stream:
                since = state.time.open_from_ms(model, errors=stream is Stream.ERRORS)
                state.load(self._insist(_windows(self._store, number, model, stream, since)))
        return state

    def _own(self, state: Partition) -> None:
        now = self._clock()
        self.owned[state.number] = Owned(state, now, now)
        self._letters_wait.add(state.number)
        _log.info("partition claimed", partition=state.number, **_offsets(state.position))

    def _take(self, owned: Owned, messages: PartitionMessages) -> int:
        now = self._clock()
        position = owned.state.position
        for batch, expected in (
            (messages.predictions, position.predictions),
            (messages.labels, position.labels),
        ):
            batch.messages = [m for m in batch.messages if offset_of(m) >= expected]
        if messages.predictions.messages:
            owned.predictions_heard_s, owned.predictions_end = now, False
        if messages.labels.messages:
            owned.labels_heard_s, owned.labels_end = now, False
        owned.predictions_end |= messages.predictions_end
        owned.labels_end |= messages.labels_end
        if not messages.predictions.messages and not messages.labels.messages:
            return 0
        owned.state.time.set_idle(
            predictions=False, labels=self._quiet(owned.labels_end, owned.labels_heard_s)
        )
        self._join(owned, messages)
        return len(messages.predictions.messages) + len(messages.labels.messages)

    def _join(self, owned: Owned, messages: PartitionMessages) -> None:
        state = owned.state
        decoded = state.decode(messages.predictions.records(), messages.labels.records())
        found = self._insist(lambda: self._store.fetch(state.number, decoded.ids()))
        to = (
            messages.predictions.next_offset(state.position.predictions),
            messages.labels.next_offset(state.position.labels),
        )
        applied = state.apply(decoded, found, to=to)
        letters = self._letters(state.number, applied, messages)
        if self._commit(owned, replace(applied.commit, dead_letters=letters)):
            self._stats.predictions += applied.predictions
            self._stats.labels += applied.labels

    def _letters(self, number: int, applied: Applied, messages: PartitionMessages) -> list[bytes]:
        letters: list[bytes] = []
        for topic, batch, rejects in (
            (self._topics.predictions, messages.predictions, applied.prediction_rejects),
            (self._topics.labels, messages.labels, applied.label_rejects),
        ):
            letters += [_letter(topic, number, batch, rejected) for rejected in rejects]
            for rejected in rejects:
                self._stats.rejected[topic, rejected.reason.value] += 1
        if letters:
            self._letters_wait.add(number)
        return letters

    def _commit(self, owned: Owned, commit: Commit) -> bool:
        begun = self._clock()
        status = self._insist(lambda: self._store.commit(commit))
        if status in (CommitStatus.COMMITTED, CommitStatus.ALREADY):
            now = self._clock()
            self._stats.commits += 1
            self._stats.commit_seconds += now - begun
            self._stats.progress_s = now
            return True
        self._stats.fenced += 1
        _log.warning("state thrown away", partition=commit.partition, reason=status.value)
        if self.owned.get(commit.partition) is owned:
            self._reclaim(commit.partition)
        return False

    def _reclaim(self, number: int) -> None:
        """Start a partition of ours afresh from what is stored."""
        owned = self.owned[number]
        state = self._load(number)
        if self.owned.get(number) is not owned:  # revoked while we waited
            return
        self._own(state)
        self._source.rewind(number, state.position.predictions, state.position.labels)

    def tend(self) -> None:
        """Do what is due about once a second: idle marks, dead letters, offsets for lag tools."""
        for owned in list(self.owned.values()):
            idle = (
                self._quiet(owned.predictions_end, owned.predictions_heard_s),
                self._quiet(owned.labels_end, owned.labels_heard_s),
            )
            if owned.state.time.set_idle(predictions=idle[0], labels=idle[1]):
                position = owned.state.position
                applied = owned.state.apply(DecodedBatch(), {}, to=(position.predictions, position.labels))
                self._commit(owned, applied.commit)
        for number in list(self._letters_wait & self.owned.keys()):
            sent = self._insist(
                _letters_of(self._outboxes, self._store, number, self.owned[number].state.token)
            )
            if not sent:
                self._letters_wait.discard(number)
        self._source.witness(
            {n: (o.state.position.predictions, o.state.position.labels) for n, o in self.owned.items()}
        )

    def _quiet(self, ended: bool, heard_s: float) -> bool:  # noqa: FBT001
        return ended and self._clock() - heard_s >= self._idle_s

    def _insist(self, call: Callable[[], ResultT]) -> ResultT:
        """Repeat a call until its server answers, keeping our place in the group meanwhile."""
        paused = False
        while True:
            try:
                result = call()
            except Retry as error:
                self._stats.retries += 1
                self._stats.last_error = str(error)
                self._stats.behind = max(self._stats.behind, 1)  # what waits for a server is behind
                if not paused:
                    _log.warning("waiting for a server", error=str(error))
                    self._source.pause()
                    paused = True
                self._source.keep_alive(RETRY_S)
            else:
                if paused:
                    self._source.resume()
                    _log.info("the server answers again")
                return result

    def close(self) -> None:
        """Leave the group; everything taken in has been committed."""
        self._source.close()


def _windows(
    store: PartitionStore, number: int, model: str, stream: Stream, since: int
) -> Callable[[], list[WindowBlob]]:
    return lambda: store.windows(number, model, stream, from_ms=since)


def _letters_of(outboxes: Outboxes, store: PartitionStore, number: int, token: str) -> Callable[[], int]:
    return lambda: outboxes.publish_dead_letters(store, number, token)


def _letter(topic: str, number: int, batch: TopicMessages, rejected: Rejected) -> bytes:
    message = batch.messages[rejected.index]
    return dead_letter(
        rejected,
        topic=topic,
        topic_id=topic,
        partition=number,
        offset=offset_of(message),
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
    )


def _offsets(position: Position) -> dict[str, int]:
    return {"predictions": position.predictions, "labels": position.labels, "sequence": position.sequence}
