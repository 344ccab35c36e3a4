"""One model's evaluation: pull its windows from all partitions, close them in order, find, decide, store.

The evaluator is pure but for its two stores: time is the partitions' watermarks, and what to do with the
findings is decided by a `Policy` that the composition root hands in (so this room knows nothing of alerts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from consumers.clocks import NEVER
from consumers.partition_time import decode_clocks
from consumers.plan import ModelPlan
from consumers.store import CommitStatus, ModelCommit, ModelStore, PartitionStore, Progress, WentBack
from consumers.windows import WindowBlob
from detectors.codec import decode_summary
from detectors.detector import FALLBACK_SUFFIX, ClosedWindow, Detector
from detectors.metrics import metrics_of
from detectors.registry import detectors_for
from detectors.state_codec import states_from_bytes, states_to_bytes
from detectors.summary import Summary
from schemas.finding import Finding, Stream, WindowSpan

WINDOWS_MAX: Final = 200
"""Windows that one evaluation closes at most, so that a backlog is worked off in steps."""

KEPT_MS: Final = 86_400_000
"""How long partition windows outlive their evaluation."""

_FAR: Final = 1 << 62

BookT = TypeVar("BookT")


class Policy(Protocol[BookT]):
    """Turns findings into alert events; pure."""

    def load(self, data: bytes | None) -> BookT:
        """Return the alert states stored by `dump`, or none yet."""

    def dump(self, book: BookT) -> bytes:
        """Return the bytes to store."""

    def step(
        self, book: BookT, findings: Sequence[Finding], closed: ClosedRecord
    ) -> tuple[BookT, list[bytes]]:
        """Take one closed window's findings in; returns the new states and the events to publish."""


class ClosedRecord(msgspec.Struct, kw_only=True):
    """What is kept of a closed window for people: history, status and the replay report."""

    model: str
    stream: str
    start_ms: int
    end_ms: int
    n: int
    versions: dict[str, int]
    metrics: dict[str, dict[str, float]]
    findings: int


class StoredEvaluation(msgspec.Struct):
    """A model's evaluator between two evaluations.

    Parameters
    ----------
    closed_ms
        Per stream: start of the last closed window.
    seen
        Per stream and partition: topic ids and both offsets of the last view. Offsets that go back mean that
        the store lost commits; closing waits until they have been read again.
    """

    closed_ms: dict[str, int] = {}
    seen: dict[str, list[tuple[str, int, int]]] = {}
    detectors: bytes = b""
    book: bytes | None = None
    trimmed_ms: dict[str, int] = {}


@dataclass(slots=True)
class Evaluation:
    """What one call of `evaluate` did."""

    closed: list[ClosedRecord] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    status: CommitStatus = CommitStatus.COMMITTED
    waiting_for: str | None = None


class ModelEvaluator(Generic[BookT]):
    """Evaluates one model.

    Parameters
    ----------
    plan
        The model.
    partitions
        Number of partitions of the topics.
    windows, states
        The two stores.
    policy
        What findings come to.
    """

    def __init__(
        self,
        plan: ModelPlan,
        partitions: int,
        *,
        windows: PartitionStore,
        states: ModelStore,
        policy: Policy[BookT],
    ) -> None:
        self._plan = plan
        self._partitions = partitions
        self._windows = windows
        self._states = states
        self._policy = policy
        self.claim()

    @property
    def sequence(self) -> int:
        """The number of commits that the store has acknowledged, ours and those before."""
        return self._sequence

    @property
    def name(self) -> str:
        """The model's name."""
        return self._plan.name

    def claim(self) -> None:
        """Take the model over and load what is stored of it."""
        claimed = self._states.claim(self._plan.name)
        self.token, self._sequence = claimed.token, claimed.sequence
        stored = claimed.state
        self._state = msgspec.msgpack.decode(stored, type=StoredEvaluation) if stored else StoredEvaluation()
        self._detectors: list[Detector[Any]] = detectors_for(self._plan.settings, self._plan.profile)
        states_from_bytes(self._detectors, self._state.detectors)
        self._book = self._policy.load(self._state.book)

    def evaluate(self, *, final: bool = False) -> Evaluation:
        """Close what can be closed, in order, and store the outcome in one commit.

        Parameters
        ----------
        final
            True at the end of a file: every window counts as closed.

        Returns
        -------
        Evaluation
            On a status other than committed the state has been thrown away; `claim` before going on.
        """
        done = Evaluation()
        try:
            for stream in Stream:
                self._evaluate_stream(stream, done, final=final)
        except WentBack as error:  # while we read; what was closed before that is whole
            done.waiting_for = str(error)
        if not done.closed:
            return done
        self._state.detectors = states_to_bytes(self._detectors)
        self._state.book = self._policy.dump(self._book)
        done.status = self._states.commit(
            ModelCommit(
                model=self._plan.name,
                token=self.token,
                sequence=self._sequence,
                state=msgspec.msgpack.encode(self._state),
                events=done.events,
                history=[msgspec.json.encode(record) for record in done.closed],
            )
        )
        self._sequence += 1
        if done.status in (CommitStatus.COMMITTED, CommitStatus.ALREADY):
            self._trim()
        return done

    def _evaluate_stream(self, stream: Stream, done: Evaluation, *, final: bool) -> None:
        progress = [self._windows.progress(p) for p in range(self._partitions)]
        seen = self._state.seen.get(stream, [])
        if any(_behind(now, *before) for now, before in zip(progress, seen, strict=False)):
            done.waiting_for = "a partition went back: the store lost commits, and they are being read again"
            return
        passed_ms = _FAR if final else self._passed_ms(progress, stream)
        closable = self._closable(stream, passed_ms, progress)
        for start, blobs in closable.items():
            self._close(stream, start, blobs, done)
            self._state.closed_ms[stream] = start
            self._state.seen[stream] = [(now.topics, now.predictions, now.labels) for now in progress]

    def _passed_ms(self, progress: Sequence[Progress], stream: Stream) -> int:
        """Return the event time that every partition has passed, as far as anybody has to be waited for."""
        marks: list[int] = []
        latest = NEVER
        for now in progress:
            if now.clocks is None:
                return NEVER
            clocks = decode_clocks(now.clocks)
            errors = stream is Stream.ERRORS
            mark = clocks.closed_ms(self._plan.name, errors=errors, quiet_ms=self._plan.quiet_ms)
            latest = max(latest, clocks.latest_ms(self._plan.name, quiet_ms=self._plan.quiet_ms))
            if mark is not None:
                marks.append(mark)
        return min(marks) if marks else latest

    def _closable(
        self, stream: Stream, passed_ms: int, progress: Sequence[Progress]
    ) -> dict[int, list[WindowBlob]]:
        """Return the next windows that can be closed, in order, with their parts in order of partition."""
        after_ms = self._state.closed_ms.get(stream, -1)
        until_ms = passed_ms - self._plan.window_ms - self._plan.lateness_ms
        found: dict[int, list[WindowBlob]] = {}
        if until_ms <= after_ms:
            return found
        for partition in range(self._partitions):
            starts: set[int] = set()
            for blob in self._windows.windows(
                partition,
                self._plan.name,
                stream,
                from_ms=after_ms + 1,
                until_ms=until_ms,
                limit=WINDOWS_MAX,
                at_least=progress[partition],
            ):
                starts.add(blob.start_ms)
                found.setdefault(blob.start_ms, []).append(blob)
            if len(starts) == WINDOWS_MAX:  # this partition may have more, so nobody goes further than it
                until_ms = min(until_ms, max(starts))
        return {start: found[start] for start in sorted(found) if start <= until_ms}

    def _close(self, stream: Stream, start: int, blobs: Sequence[WindowBlob], done: Evaluation) -> None:
        window = _merged(self._plan, stream, start, blobs)
        findings = [
            finding
            for detector in self._detectors
            if detector.stream is stream
            for finding in detector.update(window)
        ]
        record = _record(self._plan, window, len(findings))
        self._book, events = self._policy.step(self._book, findings, record)
        done.events += events
        done.closed.append(record)

    def _trim(self) -> None:
        for stream, closed in self._state.closed_ms.items():
            until = closed - KEPT_MS
            if until - self._state.trimmed_ms.get(stream, 0) < KEPT_MS // 24:
                continue
            self._state.trimmed_ms[stream] = until
            for partition in range(self._partitions):
                self._windows.trim(partition, self._plan.name, Stream(stream), until)


def _behind(now: Progress, topics: str, predictions: int, labels: int) -> bool:
    """Return whether a partition of the same topics is not as far as it has been seen."""
    return now.topics == topics and (now.predictions < predictions or now.labels < labels)


def _merged(plan: ModelPlan, stream: Stream, start: int, blobs: Sequence[WindowBlob]) -> ClosedWindow[Any]:
    versions: dict[str, Summary[Any]] = {}
    segments: dict[str, Summary[Any]] = {}
    overall: Summary[Any] = Summary.empty(plan.layout(stream, ""))
    for blob in blobs:
        summary = decode_summary(plan.layout(stream, blob.segment), blob.data)
        fallback = blob.version.endswith(FALLBACK_SUFFIX)
        group, key = (segments, blob.segment) if blob.segment else (versions, blob.version)
        if not (blob.segment and fallback):
            group[key] = group[key].merge(summary) if key in group else summary
        if not blob.segment and not fallback:
            overall = overall.merge(summary)
    span = WindowSpan(start, start + plan.window_ms, int(overall.vector[0]))
    return ClosedWindow(
        plan.name, stream, span, overall, dict(sorted(versions.items())), dict(sorted(segments.items()))
    )


def _record(plan: ModelPlan, window: ClosedWindow[Any], findings: int) -> ClosedRecord:
    metrics: dict[str, dict[str, float]] = {}
    if window.stream is Stream.ERRORS:
        metrics = {v: metrics_of(s, positive=plan.classes.positive) for v, s in window.versions.items()}
    return ClosedRecord(
        model=window.model,
        stream=window.stream.value,
        start_ms=window.span.start_ms,
        end_ms=window.span.end_ms,
        n=window.span.n,
        versions={v: int(s.vector[0]) for v, s in window.versions.items()},
        metrics=metrics,
        findings=findings,
    )
