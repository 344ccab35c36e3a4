"""What differs between two reference profiles of a model.

The distance of two columns is the population stability index of their values; missing and invalid ones are
apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.distances import psi
from detectors.profile import JOINT_COLUMNS, CategoricalColumn, Column, NumericColumn, ReferenceProfile
from detectors.profile_values import Floats
from detectors.segments import SegmentReference
from detectors.sketch import LATENCY_MS

GROUPS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """One column in both profiles; pairs are (in a, in b).

    Parameters
    ----------
    psi
        Distance of the values; None where the types differ or one has no values.
    medians
        Of a number.
    category, shares
        The category whose share of the values moved most.
    missing, invalid
        Shares of all rows.
    """

    name: str
    types: tuple[str, str]
    psi: float | None
    medians: tuple[float, float] | None
    category: str | None
    shares: tuple[float, float] | None
    missing: tuple[float, float]
    invalid: tuple[float, float]


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """One segment in both profiles; pairs are (in a, in b).

    Parameters
    ----------
    rows
        Shares of all rows.
    metrics
        By name, where both have it.
    latency_ms
        Medians; None where either has no latencies.
    """

    name: str
    rows: tuple[float, float]
    metrics: Mapping[str, tuple[float, float]]
    latency_ms: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """What differs between profiles a and b.

    Parameters
    ----------
    columns
        Those of both profiles, first those without a distance, then the farthest; equal ones are only
        counted, in `equal_columns`.
    metrics
        By name, (in a, in b), where they differ; None for a profile that lacks one.
    segments, segments_added, segments_removed
        Those of both profiles that differ, and those of one alone.
    """

    models: tuple[str, str]
    tasks: tuple[str, str]
    rows: tuple[int, int]
    labelled: tuple[int, int]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    columns: tuple[ColumnChange, ...]
    equal_columns: int
    classes: tuple[tuple[str, ...], tuple[str, ...]]
    metrics: Mapping[str, tuple[float | None, float | None]]
    segments: tuple[SegmentChange, ...]
    segments_added: tuple[str, ...]
    segments_removed: tuple[str, ...]


def compare(a: ReferenceProfile, b: ReferenceProfile) -> ProfileChange:
    """Return what differs between two profiles; each has figures of its features together on a scale of its own."""
    in_a, in_b = (
        {column.name: column for column in profile.columns if column.name not in JOINT_COLUMNS}
        for profile in (a, b)
    )
    common = [name for name in in_a if name in in_b]
    changes = [_column_change(in_a[name], in_b[name]) for name in common if in_a[name] != in_b[name]]
    changes.sort(key=lambda change: (change.psi is not None, -(change.psi or 0.0), change.name))
    names = [*a.metrics, *(name for name in b.metrics if name not in a.metrics)]
    return ProfileChange(
        models=(a.model, b.model),
        tasks=(a.task, b.task),
        rows=(a.n, b.n),
        labelled=(a.labelled, b.labelled),
        added=tuple(name for name in in_b if name not in in_a),
        removed=tuple(name for name in in_a if name not in in_b),
        columns=tuple(changes),
        equal_columns=len(common) - len(changes),
        classes=(a.classes, b.classes),
        metrics={
            name: (a.metrics.get(name), b.metrics.get(name))
            for name in names
            if a.metrics.get(name) != b.metrics.get(name)
        },
        segments=_segment_changes(a, b),
        segments_added=tuple(name for name in b.segments if name not in a.segments),
        segments_removed=tuple(name for name in a.segments if name not in b.segments),
    )


def _segment_changes(a: ReferenceProfile, b: ReferenceProfile) -> tuple[SegmentChange, ...]:
    found: list[SegmentChange] = []
    for name, before in a.segments.items():
        after = b.segments.get(name)
        if after is None or before == after:
            continue
        both = [metric for metric in before.metrics if metric in after.metrics]
        medians = _median_ms(before), _median_ms(after)
        found.append(
            SegmentChange(
                name,
                rows=(_share(before.rows, a.n), _share(after.rows, b.n)),
                metrics={metric: (before.metrics[metric], after.metrics[metric]) for metric in both},
                latency_ms=None if medians[0] is None or medians[1] is None else (medians[0], medians[1]),
            )
        )
    return tuple(found)


def _median_ms(segment: SegmentReference) -> float | None:
    counts = np.zeros(LATENCY_MS.size, dtype=np.int64)
    for cell, rows in segment.latency:
        counts[cell] = rows
    return LATENCY_MS.quantile(counts, 0.5)


def _column_change(a: Column, b: Column) -> ColumnChange:
    distance = medians = category = shares = None
    if isinstance(a, NumericColumn) and isinstance(b, NumericColumn):
        medians = (a.median, b.median)
        distance = _numeric_psi(a, b)
    elif isinstance(a, CategoricalColumn) and isinstance(b, CategoricalColumn):
        distance, category, shares = _category_change(a, b)
    return ColumnChange(
        name=a.name,
        types=(a.type, b.type),
        psi=distance,
        medians=medians,
        category=category,
        shares=shares,
        missing=(_share(a.missing, a.n), _share(b.missing, b.n)),
        invalid=(_share(a.invalid, a.n), _share(b.invalid, b.n)),
    )


def _numeric_psi(a: NumericColumn, b: NumericColumn) -> float | None:
    n_a, n_b = sum(a.counts), sum(b.counts)
    if not n_a or not n_b:
        return None
    edges = _common_edges(a, b)
    return _psi(_rows_between(a, edges), _rows_between(b, edges))


def _common_edges(a: NumericColumn, b: NumericColumn) -> Floats:
    """Return up to nine edges that both columns can be counted on.

    Edges that both have are exact, as for numbers that take few values. Without enough of them the edges
    are those of `a`, and `b` is interpolated within its bins.
    """
    common = sorted({*a.edges} & {*b.edges})
    edges: Floats = np.array(common if 2 * len(common) >= min(len(a.edges), len(b.edges)) else a.edges)
    if len(edges) < GROUPS_MAX:
        return edges
    below = np.cumsum(a.counts)[np.searchsorted(np.array(a.edges), edges)] / sum(a.counts)
    wanted = np.arange(1, GROUPS_MAX) / GROUPS_MAX
    places = np.unique(np.minimum(np.searchsorted(below, wanted), len(edges) - 1))
    return np.take(edges, places)


def _rows_between(column: NumericColumn, edges: Floats) -> Floats:
    """Return the column's rows in each group that the edges make, whole where its own edges are used."""
    own = np.array(column.edges)
    below = np.cumsum(column.counts)[: len(own)].astype(np.float64)
    inside = (column.low < own[0], column.high > own[-1]) if len(own) else (True, True)
    points = np.concatenate([[column.low] if inside[0] else [], own, [column.high] if inside[1] else []])
    n = float(sum(column.counts))
    heights = np.concatenate([[0.0] if inside[0] else [], below, [n] if inside[1] else []])
    return np.diff(np.interp(edges, points, heights, left=0.0, right=n), prepend=0.0, append=n)


def _category_change(
    a: CategoricalColumn, b: CategoricalColumn
) -> tuple[float | None, str | None, tuple[float, float] | None]:
    n_a, n_b = (sum(column.counts) + column.other for column in (a, b))
    if not n_a or not n_b:
        return None, None, None
    in_a, in_b = (dict(zip(column.categories, column.counts, strict=True)) for column in (a, b))
    names = sorted({*in_a} | {*in_b})
    rows_a, rows_b = ([found.get(name, 0) for name in names] for found in (in_a, in_b))
    distance = _psi(
        np.array([*rows_a, a.other], dtype=np.float64), np.array([*rows_b, b.other], dtype=np.float64)
    )
    moved = [abs(y / n_b - x / n_a) for x, y in zip(rows_a, rows_b, strict=True)]
    if not names:
        return distance, None, None
    place = int(np.argmax(moved))
    return distance, names[place], (rows_a[place] / n_a, rows_b[place] / n_b)


def _psi(rows_a: Floats, rows_b: Floats) -> float:
    used = (rows_a > 0) | (rows_b > 0)
    return float(psi(rows_b[used], rows_a[used], np.zeros(1, dtype=np.intp))[0])


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
