"""Builders of profiles, window summaries and closed windows, counted value by value, without `consumers`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from detectors.classes import NEGATIVE
from detectors.detector import ClosedWindow, ErrorWindow, PredictionWindow
from detectors.exact import limbs
from detectors.layout import (
    MOMENT_SCALE,
    SQUARE_SCALE,
    ColumnCells,
    ErrorLayout,
    PredictionLayout,
)
from detectors.profile import CategoricalColumn, Column, NumericColumn, ReferenceProfile
from detectors.summary import Summary
from schemas.finding import Stream, WindowSpan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MINUTE_MS: Final = 60_000
NOON_MS: Final = 1_793_534_400_000
"""2026-11-01 12:00 UTC: the start of window 0."""

INVALID: Final = object()
"""Stands for a value of a wrong type; None is a missing one."""

Values: TypeAlias = "Sequence[object] | np.ndarray[Any, Any]"
ErrorSummary: TypeAlias = Summary[ErrorLayout]


def numeric_column(name: str, values: Values, *, bins: int = 64) -> NumericColumn:
    """Return the column of numbers, None and INVALID."""
    present = np.sort(np.array([v for v in values if isinstance(v, int | float)], dtype=np.float64))
    edges = np.unique(np.quantile(present, np.arange(1, bins) / bins)) if len(present) else np.zeros(0)
    counts = np.bincount(np.searchsorted(edges, present), minlength=len(edges) + 1)
    some = present if len(present) else np.zeros(1)
    return NumericColumn(
        name=name,
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        mean=float(some.mean()),
        sd=float(some.std()),
        low=float(some[0]),
        high=float(some[-1]),
        median=float(np.median(some)),
        missing=sum(v is None for v in values),
        invalid=sum(v is INVALID for v in values),
    )


def categorical_column(name: str, values: Values) -> CategoricalColumn:
    """Return the column of texts, None and INVALID, most frequent first."""
    present = [v for v in values if isinstance(v, str)]
    counts = {v: present.count(v) for v in sorted(set(present))}
    ranked = sorted(counts, key=lambda v: (-counts[v], v))
    return CategoricalColumn(
        name=name,
        categories=tuple(ranked),
        counts=tuple(counts[v] for v in ranked),
        missing=sum(v is None for v in values),
        invalid=sum(v is INVALID for v in values),
    )


def column_of(name: str, values: Values) -> Column:
    if any(isinstance(v, str) for v in values):
        return categorical_column(name, values)
    return numeric_column(name, values)


def profile_of(columns: Mapping[str, Values], **fields: Any) -> ReferenceProfile:
    """Return the profile of rows given column by column; `fields` are those of the profile itself."""
    n = max((len(values) for values in columns.values()), default=0)
    built = tuple(column_of(name, values) for name, values in columns.items())
    plain: dict[str, Any] = {"model": "fraud", "task": "binary", "n": n, "columns": built}
    return ReferenceProfile(**(plain | fields))


def predictions(
    layout: PredictionLayout, columns: Mapping[str, Values], *, fallback: int = 0, error: int = 0, ok: int = 0
) -> Summary[PredictionLayout]:
    """Return the summary of events; `fallback`, `error` and `ok` are further ones that lack every value."""
    summary = Summary.empty(layout)
    valued = max((len(values) for values in columns.values()), default=0)
    n = valued + ok + fallback + error
    summary.vector[PredictionLayout.EVENTS] = n
    summary.vector[PredictionLayout.STATUS : PredictionLayout.LATENCY] = valued + ok, fallback, error
    for cells in layout.columns:
        values = list(columns.get(cells.column.name, []))
        values += [None] * (n - len(values))
        np.add.at(summary.vector, [PredictionLayout.COLUMNS + _cell(cells, v) for v in values], 1)
    for place, cells in enumerate(layout.numeric):
        sums = _moments(cells.column, columns.get(cells.column.name, []))
        summary.vector[[layout.counts + place, layout.counts + len(layout.numeric) + place]] = sums
    return summary


def _cell(cells: ColumnCells, value: object) -> int:
    column = cells.column
    if value is None:
        return cells.missing
    if isinstance(column, NumericColumn):
        if not isinstance(value, int | float) or not math.isfinite(value):
            return cells.invalid
        return cells.offset + int(np.searchsorted(np.array(column.edges), value))
    if not isinstance(value, str):
        return cells.invalid
    place = column.categories.index(value) if value in column.categories else len(column.categories)
    return cells.offset + place


def _moments(column: Column, values: Values) -> list[int]:
    assert isinstance(column, NumericColumn)
    known = np.array([v for v in values if isinstance(v, int | float) and math.isfinite(v)], dtype=np.float64)
    standard = (known - column.mean) / (column.sd if column.sd > 0 else 1.0)
    return [int(np.rint(standard * MOMENT_SCALE).sum()), int(np.rint(standard**2 * SQUARE_SCALE).sum())]


def classified(
    predicted: Sequence[str],
    true: Sequence[str],
    scores: Sequence[float] | np.ndarray[Any, Any] | None = None,
    *,
    positive: str | None = None,
    bins: int = 128,
) -> ErrorSummary:
    """Return the error summary of answers and truths; a positive class makes the task binary."""
    layout = ErrorLayout("multiclass" if positive is None else "binary", bins)
    summary = Summary.empty(layout)
    right = [p == t or (p == NEGATIVE and t != positive) for p, t in zip(predicted, true, strict=True)]
    summary.vector[:2] = len(true), len(true) - sum(right)
    for pair in zip(predicted, true, strict=True):
        summary.pairs[pair] = summary.pairs.get(pair, 0) + 1
    if scores is not None:
        hit = np.array(right if positive is None else [t == positive for t in true])
        _add_scores(summary, np.asarray(scores, dtype=np.float64), hit)
    return summary


def _add_scores(summary: ErrorSummary, scores: np.ndarray[Any, Any], hit: np.ndarray[Any, Any]) -> None:
    layout = summary.layout
    known = ~np.isnan(scores)
    scores, hit = scores[known], hit[known]
    summary.vector[2] = len(scores)
    cell = np.minimum((scores * layout.score_bins).astype(np.int64), layout.score_bins - 1)
    np.add.at(summary.vector, ErrorLayout.SCORES + hit * layout.score_bins + cell, 1)
    likelihood = np.clip(np.where(hit, scores, 1 - scores), 1e-15, 1 - 1e-15)
    _add_sums(summary, [-np.log(likelihood), (scores - hit) ** 2, scores])


def regressed(predicted: Sequence[float], true: Sequence[float]) -> ErrorSummary:
    """Return the error summary of predicted and true numbers."""
    summary = Summary.empty(ErrorLayout("regression"))
    said, truth = np.array(predicted, dtype=np.float64), np.array(true, dtype=np.float64)
    error = said - truth
    summary.vector[:4] = len(truth), 0, len(truth), np.count_nonzero(truth)
    some = np.where(truth == 0, 1, truth)
    size = np.abs(said) + np.abs(truth)
    ape = np.where(truth == 0, 0, np.abs(error / some))
    smape = np.where(size == 0, 0, 2 * np.abs(error) / np.where(size == 0, 1, size))
    with np.errstate(over="ignore"):
        squares = np.nan_to_num(error**2)
    _add_sums(summary, [error, np.abs(error), squares, truth, truth**2, said, ape, smape])
    return summary


def _add_sums(summary: ErrorSummary, columns: Sequence[np.ndarray[Any, Any]]) -> None:
    values = np.column_stack(columns)
    added = limbs(values, np.zeros(len(values), dtype=np.intp), 1)
    layout = summary.layout
    summary.vector[layout.counts : layout.known] += added.ravel()


def error_counts(n: int, wrong: int, *, task: str = "binary") -> ErrorSummary:
    """Return an error summary that holds counts alone."""
    summary = Summary.empty(ErrorLayout(task))
    summary.vector[:2] = n, wrong
    return summary


def span(index: int, n: int) -> WindowSpan:
    """Return the minute with that number, counted from noon."""
    return WindowSpan(NOON_MS + index * MINUTE_MS, NOON_MS + (index + 1) * MINUTE_MS, n)


def prediction_window(summary: Summary[PredictionLayout], index: int = 0) -> PredictionWindow:
    """Return minute `index` of the stream of predictions."""
    return ClosedWindow("fraud", Stream.PREDICTIONS, span(index, int(summary.vector[0])), summary)


def error_window(summary: ErrorSummary, index: int = 0) -> ErrorWindow:
    """Return minute `index` of the stream of errors."""
    return ClosedWindow("fraud", Stream.ERRORS, span(index, int(summary.vector[0])), summary)
