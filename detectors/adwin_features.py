"""ADWIN on the means of numeric columns in successive windows."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from detectors.adaptive_window import AdaptiveWindow, Cut
from detectors.adwin import adwin_finding
from detectors.column_figures import moments_of
from detectors.column_pool import ColumnPool
from detectors.detector import PredictionWindow, State
from detectors.layout import PredictionLayout
from detectors.profile import OUTPUT_PREFIX, NumericColumn
from detectors.state_values import value_in
from schemas.finding import Finding, Kind, Stream

VALUES_MIN: Final = 100
_WINDOW: Final = "window:"


class AdwinFeatures:
    """ADWIN on the mean of every numeric column in successive windows, in the profile's standard deviations.

    Values are added up until a column has `values_min` of them. Standardised, because ADWIN's bound is not
    free of scale: the same shift of a feature in another unit takes it many times as long, or never shows.

    Parameters
    ----------
    layout
        The profile's columns.
    values_min
        Values that make up one reading.

    Examples
    --------
    >>> from detectors.detector import ClosedWindow
    >>> from detectors.layout import prediction_layout
    >>> from detectors.profile import ReferenceProfile
    >>> from detectors.summary import Summary
    >>> from schemas.finding import Verdict, WindowSpan
    >>> column = NumericColumn("age", (40.0,), (500, 500), 40.0, 10.0, 18.0, 90.0, 40.0)
    >>> layout = prediction_layout(ReferenceProfile("fraud", "binary", 1000, (column,)))
    >>> adwin = AdwinFeatures(layout)
    >>> for minute in range(60):
    ...     summary = Summary.empty(layout)
    ...     summary.vector[layout.cells(layout.columns[0])] = 100, 100, 0, 0
    ...     summary.vector[layout.counts] = 0 if minute < 40 else 200 << 16  # a mean of one standard deviation
    ...     span = WindowSpan(minute * 60_000, (minute + 1) * 60_000, 200)
    ...     [finding] = adwin.update(ClosedWindow("fraud", Stream.PREDICTIONS, span, summary))
    ...     if finding.verdict is Verdict.BREACH:
    ...         print(minute, finding.onset_ms // 60_000, finding.evidence["mean_before"], finding.evidence["mean_now"])
    47 40 40.0 50.0

    References
    ----------
    Bifet and Gavalda, "Learning from time-changing data with adaptive windowing", SIAM International
    Conference on Data Mining (2007).
    """

    name: Final = "adwin_features"
    stream: Final = Stream.PREDICTIONS
    standing: Final = ()

    def __init__(self, layout: PredictionLayout, *, values_min: int = VALUES_MIN) -> None:
        self._layout = layout
        self._columns = [c.column for c in layout.numeric if isinstance(c.column, NumericColumn)]
        names = [cells.column.name for cells in layout.columns]
        self._places = np.array([names.index(column.name) for column in self._columns], dtype=np.intp)
        self._pool = ColumnPool(layout, values_min=values_min, present_only=True)
        self._adwins = [AdaptiveWindow(scale=math.sqrt(values_min)) for _ in self._columns]

    def update(self, window: PredictionWindow) -> list[Finding]:
        """Take one window in; one finding per numeric column."""
        if not self._columns:
            return []
        self._pool.add(window)
        ready = self._pool.ready
        means = moments_of(self._layout, self._pool.vector, self._pool.n[self._places]).mean
        findings = [
            self._told(window, i, float(means[i]), enough=bool(ready[place]))
            for i, place in enumerate(self._places.tolist())
        ]
        self._pool.clear(ready)
        return findings

    def _told(self, window: PredictionWindow, i: int, mean: float, *, enough: bool) -> Finding:
        column, adwin = self._columns[i], self._adwins[i]
        span = self._pool.span(int(self._places[i]), window)
        kind = Kind.PREDICTION_DRIFT if column.name.startswith(OUTPUT_PREFIX) else Kind.DATA_DRIFT
        cut, note = None, None
        if enough:
            cut = adwin.update(mean, span.start_ms)
            note, adwin.note = adwin.note, None
        return adwin_finding(
            window,
            span,
            self.name,
            kind,
            _natural(cut, column),
            feature=column.name,
            enough=enough,
            note=note,
        )

    def state(self) -> State:
        """Return every column's ADWIN, and the columns that are still collecting values."""
        windows: State = {
            f"{_WINDOW}{c.name}": a.to_bytes() for c, a in zip(self._columns, self._adwins, strict=True)
        }
        return self._pool.state() | windows

    def restore(self, state: State) -> None:
        """Take up a remembered state; an ADWIN starts over if another release of river wrote it.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        self._pool.restore(state)
        for column, adwin in zip(self._columns, self._adwins, strict=True):
            if f"{_WINDOW}{column.name}" in state:
                adwin.restore(value_in(state, f"{_WINDOW}{column.name}", bytes))


def _natural(cut: Cut | None, column: NumericColumn) -> Cut | None:
    """Return a cut of standardised means in the column's own unit."""
    if cut is None:
        return None
    scale = column.sd if column.sd > 0 else 1.0
    before, now = column.mean + scale * cut.before, column.mean + scale * cut.now
    return Cut(cut.onset_ms, before, now, cut.dropped, cut.kept)
