"""Watchkeeper itself: the product's profile, cells, window summaries, merge and detectors, without Kafka around them.

Settings are the product's defaults but for two: the budget, and `min_effect: 0` where a row asks how small a change can be
found at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from benchmarks.detect.month import Block
from benchmarks.detect.month_watch import Pages
from benchmarks.detect.streams import DAY_MS, Floats, Integers, Kind, Stream
from consumers.cells import CellMap
from consumers.features import RawColumns
from consumers.joint_rows import JointReader
from detectors.detector import ClosedWindow
from detectors.layout import ErrorLayout, PredictionLayout, prediction_layout
from detectors.profile import ReferenceProfile
from detectors.profile_build import ProfileBuilder
from detectors.profile_values import Answers, Numbers, RowBatch
from detectors.registry import detectors_for
from detectors.summary import Summary, SummaryTable
from schemas.finding import Stream as WindowStream
from schemas.finding import Verdict, WindowSpan
from schemas.model_settings import ModelSettings

MODEL: Final = "bench"
EVENTS_PER_BUDGET: Final = 1_000_000
MINUTE_MS: Final = 60_000
PERIOD_MAX_MS: Final = 3_600 * DAY_MS
"""The settings take no longer period; of a longer one the budget is a part of a false alarm."""
RIGHT, WRONG = ("1", "1"), ("0", "1")


@dataclass(frozen=True, slots=True)
class _Named:
    prediction_id: str


class Watch:
    """The product's detectors over closed windows, and what they raise.

    Parameters
    ----------
    settings, profile
        As the product gets them.
    partitions
        Events are dealt out to so many partitions, counted apart and merged.
    """

    def __init__(self, settings: ModelSettings, profile: ReferenceProfile, partitions: int) -> None:
        self._window_ms = settings.window_ms
        self._partitions = partitions
        self._detectors = detectors_for(settings, profile)
        self.layout = prediction_layout(profile)
        self._map = CellMap(self.layout)
        self._joint = JointReader.of(self.layout)
        self._firing: set[tuple[Any, ...]] = set()

    def values(self, times: Integers, raw: RawColumns) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
        """Count events, close their windows in order, and yield each window's end and what it raised."""
        if self._joint is not None:
            raw = replace(raw)
            names = [_Named(str(place)) for place in range(len(times))]
            ids = [name.prediction_id.encode() for name in names]
            self._joint.append(raw, names, ids)  # type: ignore[arg-type]  # of an event it wants the id alone
        cells, moments = self._map.cells(raw), self._map.moments(raw)
        parts = [self._counted(times, cells, moments, part) for part in range(self._partitions)]
        for start in sorted({start for part in parts for start in part}):
            whole = Summary.empty(self.layout)
            for part in parts:
                if start in part:
                    whole = whole.merge(part[start])
            yield start + self._window_ms, self._close(WindowStream.PREDICTIONS, start, whole)

    def _counted(
        self, times: Integers, cells: Integers, moments: Integers, part: int
    ) -> dict[int, Summary[PredictionLayout]]:
        table: SummaryTable[int, PredictionLayout] = SummaryTable(self.layout)
        own = slice(part, None, self._partitions)
        starts, inverse = np.unique(times[own] // self._window_ms * self._window_ms, return_inverse=True)
        rows = np.array([table.row(start) for start in starts.tolist()], dtype=np.intp)[inverse]
        n, width = cells[own].shape
        if not n:
            return {}
        one = np.ones(n * width, dtype=np.int64)
        table.add_counts(np.repeat(rows, width), (cells[own] + PredictionLayout.COLUMNS).ravel(), one)
        for place in (PredictionLayout.EVENTS, PredictionLayout.STATUS):
            table.add_counts(rows, np.full(n, place), one[:n])
        np.add.at(table.matrix[:, self.layout.counts : self.layout.pairs], rows, moments[own])
        return {start: table.get(start) for start in starts.tolist()}

    def errors(self, start: int, n: int, wrong: int) -> list[tuple[Any, ...]]:
        """Close a window of labels that came at once, and return what it raised."""
        layout = ErrorLayout("binary")
        summary = Summary.empty(layout)
        summary.vector[:2], summary.vector[ErrorLayout.LAG] = (n, wrong), n
        summary.pairs.update({pair: count for pair, count in ((RIGHT, n - wrong), (WRONG, wrong)) if count})
        return self._close(WindowStream.ERRORS, start, summary)

    def _close(self, stream: WindowStream, start: int, summary: Summary[Any]) -> list[tuple[Any, ...]]:
        span = WindowSpan(start, start + self._window_ms, int(summary.vector[0]))
        window = ClosedWindow(MODEL, stream, span, summary)
        raised: list[tuple[Any, ...]] = []
        for detector in self._detectors:
            for finding in detector.update(window) if detector.stream is stream else ():
                if finding.evidence_only:
                    continue
                if finding.verdict is Verdict.CLEAR:
                    self._firing.discard(finding.identity)
                elif finding.verdict is Verdict.BREACH and finding.identity not in self._firing:
                    self._firing.add(finding.identity)
                    raised.append(finding.identity)
        return raised


def settings_of(window_ms: int, per_ms: int, *, min_effect: bool, timezone: str = "UTC") -> ModelSettings:
    """Return the settings of a binary model with a budget of one false alarm in so many milliseconds."""
    raw: dict[str, Any] = {
        "name": MODEL,
        "task": "binary",
        "positive_class": "1",
        "window": f"{window_ms}ms",
        "timezone": timezone,
        "false_alarm_budget": {
            "false_alarms": min(PERIOD_MAX_MS / per_ms, 1),
            "per": f"{min(per_ms, PERIOD_MAX_MS)}ms",
        },
        "monitors": {"volume": False, "adwin_features": False, "adwin_errors": False},
    }
    return ModelSettings.model_validate(raw if min_effect else raw | {"min_effect": 0})


def _built(batches: Sequence[RowBatch], timezone: str = "UTC") -> ReferenceProfile:
    builder = ProfileBuilder(MODEL, "binary", positive="1", feature_rules={}, timezone=timezone)
    for batch in batches:
        builder.sample(batch)
    for batch in batches:
        builder.count(batch)
    return builder.finish()


class Watchkeeper:
    """Watchkeeper on one signal, with a budget of one false alarm in a million events.

    Windows hold about a hundred events, as far as a window may be: it divides a day.
    """

    kinds: Final = frozenset[Kind]({"error", "numeric", "category"})

    def __init__(self, *, min_effect: bool = False, partitions: int = 1) -> None:
        parts = f" x{partitions}" if partitions > 1 else ""
        self.name = f"Watchkeeper{' min_effect' if min_effect else ''}{parts}"
        self._min_effect = min_effect
        self._partitions = partitions

    def fit(self, reference: Stream) -> None:
        """Build the reference profile, with its times."""
        gap_ms = float(reference.times[-1] - reference.times[0]) / len(reference)
        window_ms = _window_ms(100 * gap_ms)
        features, answers = _features(reference), Answers()
        if reference.kind == "error":
            predicted = ["0" if wrong else "1" for wrong in reference.values.tolist()]
            answers = Answers(truth=["1"] * len(reference), predicted=predicted)
        zone = reference.timezone
        profile = _built([RowBatch(len(reference), features, answers, reference.times)], zone)
        per_ms = int(EVENTS_PER_BUDGET * gap_ms)
        settings = settings_of(window_ms, per_ms, min_effect=self._min_effect, timezone=zone)
        self._window_ms = window_ms
        self._watch = Watch(settings, profile, self._partitions)

    def alarms(self, stream: Stream) -> Integers:
        """Return the first event behind each window that raised an alarm."""
        ends: list[int] = []
        if stream.kind == "error":
            starts = stream.times // self._window_ms * self._window_ms
            opened, inverse = np.unique(starts, return_inverse=True)
            n, wrong = np.bincount(inverse), np.bincount(inverse, stream.values)
            for start, count, bad in zip(opened.tolist(), n.tolist(), wrong.tolist(), strict=True):
                ends += [start + self._window_ms for _ in self._watch.errors(start, count, int(bad))]
        else:
            for end, raised in self._watch.values(stream.times, _raw(stream)):
                ends += [end for _ in raised]
        places = np.searchsorted(stream.times, np.array(ends, dtype=np.int64))
        return np.minimum(places, len(stream) - 1).astype(np.int64)


def _window_ms(wanted_ms: float) -> int:
    """Return the longest window that divides a day and is not longer than wanted, but a second at least."""
    seconds = max(int(wanted_ms / 1000), 1)
    return next(s for s in range(seconds, 0, -1) if 86_400 % s == 0) * 1_000


def _features(stream: Stream) -> dict[str, Any]:
    if stream.kind == "numeric":
        return {"x": Numbers(stream.values, np.zeros(len(stream), dtype=np.bool_))}
    return {"x": _names(stream)} if stream.kind == "category" else {}


def _names(stream: Stream) -> list[str]:
    return [f"c{code:.0f}" for code in stream.values.tolist()]


def _raw(stream: Stream) -> RawColumns:
    if stream.kind == "numeric":
        return RawColumns(stream.values[:, None], [], [])
    return RawColumns(np.zeros((len(stream), 0)), [], [_names(stream)])


class WatchkeeperMonth:
    """Watchkeeper on a month: windows of a minute, a budget of one false alarm in 30 days."""

    def __init__(self, *, min_effect: bool = False, partitions: int = 1) -> None:
        parts = f" x{partitions}" if partitions > 1 else ""
        self.name = f"Watchkeeper{' min_effect' if min_effect else ''}{parts}"
        self._min_effect, self._partitions = min_effect, partitions
        self._days: dict[int, list[Block]] = {}
        self._watch: Watch | None = None
        self._found: list[tuple[int, int]] = []

    def learn(self, block: Block) -> None:
        """Keep an hour of the reference."""
        self._days.setdefault(int(block.times[0]) // DAY_MS, []).append(block)

    def see(self, block: Block) -> None:
        """Watch an hour."""
        if self._watch is None:
            settings = settings_of(MINUTE_MS, 30 * DAY_MS, min_effect=self._min_effect)
            self._watch = Watch(settings, self.profile(), self._partitions)
            self._days = {}
        values = block.values.astype(np.float64)
        for end, raised in self._watch.values(block.times, RawColumns(values, [], [])):
            self._found += [(end, _place(str(identity[4]))) for identity in raised]

    def profile(self) -> ReferenceProfile:
        """Return the profile of the reference kept so far."""
        return _built([_batch(self._days[day]) for day in sorted(self._days)])

    def pages(self) -> Pages:
        """Return every alarm."""
        times, features = zip(*self._found, strict=True) if self._found else ((), ())
        return Pages(np.array(times, dtype=np.int64), np.array(features, dtype=np.int64))


def _place(feature: str) -> int:
    """Return a feature's place, -1 for figures of all features together."""
    return int(feature[1:]) if feature[1:].isdigit() else -1


def _batch(blocks: Sequence[Block]) -> RowBatch:
    times = np.concatenate([block.times for block in blocks])
    values: Floats = np.concatenate([block.values for block in blocks]).astype(np.float64)
    nothing = np.zeros(len(times), dtype=np.bool_)
    features = {f"f{place:03d}": Numbers(values[:, place], nothing) for place in range(values.shape[1])}
    return RowBatch(len(times), features, Answers(), times)


OURS: Final = (Watchkeeper, lambda: Watchkeeper(min_effect=True), lambda: Watchkeeper(partitions=12))
OURS_MONTH: Final = (WatchkeeperMonth, lambda: WatchkeeperMonth(min_effect=True))
