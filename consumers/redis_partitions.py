"""Partitions' state in Redis: one script per micro-batch."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from consumers.cohorts import CohortTotal
from consumers.decode import ID_BYTES
from consumers.redis_buckets import BUCKETS, ENTRY_TTL_MS, LOAD, packed_sweep
from consumers.redis_gate import RedisGate, named
from consumers.store import Claimed, Commit, CommitStatus, Position, Progress, WentBack
from consumers.windows import WindowBlob
from schemas.finding import Stream
from schemas.keys import joined_fields, partition_prefix, split_fields

BUCKETS_PER_CALL: Final = 256
"""Buckets that are read at a time by somebody who wants all entries."""

WINDOW_TTL_MS: Final = 14 * 86_400_000
"""A stored window that no evaluator has come for leaves after this; one that lies ahead, so long after it has come."""

COHORT_TTL_MS: Final = 400 * 86_400_000
"""A cohort that nobody rolls up and nobody restates leaves after this."""

_lengths = [size.to_bytes(2, "little") for size in range(1024)]


class RedisPartitions:
    """`PartitionStore` on Redis.

    Parameters
    ----------
    gate
        The connection.
    app
        The application's name: the first part of every key.
    buckets, load
        Buckets of a new partition (a power of two), and entries per bucket beyond which they grow.
    """

    def __init__(self, gate: RedisGate, app: str, *, buckets: int = BUCKETS, load: int = LOAD) -> None:
        self._gate = gate
        self._app = app
        self._buckets = buckets
        self._load = load

    def _prefix(self, partition: int) -> str:
        return partition_prefix(self._app, partition)

    def _meta(self, partition: int) -> list[str]:
        return [self._prefix(partition) + "m"]

    def claim(self, partition: int) -> Claimed:
        """See `PartitionStore.claim`."""
        token = secrets.token_hex(16)
        found = self._gate.script("partition_claim", self._meta(partition), [token, self._buckets])
        state, totals, notices = found
        return Claimed(
            token, _position(state), *_texts(state), _pairs(totals), _topics(state), _pairs(notices)
        )

    def peek(self, partition: int) -> Claimed:
        """See `PartitionStore.peek`."""
        fields = ("po", "lo", "seq", "clocks", "tables", "topics")
        state = self._gate.call("HMGET", *self._meta(partition), *fields)
        totals, (notices,) = self.totals(partition), self.notices([partition])
        return Claimed("", _position(state), *_texts(state), totals, _topics(state), notices)

    def fetch(self, partition: int, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """See `PartitionStore.fetch`."""
        if not ids:
            return {}
        values = self._gate.script("partition_fetch", self._meta(partition), [b"".join(ids), ID_BYTES])
        return {key: value for key, value in zip(ids, values, strict=True) if value is not None}

    def commit(self, commit: Commit) -> CommitStatus:
        """See `PartitionStore.commit`."""
        old, new, now_ms = commit.old, commit.new, commit.latest_ms
        windows = [
            part
            for b in commit.windows
            for part in (
                f"{b.model}:{b.stream.value}",
                b.start_ms,
                joined_fields(b.version, b.segment),
                b.data,
                0 if now_ms is None else max(b.start_ms - now_ms, 0),
            )
        ]
        arguments: list[Any] = [
            commit.token,
            *(old.predictions, old.labels, old.sequence, new.predictions, new.labels, new.sequence),
            commit.clocks,
            commit.tables or b"",
            ID_BYTES,
            _packed(commit),
            packed_sweep(commit.sweep),
            WINDOW_TTL_MS,
            *(len(commit.windows), len(commit.totals), len(commit.dead_letters)),
            *(self._load, ENTRY_TTL_MS, len(commit.cohorts), COHORT_TTL_MS),
            *windows,
            *(part for total in commit.totals for part in total),
            *commit.dead_letters,
            *(part for c in commit.cohorts for part in (c.model, c.start_ms, c.data)),
        ]
        answer = self._gate.script("partition_commit", self._meta(commit.partition), arguments)
        return CommitStatus(answer.decode())

    def verify(self, places: Sequence[tuple[int, str, Position]]) -> list[int]:
        """See `PartitionStore.verify`."""
        fields = ("po", "lo", "seq", "token")
        stored = self._gate.pipeline([("HMGET", *self._meta(number), *fields) for number, _, _ in places])
        return [
            number
            for (number, token, position), state in zip(places, stored, strict=True)
            if (state[3] or b"").decode() != token
            or (_position(state) or replace(position, sequence=0)) != position
        ]

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
        kept = [part for notice in (raised or {}).items() for part in notice]
        arguments = [token, "" if topics is None else topics, len(kept), *kept, *cleared]
        return bool(self._gate.script("partition_note", self._meta(partition), arguments))

    def notices(self, partitions: Sequence[int]) -> list[dict[str, bytes]]:
        """See `PartitionStore.notices`."""
        return [
            named(stored)
            for stored in self._gate.pipeline([("HGETALL", self._prefix(p) + "n") for p in partitions])
        ]

    def progress(self, partition: int) -> Progress:
        """See `PartitionStore.progress`."""
        fields = ("po", "lo", "seq", "clocks", "tables", "topics")
        state = self._gate.call("HMGET", self._prefix(partition) + "m", *fields)
        at = _position(state) or Position(-1, -1, -1)
        return Progress(at.sequence, state[3], at.predictions, at.labels, _topics(state))

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
        until = "+inf" if until_ms is None else until_ms
        seen = (-1, -1) if at_least is None else (at_least.predictions, at_least.labels)
        arguments = [f"{model}:{stream.value}", from_ms, until, -1 if limit is None else limit, *seen]
        found = self._gate.script("partition_windows", self._meta(partition), arguments)
        if found is None:
            raise WentBack(f"partition {partition} went back: redis lost commits")
        blobs = []
        for start, fields in found:
            for name, data in _pairs(fields).items():
                version, segment = split_fields(name)
                blobs.append(WindowBlob(model, stream, int(start), version, segment, data))
        return blobs

    def trim(self, partition: int, model: str, stream: Stream, until_ms: int) -> None:
        """See `PartitionStore.trim`."""
        names = [f"{kind}:{model}:{stream.value}" for kind in "iw"]
        self._gate.script("partition_trim", self._meta(partition), [*names, until_ms])

    def cohorts(
        self, partition: int, model: str, *, from_ms: int = 0, until_ms: int | None = None
    ) -> dict[int, list[bytes]]:
        """See `PartitionStore.cohorts`."""
        until = "+inf" if until_ms is None else until_ms
        found = self._gate.script("partition_cohorts", self._meta(partition), [model, from_ms, until])
        return {int(start): list(deltas) for start, deltas in found}

    def compact_cohort(self, partition: int, token: str, total: CohortTotal) -> bool:
        """See `PartitionStore.compact_cohort`."""
        place = f"{total.model}:{total.start_ms}"
        arguments = [token, place, len(total.deltas), total.deltas[0], total.total]
        return bool(self._gate.script("partition_compact", self._meta(partition), arguments))

    def trim_cohorts(self, partition: int, model: str, until_ms: int) -> None:
        """See `PartitionStore.trim_cohorts`."""
        self._gate.script("partition_trim", self._meta(partition), [f"d:{model}", f"c:{model}", until_ms])

    def entries(self, partition: int) -> Iterator[bytes]:
        """See `PartitionStore.entries`."""
        classes = int(self._gate.call("HGET", *self._meta(partition), "buckets") or 0)
        for first in range(0, classes, BUCKETS_PER_CALL):
            last = min(first + BUCKETS_PER_CALL, classes) - 1
            yield from self._gate.script("partition_entries", self._meta(partition), [first, last, classes])

    def totals(self, partition: int) -> dict[str, bytes]:
        """See `PartitionStore.totals`."""
        return named(self._gate.call("HGETALL", self._prefix(partition) + "t"))

    def dead_letters(self, partition: int, limit: int) -> list[bytes]:
        """See `PartitionStore.dead_letters`."""
        return list(self._gate.call("LRANGE", self._prefix(partition) + "o", 0, limit - 1))

    def drop_dead_letters(self, partition: int, token: str, count: int) -> bool:
        """See `PartitionStore.drop_dead_letters`."""
        keys = [self._prefix(partition) + "m", self._prefix(partition) + "o"]
        return bool(self._gate.script("outbox_drop", keys, [token, count]))


def _position(state: Sequence[bytes | None]) -> Position | None:
    """Return the position of a reply that begins with both offsets and the sequence."""
    po, lo, sequence = state[:3]
    return None if po is None or lo is None or sequence is None else Position(int(po), int(lo), int(sequence))


def _texts(state: Sequence[bytes | None]) -> tuple[bytes | None, bytes | None]:
    return state[3], state[4]


def _topics(state: Sequence[bytes | None]) -> str:
    return (state[5] or b"").decode()


def _packed(commit: Commit) -> bytes:
    pieces: list[bytes] = []
    for key, value in commit.entries.items():
        pieces += (key, _lengths[len(value)], value)
    return b"".join(pieces)


def _pairs(flat: Sequence[bytes]) -> dict[str, bytes]:
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}
