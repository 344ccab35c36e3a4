"""One model's evaluation: pull its windows from all partitions, close them in order, find, decide, store.

The evaluator is pure but for its two stores: time is the partitions' watermarks, and what to do with the
findings is decided by a `Policy` that the composition root hands in (so this room knows nothing of alerts).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Final, Generic

import msgspec
import structlog

from consumers.closing import is_only_due, merged, record_of
from consumers.evaluation import BookT, Evaluation, Policy, StoredEvaluation
from consumers.incidents import facts_of, incidents_of
from consumers.learner import Learner, StoredLearning, lacks_labels, with_reference
from consumers.past_windows import DAY_MS, kept_ms
from consumers.plan import ModelPlan, plan_model
from consumers.rollup import RolledUp, Rollup
from consumers.store import CommitStatus, ModelCommit, ModelStore, PartitionStore, Progress, WentBack
from consumers.window_evidence import WindowEvidence
from consumers.window_reader import WindowReader, Windows, is_behind
from consumers.windows import WindowBlob
from detectors.causes.explainers import Explainers
from detectors.compare import VersionComparison
from detectors.detector import ClosedWindow, Detector
from detectors.profile import ReferenceProfile, from_json
from detectors.registry import detectors_for
from detectors.state_codec import states_from_bytes, states_to_bytes
from detectors.version_history import VersionHistory, with_version_change
from schemas.finding import Finding, Stream, Topic

_FAR: Final = 1 << 62

_log = structlog.get_logger("watchkeeper.evaluate")

_Ready = tuple[int, int, Stream, int, list[WindowBlob]]
"""A window that can be closed: its end, the place of its stream in its group, that stream, its start, and what was counted."""


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
        self._configured = self._plan = plan
        self._reader = WindowReader(plan, windows, partitions)
        self._rollup = Rollup(plan, windows, states, partitions)
        self._passed_ms = self._looked_ms = -1
        self._states = states
        self._policy = policy
        self._learned: ReferenceProfile | None = None
        self.claim()

    @property
    def sequence(self) -> int:
        """The number of commits that the store has acknowledged, ours and those before."""
        return self._sequence

    @property
    def name(self) -> str:
        """The model's name."""
        return self._plan.name

    @property
    def plan(self) -> ModelPlan:
        """The model with the reference that it is compared with now."""
        return self._plan

    def claim(self) -> None:
        """Take the model over and load what is stored of it."""
        claimed = self._states.claim(self._plan.name)
        self.token, self._sequence = claimed.token, claimed.sequence
        stored = claimed.state
        self._state = msgspec.msgpack.decode(stored, type=StoredEvaluation) if stored else StoredEvaluation()
        self._plan = self._configured
        if claimed.profile is not None and self._plan.learning:
            self._plan = plan_model(
                self._plan.settings, from_json(claimed.profile, source="the learned profile")
            )
        self._learned = None
        self._watch(self._state.detectors)
        self._book = self._policy.load(self._state.book)

    def _watch(self, states: bytes) -> None:
        """Make the detectors and the learner that go with the plan."""
        plan = self._plan
        self._detectors: list[Detector[Any]] = detectors_for(plan.settings, plan.profile, plan.versions)
        self._explainers = Explainers(plan.settings, plan.reference(None), plan.versions, plan.set_apart)
        states_from_bytes((*self._detectors, *self._explainers.each), states)
        absent = sorted(self._plan.settings.river_monitors.keys() - {d.name for d in self._detectors})
        if absent and not self._plan.learning:
            _log.warning("not in what was learned", model=self._plan.name, monitors=absent)
        self._learner = None
        if self._plan.settings.learning is not None:
            self._state.learning = self._state.learning or StoredLearning()
            self._learner = Learner(self._plan, self._state.learning, self._detectors)

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
            if self._plan.learning:
                self._learn_in_step(done, final=final)
            if not self._plan.learning:
                groups = ((Stream.LABELS, Stream.ERRORS), (Stream.PREDICTIONS,))
                self._evaluate_in_step(groups, done, final=final)
        except WentBack as error:  # while we read; what was closed before that is whole
            done.waiting_for = str(error)
            if done.status is CommitStatus.MISMATCH:  # unless it was read for an alert
                return Evaluation(status=done.status, waiting_for=done.waiting_for)
        rolled = self._roll_up() if done.waiting_for is None else None
        if done.closed or rolled is not None:
            self._commit(done, rolled)
        return done

    def _roll_up(self) -> RolledUp | None:
        """Return the cohorts that belong to the past now."""
        spoken_ms = self._reader.spoken_ms(self._state.closed_ms.get(Stream.ERRORS, -1))
        until_ms = min(self._rollup.final_ms(self._passed_ms), spoken_ms)
        if until_ms <= max(self._state.rolled_ms, self._looked_ms):
            return None
        rolled = self._rollup.take(after_ms=self._state.rolled_ms, until_ms=until_ms)
        self._looked_ms = until_ms if rolled is None else rolled.until_ms
        return rolled

    def _commit(self, done: Evaluation, rolled: RolledUp | None) -> None:
        self._state.detectors = self._states_of_detectors()
        self._state.book = self._policy.dump(self._book)
        learned = self._learned
        if rolled is not None:
            self._state.rolled_ms = rolled.until_ms
        done.status = self._states.commit(
            ModelCommit(
                model=self._plan.name,
                token=self.token,
                sequence=self._sequence,
                state=msgspec.msgpack.encode(self._state),
                events=done.events,
                history=[msgspec.json.encode(record) for record in done.closed],
                closed_ms=self._state.closed_ms.get(Stream.PREDICTIONS, -1),
                profile=None if learned is None else (learned.content_hash, learned.to_json().encode()),
                past={**incidents_of(done.events), **({} if rolled is None else rolled.put)},
                forgotten=() if rolled is None else rolled.gone,
            )
        )
        self._sequence += 1
        self._learned = None
        if done.status in (CommitStatus.COMMITTED, CommitStatus.ALREADY):
            self._trim()
            if rolled is not None:
                self._rollup.trim(rolled.until_ms)

    def _states_of_detectors(self) -> bytes:
        return states_to_bytes((*self._detectors, *self._explainers.each))

    def _learn_in_step(self, done: Evaluation, *, final: bool) -> None:
        """Close windows of all streams in step, until a reference has been learned.

        What is learned must not depend on which topic is read faster, so predictions wait for the labels of their time,
        if there have ever been labels.
        """
        progress = self._progress(done)
        if progress is not None and self._reader.has_labels(progress):
            streams: tuple[Stream, ...] = (Stream.LABELS, Stream.ERRORS, Stream.PREDICTIONS)
            self._evaluate_in_step((streams,), done, final=final)
        else:
            self._evaluate_in_step(((Stream.LABELS,), (Stream.PREDICTIONS,)), done, final=final)

    def _evaluate_in_step(self, groups: Sequence[Sequence[Stream]], done: Evaluation, *, final: bool) -> None:
        """Close windows in the order of their ends, those of the first stream first.

        Streams of one group wait for each other. Those of different groups do not, but estimates heed what labels have
        said of them, so what can be closed of both is closed in order.
        While a model learns, as long as it does: what is learned changes what windows are compared with.
        """
        progress = self._progress(done)
        if progress is None:
            return
        learning, passed_ms, ready = self._plan.learning, _FAR, list[_Ready]()
        for streams in reversed(groups):  # what an alert on labels is explained by is read before it
            closable, passed_ms = self._ready(streams, progress, final=final, until_ms=passed_ms)
            ready = closable + ready
        for _, _, stream, start, blobs in sorted(ready, key=itemgetter(0, 1)):
            if self._plan.learning == learning:
                self._close(stream, start, blobs, progress, done)
        if self._plan.learning == learning:
            self._explainers.settle(passed_ms - self._plan.lateness_ms)

    def _ready(
        self, streams: Sequence[Stream], progress: Sequence[Progress], *, final: bool, until_ms: int
    ) -> tuple[list[_Ready], int]:
        """Return the windows of streams that can be closed, and the time that all have passed, at most `until_ms`."""
        passed_ms = min(until_ms, *(self._passed(stream, progress, final=final) for stream in streams))
        closable: list[_Ready] = []
        # From the shortest windows to the longest: those that are read at once span the least time.
        for place, stream in reversed(list(enumerate(streams))):
            length_ms = self._plan.length_ms(stream)
            windows, reached_ms = self._closable(stream, progress, passed_ms)
            passed_ms = min(passed_ms, reached_ms + length_ms + self._plan.lateness_ms)
            closable += [(start + length_ms, place, stream, start, windows[start]) for start in windows]
        return [one for one in closable if one[0] + self._plan.lateness_ms <= passed_ms], passed_ms

    def _progress(self, done: Evaluation) -> list[Progress] | None:
        """Return how far the partitions are; None where one has gone back behind what we have seen."""
        progress = self._reader.progress()
        for seen in self._state.seen.values():
            if any(is_behind(now, *before) for now, before in zip(progress, seen, strict=False)):
                done.waiting_for = (
                    "a partition went back: the store lost commits, and they are being read again"
                )
                return None
        return progress

    def _passed(self, stream: Stream, progress: Sequence[Progress], *, final: bool) -> int:
        """Return the event time up to which windows of a stream may be closed."""
        if final:
            return _FAR
        passed_ms = self._reader.passed_ms(progress, stream)
        if stream is Stream.ERRORS:
            self._passed_ms = passed_ms
        return passed_ms

    def _closable(self, stream: Stream, progress: Sequence[Progress], passed_ms: int) -> tuple[Windows, int]:
        after_ms = self._state.closed_ms.get(stream, -1)
        return self._reader.closable(stream, after_ms=after_ms, passed_ms=passed_ms, progress=progress)

    def _close(
        self,
        stream: Stream,
        start: int,
        blobs: Sequence[WindowBlob],
        progress: Sequence[Progress],
        done: Evaluation,
    ) -> None:
        self._state.closed_ms[stream] = start
        self._state.seen[stream] = [(now.topics, now.predictions, now.labels) for now in progress]
        if stream is Stream.PREDICTIONS and self._state.first_ms is None:
            self._state.first_ms = start
        if stream is Stream.LABELS and self._is_before_all(start):
            done.passed_over += 1
            return
        window = merged(self._plan, stream, start, blobs)
        if is_only_due(blobs):
            self._take_due(window, progress)
            done.passed_over += 1
            return
        history = self._state.versions.setdefault(stream, VersionHistory())
        history.add(window)
        again_ms = -1 if self._learner is None else self._learner.state.again_ms
        findings = [
            with_version_change(
                with_reference(finding, stream, self._plan.profile, again_ms=again_ms), history
            )
            for detector in self._detectors
            if detector.stream is stream
            for finding in detector.update(window)
        ]
        self._explainers.take(window)  # before anything is learned of it: later ones have other cells
        show = WindowEvidence(self._plan, self._reader, progress, self._detectors).show
        record = record_of(self._plan, window, len(findings))
        learns = self._plan.learning or lacks_labels(self._plan.profile)
        if self._learner is not None and learns and stream is not Stream.LABELS:
            record.learning = self._learn(self._learner, window, findings, blobs)
        done.status = CommitStatus.MISMATCH  # should a partition go back now: this window is half taken in
        standing, explain = partial(self._standing, stream), self._explainers.explain
        self._book, events = self._policy.step(
            self._book, findings, record, standing=standing, explain=explain, show=show
        )
        done.status = CommitStatus.COMMITTED
        self._explainers.note(facts_of(events))
        done.events += events
        done.closed.append(record)

    def _standing(self, stream: Stream) -> list[Topic]:
        """Return what the detectors of a stream have told and still follow."""
        return [topic for d in self._detectors if d.stream is stream for topic in d.standing]

    def _take_due(self, window: ClosedWindow[Any], progress: Sequence[Progress]) -> None:
        """Let versions be compared by what fell due, unless the file has ended before; it is told with the next labels."""
        if window.span.end_ms + self._plan.lateness_ms <= self._reader.passed_ms(progress, window.stream):
            for detector in self._detectors:
                if isinstance(detector, VersionComparison):
                    detector.take_due(window)

    def _is_before_all(self, start: int) -> bool:
        """Return whether a window of labels ended before the first prediction: what it holds depends on who read first."""
        first_ms = self._state.first_ms
        return first_ms is None or first_ms >= start + self._plan.length_ms(Stream.LABELS)

    def _learn(
        self,
        learner: Learner,
        window: ClosedWindow[Any],
        findings: Sequence[Finding],
        blobs: Sequence[WindowBlob],
    ) -> tuple[int, int] | None:
        """Let a model learn from a closed window, and go on with it; returns how far it is while it has no reference."""
        start_ms, end_ms, found = window.span.start_ms, window.span.end_ms, None
        if window.stream is Stream.ERRORS:
            found = learner.take_errors(window, findings)
        elif self._plan.learning and learner.take_predictions(window, findings, blobs):
            lines = self._reader.kept_rows(from_ms=learner.state.from_ms, until_ms=start_ms)
            found = learner.profile(lines, until_ms=end_ms)
        if found is not None:
            self._learned = found
            self._plan = plan_model(self._configured.settings, found)
            self._watch(self._states_of_detectors())
        return (learner.state.events, learner.wanted) if self._plan.learning else None

    def _trim(self) -> None:
        learner = self._learner
        for stream, closed in self._state.closed_ms.items():
            until = closed - kept_ms(self._plan.length_ms(Stream(stream)))
            if learner is not None and self._plan.learning:
                until = min(until, max(learner.state.after_ms, learner.state.from_ms - 1))
            if until - self._state.trimmed_ms.get(stream, 0) < DAY_MS // 24:
                continue
            self._state.trimmed_ms[stream] = until
            self._reader.trim(Stream(stream), until)
