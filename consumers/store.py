"""What the runtime asks of a store, and the values that pass between them.

Two implementations pass one contract suite: `redis_partitions` and `redis_models` (the real ones) and
`memory_store` (for `replay`, and for tests without a server).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from consumers.cohorts import CohortDelta, CohortTotal
from consumers.windows import WindowBlob
from schemas.errors import Retry
from schemas.finding import Stream


class WentBack(Retry):
    """A partition's stored offsets lie before those that somebody has seen: the store lost commits.

    Its owner reads them again from Kafka; until then what is stored must not be taken for the whole.
    """


class CommitStatus(StrEnum):
    """What became of a commit."""

    COMMITTED = "committed"
    ALREADY = "already"
    """The same commit had been applied before (a retry after a lost answer): as good as committed."""
    FENCED = "fenced"
    """Somebody else has claimed it since: throw the state away."""
    MISMATCH = "mismatch"
    """The stored position is not the one this state was built on: throw the state away."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a partition stands: next offset of either topic, and the number of commits."""

    predictions: int
    labels: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A partition's state as its new owner finds it.

    Parameters
    ----------
    position
        None if nothing was ever stored.
    clocks, tables
        Encoded, None if nothing was ever stored.
    totals
        "model" or "model US version" to encoded counters and figures.
    topics
        Ids of the two topics that the offsets belong to, empty if they were never known.
    notices
        What is known to be wrong (`consumers.notices`), by field.
    """

    token: str
    position: Position | None
    clocks: bytes | None = None
    tables: bytes | None = None
    totals: Mapping[str, bytes] = field(default_factory=dict)
    topics: str = ""
    notices: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Buckets of pending entries to go through, and how old an entry must be to leave.

    Parameters
    ----------
    first, count
        Shares of the whole, in 65,536ths, so that they do not depend on the number of buckets.
    cutoff_ms
        Per model code: entries of earlier event time leave.
    """

    first: int
    count: int
    cutoff_ms: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything one micro-batch of one partition changes; applied as a whole or not at all.

    Parameters
    ----------
    latest_ms
        Event time that the partition has come to: windows may lie ahead of it. None where none does.
    """

    partition: int
    token: str
    old: Position
    new: Position
    clocks: bytes
    tables: bytes | None
    entries: Mapping[bytes, bytes]
    windows: Sequence[WindowBlob]
    totals: Sequence[tuple[str, bytes]]
    dead_letters: Sequence[bytes]
    sweep: Sweep | None = None
    cohorts: Sequence[CohortDelta] = ()
    latest_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a partition has come.

    Parameters
    ----------
    sequence
        Number of commits behind this view; -1 if the partition was never claimed.
    clocks
        Encoded clocks, None if the partition was never claimed.
    predictions, labels
        Next offset of either topic; -1 if nothing was ever stored.
    topics
        Ids of the two topics that the offsets belong to, empty if they were never known.
    """

    sequence: int
    clocks: bytes | None
    predictions: int = -1
    labels: int = -1
    topics: str = ""


class PartitionStore(Protocol):
    """State of partitions. Calls may block for the store's timeout and raise `Retry`."""

    def claim(self, partition: int) -> Claimed:
        """Take a partition over: from now on every earlier owner is fenced."""

    def peek(self, partition: int) -> Claimed:
        """Return what a new owner would find, without becoming one: the token is empty.

        While the owner commits, the totals may be of a later commit than the rest.
        """

    def fetch(self, partition: int, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the stored entries among these ids."""

    def commit(self, commit: Commit) -> CommitStatus:
        """Apply a commit if its token and old position still hold."""

    def verify(self, places: Sequence[tuple[int, str, Position]]) -> list[int]:
        """Return which partitions are no longer stored as their owner has them in memory.

        Parameters
        ----------
        places
            Partition, token and position of what somebody owns; all are read in one round trip.
        """

    def note(
        self,
        partition: int,
        token: str,
        *,
        topics: str | None = None,
        raised: Mapping[str, bytes] | None = None,
        cleared: Sequence[str] = (),
    ) -> bool:
        """Write down the ids of the topics and what is wrong, or no longer; False if fenced.

        Parameters
        ----------
        topics
            None to leave them as they are.
        raised, cleared
            Notices to keep and fields of those to let go.
        """

    def notices(self, partitions: Sequence[int]) -> list[dict[str, bytes]]:
        """Return what is known to be wrong with each of these partitions, by field; one round trip."""

    def progress(self, partition: int) -> Progress:
        """Return how far a partition has come."""

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
        """Return the stored windows with from_ms <= start <= until_ms, the first `limit` starts of them.

        A window that its partition's clocks have passed never changes again, so it may be read after them,
        unless the store has lost commits since.

        Parameters
        ----------
        at_least
            Offsets that must be stored at the moment the windows are read.

        Raises
        ------
        WentBack
            If they are not.
        """

    def trim(self, partition: int, model: str, stream: Stream, until_ms: int) -> None:
        """Let windows go that start at or before `until_ms`; harmless to repeat."""

    def cohorts(
        self, partition: int, model: str, *, from_ms: int = 0, until_ms: int | None = None
    ) -> dict[int, list[bytes]]:
        """Return, per start, what has been written of the cohorts with from_ms <= start <= until_ms, oldest first."""

    def compact_cohort(self, partition: int, token: str, total: CohortTotal) -> bool:
        """Put what the first differences of a cohort come to in their place; harmless to repeat, False if fenced."""

    def trim_cohorts(self, partition: int, model: str, until_ms: int) -> None:
        """Let cohorts go that start at or before `until_ms`; harmless to repeat."""

    def entries(self, partition: int) -> Iterator[bytes]:
        """Iterate over all stored entries, in no fixed order."""

    def totals(self, partition: int) -> dict[str, bytes]:
        """Return the totals without claiming."""

    def dead_letters(self, partition: int, limit: int) -> list[bytes]:
        """Return the oldest dead letters that wait to be published."""

    def drop_dead_letters(self, partition: int, token: str, count: int) -> bool:
        """Remove the oldest `count` after they were published; False if fenced."""


@dataclass(frozen=True, slots=True)
class ModelClaimed:
    """A model's evaluator state as its new owner finds it.

    Parameters
    ----------
    profile
        The reference that was learned from the model's events, as the text of a profile; None for none.
    """

    token: str
    sequence: int
    state: bytes | None
    profile: bytes | None = None


@dataclass(frozen=True, slots=True)
class LearnedReference:
    """What a worker asks about a model that learns.

    Parameters
    ----------
    closed_ms
        Start of the last evaluated window by prediction time, -1 before the first.
    content_hash
        Of the learned profile, empty for none.
    """

    closed_ms: int
    content_hash: str


NO_PROFILE: Final = ("-", b"")
"""In the place of a learned profile: there is none any more."""


@dataclass(frozen=True, slots=True)
class ModelCommit:
    """Everything one evaluation of a model changes.

    Parameters
    ----------
    closed_ms
        Start of the last evaluated window by prediction time.
    profile
        Hash and text of a profile that has been learned; None leaves what is stored, `NO_PROFILE` lets it go.
    past, forgotten
        Fields of the model's past (`consumers.rollup`) to their bytes, and fields to let go.
    """

    model: str
    token: str
    sequence: int
    state: bytes
    events: Sequence[bytes]
    history: Sequence[bytes]
    closed_ms: int = -1
    profile: tuple[str, bytes] | None = None
    past: Mapping[str, bytes] = field(default_factory=dict)
    forgotten: Sequence[str] = ()


class ModelStore(Protocol):
    """State of evaluators. Calls may block for the store's timeout and raise `Retry`."""

    def claim(self, model: str) -> ModelClaimed:
        """Take a model's evaluation over."""

    def commit(self, commit: ModelCommit) -> CommitStatus:
        """Apply a commit if its token and sequence still hold; the sequence goes up by one."""

    def verify(self, places: Sequence[tuple[str, str, int]]) -> list[str]:
        """Return which models (name, token, sequence) are no longer stored as their owner has them."""

    def events(self, model: str, limit: int) -> list[bytes]:
        """Return the oldest events that wait to be published."""

    def drop_events(self, model: str, token: str, count: int) -> bool:
        """Remove the oldest `count` after they were published; False if fenced."""

    def state(self, model: str) -> bytes | None:
        """Return the stored state without claiming."""

    def history(self, model: str, limit: int) -> list[bytes]:
        """Return records of the last closed windows, newest first."""

    def learned(self, models: Sequence[str]) -> list[LearnedReference]:
        """Return how far these models have learned; one round trip."""

    def past(self, model: str) -> dict[str, bytes]:
        """Return the model's past, by field."""

    def profile(self, model: str) -> bytes | None:
        """Return the text of the profile that was learned from the model's events, None for none."""
