"""The cells that answers are counted in, labelled or not, so that their quality can be estimated."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_UNIFORM_SCORES: Final = tuple(i / 32 for i in range(1, 32))
"""Edges that scores always have: where the reference has few, a stream that moves there is still told apart."""
_NAME_DIGITS: Final = 16


@dataclass(frozen=True)
class AnswerLayout:
    """One row of bins of the score, or of the predicted number, for each side that an answer can take.

    A binary model has two rows: answers of the negative class, then those of the positive one. With more classes the
    score is that of the predicted class, and there is one row, as for a regression's numbers.

    Parameters
    ----------
    edges
        Inner edges of the bins, strictly increasing; bin i holds edges[i-1] < x <= edges[i].
    """

    task: str
    edges: tuple[float, ...]

    @property
    def bins(self) -> int:
        """Bins of a row."""
        return len(self.edges) + 1

    @property
    def rows(self) -> int:
        """Sides that an answer can take."""
        return 2 if self.task == "binary" else 1

    @property
    def counts(self) -> int:
        """Number of cells; all of them are plain counts."""
        return self.rows * self.bins

    @property
    def size(self) -> int:
        """Length of a vector."""
        return self.counts

    @property
    def known(self) -> int:
        """Number of leading entries that every release has had: all of them."""
        return self.size

    further = known
    further_hash = ""

    @cached_property
    def hash(self) -> str:
        """Names the cells: vectors of different hashes must not be added."""
        text = "\x1f".join(("answers", self.task, *map(repr, self.edges)))
        return hashlib.sha256(text.encode()).hexdigest()[:_NAME_DIGITS]

    def cells(self, values: Floats, positive: Mask) -> Integers:
        """Return the cell of each answer, shape (n,).

        Parameters
        ----------
        values
            Shape (n,): scores or numbers, none of them NaN.
        positive
            Shape (n,): where the positive class is the answer; of no moment where there is one row.
        """
        found = np.searchsorted(self.edges, values)
        return found + self.bins * positive if self.rows > 1 else found

    def by_bin(self, vector: npt.NDArray[np.generic]) -> Floats:
        """Return a vector by row and bin, shape (rows, bins)."""
        return np.asarray(vector, dtype=np.float64).reshape(self.rows, self.bins)


def score_edges(quantiles: tuple[float, ...]) -> tuple[float, ...]:
    """Return the edges of scores: those of bins of equal weight in the reference, and some at equal distances.

    Examples
    --------
    >>> score_edges((0.001, 0.5))[:3]
    (0.001, 0.03125, 0.0625)
    """
    return tuple(sorted({*quantiles, *_UNIFORM_SCORES}))
