"""How much the model lost lately, and on which parts of its traffic, in the blocks of a grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.causes.feature_history import array_of
from detectors.causes.grid import BLOCKS, COARSER, LEVELS, Grid
from detectors.detector import ErrorWindow, is_own
from detectors.layout import ERROR_COUNTS, ErrorLayout
from detectors.segments import is_other
from detectors.sketch import LABEL_LAG_S
from detectors.summary import Summary

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

WHOLE = ""
"""The whole model, beside its parts."""
DELAYS: Final = {"usual delay": 0.5, "long delay": 0.9}
"""Delays of labels in seconds, summed as losses are: the share of labels that come sooner, by name."""
_FIXED: Final = (WHOLE, *DELAYS)
IDLE_LEVEL: Final = 3
"""What has no labels in the last blocks of this level, which are 1,024 windows, makes room for another."""
_EMPTY: Final = -1
_N_AND_WRONG: Final = [ERROR_COUNTS.index("n"), ERROR_COUNTS.index("wrong")]


def segment_key(name: str) -> str:
    """Return what the losses of a segment are kept under."""
    return f"s:{name}"


def version_key(name: str) -> str:
    """Return what the losses of a version are kept under."""
    return f"v:{name}"


class _Stored(msgspec.Struct, array_like=True):
    names: list[str]
    places: bytes
    sums: bytes


@dataclass(frozen=True, slots=True)
class LossRate:
    """Labels, and the sum of their losses."""

    n: float
    loss: float

    @property
    def mean(self) -> float:
        """Mean loss; 0 without labels."""
        return self.loss / self.n if self.n else 0.0


class LossHistory:
    """Labels and losses by name, in blocks of time.

    Parameters
    ----------
    grid
        The blocks.
    names
        What is always there.
    names_max
        So many names at most. A new one takes the place of one without labels in the last blocks of `IDLE_LEVEL`, and
        is passed over where there is none.

    Notes
    -----
    Memory: 768 bytes a name.
    """

    def __init__(self, grid: Grid, names: Sequence[str], *, names_max: int) -> None:
        self._grid = grid
        self._fixed, self._names_max = tuple(names), names_max
        self._empty(self._fixed)

    def _empty(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self._places = np.full((LEVELS, BLOCKS), _EMPTY, dtype=np.int64)
        self._sums = np.zeros((LEVELS, BLOCKS, len(self.names), 2), dtype=np.float32)

    def admit(self, names: Iterable[str]) -> None:
        """Make room for names, as far as there is any."""
        new = sorted(set(names) - set(self.names))
        if not new:
            return
        room = max(self._names_max - len(self.names), 0)
        slots = self._last(IDLE_LEVEL)
        idle = np.flatnonzero(~self._sums[IDLE_LEVEL, slots].any(axis=(0, 2))).tolist()
        places = [place for place in idle if place >= len(self._fixed)]
        for place, name in zip(places, new[room:], strict=False):
            self.names[place] = name
            self._sums[:, :, place] = 0
        self.names += new[:room]
        added = np.zeros((LEVELS, BLOCKS, len(new[:room]), 2), dtype=np.float32)
        self._sums = np.concatenate([self._sums, added], axis=2)

    def add(self, windows: Integers, added: Floats) -> None:
        """Add labels and losses to windows, by their numbers since 1970; what is older than all blocks is left out.

        Parameters
        ----------
        windows
            Shape (k,).
        added
            Shape (k, names, 2): labels and losses.
        """
        order = np.argsort(windows, kind="stable")
        places, added = windows[order], added[order]
        for level in range(LEVELS):
            places, added = _grouped(places, added)
            kept = places > max(int(places[-1]), int(self._places[level].max())) - BLOCKS
            slots = places[kept] % BLOCKS
            self._sums[level, slots[self._places[level, slots] != places[kept]]] = 0
            self._places[level, slots] = places[kept]
            self._sums[level, slots] += added[kept]
            places = places // COARSER

    def series(self, level: int, name: str) -> tuple[Integers, Floats]:
        """Return the starts of a level's blocks in order, shape (blocks,), and labels and losses, shape (blocks, 2)."""
        slots = self._last(level)
        sums = self._sums[level, slots, self.names.index(name)].astype(np.float64)
        return self._places[level, slots] * self._grid.length_ms(level), sums

    def _last(self, level: int) -> npt.NDArray[np.intp]:
        """Return where the last blocks of a level are, in order of time."""
        places = self._places[level]
        slots = np.flatnonzero((places != _EMPTY) & (places > places.max() - BLOCKS))
        return slots[np.argsort(places[slots])]

    def split(self, level: int, name: str, at_ms: int) -> tuple[LossRate, LossRate]:
        """Return what was lost before a time and since, in blocks that do not straddle it."""
        starts, sums = self.series(level, name)
        before, after = starts + self._grid.length_ms(level) <= at_ms, starts >= at_ms
        return LossRate(*sums[before].sum(axis=0).tolist()), LossRate(*sums[after].sum(axis=0).tolist())

    def to_bytes(self) -> bytes:
        """Return the state for `restore`."""
        return msgspec.msgpack.encode(_Stored(self.names, self._places.tobytes(), self._sums.tobytes()))

    def restore(self, data: bytes) -> None:
        """Take up a state; one for more names than there is room starts over.

        Raises
        ------
        ValueError
            Bytes of something else.
        """
        try:
            stored = msgspec.msgpack.decode(data, type=_Stored)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"expected the history of losses: {error}") from error
        if tuple(stored.names[: len(self._fixed)]) != self._fixed:
            raise ValueError(
                f"expected losses of {', '.join(map(repr, self._fixed))}, got {len(stored.names)} names"
            )
        fits = len(stored.names) <= self._names_max
        self._empty(stored.names if fits else self._fixed)
        if fits:
            self._places = array_of(stored.places, self._places)
            self._sums = array_of(stored.sums, self._sums)


class Losses:
    """The losses of a model by the arrival of labels, for all and for each part, and by prediction time for all.

    Parameters
    ----------
    grid
        The blocks.
    parts_max
        Segments and versions that are followed at most.

    Notes
    -----
    Which label was wrong and how late it came are counted apart. So the losses of a window of labels are dealt to the
    times of their predictions in the proportions in which its labels came so late.
    """

    def __init__(self, grid: Grid, *, parts_max: int) -> None:
        self._grid = grid
        self.by_arrival = LossHistory(grid, _FIXED, names_max=len(_FIXED) + parts_max)
        self.by_prediction = LossHistory(grid, (WHOLE,), names_max=1)

    def add(self, window: ErrorWindow) -> None:
        """Take a window in."""
        if window.span.n <= 0:
            return
        segments = {segment_key(name): s for name, s in window.segments.items() if not is_other(name)}
        versions = {version_key(name): s for name, s in window.versions.items() if is_own(name)}
        parts = {**segments, **versions}
        history = self.by_arrival
        history.admit(parts)
        rates = {name: _rate(summary) for name, summary in {WHOLE: window.overall, **parts}.items()}
        lags = window.overall.vector[ErrorLayout.LAG : ErrorLayout.LAG + LABEL_LAG_S.size]
        for name, share in DELAYS.items():
            rates[name] = LossRate(window.span.n, window.span.n * (LABEL_LAG_S.quantile(lags, share) or 0.0))
        added = np.array(
            [(rates[n].n, rates[n].loss) if n in rates else (0, 0) for n in history.names], float
        )
        place = np.array([window.span.start_ms // self._grid.window_ms], dtype=np.int64)
        history.add(place, added[None])
        self._deal(window, lags, rates[WHOLE])

    def _deal(self, window: ErrorWindow, lags: Integers, rate: LossRate) -> None:
        cells = np.flatnonzero(lags)
        middle = (window.span.start_ms + window.span.end_ms) / 2
        times = middle - 1_000.0 * LABEL_LAG_S.values()[cells]
        share = lags[cells] / max(int(lags.sum()), 1)
        added = np.stack([share * rate.n, share * rate.loss], axis=1)[:, None]
        if len(cells):
            self.by_prediction.add(np.floor(times / self._grid.window_ms).astype(np.int64), added)

    def delays_ms(self, level: int, since_ms: int) -> tuple[float, float]:
        """Return the median and the long delay of the labels that came since a time, milliseconds."""
        usual, long = (1_000 * self.by_arrival.split(level, name, since_ms)[1].mean for name in DELAYS)
        return usual, long


def _grouped(places: Integers, added: Floats) -> tuple[Integers, Floats]:
    """Return distinct places, and what is added to each; `places` are in order."""
    if len(places) == 1:
        return places, added
    starts = np.concatenate([[0], np.flatnonzero(places[1:] != places[:-1]) + 1])
    return places[starts], np.add.reduceat(added, starts, axis=0)


def _rate(summary: Summary[ErrorLayout]) -> LossRate:
    """Return labels and losses: wrong answers, or the absolute error of a regression."""
    n, wrong = summary.vector[_N_AND_WRONG].tolist()
    is_regression = summary.layout.task == "regression"
    return LossRate(n, summary.layout.sum(summary.vector, "absolute") if is_regression else wrong)
