"""What the cells of a text table (CSV) hold: numbers, booleans or text, decided by column.

A column with a cell that is none of the words below is text, and then all its cells are: `1.10` and `true`
stay as they are written. A few odd words among numbers make no column of text, codes with leading zeros
(`007`) do.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias

import numpy as np

from detectors.profile_scan import NUMBER_SHARE_MIN
from detectors.profile_values import Numbers

CellType: TypeAlias = Literal["number", "boolean", "text"]

NULLS: Final = frozenset({"NA", "N/A", "#N/A", "null", "NULL", "None"})
"""Words for a missing value in a column of numbers or booleans; in a column of text they are text."""
BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

_WHOLE: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]*)", re.ASCII)
_NUMBER: Final = re.compile(
    r"[+-]?(?:(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|infinity|nan)",
    re.IGNORECASE | re.ASCII,
)
_CODE: Final = re.compile(r"[+-]?0[0-9]+", re.ASCII)
_DIGITS_MAX: Final = 300
"""A longer whole number is beyond a double anyway."""


class TextColumn:
    """Finds the type of a column from its cells."""

    def __init__(self) -> None:
        self._cells: Counter[CellType] = Counter()
        self._has_codes = False

    def add(self, cells: Iterable[str]) -> None:
        """See cells; the order does not matter."""
        for cell, n in Counter(cells).items():
            word = cell.strip()
            kind = _cell_type(word)
            if kind is not None:
                self._cells[kind] += n
                self._has_codes |= kind == "text" and _CODE.fullmatch(word) is not None

    @property
    def type(self) -> CellType:
        """The type of all cells seen; a column without values counts as numbers."""
        if len(self._cells) > 1:
            return "text"
        return next(iter(self._cells), "number")

    @property
    def is_mostly_numbers(self) -> bool:
        """Whether it is a column of numbers in which a few cells are something else."""
        enough = self._cells["number"] >= NUMBER_SHARE_MIN * self._cells.total()
        return self.type == "text" and enough and not self._has_codes


def _cell_type(cell: str) -> CellType | None:
    if not cell or cell in NULLS:
        return None
    if cell in BOOLEANS:
        return "boolean"
    return "number" if _NUMBER.fullmatch(cell) else "text"


def cell_numbers(cells: Sequence[str]) -> Numbers:
    """Return cells as numbers: blank and null words are missing, what is no number is NaN, so invalid.

    Examples
    --------
    >>> found = cell_numbers(["1.5", "", "007", "many"])
    >>> found.values.tolist(), found.missing.tolist()
    ([1.5, nan, 7.0, nan], [False, True, False, False])
    """
    missing = np.array(
        [not cell or cell.isspace() or cell.strip() in NULLS for cell in cells], dtype=np.bool_
    )
    return Numbers(np.array([_number(cell) for cell in cells], dtype=np.float64), missing)


def cell_values(cells: Sequence[str]) -> list[object]:
    """Return cells as numbers, None where blank, and as they are where they are no number."""
    return [_value(cell.strip()) for cell in cells]


def cell_categories(cells: Sequence[str], kind: CellType) -> list[object]:
    """Return cells as the values that events would carry: whole numbers, numbers, booleans or text."""
    if kind == "text":
        return [cell if cell.strip() else None for cell in cells]
    if kind == "boolean":
        return [BOOLEANS.get(cell.strip()) for cell in cells]
    return [_exact_number(cell.strip()) for cell in cells]


def _number(cell: str) -> float:
    try:
        return float(cell) if "_" not in cell else math.nan
    except ValueError:
        return math.nan


def _value(cell: str) -> object:
    if not cell or cell in NULLS:
        return None
    return float(cell) if _NUMBER.fullmatch(cell) else cell


def _exact_number(cell: str) -> int | float | None:
    if not cell or cell in NULLS:
        return None
    return int(cell) if len(cell) <= _DIGITS_MAX and _WHOLE.fullmatch(cell) else _number(cell)
