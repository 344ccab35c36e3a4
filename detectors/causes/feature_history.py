"""What every feature did lately, in step with the windows that alerts on labels are about."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.betting.calendar import hour_of_week, local_ms
from detectors.causes.blocks import FigureBlocks, Figures, Floats
from detectors.causes.feature_figures import FeatureFigures
from detectors.causes.grid import Grid
from detectors.detector import PredictionWindow
from detectors.layout import PredictionLayout

NumberT = TypeVar("NumberT", bound=np.generic)

AHEAD_MAX: Final = 96
"""Windows by prediction time that wait at most for those by label arrival."""


class _Stored(msgspec.Struct, array_like=True):
    layout: str
    places: bytes
    events: bytes
    means: bytes
    ahead: list[tuple[int, float, bytes]]


class FeatureHistory:
    """Keeps the figures of features in blocks of time; equal windows give equal blocks.

    Windows by prediction time may be read long before those by label arrival of the same time. They wait, so that an
    alert on labels is explained by blocks that hold nothing later, and who read faster does not show.

    Parameters
    ----------
    layout
        The profile's columns.
    window_ms
        Length of a window.
    zone
        The profile's clock.

    Notes
    -----
    Memory: 768 bytes a feature (6 levels of 16 blocks, four figures of two bytes), and 768 more at most while windows
    wait. Beyond `AHEAD_MAX` the oldest waits no longer. Cost of a window: a few array operations over the features'
    cells.
    """

    def __init__(self, layout: PredictionLayout, *, window_ms: int, zone: str = "UTC") -> None:
        self._layout, self._zone = layout, zone
        self._figures = FeatureFigures(layout)
        self.grid = Grid(window_ms)
        self._empty()

    def _empty(self) -> None:
        self._blocks = FigureBlocks.empty(self.grid, len(self.names))
        self._ahead: list[tuple[int, float, Figures]] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in order."""
        return self._figures.names

    @property
    def usual(self) -> Floats:
        """Shape (figures, features): the profile's own figures."""
        return self._figures.usual

    def add(self, window: PredictionWindow) -> None:
        """Take a window in; it waits until it is settled."""
        if window.span.n <= 0 or not self.names:
            return
        middle = np.array([(window.span.start_ms + window.span.end_ms) // 2], dtype=np.int64)
        hour = float(hour_of_week(local_ms(middle, self._zone))[0])
        figures = self._figures.of(window.overall.vector, hour=hour).astype(np.float16)
        self._ahead.append((window.span.start_ms // self.grid.window_ms, float(window.span.n), figures))
        if len(self._ahead) > AHEAD_MAX:
            self._blocks.take(*self._ahead.pop(0))

    def settle(self, until_ms: int) -> None:
        """Put the windows that end up to a time into blocks."""
        while self._ahead and self._end_ms(self._ahead[0][0]) <= until_ms:
            self._blocks.take(*self._ahead.pop(0))

    def _end_ms(self, place: int) -> int:
        return (place + 1) * self.grid.window_ms

    def as_of(self, until_ms: int) -> FigureBlocks:
        """Return the blocks that are over at a time, with all windows that end up to then."""
        found = self._blocks.copy()
        for place, events, figures in self._ahead:
            if self._end_ms(place) <= until_ms:
                found.take(place, events, figures)
        found.close(until_ms)
        return found

    def to_bytes(self) -> bytes:
        """Return the state for `restore`."""
        kept = self._blocks
        ahead = [(place, events, figures.tobytes()) for place, events, figures in self._ahead]
        parts = (kept.places.tobytes(), kept.events.tobytes(), kept.means.tobytes())
        return msgspec.msgpack.encode(_Stored(self._layout.hash, *parts, ahead))

    def restore(self, data: bytes) -> None:
        """Take up a state; one of other columns starts over.

        Raises
        ------
        ValueError
            Bytes of something else.
        """
        try:
            stored = msgspec.msgpack.decode(data, type=_Stored)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"expected the history of features: {error}") from error
        self._empty()
        if stored.layout != self._layout.hash:
            return
        kept = self._blocks
        kept.places, kept.events = array_of(stored.places, kept.places), array_of(stored.events, kept.events)
        kept.means = array_of(stored.means, kept.means)
        self._ahead = [(place, n, array_of(raw, kept.means[0, 0])) for place, n, raw in stored.ahead]


def array_of(data: bytes, like: npt.NDArray[NumberT]) -> npt.NDArray[NumberT]:
    """Read an array of the shape and type of another.

    Raises
    ------
    ValueError
        If the bytes are not as many.
    """
    if len(data) != like.nbytes:
        raise ValueError(f"expected {like.nbytes} bytes of an array, got {len(data)}")
    return np.frombuffer(data, dtype=like.dtype).reshape(like.shape).copy()
