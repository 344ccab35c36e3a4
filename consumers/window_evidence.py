"""What windows before an alert's add to its evidence: what the signal did, and what is expected of which part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from consumers.closing import merged
from consumers.learning_rows import is_rows
from consumers.past_windows import PastWindows, kept_ms
from consumers.plan import ModelPlan
from consumers.store import Progress
from consumers.window_reader import WindowReader
from consumers.windows import WindowBlob
from detectors.betting.estimates import EstimateCheck
from detectors.codec import decode_counts
from detectors.detector import Detector
from detectors.estimation.parts import Part, PartEstimate, estimated_parts
from schemas.clock import format_time
from schemas.estimated_parts import SEGMENTS_MAX, VERSIONS_MAX
from schemas.finding import Finding, JsonValue, Kind, Stream, Verdict, stream_of

WINDOWS_MAX: Final = 48
"""Answers of so many windows are told of at most, the newest ones: whatever is kept of them, and read in a second."""
_CHUNK: Final = 8
"""Windows that are in memory at once."""
_KINDS: Final = frozenset({Kind.PERFORMANCE, Kind.ESTIMATED_PERFORMANCE})

Counts = npt.NDArray[np.int64]


class WindowEvidence:
    """Adds to the evidence of the alerts of one closed window.

    Parameters
    ----------
    plan
        The model, with what it is compared with now.
    reader
        Of its windows.
    progress
        What must still be stored when they are read.
    detectors
        Of the model: one knows whether labels bear estimates out.
    """

    def __init__(
        self,
        plan: ModelPlan,
        reader: WindowReader,
        progress: Sequence[Progress],
        detectors: Sequence[Detector[Any]],
    ) -> None:
        self._plan, self._reader, self._progress = plan, reader, progress
        self._past = PastWindows(plan, reader, progress)
        self._check = next((d for d in detectors if isinstance(d, EstimateCheck)), None)

    def show(self, finding: Finding, since_ms: int) -> dict[str, JsonValue] | None:
        """Return `series` and `estimated_parts` as far as there are any; see `schemas.finding.Show`.

        Raises
        ------
        WentBack
            A partition does not hold any more what has been seen of it.
        """
        series = self._past.show(finding, since_ms)
        found: dict[str, JsonValue] = {} if series is None else {"series": series}
        # Where versions have profiles of their own, one calibration does not speak for all.
        whole = finding.version is None and finding.segment is None and not self._plan.versions
        if finding.kind in _KINDS and whole and finding.verdict is Verdict.BREACH and finding.evidence:
            parts = self._estimated(finding, since_ms)
            if parts is not None:
                found["estimated_parts"] = parts
        return found or None

    def _estimated(self, finding: Finding, since_ms: int) -> dict[str, JsonValue] | None:
        """Return what is expected of parts, from their answers since the trouble began; None with less than two of them."""
        calibration = None if self._plan.profile is None else self._plan.profile.calibration
        layout = self._plan.predictions.answers
        if calibration is None or layout is None:
            return None
        length_ms, end_ms = self._plan.window_ms, finding.window.end_ms
        kept = min(
            WINDOWS_MAX, kept_ms(length_ms) // length_ms // 2
        )  # predictions may be read ahead of labels
        start_ms = max(since_ms // length_ms * length_ms, end_ms - kept * length_ms)
        found = estimated_parts(calibration, layout, self._answers(start_ms, end_ms))
        if found is None:
            return None
        segments = found.worst("segment")[:SEGMENTS_MAX]
        versions = sorted(found.worst("version"), key=lambda one: -one.n)[:VERSIONS_MAX]
        rows = [*segments, *(versions if len(versions) > 1 else [])]
        if not rows:
            return None
        return {
            "metric": found.metric,
            "usual": found.usual,
            "value": found.value,
            "n": found.n,
            "start": format_time(start_ms),
            "rows": [self._row(one, finding) for one in rows],
        }

    def _answers(self, start_ms: int, end_ms: int) -> dict[Part, Counts]:
        """Return the answers of each part in the windows between two times."""
        found: dict[Part, Counts] = {}
        length_ms = self._plan.window_ms
        for first_ms in range(start_ms, end_ms, _CHUNK * length_ms):
            until_ms = min(first_ms + _CHUNK * length_ms, end_ms) - length_ms
            windows = self._reader.past(
                Stream.PREDICTIONS, from_ms=first_ms, until_ms=until_ms, progress=self._progress
            )
            for start, blobs in windows.items():
                for part, cells in self._of_window(start, blobs):
                    found[part] = found[part] + cells if part in found else cells
        return found

    def _of_window(self, start: int, blobs: Sequence[WindowBlob]) -> Iterator[tuple[Part, Counts]]:
        plan, stream = self._plan, Stream.PREDICTIONS
        if any(map(is_rows, blobs)):  # counted before the reference was known
            whole = [blob for blob in blobs if is_rows(blob) or not blob.segment]
            for name, summary in merged(plan, stream, start, whole).versions.items():
                yield ("version", name), summary.vector[plan.predictions.answer_cells]
            blobs = [blob for blob in blobs if blob.segment and not is_rows(blob)]
        for blob in blobs:
            layout = plan.service if blob.segment else plan.predictions
            part: Part = ("segment", blob.segment) if blob.segment else ("version", blob.version)
            yield part, decode_counts(layout, blob.data, layout.answer_cells)

    def _row(self, one: PartEstimate, finding: Finding) -> dict[str, JsonValue]:
        kind, name = one.part
        is_of_labels = stream_of(finding.kind, finding.check) is Stream.ERRORS
        reliable = None
        if self._check is not None:
            at_ms = finding.window.end_ms if is_of_labels else finding.window.start_ms
            reliable = self._check.holds(one.part, at_ms, at_once=is_of_labels)
        return {
            kind: name,
            "n": one.n,
            "value": one.estimate.value,
            "low": one.estimate.low,
            "high": one.estimate.high,
            "contribution": one.contribution,
            "reliable": reliable,
        }
