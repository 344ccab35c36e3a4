"""What `watchkeeper profile` says: the summary of a new profile, and what differs between two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from alerts.plain_text import plain, short
from detectors.joint import Joint
from detectors.profile import OUTPUT_PREFIX, NumericColumn, ReferenceProfile, is_feature
from detectors.profile_compare import ColumnChange, ProfileChange, SegmentChange

_CLASSES_SHOWN = 10
_SEGMENTS_SHOWN = 5


def summary(profile: ReferenceProfile, warnings: Sequence[str], *, source: str, written: str) -> list[str]:
    """Return the lines that tell a person what was built."""
    features = [column for column in profile.columns if is_feature(column.name)]
    numeric = sum(isinstance(column, NumericColumn) for column in features)
    names = [column.name for column in profile.columns if column.name.startswith(OUTPUT_PREFIX)]
    outputs = [name.removeprefix(OUTPUT_PREFIX) for name in names]
    lines = [
        f"Reference profile of {profile.model} ({profile.task}) from {source}",
        f"rows      {profile.n:,}, {_with_truth(profile)}",
        f"features  {len(features):,}: {numeric:,} numeric, {len(features) - numeric:,} categorical",
        f"together  {_together(profile.joint)}",
        f"outputs   {', '.join(outputs) or 'none'}",
    ]
    if profile.classes:
        more = len(profile.classes) - _CLASSES_SHOWN
        shown = ", ".join(short(name) for name in profile.classes[:_CLASSES_SHOWN])
        lines.append(f"classes   {shown}{f' and {more} more' if more > 0 else ''}")
    if profile.metrics:
        lines.append(
            f"metrics   {', '.join(f'{name} {value:.6g}' for name, value in profile.metrics.items())}"
        )
    if profile.calibration is not None and profile.calibration.n:
        lines.append(f"estimates from {profile.calibration.n:,} labelled answers, before labels come")
    if profile.segments:
        more = len(profile.segments) - _SEGMENTS_SHOWN
        shares = [(name, found.rows / profile.n) for name, found in profile.segments.items()]
        shown = ", ".join(f"{short(name)} {_percent(share)}" for name, share in shares[:_SEGMENTS_SHOWN])
        lines.append(f"segments  {shown}{f' and {more} more' if more > 0 else ''}")
    lines += [f"warning   {text}" for text in warnings]
    lines += [f"written   {written}", f"hash      {profile.content_hash}"]
    return [plain(line) for line in lines]


def _with_truth(profile: ReferenceProfile) -> str:
    if profile.learned is None:
        return f"of which {profile.labelled:,} with ground truth"
    return f"learned from {profile.learned.events:,} events and {profile.learned.labels:,} labels"


def _together(joint: Joint | None) -> str:
    if joint is None:
        return "not looked at: that takes two numeric features that vary, and 100 rows"
    return f"{len(joint.features)} numeric features; {joint.leading} components explain 90 % of them"


def summary_json(profile: ReferenceProfile, warnings: Sequence[str], *, written: str) -> dict[str, Any]:
    """Return the same for machines."""
    return {
        "model": profile.model,
        "task": profile.task,
        "rows": profile.n,
        "labelled": profile.labelled,
        "columns": {column.name: column.type for column in profile.columns},
        "classes": list(profile.classes),
        "metrics": dict(profile.metrics),
        "calibrated": 0 if profile.calibration is None else profile.calibration.n,
        "segments": {name: found.rows for name, found in profile.segments.items()},
        "warnings": list(warnings),
        "path": written,
        "hash": profile.content_hash,
        "binning_hash": profile.binning_hash,
    }


def change_json(change: ProfileChange) -> dict[str, Any]:
    """Return what differs, for machines; pairs are lists of two."""
    return asdict(change)


def change_lines(change: ProfileChange) -> list[str]:
    """Return what differs, for people: one line per thing."""
    lines = [
        f"{what}: {_moved(*pair)}"
        for what, pair in (("model", change.models), ("task", change.tasks))
        if pair[0] != pair[1]
    ]
    lines += [
        f"{what}: {pair[0]:,} -> {pair[1]:,}"
        for what, pair in (("rows", change.rows), ("rows with ground truth", change.labelled))
        if pair[0] != pair[1]
    ]
    lines += [
        f"{what}: {', '.join(names)}"
        for what, names in (
            ("columns added", change.added),
            ("columns removed", change.removed),
            ("segments added", change.segments_added),
            ("segments removed", change.segments_removed),
        )
        if names
    ]
    lines += [f"{column.name}: {'; '.join(_column_parts(column))}" for column in change.columns]
    before, after = change.classes
    if set(before) != set(after):
        lines.append(f"classes: {_moved(', '.join(before) or 'none', ', '.join(after) or 'none')}")
    lines += [f"{name}: {_moved(*map(_number, pair))}" for name, pair in change.metrics.items()]
    lines += [f"segment {segment.name}: {'; '.join(_segment_parts(segment))}" for segment in change.segments]
    if change.equal_columns or not lines:
        lines.append(_equal(change.equal_columns, all_equal=not lines))
    return [plain(line) for line in lines]


def _equal(columns: int, *, all_equal: bool) -> str:
    noun = "column" if columns == 1 else "columns"
    return f"no difference in {'all ' if all_equal else ''}{columns:,} {noun}"


def _column_parts(column: ColumnChange) -> Iterator[str]:
    if column.types[0] != column.types[1]:
        yield f"type {_moved(*column.types)}"
    if column.psi is not None:
        yield f"PSI {column.psi:.3f}"
    if column.medians is not None and column.medians[0] != column.medians[1]:
        yield f"median {_moved(*map(_number, column.medians))}"
    if column.category is not None and column.shares is not None and column.shares[0] != column.shares[1]:
        yield f"{short(column.category)} {_moved(*map(_percent, column.shares))}"
    for what, pair in (("missing", column.missing), ("invalid", column.invalid)):
        if pair[0] != pair[1]:
            yield f"{what} {_moved(*map(_percent, pair))}"


def _segment_parts(segment: SegmentChange) -> Iterator[str]:
    yield f"share of rows {_moved(*map(_percent, segment.rows))}"
    for name, pair in segment.metrics.items():
        if pair[0] != pair[1]:
            yield f"{name} {_moved(*map(_number, pair))}"
    if segment.latency_ms is not None and segment.latency_ms[0] != segment.latency_ms[1]:
        yield f"median latency {_moved(*map(_number, segment.latency_ms))} ms"


def _moved(before: str, after: str) -> str:
    return f"{before} -> {after}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
