"""The figures of one column of the profile: its middle, its spread, the share of a category, and bad values."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any, Final

import numpy as np

from detectors.betting.functionals import LOCATION, SPREAD, TAILS
from detectors.column_figures import quantile
from detectors.detector import Evidence
from detectors.layout import MOMENT_SCALE, SQUARE_SCALE, ColumnCells, PredictionLayout
from detectors.profile import CategoricalColumn, NumericColumn
from detectors.rhythm import Rhythm
from detectors.series.figure import Figure, Floats, Point, ShareOf, number, text
from detectors.summary import Summary

BAD_VALUES: Final = ("missing_rate", "invalid_rate", "unseen_rate")
UNSEEN: Final = "(unseen)"

_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class _Values:
    """Where a column's values are counted."""

    column: NumericColumn
    start: int
    stop: int

    def median(self, summary: Summary[Any], _hours: float) -> Point:
        counts = summary.vector[self.start : self.stop]
        return quantile(self.column, counts, 0.5), int(counts.sum())


@dataclass(frozen=True, slots=True)
class _Moments:
    """Where the values of a numeric column, and their squares, are summed up."""

    values: _Values
    first: int
    second: int

    def mean(self, summary: Summary[Any], hours: float) -> Point:
        place, _, n = self._read(summary, hours)
        return (None if place is None else self.values.column.mean + self._scale * place), n

    def sd(self, summary: Summary[Any], hours: float) -> Point:
        place, square, n = self._read(summary, hours)
        return (None if place is None else self._scale * sqrt(max(square - place * place, 0.0))), n

    @property
    def _scale(self) -> float:
        return self.values.column.sd if self.values.column.sd > 0 else 1.0

    def _read(self, summary: Summary[Any], hours: float) -> tuple[float | None, float, int]:
        _, n = self.values.median(summary, hours)
        if n <= 0:
            return None, 0.0, 0
        vector = summary.vector
        return (
            float(vector[self.first]) / MOMENT_SCALE / n,
            float(vector[self.second]) / SQUARE_SCALE / n,
            n,
        )


def column_figure(
    layout: PredictionLayout, cells: ColumnCells, check: str, evidence: Evidence
) -> Figure | None:
    """Return the figure of a column that goes with what an alert says of it.

    Parameters
    ----------
    check
        `missing_rate` and its like are about bad values; everything else about the values that are there.
    evidence
        Of the alert: which category moved, and whether a median tells the size.
    """
    if check in BAD_VALUES:
        return _bad_values(cells, check, evidence)
    column = cells.column
    if isinstance(column, CategoricalColumn):
        return _share(cells, column, evidence)
    start = PredictionLayout.COLUMNS + cells.offset
    values = _Values(column, start, start + cells.bins)
    place = layout.counts + layout.numeric.index(cells)
    moments = _Moments(values, place, place + len(layout.numeric))
    sideways = text(evidence, "direction") in ("up", "down")
    if text(evidence, "functional") in (SPREAD, TAILS) and not sideways:
        return Figure(name="spread", read=moments.sd, reference=column.sd, of_columns=True)
    if number(evidence, "window_median") is None:
        within = number(evidence, "unchanged_within")
        room = None if within is None else within * column.sd
        return Figure(
            name="mean",
            read=moments.mean,
            reference=column.mean,
            low=None if room is None else column.mean - room,
            high=None if room is None else column.mean + room,
            of_columns=True,
        )
    return _median(column, values, number(evidence, "unchanged_within"))


def _median(column: NumericColumn, values: _Values, within: float | None) -> Figure:
    """Return the median, and how far normal scores may move before it counts: at that rank the band ends."""
    rhythm = column.rhythms.get(LOCATION)

    def usual(hours: Floats) -> Floats:
        offsets = np.zeros_like(hours) if rhythm is None else rhythm.offsets(hours)
        found = [_at(column, offset) for offset in offsets.tolist()]
        return np.array([np.nan if value is None else value for value in found])

    return Figure(
        name="median",
        read=values.median,
        reference=_at(column, 0.0),
        low=None if within is None else _at(column, -within),
        high=None if within is None else _at(column, within),
        usual=usual if _has_season(rhythm) else None,
        of_columns=True,
    )


def _at(column: NumericColumn, score: float) -> float | None:
    """Return the value at the rank of a normal score in the reference."""
    return quantile(column, np.array(column.counts, dtype=np.int64), _NORMAL.cdf(score))


def _has_season(rhythm: Rhythm | None) -> bool:
    return rhythm is not None and any(rhythm.season)


def _share(cells: ColumnCells, column: CategoricalColumn, evidence: Evidence) -> Figure | None:
    """Return the share of the category that moved most, among the values that are there."""
    name = text(evidence, "top_category")
    start = PredictionLayout.COLUMNS + cells.offset
    every = tuple(range(start, start + cells.bins + 1))
    if name == UNSEEN:
        hit = start + cells.bins
    elif name in column.categories:
        hit = start + column.categories.index(name)
    else:
        return None
    rhythm = column.rhythms.get(f"={name}")
    before = number(evidence, "share_before")
    return Figure(
        name="share",
        read=ShareOf((hit,), every),
        unit="share",
        of=name,
        reference=before,
        usual=_around(before, rhythm),
        of_columns=True,
    )


def _bad_values(cells: ColumnCells, check: str, evidence: Evidence) -> Figure | None:
    column, start = cells.column, PredictionLayout.COLUMNS
    if check == "unseen_rate" and cells.unseen is None:
        return None
    hit = {"missing_rate": cells.missing, "invalid_rate": cells.invalid}.get(check, cells.unseen or 0)
    stop = cells.missing if check == "unseen_rate" else cells.offset + cells.size
    name = check.removesuffix("_rate")
    before, within = number(evidence, "rate_before"), number(evidence, "unchanged_within")
    high = None
    if before is not None and within is not None and 0 < before < 1:
        high = min(before + within * sqrt(before * (1 - before)), 1.0)
    return Figure(
        name=name,
        read=ShareOf((start + hit,), tuple(range(start + cells.offset, start + stop))),
        unit="share",
        reference=before,
        low=None if high is None else 0.0,
        high=high,
        threshold=_own_threshold(evidence),
        usual=_around(before, column.rhythms.get(name)),
        of_columns=True,
    )


def _own_threshold(evidence: Evidence) -> float | None:
    """Return the threshold where it is one of the figure itself, and not of the evidence for a change."""
    return None if evidence.get("budgeted") else number(evidence, "threshold")


def _around(share: float | None, rhythm: Rhythm | None) -> Any:
    if share is None or rhythm is None or not _has_season(rhythm):
        return None
    return lambda hours: np.clip(share + rhythm.offsets(hours), 0.0, 1.0)
