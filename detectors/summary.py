"""Window summaries: vectors of integers that merge by addition, and the table they are gathered in.

`Summary` is the value that detectors read and that partitions exchange. `SummaryTable` holds the open
summaries of one stream of one model as rows of a matrix, so that a batch is counted by a few array
operations whatever the number of windows, versions and segments it touches.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from detectors.layout import Layout
from detectors.worst import Worst, merge_worst

Vector = npt.NDArray[np.int64]
Pairs = dict[tuple[str, str], int]
"""Counts by two names: (predicted class, true class), or (class, "") for a plain count."""

Beside = tuple[Pairs, Worst, "Weights | None"]
"""What a summary holds beside its vector."""

LayoutT = TypeVar("LayoutT", bound=Layout)
KeyT = TypeVar("KeyT", bound=Hashable)


@dataclass(slots=True)
class Weights:
    """What the weights of rows add to a summary, as differences; see `detectors.weight_cells`.

    Parameters
    ----------
    vector
        Shape (layout.weights.size,), int64.
    pairs
        By (predicted, true), in multiples of 2**-24.
    """

    vector: Vector
    pairs: Pairs

    def merge(self, other: Weights) -> Weights:
        """Return both together; associative and commutative."""
        return Weights(self.vector + other.vector, add_pairs(self.pairs, other.pairs))

    def negated(self) -> Weights:
        """Return what takes these weights back when it is merged."""
        return Weights(-self.vector, {pair: -count for pair, count in self.pairs.items()})

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Weights)
            and np.array_equal(self.vector, other.vector)
            and self.pairs == other.pairs
        )

    __hash__ = None  # type: ignore[assignment]  # mutable arrays

    def or_none(self) -> Weights | None:
        """Return None for weights that came to nothing, so that equal sums are equal values."""
        return self if self.pairs or self.vector.any() else None


@dataclass(slots=True)
class Summary(Generic[LayoutT]):
    """What was counted in one window for one version and segment.

    Parameters
    ----------
    layout
        Meaning of the vector.
    vector
        Shape (layout.size,), int64.
    pairs
        Confusion counts, (predicted, true) to number of joined predictions.
    worst
        The most unfamiliar events.
    weights
        None where every row of joined predictions weighs 1.
    """

    layout: LayoutT
    vector: Vector
    pairs: Pairs = field(default_factory=dict)
    worst: Worst = ()
    weights: Weights | None = None

    @classmethod
    def empty(cls, layout: LayoutT) -> Summary[LayoutT]:
        """Return the identity of `merge`."""
        return cls(layout, np.zeros(layout.size, dtype=np.int64))

    def merge(self, other: Summary[LayoutT]) -> Summary[LayoutT]:
        """Return the summary of both sets of events; associative and commutative.

        Raises
        ------
        ValueError
            If the two were counted on different cells.
        """
        mine, theirs = self.layout, other.layout
        if (mine.hash, mine.further_hash) != (theirs.hash, theirs.further_hash):
            raise ValueError(
                f"summaries of different binnings cannot be merged: {self.layout.hash}, {other.layout.hash}"
            )
        return Summary(
            self.layout,
            self.vector + other.vector,
            add_pairs(self.pairs, other.pairs),
            merge_worst(self.worst, other.worst),
            merge_weights(self.weights, other.weights),
        )

    def negated(self) -> Summary[LayoutT]:
        """Return what takes these counts and sums back when it is merged; `worst` cannot be taken back."""
        weights = None if self.weights is None else self.weights.negated()
        pairs = {pair: -count for pair, count in self.pairs.items()}
        return Summary(self.layout, -self.vector, pairs, weights=weights)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Summary)
            and self.layout.hash == other.layout.hash
            and np.array_equal(self.vector, other.vector)
            and self.pairs == other.pairs
            and self.worst == other.worst
            and self.weights == other.weights
        )

    __hash__ = None  # type: ignore[assignment]  # summaries are mutable arrays


def merge_weights(mine: Weights | None, other: Weights | None) -> Weights | None:
    """Return the weights of two summaries together; None for nothing."""
    if mine is None or other is None:
        return other if mine is None else mine
    return mine.merge(other).or_none()


def add_pairs(left: Pairs, right: Pairs) -> Pairs:
    """Add two tables of counts; entries that come to 0 leave, so that equal counts are equal tables."""
    total = dict(left)
    for key, count in right.items():
        total[key] = total.get(key, 0) + count
    return {key: count for key, count in total.items() if count}


ROOMY: Final = 64
"""Rows from which a table gives room back."""
SPARE: Final = 8
"""Room for so many times the rows that there are is too much."""


class SummaryTable(Generic[KeyT, LayoutT]):
    """The open summaries of one stream of one model, one matrix row each.

    Parameters
    ----------
    layout
        Meaning of a row.

    Notes
    -----
    `row` may move the matrix, so take `matrix` afresh after it. Memory: 8 * layout.size bytes a row, and five
    ids of up to 128 characters.
    """

    def __init__(self, layout: LayoutT) -> None:
        self.layout = layout
        self.clear()

    def clear(self) -> None:
        """Forget all rows, and what room they took."""
        self.matrix: npt.NDArray[np.int64] = np.zeros((8, self.layout.size), dtype=np.int64)
        self._rows: dict[KeyT, int] = {}
        self._free: list[int] = list(range(7, -1, -1))
        self._pairs: dict[int, Pairs] = {}
        self._worst: dict[int, Worst] = {}
        self._weights: dict[int, Weights] = {}
        self.dirty: set[KeyT] = set()

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def keys(self) -> Iterator[KeyT]:
        """Iterate over the keys of the open rows."""
        return iter(list(self._rows))

    def row(self, key: KeyT) -> int:
        """Return the row of a key, opening one if needed, and mark it as changed."""
        self.dirty.add(key)
        found = self._rows.get(key)
        if found is not None:
            return found
        if not self._free:
            self._grow(1)
        row = self._free.pop()
        self._rows[key] = row
        self._pairs[row] = {}
        return row

    def rows(self, keys: Sequence[KeyT]) -> list[int]:
        """Return the rows of keys, as `row` does one by one."""
        new = sum(key not in self._rows for key in keys)
        if new > len(self._free):
            self._grow(new - len(self._free))
        return [self.row(key) for key in keys]

    def _grow(self, more: int) -> None:
        height = len(self.matrix)
        taller = max(2 * height, height + more)
        matrix = np.zeros((taller, self.layout.size), dtype=np.int64)
        matrix[:height] = self.matrix
        self.matrix = matrix
        self._free = [*range(taller - 1, height - 1, -1), *self._free]

    def add_counts(self, rows: npt.NDArray[np.intp], cells: npt.NDArray[np.intp], weights: Vector) -> None:
        """Add `weights[i]` to cell `cells[i]` of row `rows[i]`; all three of shape (n,)."""
        np.add.at(self.matrix.reshape(-1), rows * self.layout.size + cells, weights)

    def add_pair(self, row: int, pair: tuple[str, str], count: int) -> None:
        """Add to one confusion count of a row."""
        pairs = self._pairs[row]
        total = pairs.get(pair, 0) + count
        if total:
            pairs[pair] = total
        else:
            pairs.pop(pair, None)

    def add_worst(self, row: int, found: Iterable[tuple[float, str]]) -> None:
        """Add unfamiliar events, (score, prediction_id), to a row."""
        self._worst[row] = merge_worst(self._worst.get(row, ()), found)

    def add_weights(self, row: int, added: Weights) -> None:
        """Add what the weights of rows add to a row."""
        known = self._weights.get(row)
        self._weights[row] = added if known is None else known.merge(added)

    def weights(self, row: int) -> Weights | None:
        """Return what the weights of rows have added to a row; None for nothing."""
        known = self._weights.get(row)
        return None if known is None else known.or_none()

    def get(self, key: KeyT) -> Summary[LayoutT]:
        """Return a copy of a row as a value."""
        row = self._rows[key]
        worst = self._worst.get(row, ())
        pairs, weights = dict(self._pairs[row]), self.weights(row)
        return Summary(self.layout, self.matrix[row].copy(), pairs, worst, weights)

    def put(self, key: KeyT, summary: Summary[LayoutT]) -> None:
        """Set a row, as after loading it from the store; it counts as unchanged."""
        row = self.row(key)
        self.dirty.discard(key)
        self.matrix[row] = summary.vector
        self._pairs[row] = dict(summary.pairs)
        self._worst[row] = summary.worst
        self._weights.pop(row, None)
        if summary.weights is not None:
            self._weights[row] = summary.weights

    def drop(self, key: KeyT) -> None:
        """Forget a row."""
        row = self._rows.pop(key)
        self.dirty.discard(key)
        self.matrix[row] = 0
        del self._pairs[row]
        self._worst.pop(row, None)
        self._weights.pop(row, None)
        self._free.append(row)
        if len(self.matrix) > max(ROOMY, SPARE * len(self._rows)):
            self._shrink()

    def _shrink(self) -> None:
        """Give the room of a rush of rows back."""
        places = {row: place for place, row in enumerate(self._rows.values())}
        height = 2 * len(places) + 8
        matrix = np.zeros((height, self.layout.size), dtype=np.int64)
        matrix[: len(places)] = self.matrix[list(places)]
        self.matrix = matrix
        self._rows = {key: places[row] for key, row in self._rows.items()}
        self._free = list(range(height - 1, len(places) - 1, -1))
        self._pairs = {places[row]: held for row, held in self._pairs.items()}
        self._worst = {places[row]: held for row, held in self._worst.items()}
        self._weights = {places[row]: held for row, held in self._weights.items()}

    def take_dirty(self) -> list[tuple[KeyT, int, Beside]]:
        """Return (key, row, what lies beside the vector) of what changed since the last call, in a fixed order."""
        changed = sorted(self.dirty, key=repr)
        self.dirty.clear()
        return self._places_of(changed)

    def places(self) -> list[tuple[KeyT, int, Beside]]:
        """Return (key, row, what lies beside the vector) of every row."""
        return self._places_of(self._rows)

    def _places_of(self, keys: Iterable[KeyT]) -> list[tuple[KeyT, int, Beside]]:
        rows = ((key, self._rows[key]) for key in keys)
        return [
            (key, row, (self._pairs[row], self._worst.get(row, ()), self.weights(row))) for key, row in rows
        ]
