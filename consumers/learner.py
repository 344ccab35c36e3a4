"""How a model without a profile comes to one: from its own first events, and later from their labels.

What is learned from an incident would make it the rule. So nothing is learned from a window while an alarm about
errors, fallbacks or quality stands, nor from anything before it: learning starts over after it. Predictions wait for the
labels of their time (see `ModelEvaluator`), so that the same is learned whatever came first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from consumers.columns import PredictionColumns, Records
from consumers.decode import BatchDecoder
from consumers.event_rows import features_of, row_batch
from consumers.interning import Interner
from consumers.learning_rows import ROWS_MAX, are_whole
from consumers.plan import ModelPlan
from consumers.windows import WindowBlob
from detectors.betting.promptness import Promptness
from detectors.codec import decode_summary, encode_summary
from detectors.detector import Detector, ErrorWindow, PredictionWindow
from detectors.layout import ErrorLayout
from detectors.profile import Learned, ReferenceProfile, is_feature
from detectors.profile_build import COLUMNS_MAX
from detectors.profile_learned import LABELS_MIN, learned_profile, with_calibration, with_labels
from detectors.profile_values import RowBatch
from detectors.summary import Summary
from schemas.clock import format_time
from schemas.finding import Finding, JsonValue, Kind, Stream, Verdict

INCIDENTS: Final = frozenset({Kind.PERFORMANCE, Kind.ERROR_RATE, Kind.FALLBACK_RATE})
"""Troubles in which nothing is learned."""
NAME_SHARE_MIN: Final = 0.01
"""A feature that fewer events carry is not learned."""
_BATCH: Final = 2_000
_NO_RECORDS: Final = Records([])


class StoredLearning(msgspec.Struct):
    """How far a model has learned.

    Parameters
    ----------
    after_ms
        Only windows by prediction time that start after this are learned from.
    from_ms, events
        Start of the first of them, and predictions so far.
    incidents
        Starts of the error windows of incidents, as far as no window by prediction time has passed them.
    labels, segments, labels_from_ms
        The error windows so far, merged, those of segments too, and the start of the first one.
    has_labels
        Whether those are enough.
    again_ms
        Since when the model learns once more, because its owner has accepted what is now; -1 for never.
    scores, scores_from_ms
        Cells of what answers came to (`ErrorLayout.outcome_cells`) of the error windows so far whose labels stand for all, until
        they have calibrated the answers; and the start of the first one.
    absolute, squared
        Of a regression: sums of the sizes of those errors, and of their squares.
    first_ms
        Start of the first error window.
    """

    after_ms: int = -1
    from_ms: int = -1
    events: int = 0
    incidents: list[int] = []
    labels: bytes = b""
    segments: dict[str, bytes] = {}
    labels_from_ms: int = -1
    has_labels: bool = False
    again_ms: int = -1
    scores: list[int] = []
    scores_from_ms: int = -1
    first_ms: int = -1
    absolute: float = 0.0
    squared: float = 0.0


class Learner:
    """Counts what there is to learn from, and starts over in an incident.

    Parameters
    ----------
    plan
        The model, with the profile so far.
    state
        What `state` held when it was stored.
    detectors
        Of the model: one knows which labels stand for all.
    """

    def __init__(
        self, plan: ModelPlan, state: StoredLearning, detectors: Sequence[Detector[Any]] = ()
    ) -> None:
        self._plan = plan
        self._promptness = next((d for d in detectors if isinstance(d, Promptness)), None)
        self.state = state
        learn = plan.settings.learning
        self.wanted = 0 if learn is None else learn.events

    def take_predictions(
        self, window: PredictionWindow, findings: Sequence[Finding], blobs: Sequence[WindowBlob]
    ) -> bool:
        """Take a closed window in; returns whether there is enough now.

        Parameters
        ----------
        blobs
            What is stored of it: a window of which not all predictions were kept is as good as one of an incident.
        """
        state, start_ms = self.state, window.span.start_ms
        is_unfit = _is_incident(findings) or not are_whole(blobs, self._plan.predictions.hash)
        passed = [start_ms] if is_unfit else [at for at in state.incidents if at <= start_ms]
        if passed:
            state.incidents = [at for at in state.incidents if at > start_ms]
            self._start_over(max(passed))
        if start_ms <= state.after_ms or not window.span.n:
            return False
        if state.from_ms < 0:
            state.from_ms = start_ms
        state.events += window.span.n
        return state.events >= self.wanted

    def _start_over(self, after_ms: int) -> None:
        self.state.after_ms = max(after_ms, self.state.after_ms)
        self.state.from_ms, self.state.events = -1, 0

    def take_errors(self, window: ErrorWindow, findings: Sequence[Finding]) -> ReferenceProfile | None:
        """Take a closed window of labels in; returns the profile with its labels once there are enough of them.

        That is as many as predictions are wanted, or what has come in a label horizon. What scores mean is learned apart, from
        labels that stand for all: those that come first may be mostly of one class.
        """
        state, span = self.state, window.span
        if _is_incident(findings) and self._plan.profile is None:
            state.incidents.append(span.start_ms)
        if not state.has_labels:
            self._take_labels(window, findings)
        self._take_scores(window, findings)
        profile = self._plan.profile
        if profile is None or not state.has_labels:
            return None
        found = None
        if not profile.labelled:
            segments = {name: self._read(stored) for name, stored in state.segments.items()}
            found = with_labels(profile, self.labels, segments, positive=self._plan.classes.positive)
        if not self._is_enough(sum(state.scores), state.scores_from_ms, span.end_ms):
            return found
        sums = {"absolute": state.absolute, "squared": state.squared}
        calibrated = with_calibration(found or profile, state.scores, at_ms=span.end_ms, **sums)
        if calibrated is not None:
            state.scores = []
        return calibrated or found

    def _take_scores(self, window: ErrorWindow, findings: Sequence[Finding]) -> None:
        state, span = self.state, window.span
        if not span.n:
            return
        state.first_ms = span.start_ms if state.first_ms < 0 else state.first_ms
        if _is_incident(findings):
            state.scores, state.scores_from_ms = [], -1
            state.absolute = state.squared = 0.0
            return
        stands = self._promptness is not None and self._promptness.holds(window)
        if stands or span.start_ms - state.first_ms >= self._plan.horizon_ms:
            layout, vector = self._plan.errors, window.overall.vector
            cells = vector[layout.outcome_cells].tolist()
            if self._plan.is_regression:
                if sum(cells) != vector[0]:  # counted by a release that had no such cells
                    return
                state.absolute += layout.sum(vector, "absolute")
                state.squared += layout.sum(vector, "squared")
            state.scores_from_ms = span.start_ms if state.scores_from_ms < 0 else state.scores_from_ms
            so_far = state.scores or [0] * len(cells)
            state.scores = [one + other for one, other in zip(so_far, cells, strict=True)]

    def _is_enough(self, n: int, from_ms: int, until_ms: int) -> bool:
        """Return whether so many labels are enough, of which the first came then."""
        waited = until_ms - from_ms >= self._plan.horizon_ms
        return n >= self.wanted or (waited and n >= LABELS_MIN)

    def _take_labels(self, window: ErrorWindow, findings: Sequence[Finding]) -> None:
        state, span = self.state, window.span
        if _is_incident(findings):
            state.labels, state.segments, state.labels_from_ms = b"", {}, -1
        elif span.n:
            state.labels_from_ms = span.start_ms if state.labels_from_ms < 0 else state.labels_from_ms
            merged = self.labels.merge(window.overall)
            for name, summary in window.segments.items():
                if name in state.segments or len(state.segments) < self._plan.settings.max_segments:
                    so_far = self._read(state.segments.get(name, b""))
                    state.segments[name] = encode_summary(so_far.merge(summary))
            state.labels, n = encode_summary(merged), int(merged.vector[0])
            state.has_labels = self._is_enough(n, state.labels_from_ms, span.end_ms)

    @property
    def labels(self) -> Summary[ErrorLayout]:
        """The labels so far."""
        return self._read(self.state.labels)

    def _read(self, stored: bytes) -> Summary[ErrorLayout]:
        layout = self._plan.errors
        return decode_summary(layout, stored) if stored else Summary.empty(layout)

    def profile(self, lines: Sequence[bytes], *, until_ms: int) -> ReferenceProfile | None:
        """Return the profile of the predictions so far; None where none were kept, and learning starts over.

        Parameters
        ----------
        lines
            The kept messages of the windows from `StoredLearning.from_ms` on.
        until_ms
            End of the last of those windows.
        """
        if not lines:
            self._start_over(until_ms - self._plan.window_ms)
            return None
        rows = LearnedRows(self._plan, lines)
        learned = Learned(self.state.events, max(self.state.from_ms, 0), until_ms)
        return learned_profile(self._plan.settings, rows.batches, learned)


def lacks_labels(profile: ReferenceProfile | None) -> bool:
    """Return whether a profile was learned whose labels have not come yet, or not those that calibrate its scores."""
    if profile is None or profile.learned is None:
        return False
    return not profile.learned.labels or (profile.calibration is not None and not profile.calibration.n)


def with_reference(
    finding: Finding, stream: Stream, profile: ReferenceProfile | None, *, again_ms: int = -1
) -> Finding:
    """Return a finding that says so where it compares with what was learned, and not with a user's profile.

    Parameters
    ----------
    again_ms
        Since when the reference is learned once more; every finding says so until there is one. -1 for never.
    """
    if profile is None and again_ms >= 0 and finding.evidence:
        return replace(finding, evidence={**finding.evidence, "learning_again_since": format_time(again_ms)})
    learned = None if profile is None else profile.learned
    if learned is None or not finding.evidence or finding.kind is Kind.VOLUME:
        return finding  # what traffic is usual is learned from the stream in any case
    told: dict[str, JsonValue] = {
        "learned_events": learned.events,
        "learned_from": format_time(learned.from_ms),
        "learned_until": format_time(learned.until_ms),
    }
    if stream is Stream.ERRORS:  # windows by prediction time do not depend on when labels come
        told["learned_labels"] = learned.labels
    return replace(finding, evidence={**finding.evidence, **told})


def _is_incident(findings: Sequence[Finding]) -> bool:
    whole = [f for f in findings if f.segment is None and f.version is None]
    return any(f.verdict is Verdict.BREACH and f.kind in INCIDENTS for f in whole)


class LearnedRows:
    """Kept predictions in one order, whatever partitions they came from.

    Features that few events carry, and names that no feature may have, are left out.
    """

    def __init__(self, plan: ModelPlan, lines: Sequence[bytes]) -> None:
        self._plan = plan
        keys: list[tuple[int, bytes]] = []
        kept: list[bytes] = []
        names: Counter[str] = Counter()
        for columns, own in self._decoded(lines, Interner()):
            keys += zip(columns.time_ms.tolist(), columns.ids, strict=True)
            kept += own
            for line in own:
                names.update(features_of(line).keys())
        order = sorted(range(len(keys)), key=keys.__getitem__)[:ROWS_MAX]
        self._lines = [kept[place] for place in order]
        least = NAME_SHARE_MIN * len(order)
        frequent = sorted(names.items(), key=lambda item: (-item[1], item[0]))[:COLUMNS_MAX]
        self._names = {name for name, n in frequent if n >= least and is_feature(name)}

    def _decoded(
        self, lines: Sequence[bytes], interner: Interner
    ) -> Iterator[tuple[PredictionColumns, list[bytes]]]:
        decoder = BatchDecoder({self._plan.name: self._plan}, interner)
        for first in range(0, len(lines), _BATCH):
            some = lines[first : first + _BATCH]
            columns = decoder.decode(Records(some), _NO_RECORDS).predictions.get(self._plan.name)
            if columns is not None:
                yield columns, [some[place] for place in columns.index.tolist()]

    def batches(self) -> Iterator[RowBatch]:
        """Yield the rows from the first one on."""
        interner = Interner()  # so that which segments are beyond the limit depends on the order alone
        for columns, lines in self._decoded(self._lines, interner):
            batch = row_batch(self._plan, interner.tables, columns, lines)
            features = {name: values for name, values in batch.features.items() if name in self._names}
            yield replace(batch, features=features)
