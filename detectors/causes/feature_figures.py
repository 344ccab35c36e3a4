"""Four figures of every feature in a window that show most ways in which it may break, each a mean over events."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.calendar import HOURS_PER_WEEK
from detectors.betting.functionals import LOCATION, NUMERIC, SPREAD, centred, numeric_functionals
from detectors.layout import ColumnCells, PredictionLayout
from detectors.profile import CategoricalColumn, Column, is_feature
from detectors.rhythm import Rhythm

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

MISSING, BAD = "missing", "bad"
FIGURES: Final = (LOCATION, SPREAD, MISSING, BAD)
"""Where the values lie and how far apart, in standard deviations; shares of missing and of invalid or unknown ones."""
OF_VALUES: Final = 2
"""The first so many are means over values, the others over events."""

_SD_MIN: Final = 0.2
_FUNCTIONALS: Final = [NUMERIC.index(LOCATION), NUMERIC.index(SPREAD)]


class FeatureFigures:
    """Works the figures of a profile's features out of windows; what is usual at an hour is taken off.

    Parameters
    ----------
    layout
        Columns that are no feature are left out.

    Attributes
    ----------
    names
        The features, in order.
    usual
        Shape (figures, features): the profile's own figures.

    Notes
    -----
    Values are told by their normal scores among the profile's, so no unit matters; categories by those of their
    place in the order of their frequency, which moves whenever two of different frequency change places.
    """

    def __init__(self, layout: PredictionLayout) -> None:
        columns = [cells for cells in layout.columns if is_feature(cells.column.name)]
        self.names = tuple(cells.column.name for cells in columns)
        self.usual = np.array([_usual(cells.column) for cells in columns]).reshape(-1, len(FIGURES)).T
        scores = [_scores(cells.column) for cells in columns]
        empty = np.zeros(0, dtype=np.intp)
        ranges = [_value_cells(cells) for cells in columns]
        self._values = np.concatenate([empty, *ranges])
        self._starts = np.cumsum([0, *(len(cells) for cells in ranges)])[:-1].astype(np.intp)
        self._scores = np.concatenate([np.zeros((0, OF_VALUES)), *scores]).T
        self._missing = _places([cells.missing for cells in columns])
        self._invalid = _places([cells.invalid for cells in columns])
        known = [(place, cells.unseen) for place, cells in enumerate(columns) if cells.unseen is not None]
        self._categorical = np.array([place for place, _ in known], dtype=np.intp)
        self._unseen = _places([cell for _, cell in known])
        seasons = [_season(cells.column, score) for cells, score in zip(columns, scores, strict=True)]
        self._season = np.stack(seasons, axis=2) if any(season.any() for season in seasons) else None

    def of(self, vector: Counts, *, hour: float) -> Floats:
        """Return the figures of a window, shape (figures, features); 0 where there are no values.

        Parameters
        ----------
        vector
            Of the model's summary.
        hour
            Of the week, by the profile's clock.
        """
        if not self.names:
            return np.zeros((len(FIGURES), 0))
        events = max(int(vector[PredictionLayout.EVENTS]), 1)
        values = vector[self._values]
        present = np.add.reduceat(values, self._starts)
        sums = np.add.reduceat(self._scores * values, self._starts, axis=1)
        bad = vector[self._invalid]
        bad[self._categorical] += vector[self._unseen]
        shares = np.stack([vector[self._missing], bad]) / events
        found = np.concatenate([sums / np.maximum(present, 1), shares])
        if self._season is not None:
            found -= self._season[int(hour) % HOURS_PER_WEEK]
        found[:OF_VALUES, present <= 0] = 0.0
        return found


def _places(cells: list[int]) -> npt.NDArray[np.intp]:
    return PredictionLayout.COLUMNS + np.array(cells, dtype=np.intp)


def _value_cells(cells: ColumnCells) -> npt.NDArray[np.intp]:
    return PredictionLayout.COLUMNS + np.arange(cells.offset, cells.offset + cells.bins, dtype=np.intp)


def _usual(column: Column) -> tuple[float, ...]:
    unseen = column.other if isinstance(column, CategoricalColumn) else 0
    n = max(column.n, 1)
    return 0.0, 0.0, column.missing / n, (column.invalid + unseen) / n


def _scores(column: Column) -> Floats:
    """Return location and spread of each cell of values, shape (cells, 2), in their standard deviations."""
    values = centred(numeric_functionals(column.counts)[:, _FUNCTIONALS], column.counts)
    return values / np.maximum(_sds(values, column), _SD_MIN)


def _sds(values: Floats, column: Column) -> Floats:
    weights = np.asarray(column.counts, np.float64)
    found: Floats = np.sqrt(weights @ (values * values) / max(weights.sum(), 1.0))
    return found


def _season(column: Column, scores: Floats) -> Floats:
    """Return what is usual at each hour of the week beyond the mean, shape (168, figures)."""
    found = np.zeros((HOURS_PER_WEEK, len(FIGURES)))
    found[:, FIGURES.index(MISSING)] = _hourly(column.rhythms.get("missing"))
    found[:, FIGURES.index(BAD)] = _hourly(column.rhythms.get("invalid"))
    if isinstance(column, CategoricalColumn):
        for name, score in zip(column.categories, scores, strict=True):
            found[:, :OF_VALUES] += _hourly(column.rhythms.get(f"={name}"))[:, None] * score
        return found
    plain = centred(numeric_functionals(column.counts)[:, _FUNCTIONALS], column.counts)
    sds = np.maximum(_sds(plain, column), _SD_MIN)
    for place, figure in enumerate(FIGURES[:OF_VALUES]):
        found[:, place] = _hourly(column.rhythms.get(figure)) / sds[place]
    return found


def _hourly(rhythm: Rhythm | None) -> Floats:
    hours: Floats = np.arange(HOURS_PER_WEEK, dtype=np.float64) + 0.5
    return np.zeros(HOURS_PER_WEEK) if rhythm is None else rhythm.offsets(hours)
