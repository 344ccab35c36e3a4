"""The area under the ROC curve of a stream of scores, in bounded memory."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.profile_values import Floats, Mask

DISTINCT_MAX: Final = 1 << 20
_WAITING_MAX: Final = 1 << 18

Integers = npt.NDArray[np.int64]


class RankCounts:
    """Counts negatives and positives at every distinct score.

    Exact for up to `distinct_max` distinct scores. Beyond that, scores are rounded to multiples of
    1 / `distinct_max`: which scores are rounded, and so the area, does not depend on how they come in
    batches. Memory: 24 bytes for each distinct score.
    """

    def __init__(self, *, distinct_max: int = DISTINCT_MAX) -> None:
        self._distinct_max = distinct_max
        self._scores: Floats = np.zeros(0)
        self._counts: Integers = np.zeros((2, 0), dtype=np.int64)
        self._waiting: list[tuple[Floats, Mask]] = []
        self._waiting_n = 0
        self._rounds = False

    def add(self, scores: Floats, positive: Mask) -> None:
        """Take rows in; both of shape (n,), scores from 0 to 1."""
        self._waiting.append((scores, positive))
        self._waiting_n += len(scores)
        if self._waiting_n >= _WAITING_MAX:
            self._pack()

    def _pack(self) -> None:
        if not self._waiting:
            return
        scores = np.concatenate([self._scores, *(scores for scores, _ in self._waiting)])
        flags = [
            np.concatenate([(positive == row) for _, positive in self._waiting]) for row in (False, True)
        ]
        counts = np.concatenate([self._counts, np.array(flags, dtype=np.int64)], axis=1)
        self._waiting, self._waiting_n = [], 0
        self._merge(scores, counts)
        if len(self._scores) > self._distinct_max:
            self._rounds = True
            self._merge(self._scores, self._counts)

    def _merge(self, scores: Floats, counts: Integers) -> None:
        if self._rounds:
            scores = np.rint(scores * self._distinct_max) / self._distinct_max
        self._scores, place = np.unique(scores, return_inverse=True)
        self._counts = np.zeros((2, len(self._scores)), dtype=np.int64)
        for row in range(2):
            np.add.at(self._counts[row], place, counts[row])

    def area(self) -> float | None:
        """Return the area, ties counted half, or None without both truths.

        Examples
        --------
        >>> import numpy as np
        >>> ranks = RankCounts()
        >>> ranks.add(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
        >>> ranks.area()
        0.875
        """
        self._pack()
        negative, positive = self._counts
        pairs = int(negative.sum()) * int(positive.sum())
        if not pairs:
            return None
        below = np.cumsum(negative) - negative
        return int((positive * (2 * below + negative)).sum()) / (2 * pairs)
