"""What a signal did before an alert: read again from windows that are closed and still stored.

A closed window never changes, so what is read of it does not depend on when that is. Nothing is kept for it: windows outlive their
evaluation anyway, and alerts are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from consumers.closing import merged
from consumers.learning_rows import is_rows
from consumers.plan import PAIRS, ModelPlan
from consumers.store import Progress
from consumers.window_reader import WindowReader
from consumers.windows import WindowBlob
from detectors.codec import layout_hash_of
from detectors.detector import ClosedWindow
from detectors.series.figure import Figure
from detectors.series.figures import Figures
from detectors.series.of_answers import pair_of
from detectors.series.series import Past, series_of, windows_a_point
from detectors.summary import Summary
from schemas.finding import Finding, JsonValue, Stream, stream_of
from schemas.series import POINTS_MAX

DAY_MS: Final = 86_400_000
_CHUNK: Final = 20
"""Windows that are in memory at once."""

Points = dict[int, Summary[Any]]
_Part = tuple[str | None, str | None, tuple[str, str] | None]
"""Version, segment and pair of versions that an alert is about."""


def kept_ms(length_ms: int) -> int:
    """Return how long windows of a length outlive their evaluation: a day, and longer where that is too few for a picture.

    Never so long that a store may have let them go by itself: those in Redis leave after 14 days.
    """
    return max(DAY_MS, min(POINTS_MAX * length_ms, 12 * DAY_MS))


class PastWindows:
    """Shows what led to the alerts of one closed window.

    Parameters
    ----------
    plan
        The model, with what it is compared with now.
    reader
        Of its windows.
    progress
        What must still be stored when they are read.

    Notes
    -----
    Each part (all traffic, a segment, a version) is read once for each length of points, at most 240 windows, some at a time.
    """

    def __init__(self, plan: ModelPlan, reader: WindowReader, progress: Sequence[Progress]) -> None:
        self._plan, self._reader, self._progress = plan, reader, progress
        self._points: dict[tuple[_Part, Stream, int], Points] = {}

    def show(self, finding: Finding, since_ms: int) -> dict[str, JsonValue] | None:
        """Return the series of what a finding is about, None where there is none (see `detectors.series`).

        Parameters
        ----------
        since_ms
            When it began, as its alert says.

        Raises
        ------
        WentBack
            A partition does not hold any more what has been seen of it.
        """
        plan, stream = self._plan, stream_of(finding.kind, finding.check)
        if stream is Stream.ERRORS and plan.implicit is not None:
            return None  # silence is counted with a cohort, and cohorts go into the past
        figure = self._figures().of(finding) if finding.evidence else None
        if figure is None:
            return None
        end_ms, length_ms = finding.window.end_ms, plan.length_ms(stream)
        size = windows_a_point(since_ms, end_ms, length_ms=length_ms)
        pair = pair_of(finding.evidence) if figure.name == "gain" else None
        part = (None if pair else finding.version, finding.segment, pair)
        points = self._points_of(stream, part, end_ms=end_ms, size=size)
        first_ms = self._first_ms(figure, stream)
        past = Past(
            {start: found for start, found in points.items() if start >= first_ms},
            end_ms=end_ms,
            step_ms=size * length_ms,
            empty=Summary.empty(plan.layout(stream, finding.segment or "")),
        )
        zone = "UTC" if plan.profile is None else plan.profile.timezone
        return series_of(figure, past, since_ms=since_ms, zone=zone)

    def _figures(self) -> Figures:
        plan = self._plan
        return Figures(
            plan.settings,
            plan.profile,
            predictions=plan.predictions,
            errors=plan.errors,
            names=plan.classes,
        )

    def _first_ms(self, figure: Figure, stream: Stream) -> int:
        """Return from when on windows have what a figure is read from."""
        learned = None if self._plan.profile is None else self._plan.profile.learned
        if learned is None or not figure.of_columns or stream is not Stream.PREDICTIONS:
            return 0
        return learned.until_ms

    def _points_of(self, stream: Stream, part: _Part, *, end_ms: int, size: int) -> Points:
        key = part, stream, size
        if key not in self._points:
            self._points[key] = self._read(stream, part, end_ms=end_ms, size=size)
        return self._points[key]

    def _read(self, stream: Stream, part: _Part, *, end_ms: int, size: int) -> Points:
        length_ms = self._plan.length_ms(stream)
        step_ms = size * length_ms
        # Whatever is kept: how much older windows have been let go of depends on when that was done.
        count = min(POINTS_MAX * size, kept_ms(length_ms) // length_ms) // size
        first_ms, found = end_ms - count * step_ms, Points()
        for start_ms in range(first_ms, end_ms, _CHUNK * length_ms):
            until_ms = min(start_ms + _CHUNK * length_ms, end_ms) - length_ms
            windows = self._reader.past(stream, from_ms=start_ms, until_ms=until_ms, progress=self._progress)
            for start, blobs in windows.items():
                own = [blob for blob in blobs if self._is_of(stream, part, blob)]
                summary = _part_of(merged(self._plan, stream, start, own), part) if own else None
                if summary is not None:
                    place = end_ms - -(-(end_ms - start) // step_ms) * step_ms
                    found[place] = found[place].merge(summary) if place in found else summary
        return found

    def _is_of(self, stream: Stream, part: _Part, blob: WindowBlob) -> bool:
        """Return whether a blob is of a part, and counted on the cells of now."""
        version, segment, pair = part
        if is_rows(blob):
            return segment is None and pair is None
        if (blob.segment == PAIRS) != (pair is not None) or (
            pair is None and blob.segment != (segment or "")
        ):
            return False
        if version is not None and blob.version != version:
            return False
        layout = self._plan.layout(stream, blob.segment)
        return self._plan.settings.learning is not None or layout_hash_of(blob.data) == layout.hash


def _part_of(window: ClosedWindow[Any], part: _Part) -> Summary[Any] | None:
    version, segment, pair = part
    if pair is not None:
        return window.pairs.get(pair)
    if segment is not None:
        return window.segments.get(segment)
    return window.overall if version is None else window.versions.get(version)
