"""Parts of a model side by side: one vector, and banks of signals that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol

import numpy as np
import numpy.typing as npt

from detectors.betting.troubles import Troubles
from detectors.betting.watched import Said, Watched, WatchedBanks
from detectors.detector import ClosedWindow, State
from detectors.label_pool import LabelPool, write
from detectors.layout import LayoutT
from detectors.state_codec import states_to_bytes
from schemas.finding import Finding

Vector = npt.NDArray[np.int64]


class PartFindings(Protocol[LayoutT]):
    """Makes findings of what a window says: `ColumnFindings` and `ErrorFindings`."""

    troubles: Troubles

    @property
    def pool(self) -> LabelPool | None:
        """The newest labels, None where labels are of no moment."""

    def of(self, window: ClosedWindow[LayoutT], said: Said) -> list[Finding]:
        """Take a window in; a finding for each trouble that fires or has just stopped."""

    def state(self) -> State:
        """Return what must be remembered."""

    def restore(self, state: State, *, known: bool) -> None:
        """Take up a remembered state."""


@dataclass(slots=True)
class Part(Generic[LayoutT]):
    """What is bet on about one part.

    Parameters
    ----------
    watched, bars
        What is bet on, in the part's own cells, and the log evidence at which each fires.
    """

    name: str
    watched: Sequence[Watched]
    bars: Sequence[float]
    findings: PartFindings[LayoutT]

    def state(self) -> State:
        """Return what the findings must remember."""
        return self.findings.state()

    def restore(self, state: State) -> None:
        """Take it up."""
        self.findings.restore(state, known=True)


class Seats(Generic[LayoutT]):
    """Parts, in order, each with a stretch of the vector that is counted into.

    Parameters
    ----------
    width
        Cells of one part.
    make
        Makes a part that has come.
    """

    def __init__(
        self, width: int, make: Callable[[str], Part[LayoutT]], *, reference: str, window_ms: int
    ) -> None:
        self._width, self._make = width, make
        self._reference, self._window_ms = reference, window_ms
        self.parts: list[Part[LayoutT]] = []
        self.banks, self._starts = self._stacked()

    def _stacked(self) -> tuple[WatchedBanks, list[int]]:
        watched: list[Watched] = []
        bars: list[float] = []
        starts = [0]
        for place, part in enumerate(self.parts):
            for item in part.watched:
                signal = item.signal
                cells = signal.cells + place * self._width
                own = replace(signal, name=f"{part.name}\n{signal.name}", cells=cells)
                watched.append(replace(item, signal=own))
            bars += part.bars
            starts.append(len(watched))
        banks = WatchedBanks(watched, bars, window_ms=self._window_ms, reference=self._reference)
        return banks, starts

    def seat(self, names: Sequence[str]) -> None:
        """Follow these parts from now on; those that were there keep what they remember."""
        if names == [part.name for part in self.parts]:
            return
        banks, starts = self.banks, self._starts
        old = {part.name: place for place, part in enumerate(self.parts)}
        self.parts = [self.parts[old[name]] if name in old else self._make(name) for name in names]
        self.banks, self._starts = self._stacked()
        same = {
            self._starts[place] + item: starts[old[part.name]] + item
            for place, part in enumerate(self.parts)
            if part.name in old
            for item in range(len(part.watched))
        }
        self.banks.adopt(banks, same)

    @property
    def firing(self) -> set[str]:
        """The parts of which something fires after the last window."""
        firing = self.banks.firing
        return {
            part.name for part, own in zip(self.parts, self._stretches(), strict=True) if firing[own].any()
        }

    def _stretches(self) -> Iterator[slice]:
        return map(slice, self._starts, self._starts[1:])

    def said(self, vectors: Mapping[str, Vector], *, start_ms: int, hour: float | None) -> dict[str, Said]:
        """Take one window in and return what it says of each part that was counted."""
        vector = np.zeros(self._width * len(self.parts), dtype=np.int64)
        for place, part in enumerate(self.parts):
            if part.name in vectors:
                vector[place * self._width : (place + 1) * self._width] = vectors[part.name]
        readings, firing, fresh = self.banks.said(vector, start_ms=start_ms, hour=hour)
        found: dict[str, Said] = {}
        for part, own in zip(self.parts, self._stretches(), strict=True):
            if part.name in vectors:
                told = [(at - own.start, reading) for at, reading in readings if own.start <= at < own.stop]
                found[part.name] = Said(told, firing[own], fresh[own])
        return found

    def states(self) -> bytes:
        """Return what the findings of all parts must remember."""
        write(part.findings.pool for part in self.parts if part.findings.pool is not None)
        return states_to_bytes(self.parts)

    def restart(self, name: str, places: Sequence[int]) -> None:
        """Let signals of one part start over."""
        if places:
            seat = [part.name for part in self.parts].index(name)
            self.banks.restart([self._starts[seat] + place for place in places])
