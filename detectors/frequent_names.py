"""The most frequent names of a stream in bounded memory.

Counters of Misra and Gries ("Finding repeated elements", 1982), merged block by block as in Agarwal and
others, "Mergeable summaries" (PODS 2012): a name that more than one row in `capacity` has is never lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

CAPACITY: Final = 1024
BLOCK: Final = 8192
NAME_CHARS_MAX: Final = 512
"""A longer name is no candidate: it counts as one of the others, here and at run time."""


class FrequentNames:
    """Finds the candidates for a column's categories.

    The names come in batches of any size and are taken up in blocks of fixed size, so the result depends on
    their order alone. Exact for up to `capacity` different names. Memory: `capacity` + `block` names.
    """

    def __init__(self, *, capacity: int = CAPACITY, block: int = BLOCK) -> None:
        self._capacity = capacity
        self._block = block
        self._counts: Counter[str] = Counter()
        self._waiting: list[str] = []

    def add(self, names: Sequence[str]) -> None:
        """Count names."""
        names = [name for name in names if len(name) <= NAME_CHARS_MAX]
        start = 0
        while start < len(names):
            stop = start + self._block - len(self._waiting)
            self._waiting.extend(names[start:stop])
            start = stop
            if len(self._waiting) == self._block:
                self._take_block()

    def _take_block(self) -> None:
        self._counts.update(self._waiting)
        self._waiting = []
        excess = len(self._counts) - self._capacity
        if excess > 0:
            least = sorted(self._counts.values())[excess - 1]
            self._counts = Counter({name: n - least for name, n in self._counts.items() if n > least})

    def most(self) -> list[str]:
        """Return the names, the most frequent first as far as the counters tell, equals in alphabetical order."""
        self._take_block()
        return sorted(self._counts, key=lambda name: (-self._counts[name], name))

    def candidates(self) -> list[str]:
        """Return the names that may be among the most frequent, in alphabetical order."""
        self._take_block()
        return sorted(self._counts)
