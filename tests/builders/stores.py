"""Builders of commits, and what a partition's store holds as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from consumers.decode import id_digest
from consumers.partition_time import SWEEP_WHOLE
from consumers.pending import Entry, PendingPrediction, encode_entry
from consumers.store import Claimed, Commit, PartitionStore, Position, Progress, Sweep
from consumers.windows import WindowBlob
from schemas.finding import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

START: Final = Position(10, 20, 0)
NOON_MS: Final = 1_793_534_400_000
ALL: Final = 1_000_000
NUMBERS: Final = range(100)
"""The ids of these numbers are the ones that tests use where they compare contents."""


def key(number: int) -> bytes:
    return id_digest("fraud", str(number))


def entry(time_ms: int, *, model: int = 0) -> bytes:
    prediction = PendingPrediction(time_ms, 0, 0, 0, shadow=False, predicted=1, value=0.25)
    return encode_entry(Entry(model, (prediction,)), regression=False)


def blob(start_ms: int, data: bytes = b"summary", *, version: str = "7", segment: str = "") -> WindowBlob:
    return WindowBlob("fraud", Stream.PREDICTIONS, start_ms, version, segment, data)


def commit(
    token: str,
    old: Position = START,
    *,
    partition: int = 0,
    taken: int = 5,
    clocks: bytes = b"clocks",
    tables: bytes | None = None,
    entries: Mapping[bytes, bytes] | None = None,
    windows: Sequence[WindowBlob] = (),
    totals: Sequence[tuple[str, bytes]] = (),
    letters: Sequence[bytes] = (),
    sweep: Sweep | None = None,
) -> Commit:
    new = Position(old.predictions + taken, old.labels + taken, old.sequence + 1)
    return Commit(partition, token, old, new, clocks, tables, entries or {}, windows, totals, letters, sweep)


def starts(found: Sequence[WindowBlob]) -> list[int]:
    return [window.start_ms for window in found]


def everything(token: str, old: Position = START) -> Commit:
    """Return a commit that changes every part of a partition."""
    return commit(
        token,
        old,
        tables=b"other tables",
        clocks=b"other clocks",
        entries={key(99): entry(NOON_MS)},
        windows=[blob(990, b"other")],
        totals=[("other", b"99")],
        letters=[b"other letter"],
        sweep=Sweep(0, SWEEP_WHOLE, {0: NOON_MS}),
    )


@dataclass(frozen=True)
class Contents:
    """Everything that a partition holds, but for its token."""

    claimed: Claimed
    entries: dict[bytes, bytes]
    progress: Progress
    windows: list[tuple[int, str, str, bytes]]
    letters: list[bytes]


def contents(store: PartitionStore, partition: int) -> Contents:
    return Contents(
        store.peek(partition),
        store.fetch(partition, [key(number) for number in NUMBERS]),
        store.progress(partition),
        plain(store.windows(partition, "fraud", Stream.PREDICTIONS, from_ms=0)),
        store.dead_letters(partition, ALL),
    )


def plain(windows: list[WindowBlob]) -> list[tuple[int, str, str, bytes]]:
    return sorted((w.start_ms, w.version, w.segment, w.data) for w in windows)
