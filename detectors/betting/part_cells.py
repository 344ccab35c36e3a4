"""What is counted of a segment or of a version, as one stretch of a vector for all of them."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from detectors.betting.columns import middle_hour
from detectors.betting.error_cells import ErrorCells
from detectors.betting.label_times import label_hour
from detectors.betting.promptness import Promptness
from detectors.detector import ClosedWindow, ErrorWindow, PredictionWindow
from detectors.layout import ErrorLayout, LayoutT, PredictionLayout
from detectors.summary import Summary
from schemas.finding import Stream

Vector = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]


class PartCells(Protocol[LayoutT]):
    """Where the events of one part are counted."""

    @property
    def name(self) -> str:
        """Last word of the names of detectors on these cells."""

    @property
    def stream(self) -> Stream:
        """Which windows they are counted in."""

    @property
    def width(self) -> int:
        """Number of cells."""

    def summary(self, counted: Summary[LayoutT]) -> Summary[LayoutT]:
        """Return as much of a part's summary as is watched."""

    def vector(self, summary: Summary[LayoutT], window: ClosedWindow[LayoutT]) -> Vector:
        """Return the cells of a part, shape (width,), in a window of the whole model."""

    def hour(self, window: ClosedWindow[LayoutT]) -> float | None:
        """Return the hour of the week that a window belongs to, None where it belongs to many."""


class ColumnPartCells:
    """Statuses, latencies and, of a version, the answers.

    Parameters
    ----------
    layout
        Of what is watched.
    places
        Shape (layout.size,): where it lies in the summary of a part.
    zone
        The clock of the reference's cycles.
    """

    name: Final = "columns"
    stream: Final = Stream.PREDICTIONS

    def __init__(self, layout: PredictionLayout, places: Places, *, zone: str) -> None:
        self._layout, self._places, self._zone = layout, places, zone
        self.width = layout.size

    def summary(self, counted: Summary[PredictionLayout]) -> Summary[PredictionLayout]:
        """Return the watched cells alone."""
        return Summary(self._layout, counted.vector[self._places])

    def vector(self, summary: Summary[PredictionLayout], window: PredictionWindow) -> Vector:  # noqa: ARG002 - of no moment here
        """Return all cells."""
        return summary.vector

    def hour(self, window: PredictionWindow) -> float | None:
        """Return the hour of the week of the window's middle."""
        return middle_hour(window, self._zone)


class EstimatePartCells:
    """The answers of a version by what tells of their quality.

    Parameters
    ----------
    place
        Where they lie in a version's summary.
    zone
        The clock of the reference's cycles.
    """

    name: Final = "estimates"
    stream: Final = Stream.PREDICTIONS

    def __init__(self, place: slice, *, zone: str) -> None:
        self._place, self._zone = place, zone
        self.width = place.stop - place.start

    def summary(self, counted: Summary[PredictionLayout]) -> Summary[PredictionLayout]:
        """Return the whole summary."""
        return counted

    def vector(self, summary: Summary[PredictionLayout], window: PredictionWindow) -> Vector:  # noqa: ARG002 - of no moment here
        """Return the cells of answers."""
        return summary.vector[self._place]

    def hour(self, window: PredictionWindow) -> float | None:
        """Return the hour of the week of the window's middle."""
        return middle_hour(window, self._zone)


class ErrorPartCells:
    """The cells of errors, and once more those of windows whose labels came promptly.

    Whether they did, and to which hour they belong, is told by the labels of the whole model: those of a young
    version are the ones that come first.
    """

    name: Final = "errors"
    stream: Final = Stream.ERRORS

    def __init__(self, cells: ErrorCells, promptness: Promptness, *, zone: str) -> None:
        self._cells, self._promptness, self._zone = cells, promptness, zone
        self.prompt = len(cells.vector(Summary.empty(cells.layout)))
        self.width = 2 * self.prompt

    def summary(self, counted: Summary[ErrorLayout]) -> Summary[ErrorLayout]:
        """Return the whole summary."""
        return counted

    def vector(self, summary: Summary[ErrorLayout], window: ErrorWindow) -> Vector:
        """Return the cells of errors, and again or zeros."""
        cells = self._cells.vector(summary)
        return np.concatenate([cells, cells if self._promptness.holds(window) else np.zeros_like(cells)])

    def hour(self, window: ErrorWindow) -> float | None:
        """Return the hour of the week that the predictions of the window's labels belong to."""
        return label_hour(window, self._zone)
