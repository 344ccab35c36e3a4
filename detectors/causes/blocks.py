"""Means of many figures in the blocks of a grid: recent windows, and ever longer blocks of the days before."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from detectors.causes.feature_figures import FIGURES, OF_VALUES
from detectors.causes.grid import BLOCKS, COARSER, LEVELS, Grid

Floats = npt.NDArray[np.float64]
Figures = npt.NDArray[np.float16]

_EMPTY = -1


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of one level, the oldest first.

    Parameters
    ----------
    start_ms, end_ms
        Shape (blocks,), epoch milliseconds.
    events
        Shape (blocks,).
    figures
        Shape (blocks, figures, features).
    """

    start_ms: npt.NDArray[np.int64]
    end_ms: npt.NDArray[np.int64]
    events: Floats
    figures: Floats

    def until(self, time_ms: int) -> Blocks:
        """Return the blocks that begin before a time."""
        kept = self.start_ms < time_ms
        return Blocks(self.start_ms[kept], self.end_ms[kept], self.events[kept], self.figures[kept])

    @property
    def weights(self) -> Floats:
        """Shape as `figures`: the events that each figure is a mean over."""
        events = np.broadcast_to(self.events[:, None, None], self.figures.shape).copy()
        absent = self.figures[:, OF_VALUES:].sum(axis=1)
        events[:, :OF_VALUES] *= np.clip(1.0 - absent, 0.0, 1.0)[:, None]
        return events


def _no_places() -> npt.NDArray[np.int64]:
    return np.full((LEVELS, BLOCKS), _EMPTY, dtype=np.int64)


@dataclass(slots=True)
class FigureBlocks:
    """The last blocks of every level; a block is the mean of those of the level below, made when its time is over.

    Parameters
    ----------
    means
        Shape (levels, blocks, figures, features).
    places, events
        Shape (levels, blocks): number of a block since 1970, and its events.
    """

    grid: Grid
    means: Figures
    places: npt.NDArray[np.int64] = field(default_factory=_no_places)
    events: Floats = field(default_factory=lambda: np.zeros((LEVELS, BLOCKS)))
    _over: list[int] = field(default_factory=lambda: [0] * LEVELS)

    @classmethod
    def empty(cls, grid: Grid, features: int) -> FigureBlocks:
        """Return blocks without events."""
        return cls(grid, np.zeros((LEVELS, BLOCKS, len(FIGURES), features), dtype=np.float16))

    def copy(self) -> FigureBlocks:
        """Return blocks that go their own way from here."""
        return FigureBlocks(
            self.grid, self.means.copy(), self.places.copy(), self.events.copy(), list(self._over)
        )

    def take(self, place: int, events: float, figures: Figures) -> None:
        """Take a window in, by its number since 1970; windows come in order."""
        self.close(place * self.grid.window_ms)
        self._write(0, place, events, figures)

    def close(self, until_ms: int) -> None:
        """Make the blocks that are over at a time."""
        for level in range(1, LEVELS):
            over = until_ms // self.grid.length_ms(level)
            if over <= self._over[level]:
                return  # blocks of higher levels end where these do
            self._over[level] = over
            below = self.places[level - 1]
            parents = below // COARSER
            due = (below != _EMPTY) & (parents < over) & (parents > self.places[level].max())
            for parent in np.unique(parents[due]).tolist():
                self._merge(level, parent, np.flatnonzero(parents == parent))

    def _merge(self, level: int, place: int, slots: npt.NDArray[np.intp]) -> None:
        part = self._blocks(level - 1, slots)
        weights = part.weights
        total = weights.sum(axis=0)
        means = (weights * part.figures).sum(axis=0) / np.where(total > 0, total, 1.0)
        self._write(level, place, float(part.events.sum()), means.astype(np.float16))

    def _write(self, level: int, place: int, events: float, figures: Figures) -> None:
        slot = place % BLOCKS
        self.places[level, slot], self.events[level, slot] = place, events
        self.means[level, slot] = figures

    def of(self, level: int) -> Blocks:
        """Return the last blocks of a level."""
        places = self.places[level]
        return self._blocks(level, np.flatnonzero((places != _EMPTY) & (places > places.max() - BLOCKS)))

    def _blocks(self, level: int, slots: npt.NDArray[np.intp]) -> Blocks:
        slots = slots[np.argsort(self.places[level, slots])]
        start = self.places[level, slots] * self.grid.length_ms(level)
        figures = self.means[level, slots].astype(np.float64)
        return Blocks(start, start + self.grid.length_ms(level), self.events[level, slots], figures)
