"""Measures, window by window, how much more sums vary than those of independent events.

Used where the reference has no times and so cannot tell. Neighbouring stretches of 1, 2, 4, ... windows are
compared: under independence their difference of means, over its variance, is 1 on average; a change of level
touches one pair of each length and no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.betting.rows import adopt_rows

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

LEVELS: Final = 6
"""Stretches of up to 32 windows."""
PAIRS_MIN: Final = 8
CLIP: Final = 25.0
"""One pair counts as at most so many times what pairs have come to: five standard deviations."""
CAUTION: Final = 16.0
"""Before anything is measured sums are taken to vary 1 + 16 times as much, then 1 + 16 / 16; that fades."""
SURE_SDS: Final = 2.33


class Inertia:
    """The inflation of many functionals, measured in the stream itself.

    Parameters
    ----------
    variance
        Shape (signals, functionals): of one event.

    Notes
    -----
    Memory: 6 * (3 * functionals + 3) numbers a signal. The comparison of neighbours is that of Allan
    (Proceedings of the IEEE 54, 1966).
    """

    def __init__(self, variance: Floats) -> None:
        signals, functionals = variance.shape
        self._variance = variance
        self._sum = np.zeros((LEVELS, signals, functionals))
        self._n = np.zeros((LEVELS, signals))
        self._filled = np.zeros((LEVELS, signals))
        self._mean = np.zeros((LEVELS, signals, functionals))
        self._mean_n = np.zeros((LEVELS, signals))
        self._pairs = np.zeros((LEVELS, signals))
        self._total = np.zeros((LEVELS, signals, functionals))

    def add(self, sums: Floats, n: Floats, heeded: Mask) -> None:
        """Take a window in: sums of shape (signals, functionals), events and whom to heed of shape (signals,)."""
        if heeded.all():
            self._sum += sums
            self._n += n
            self._filled += 1
        else:
            self._sum[:, heeded] += sums[heeded]
            self._n[:, heeded] += n[heeded]
            self._filled[:, heeded] += 1
        for level in range(LEVELS):
            done = heeded & (self._filled[level] >= 1 << level)
            if not done.any():
                break
            self._close(level, slice(None) if done.all() else done)

    def _close(self, level: int, done: Mask | slice) -> None:
        size = self._n[level, done]
        mean = self._sum[level, done] / size[:, None]
        before = self._mean_n[level, done]
        paired = before > 0
        spread = 1 / size + np.divide(1, before, out=np.ones_like(before), where=paired)
        gap = np.square(mean - self._mean[level, done]) / (self._variance[done] * spread[:, None])
        most = CLIP * np.maximum(self._found(level, done), 1.0)
        self._total[level, done] += np.where(paired[:, None], np.minimum(gap, most), 0.0)
        self._pairs[level, done] += paired
        self._mean[level, done], self._mean_n[level, done] = mean, size
        self._sum[level, done], self._n[level, done], self._filled[level, done] = 0.0, 0.0, 0.0

    def inflation(self) -> Floats:
        """Return the inflation, shape (signals, functionals): what stands out, and caution at the start."""
        pairs = self._pairs[:, :, None]
        found = self._found(slice(None), slice(None))
        doubt = np.sqrt(2 / np.maximum(pairs, 1.0))
        standing = np.where(found / (1 + SURE_SDS * doubt) > 1, found * (1 + doubt), 1.0)
        first = self._pairs[0]
        caution = 1 + CAUTION / np.where(first < PAIRS_MIN, 1.0, PAIRS_MIN + first)
        most: Floats = np.maximum(standing.max(axis=0), caution[:, None])
        return most

    def _found(self, level: int | slice, whom: Mask | slice) -> Floats:
        """Return the mean of the pairs, 1 where there are too few."""
        total, pairs = self._total[level, whom], self._pairs[level, whom][..., None]
        return np.divide(total, pairs, out=np.ones_like(total), where=pairs >= PAIRS_MIN)

    def to_bytes(self) -> bytes:
        """Return the state for `restore`."""
        return msgspec.msgpack.encode([part.astype("<f8").tobytes() for part in self._parts()])

    def restore(self, data: bytes) -> None:
        """Take up a state.

        Raises
        ------
        ValueError
            Bytes of something else.
        """
        parts = self._parts()
        try:
            stored = msgspec.msgpack.decode(data, type=list[bytes])
        except msgspec.DecodeError as error:
            raise ValueError(f"expected measured inertia: {error}") from error
        if [len(piece) for piece in stored] != [8 * part.size for part in parts]:
            raise ValueError("expected measured inertia of the same signals")
        for part, piece in zip(parts, stored, strict=True):
            part[...] = np.frombuffer(piece, dtype="<f8").reshape(part.shape)

    def adopt(self, other: Inertia, rows: Sequence[tuple[int, int]]) -> None:
        """Take over what was measured of the same signals; `rows` are places here and there."""
        for own, theirs in zip(self._parts(), other._parts(), strict=True):
            adopt_rows([own.swapaxes(0, 1)], [theirs.swapaxes(0, 1)], rows)

    def _parts(self) -> list[Floats]:
        return [self._sum, self._n, self._filled, self._mean, self._mean_n, self._pairs, self._total]
