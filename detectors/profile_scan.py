"""First look at a column of the reference: its type, its bins or its candidate categories, its oddities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import numpy as np

from detectors.frequent_names import NAME_CHARS_MAX, FrequentNames
from detectors.profile_sample import Sample
from detectors.profile_values import (
    INVALID,
    MISSING,
    NUMBER_TYPES,
    Floats,
    Numbers,
    Values,
    category_name,
    category_names,
    numbers,
)

ColumnType: TypeAlias = Literal["numeric", "categorical"]

NUMBER_SHARE_MIN: Final = 0.95
"""From this share of numbers on, a column is numeric and its other values are invalid ones."""
FIRST_VALUES: Final = 10_000
"""So many values decide whether a column looks like an id."""
ODD_VALUES_MIN: Final = 100
"""Fewer values than these raise no suspicion."""
ID_SHARE_MIN: Final = 0.9
_SHOWN_CHARS_MAX: Final = 40


class ColumnScan:
    """Sees every value of a column once.

    A column is categorical if more than a few of its values are no numbers (text, booleans, lists), unless
    the settings say what it is.

    Parameters
    ----------
    declared
        The type that the settings give the column, or None.
    """

    def __init__(self, name: str, *, declared: ColumnType | None, sample_max: int) -> None:
        self.name = name
        self.declared = declared
        self.sample = Sample(sample_max)
        self.frequent = FrequentNames()
        self.largest = 0.0
        self._numbers = 0
        self._others = 0
        self._other = ""
        self._invalid = 0
        self._first: set[str] = set()
        self._first_seen = 0
        self._rises = True
        self._last = -math.inf

    def limit(self, size_max: int) -> None:
        """Keep a smaller sample from now on."""
        self.sample.limit(size_max)

    @property
    def has_numbers(self) -> bool:
        """Whether a number has been seen, in a column that may be numeric."""
        return self._numbers > 0 and self.declared != "categorical"

    @property
    def type(self) -> ColumnType:
        """The column's type, as far as it has been seen: a few odd values make no column of words."""
        if self.declared is not None:
            return self.declared
        numeric = self._numbers >= NUMBER_SHARE_MIN * (self._numbers + self._others)
        return "numeric" if numeric else "categorical"

    def add(self, values: Values, keys: Floats) -> None:
        """Take values in; `keys`, shape (n,), decide which of them the sample keeps."""
        if self.declared == "categorical":
            self._add_names([name for name in category_names(values) if name != MISSING])
        elif isinstance(values, Numbers) or set(map(type, values)) <= {*NUMBER_TYPES, type(None)}:
            self._add_numbers(numbers(values), keys)
        else:
            self._add_mixed(values, keys)

    def _add_mixed(self, values: Sequence[object], keys: Floats) -> None:
        is_number = np.array([type(value) in NUMBER_TYPES for value in values], dtype=np.bool_)
        self._add_numbers(numbers([v for v in values if type(v) in NUMBER_TYPES]), keys[is_number])
        others = [v for v in values if type(v) not in NUMBER_TYPES and v is not None]
        if others:
            self._other = self._other or category_name(others[0])
            self._others += len(others)
            self._add_names([category_name(value) for value in others])

    def _add_numbers(self, column: Numbers, keys: Floats) -> None:
        finite = column.finite
        found = column.values[finite]
        self._numbers += len(column.values) - int(column.missing.sum())
        if not len(found):
            return
        self.sample.add(found, keys[finite])
        self.largest = max(self.largest, float(np.abs(found).max()))
        if self._rises:
            self._rises = self._last < found[0] and bool((found[1:] > found[:-1]).all())
            self._last = float(found[-1])

    def _add_names(self, names: Sequence[str]) -> None:
        usable = [name for name in names if name != INVALID]
        self._invalid += len(names) - len(usable)
        self.frequent.add(usable)
        first = usable[: FIRST_VALUES - self._first_seen]
        self._first.update(name[:NAME_CHARS_MAX] for name in first)
        self._first_seen += len(first)

    def candidates(self) -> list[str]:
        """Return the names that may become categories, in alphabetical order.

        Numbers of a column that also holds text are candidates as far as its sample of numbers has them.
        """
        found = set(self.frequent.candidates())
        if self.declared is None and self._numbers:
            sampled = FrequentNames()
            sampled.add([category_name(value) for value in self.sample.ordered().tolist()])
            found.update(sampled.candidates())
        return sorted(found)

    def oddity(self) -> str | None:
        """Return what looks wrong with the column, in a sentence, or None."""
        if self.type == "categorical":
            return self._category_oddity()
        if not self._numbers:
            return f"column {self.name} never holds a number: declare its type, or ignore it"
        if self._others and self.declared is None:
            return (
                f"column {self.name} holds {self._numbers:,} numbers and {self._others:,} other values, such as "
                f'"{self._other[:_SHOWN_CHARS_MAX]}": those count as invalid; declare type: categorical if they '
                "are meant"
            )
        if self._rises and self._numbers >= ODD_VALUES_MIN:
            return (
                f"column {self.name} rises with every row, as row numbers and times do: it will drift by "
                f"itself; say features: {{{self.name}: {{ignore: true}}}}"
            )
        return None

    def _category_oddity(self) -> str | None:
        if not self._first_seen and not self._numbers:
            return (
                f"column {self.name} never holds a number, text or boolean: it cannot be watched; ignore it"
            )
        if self._others and self._numbers:
            return (
                f"column {self.name} holds {self._numbers:,} numbers and {self._others:,} other values, such as "
                f'"{self._other[:_SHOWN_CHARS_MAX]}": it counts as categorical; declare type: numeric to count '
                "those as invalid"
            )
        if self._first_seen >= ODD_VALUES_MIN and len(self._first) >= ID_SHARE_MIN * self._first_seen:
            return (
                f"column {self.name} looks like an id: {len(self._first):,} of its first {self._first_seen:,} "
                f"values are distinct; say features: {{{self.name}: {{ignore: true}}}}"
            )
        return None
