"""What a model's evaluation keeps, what it comes to, and who decides what findings come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import msgspec

from consumers.closing import ClosedRecord
from consumers.learner import StoredLearning
from consumers.store import CommitStatus
from detectors.version_history import VersionHistory
from schemas.finding import Explain, Finding, Show, Standing

BookT = TypeVar("BookT")


class Policy(Protocol[BookT]):
    """Turns findings into alert events; pure."""

    def load(self, data: bytes | None) -> BookT:
        """Return the alert states stored by `dump`, or none yet."""

    def dump(self, book: BookT) -> bytes:
        """Return the bytes to store."""

    def step(  # noqa: PLR0913 - a window, and what can be said of it
        self,
        book: BookT,
        findings: Sequence[Finding],
        closed: ClosedRecord,
        *,
        standing: Standing,
        explain: Explain,
        show: Show,
    ) -> tuple[BookT, list[bytes]]:
        """Take one closed window's findings in; returns the new states and the events to publish."""


class StoredEvaluation(msgspec.Struct):
    """A model's evaluator between two evaluations.

    Parameters
    ----------
    closed_ms
        Per stream: start of the last closed window.
    seen
        Per stream and partition: topic ids and both offsets of the last view. Offsets that go back mean that
        the store lost commits; closing waits until they have been read again.
    learning
        None for a model that has a profile of the user's, or wants none.
    rolled_ms
        Start of the last cohort that is in the model's past.
    first_ms
        Start of the first closed window of predictions.
    versions
        Per stream: which versions it has had since when. Each stream has its own, as how they interleave is nobody's promise.
    """

    closed_ms: dict[str, int] = {}
    seen: dict[str, list[tuple[str, int, int]]] = {}
    detectors: bytes = b""
    book: bytes | None = None
    trimmed_ms: dict[str, int] = {}
    learning: StoredLearning | None = None
    rolled_ms: int = -1
    first_ms: int | None = None
    versions: dict[str, VersionHistory] = {}


@dataclass(slots=True)
class Evaluation:
    """What one call of `evaluate` did.

    Parameters
    ----------
    passed_over
        Windows that could be closed and say nothing.
    """

    closed: list[ClosedRecord] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    passed_over: int = 0
    status: CommitStatus = CommitStatus.COMMITTED
    waiting_for: str | None = None
