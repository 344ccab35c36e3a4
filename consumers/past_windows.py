"""What a signal did before an alert: read again from windows that are closed and still stored.

A closed window never changes, so what is read of it does not depend on when that is. Nothing is kept for it: windows outlive their
evaluation anyway, and alerts are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from consumers.closing import merged
from consumers.learning_rows import is_rows
from consumers.plan import PAIRS, ModelPlan
from consumers.store import Progress
from consumers.window_reader import WindowReader
from consumers.windows import WindowBlob
from detectors.codec import layout_hash_of
from detectors.detector import OTHERS, ClosedWindow
from detectors.reference import Reference
from detectors.series.figure import Figure
from detectors.series.figures import Figures
from detectors.series.of_answers import pair_of
from detectors.series.series import Past, series_of, windows_a_point
from detectors.summary import Summary
from schemas.finding import Finding, JsonValue, Kind, Stream, stream_of
from schemas.series import POINTS_MAX

DAY_MS: Final = 86_400_000
_CHUNK: Final = 20
"""Windows that are in memory at once."""

Points = dict[int, Summary[Any]]
_OF_ALL: Final = frozenset({Kind.VOLUME, Kind.SCHEMA, Kind.VERSION_REGRESSION})
"""Kinds that no reference is needed for."""


class _Part(NamedTuple):
    """What an alert is about: all traffic, a version, a segment, a pair of versions, or the versions of one reference."""

    version: str | None = None
    segment: str | None = None
    pair: tuple[str, str] | None = None
    apart: str | None = None


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
        reference = plan.reference(finding.version)
        figure = self._figures(reference).of(finding) if finding.evidence else None
        if figure is None:
            return None
        end_ms, length_ms = finding.window.end_ms, plan.length_ms(stream)
        size = windows_a_point(since_ms, end_ms, length_ms=length_ms)
        pair = pair_of(finding.evidence) if figure.name == "gain" else None
        part = self._part(finding, pair)
        points = self._points_of(stream, part, end_ms=end_ms, size=size)
        first_ms = self._first_ms(figure, stream)
        layout = plan.layout(stream, finding.segment or "")
        if layout is plan.predictions:
            layout = reference.predictions
        past = Past(
            {start: found for start, found in points.items() if start >= first_ms},
            end_ms=end_ms,
            step_ms=size * length_ms,
            empty=Summary.empty(layout),
        )
        zone = "UTC" if reference.profile is None else reference.profile.timezone
        return series_of(figure, past, since_ms=since_ms, zone=zone)

    def _figures(self, reference: Reference) -> Figures:
        return Figures(
            self._plan.settings,
            reference.profile,
            predictions=reference.predictions,
            errors=reference.errors,
            names=self._plan.classes,
        )

    def _part(self, finding: Finding, pair: tuple[str, str] | None) -> _Part:
        plan, version = self._plan, finding.version
        is_of_all = pair is not None or finding.kind in _OF_ALL
        if not plan.versions or is_of_all or stream_of(finding.kind, finding.check) is Stream.LABELS:
            return _Part(None if pair else version, finding.segment, pair)
        return _Part(version, finding.segment, None, OTHERS if version is None else plan.set_apart(version))

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
                summary = self._part_of(merged(self._plan, stream, start, own), part) if own else None
                if summary is not None:
                    place = end_ms - -(-(end_ms - start) // step_ms) * step_ms
                    found[place] = found[place].merge(summary) if place in found else summary
        return found

    def _is_of(self, stream: Stream, part: _Part, blob: WindowBlob) -> bool:
        """Return whether a blob is of a part, and counted on the cells of now."""
        version, segment, pair, apart = part
        if is_rows(blob):
            return segment is None and pair is None
        if apart is not None and self._plan.set_apart(blob.version) != apart:
            return False
        if (blob.segment == PAIRS) != (pair is not None) or (
            pair is None and blob.segment != (segment or "")
        ):
            return False
        if version is not None and blob.version != version:
            return False
        layout = self._plan.layout(stream, blob.segment)
        return self._plan.settings.learning is not None or layout_hash_of(blob.data) == layout.hash

    def _part_of(self, window: ClosedWindow[Any], part: _Part) -> Summary[Any] | None:
        if part.pair is not None:
            return window.pairs.get(part.pair)
        own = window if part.apart is None else window.apart[part.apart]
        if part.segment is not None:
            return own.segments.get(part.segment)
        is_all = part.version is None or part.version in self._plan.versions
        return own.overall if is_all else own.versions.get(part.version or "")
