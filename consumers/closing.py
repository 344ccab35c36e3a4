"""A closed window: what the partitions counted, merged, and what is kept of it for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from consumers.columns import Records
from consumers.decode import BatchDecoder
from consumers.interning import Interner
from consumers.learning_rows import is_rows, rows_of
from consumers.pair_events import versions_of
from consumers.plan import DUE, PAIRS, ModelPlan
from consumers.windows import ModelWindows, WindowBlob
from detectors.detector import FALLBACK_SUFFIX, OTHERS, ClosedWindow
from detectors.layout import PredictionLayout
from detectors.metrics import metrics_of
from detectors.reference import on_own_scale
from detectors.summary import Summary
from schemas.finding import Stream, WindowSpan

_SEGMENT: Final = "="
"""Stands for all segments: they are counted on the same."""


class ClosedRecord(msgspec.Struct, kw_only=True):
    """What is kept of a closed window for people: history, status and the replay report.

    Parameters
    ----------
    profile
        First digits of the hash of the profile that it was compared with, empty for none.
    learning
        While the model learns its reference: predictions so far, and how many it takes.
    """

    model: str
    stream: str
    start_ms: int
    end_ms: int
    n: int
    versions: dict[str, int]
    metrics: dict[str, dict[str, float]]
    findings: int
    profile: str = ""
    learning: tuple[int, int] | None = None


def is_only_due(blobs: Sequence[WindowBlob]) -> bool:
    """Return whether nothing came in a window, and it only holds what falls due by then."""
    return all(blob.segment == DUE for blob in blobs)


def merged(plan: ModelPlan, stream: Stream, start: int, blobs: Sequence[WindowBlob]) -> ClosedWindow[Any]:
    """Return a window of all partitions: over all versions, by version, by segment and by pair of versions, and what falls due in it.

    Where versions have references of their own, it holds them apart too.
    """
    columns = _columns_of_rows(plan, blobs)
    window = _added(plan, stream, start, blobs, columns)
    if not plan.versions or stream is Stream.LABELS:
        return window
    apart = {}
    for name in (OTHERS, *plan.versions):
        own = [b for b in blobs if b.segment not in (PAIRS, DUE) and plan.set_apart(b.version) == name]
        found = _added(
            plan, stream, start, own, {v: s for v, s in columns.items() if plan.set_apart(v) == name}
        )
        if name != OTHERS and stream is Stream.PREDICTIONS:
            found = _on_own_scale(found, plan.versions[name].predictions)
        apart[name] = replace(found, whole=window)
    return replace(window, apart=apart)


def _on_own_scale(window: ClosedWindow[Any], layout: PredictionLayout) -> ClosedWindow[Any]:
    versions = {name: on_own_scale(summary, layout) for name, summary in window.versions.items()}
    return replace(window, overall=on_own_scale(window.overall, layout), versions=versions)


def _added(
    plan: ModelPlan,
    stream: Stream,
    start: int,
    blobs: Sequence[WindowBlob],
    columns: Mapping[str, Summary[PredictionLayout]],
) -> ClosedWindow[Any]:
    """Return what is stored of a window, added up; `columns` are those of predictions that were kept whole, by version."""
    counted: dict[str, list[tuple[str, bytes]]] = {"": [], _SEGMENT: [], PAIRS: [], DUE: []}
    for blob in blobs:
        if is_rows(blob) or (blob.segment == DUE and plan.split is None):
            continue
        if blob.segment in counted:
            counted[blob.segment].append((blob.version, blob.data))
        elif not blob.version.endswith(FALLBACK_SUFFIX):
            counted[_SEGMENT].append((blob.segment, blob.data))
    versions, segments, pairs, due = (plan.windows(stream, *kind) for kind in counted.items())
    overall: Summary[Any] = Summary.empty(plan.layout(stream, ""))
    for version, summary in versions.items():
        if not version.endswith(FALLBACK_SUFFIX):
            overall = overall.merge(summary)
    for version, summary in columns.items():
        versions[version] = versions[version].merge(summary) if version in versions else summary
        overall = overall.merge(summary)
    span = WindowSpan(start, start + plan.length_ms(stream), int(overall.vector[0]))
    return ClosedWindow(
        plan.name,
        stream,
        span,
        overall,
        dict(sorted(versions.items())),
        dict(sorted(segments.items())),
        {both: pairs[name] for both, name in sorted((versions_of(name), name) for name in pairs)},
        dict(sorted(due.items())),
    )


def _columns_of_rows(plan: ModelPlan, blobs: Sequence[WindowBlob]) -> Mapping[str, Summary[PredictionLayout]]:
    """Return the columns, by version, of predictions that were counted before the reference was known."""
    kept = [blob for blob in blobs if is_rows(blob)]
    if not kept or plan.profile is None:
        return {}
    interner = Interner()
    lines = list(rows_of(kept))
    decoded = BatchDecoder({plan.name: plan}, interner).decode(Records(lines), Records([]))
    columns = decoded.predictions.get(plan.name)
    if columns is None:
        return {}
    windows = ModelWindows(plan, interner.tables)
    windows.add_predictions(columns)
    found: dict[str, Summary[PredictionLayout]] = {}
    for key in windows.predictions.keys():  # noqa: SIM118 - not a mapping
        summary = windows.predictions.get(key)
        summary.vector[: PredictionLayout.COLUMNS] = 0  # these the partition has counted
        found[key[1]] = summary
    return found


def record_of(plan: ModelPlan, window: ClosedWindow[Any], findings: int) -> ClosedRecord:
    """Return what is kept of a window."""
    metrics: dict[str, dict[str, float]] = {}
    if window.stream is Stream.ERRORS:
        positive, costs = plan.classes.positive, plan.settings.costs
        metrics = {v: metrics_of(s, positive=positive, costs=costs) for v, s in window.versions.items()}
    return ClosedRecord(
        model=window.model,
        stream=window.stream.value,
        start_ms=window.span.start_ms,
        end_ms=window.span.end_ms,
        n=window.span.n,
        versions={v: int(s.vector[0]) for v, s in window.versions.items()},
        metrics=metrics,
        findings=findings,
        profile=plan.compared_with.get(window.stream, ""),
    )
