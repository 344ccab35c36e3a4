"""The stores in memory: first-class twins of the Redis ones, for `replay` and for tests without a server."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice

import numpy as np

from consumers.cohorts import CohortTotal
from consumers.partition_time import SWEEP_WHOLE
from consumers.store import (
    NO_PROFILE,
    Claimed,
    Commit,
    CommitStatus,
    LearnedReference,
    ModelClaimed,
    ModelCommit,
    Position,
    Progress,
    WentBack,
)
from consumers.windows import WindowBlob
from schemas.finding import Stream

BUCKETS = 1024
HISTORY_MAX = 1000
_TIMES = np.dtype([("counts", "u1"), ("model", "<u2"), ("low", "<u4"), ("high", "<u2")])
WindowPlace = tuple[str, Stream]


@dataclass(slots=True)
class _PartitionState:
    token: str = ""
    position: Position | None = None
    clocks: bytes | None = None
    tables: bytes | None = None
    totals: dict[str, bytes] = field(default_factory=dict)
    buckets: list[dict[bytes, bytes]] = field(default_factory=lambda: [{} for _ in range(BUCKETS)])
    windows: dict[WindowPlace, dict[int, dict[tuple[str, str], bytes]]] = field(default_factory=dict)
    dead_letters: deque[bytes] = field(default_factory=deque)
    topics: str = ""
    notices: dict[str, bytes] = field(default_factory=dict)
    cohorts: dict[str, dict[int, list[bytes]]] = field(default_factory=dict)


class MemoryPartitions:
    """`PartitionStore` in memory."""

    def __init__(self) -> None:
        self._partitions: dict[int, _PartitionState] = {}
        self._tokens = count()

    def _state(self, partition: int) -> _PartitionState:
        state = self._partitions.get(partition)
        if state is None:
            state = self._partitions[partition] = _PartitionState()
        return state

    def claim(self, partition: int) -> Claimed:
        """See `PartitionStore.claim`."""
        state = self._state(partition)
        state.token = str(next(self._tokens))
        return self._found(state, state.token)

    def peek(self, partition: int) -> Claimed:
        """See `PartitionStore.peek`."""
        return self._found(self._partitions.get(partition) or _PartitionState(buckets=[]), "")

    @staticmethod
    def _found(state: _PartitionState, token: str) -> Claimed:
        totals, notices = dict(state.totals), dict(state.notices)
        return Claimed(token, state.position, state.clocks, state.tables, totals, state.topics, notices)

    def fetch(self, partition: int, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """See `PartitionStore.fetch`."""
        buckets = self._state(partition).buckets
        found = {}
        for key in ids:
            value = buckets[_bucket(key)].get(key)
            if value is not None:
                found[key] = value
        return found

    def commit(self, commit: Commit) -> CommitStatus:
        """See `PartitionStore.commit`."""
        state = self._state(commit.partition)
        if state.token != commit.token:
            return CommitStatus.FENCED
        if state.position == commit.new:
            return CommitStatus.ALREADY
        if commit.old != (state.position or replace(commit.old, sequence=0)):
            return CommitStatus.MISMATCH
        for key, value in commit.entries.items():
            state.buckets[_bucket(key)][key] = value
        for blob in commit.windows:
            starts = state.windows.setdefault((blob.model, blob.stream), {})
            starts.setdefault(blob.start_ms, {})[blob.version, blob.segment] = blob.data
        state.totals.update(commit.totals)
        state.dead_letters.extend(commit.dead_letters)
        for delta in commit.cohorts:
            state.cohorts.setdefault(delta.model, {}).setdefault(delta.start_ms, []).append(delta.data)
        if commit.sweep is not None:
            first = commit.sweep.first * BUCKETS // SWEEP_WHOLE
            last = (commit.sweep.first + commit.sweep.count) * BUCKETS // SWEEP_WHOLE
            for number in range(first, last):
                _let_go(state.buckets[number % BUCKETS], commit.sweep.cutoff_ms)
        state.clocks, state.tables = commit.clocks, commit.tables or state.tables
        state.position = commit.new
        return CommitStatus.COMMITTED

    def verify(self, places: Sequence[tuple[int, str, Position]]) -> list[int]:
        """See `PartitionStore.verify`."""
        wrong = []
        for number, token, position in places:
            state = self._state(number)
            if state.token != token or (state.position or replace(position, sequence=0)) != position:
                wrong.append(number)
        return wrong

    def note(
        self,
        partition: int,
        token: str,
        *,
        topics: str | None = None,
        raised: Mapping[str, bytes] | None = None,
        cleared: Sequence[str] = (),
    ) -> bool:
        """See `PartitionStore.note`."""
        state = self._state(partition)
        if state.token != token:
            return False
        state.topics = state.topics if topics is None else topics
        state.notices.update(raised or {})
        for name in cleared:
            state.notices.pop(name, None)
        return True

    def notices(self, partitions: Sequence[int]) -> list[dict[str, bytes]]:
        """See `PartitionStore.notices`."""
        return [dict(self._state(partition).notices) for partition in partitions]

    def progress(self, partition: int) -> Progress:
        """See `PartitionStore.progress`."""
        state = self._state(partition)
        if state.position is None:
            return Progress(-1, state.clocks, topics=state.topics)
        at = state.position
        return Progress(at.sequence, state.clocks, at.predictions, at.labels, state.topics)

    def windows(  # noqa: PLR0913 - a place and a range
        self,
        partition: int,
        model: str,
        stream: Stream,
        *,
        from_ms: int,
        until_ms: int | None = None,
        limit: int | None = None,
        at_least: Progress | None = None,
    ) -> list[WindowBlob]:
        """See `PartitionStore.windows`."""
        now = self.progress(partition)
        if at_least is not None and (now.predictions < at_least.predictions or now.labels < at_least.labels):
            raise WentBack(f"partition {partition} went back: the store lost commits")
        starts = self._state(partition).windows.get((model, stream), {})
        return [
            WindowBlob(model, stream, start, version, segment, data)
            for start in sorted(s for s in starts if from_ms <= s <= (s if until_ms is None else until_ms))[
                :limit
            ]
            for (version, segment), data in starts[start].items()
        ]

    def trim(self, partition: int, model: str, stream: Stream, until_ms: int) -> None:
        """See `PartitionStore.trim`."""
        starts = self._state(partition).windows.get((model, stream), {})
        for start in [s for s in starts if s <= until_ms]:
            del starts[start]

    def cohorts(
        self, partition: int, model: str, *, from_ms: int = 0, until_ms: int | None = None
    ) -> dict[int, list[bytes]]:
        """See `PartitionStore.cohorts`."""
        starts = self._state(partition).cohorts.get(model, {})
        return {
            start: list(starts[start])
            for start in sorted(starts)
            if from_ms <= start <= (start if until_ms is None else until_ms)
        }

    def compact_cohort(self, partition: int, token: str, total: CohortTotal) -> bool:
        """See `PartitionStore.compact_cohort`."""
        state = self._state(partition)
        if state.token != token:
            return False
        stored = state.cohorts.get(total.model, {}).get(total.start_ms, [])
        if len(stored) >= len(total.deltas) and stored[0] == total.deltas[0]:
            stored[: len(total.deltas)] = [total.total]
        return True

    def trim_cohorts(self, partition: int, model: str, until_ms: int) -> None:
        """See `PartitionStore.trim_cohorts`."""
        starts = self._state(partition).cohorts.get(model, {})
        for start in [s for s in starts if s <= until_ms]:
            del starts[start]

    def entries(self, partition: int) -> Iterator[bytes]:
        """See `PartitionStore.entries`."""
        for bucket in self._state(partition).buckets:
            yield from bucket.values()

    def totals(self, partition: int) -> dict[str, bytes]:
        """See `PartitionStore.totals`."""
        return dict(self._state(partition).totals)

    def dead_letters(self, partition: int, limit: int) -> list[bytes]:
        """See `PartitionStore.dead_letters`."""
        return list(islice(self._state(partition).dead_letters, limit))

    def drop_dead_letters(self, partition: int, token: str, count: int) -> bool:
        """See `PartitionStore.drop_dead_letters`."""
        state = self._state(partition)
        if state.token != token:
            return False
        _drop(state.dead_letters, count)
        return True


@dataclass(slots=True)
class _ModelState:
    token: str = ""
    sequence: int = 0
    state: bytes | None = None
    closed_ms: int = -1
    profile: tuple[str, bytes] | None = None
    past: dict[str, bytes] = field(default_factory=dict)
    events: deque[bytes] = field(default_factory=deque)
    history: deque[bytes] = field(default_factory=lambda: deque(maxlen=HISTORY_MAX))


class MemoryModels:
    """`ModelStore` in memory."""

    def __init__(self) -> None:
        self._models: dict[str, _ModelState] = {}
        self._tokens = count()

    def _state(self, model: str) -> _ModelState:
        return self._models.setdefault(model, _ModelState())

    def claim(self, model: str) -> ModelClaimed:
        """See `ModelStore.claim`."""
        state = self._state(model)
        state.token = str(next(self._tokens))
        profile = None if state.profile is None else state.profile[1]
        return ModelClaimed(state.token, state.sequence, state.state, profile)

    def commit(self, commit: ModelCommit) -> CommitStatus:
        """See `ModelStore.commit`."""
        state = self._state(commit.model)
        if state.token != commit.token:
            return CommitStatus.FENCED
        if state.sequence == commit.sequence + 1 and state.state == commit.state:
            return CommitStatus.ALREADY
        if state.sequence != commit.sequence:
            return CommitStatus.MISMATCH
        state.events.extend(commit.events)
        state.history.extendleft(commit.history)
        state.state, state.sequence = commit.state, commit.sequence + 1
        state.closed_ms = commit.closed_ms
        if commit.profile is not None:
            state.profile = None if commit.profile == NO_PROFILE else commit.profile
        state.past.update(commit.past)
        for name in commit.forgotten:
            state.past.pop(name, None)
        return CommitStatus.COMMITTED

    def verify(self, places: Sequence[tuple[str, str, int]]) -> list[str]:
        """See `ModelStore.verify`."""
        return [
            model
            for model, token, sequence in places
            if (self._state(model).token, self._state(model).sequence) != (token, sequence)
        ]

    def events(self, model: str, limit: int) -> list[bytes]:
        """See `ModelStore.events`."""
        return list(islice(self._state(model).events, limit))

    def drop_events(self, model: str, token: str, count: int) -> bool:
        """See `ModelStore.drop_events`."""
        state = self._state(model)
        if state.token != token:
            return False
        _drop(state.events, count)
        return True

    def state(self, model: str) -> bytes | None:
        """See `ModelStore.state`."""
        return self._state(model).state

    def history(self, model: str, limit: int) -> list[bytes]:
        """See `ModelStore.history`."""
        return list(islice(self._state(model).history, limit))

    def learned(self, models: Sequence[str]) -> list[LearnedReference]:
        """See `ModelStore.learned`."""
        states = [self._state(model) for model in models]
        return [LearnedReference(s.closed_ms, "" if s.profile is None else s.profile[0]) for s in states]

    def past(self, model: str) -> dict[str, bytes]:
        """See `ModelStore.past`."""
        return dict(self._state(model).past)

    def profile(self, model: str) -> bytes | None:
        """See `ModelStore.profile`."""
        found = self._state(model).profile
        return None if found is None else found[1]


def _bucket(key: bytes) -> int:
    return int.from_bytes(key[:4], "little") % BUCKETS


def _let_go(bucket: dict[bytes, bytes], cutoff_ms: Mapping[int, int]) -> None:
    """Drop the entries whose first event time lies before their model's cutoff."""
    if not bucket:
        return
    heads = np.frombuffer(b"".join(value[: _TIMES.itemsize] for value in bucket.values()), dtype=_TIMES)
    time_ms = heads["low"] | heads["high"].astype(np.int64) << 32
    limits = np.array([cutoff_ms.get(code, -(1 << 62)) for code in heads["model"].tolist()])
    for key, gone in zip(list(bucket), (time_ms < limits).tolist(), strict=True):
        if gone:
            del bucket[key]


def _drop(queue: deque[bytes], count: int) -> None:
    for _ in range(min(count, len(queue))):
        queue.popleft()
