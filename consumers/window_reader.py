"""A model's stored windows, over all partitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from consumers.clocks import NEVER
from consumers.learning_rows import is_rows, rows_of
from consumers.partition_time import decode_clocks
from consumers.plan import ModelPlan
from consumers.silence import Silence
from consumers.store import PartitionStore, Progress
from consumers.windows import WindowBlob
from schemas.finding import Stream

WINDOWS_MAX: Final = 200
"""Windows that are read at once at most, so that a backlog is worked off in steps."""

_FAR: Final = 1 << 62

Windows = dict[int, list[WindowBlob]]
"""Start of a window to its parts, in order of partition."""


class WindowReader:
    """Reads the windows of one model.

    Parameters
    ----------
    plan
        The model; its profile does not matter here.
    store
        Where the windows are.
    partitions
        Number of partitions of the topics.
    """

    def __init__(self, plan: ModelPlan, store: PartitionStore, partitions: int) -> None:
        self._plan = plan
        self._store = store
        self._numbers = range(partitions)
        self._silence = None if plan.implicit is None else Silence(plan, store, partitions)

    def progress(self) -> list[Progress]:
        """Return how far each partition has come."""
        return [self._store.progress(number) for number in self._numbers]

    def passed_ms(self, progress: Sequence[Progress], stream: Stream) -> int:
        """Return the event time that every partition has passed, as far as anybody has to be waited for."""
        marks: list[int] = []
        latest = NEVER
        for now in progress:
            if now.clocks is None:
                return NEVER
            clocks = decode_clocks(now.clocks)
            errors = stream is not Stream.PREDICTIONS
            mark = clocks.closed_ms(self._plan.name, errors=errors, quiet_ms=self._plan.quiet_ms)
            latest = max(latest, clocks.latest_ms(self._plan.name, quiet_ms=self._plan.quiet_ms))
            if mark is not None:
                marks.append(mark)
        return min(marks) if marks else latest

    def has_labels(self, progress: Sequence[Progress]) -> bool:
        """Return whether any partition has ever seen a label of the model."""
        known = (decode_clocks(now.clocks) for now in progress if now.clocks is not None)
        return any(self._plan.name in clocks.labels.models for clocks in known)

    def closable(
        self, stream: Stream, *, after_ms: int, passed_ms: int, progress: Sequence[Progress]
    ) -> tuple[Windows, int]:
        """Return the next windows that can be closed, in order, and the start up to which these are all.

        Parameters
        ----------
        after_ms
            Start of the last window that has been closed.
        passed_ms
            Event time that every partition has passed.
        progress
            What must still be stored when the windows are read.

        Raises
        ------
        WentBack
            If it is not.
        """
        until_ms = passed_ms - self._plan.length_ms(stream) - self._plan.lateness_ms
        found: Windows = {}
        if until_ms <= after_ms:
            return found, after_ms
        for number in self._numbers:
            blobs = self._store.windows(
                number,
                self._plan.name,
                stream,
                from_ms=after_ms + 1,
                until_ms=until_ms,
                limit=WINDOWS_MAX,
                at_least=progress[number],
            )
            for blob in blobs:
                found.setdefault(blob.start_ms, []).append(blob)
            starts = {blob.start_ms for blob in blobs}
            if len(starts) == WINDOWS_MAX:  # this partition may have more, so nobody goes further than it
                until_ms = min(until_ms, max(starts))
        if self._silence is not None and stream is Stream.ERRORS:
            silent, until_ms = self._silence.windows(after_ms=after_ms, until_ms=until_ms)
            for start, blobs in silent.items():
                found.setdefault(start, []).extend(blobs)
        return {start: found[start] for start in sorted(found) if start <= until_ms}, until_ms

    def past(self, stream: Stream, *, from_ms: int, until_ms: int, progress: Sequence[Progress]) -> Windows:
        """Return the closed windows with from_ms <= start <= until_ms; of errors without what silence means.

        Raises
        ------
        WentBack
            As `closable`.
        """
        found: Windows = {}
        for number in self._numbers:
            blobs = self._store.windows(
                number,
                self._plan.name,
                stream,
                from_ms=from_ms,
                until_ms=until_ms,
                at_least=progress[number],
            )
            for blob in blobs:
                found.setdefault(blob.start_ms, []).append(blob)
        return dict(sorted(found.items()))

    def spoken_ms(self, closed_ms: int) -> int:
        """Return the start of the last cohort that nobody will ask for any more, with error windows closed so far."""
        return _FAR if self._silence is None else self._silence.cohorts_of(closed_ms)

    def kept_rows(self, *, from_ms: int, until_ms: int) -> list[bytes]:
        """Return the predictions that were kept of the windows with from_ms <= start <= until_ms."""
        lines: list[bytes] = []
        for number in self._numbers:
            since = from_ms
            while blobs := self._store.windows(
                number,
                self._plan.name,
                Stream.PREDICTIONS,
                from_ms=since,
                until_ms=until_ms,
                limit=WINDOWS_MAX,
            ):
                lines += rows_of([blob for blob in blobs if is_rows(blob)])
                since = max(blob.start_ms for blob in blobs) + 1
        return lines

    def trim(self, stream: Stream, until_ms: int) -> None:
        """Let windows go that start at or before `until_ms`."""
        for number in self._numbers:
            self._store.trim(number, self._plan.name, stream, until_ms)


def is_behind(now: Progress, topics: str, predictions: int, labels: int) -> bool:
    """Return whether a partition of the same topics is not as far as it has been seen."""
    return now.topics == topics and (now.predictions < predictions or now.labels < labels)
