"""The times of a table's rows: one unit for the whole column, and what has no time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from consumers.written_times import UnitVote, cell_times_ms
from detectors.profile_answers import Place
from detectors.profile_values import NO_TIME

Integers = npt.NDArray[np.int64]

WrittenTimes: TypeAlias = Integers | Sequence[object]
"""Times of some rows: epoch milliseconds where the input is typed, cells as they are written where it is not."""

_SHOWN_MAX: Final = 60


class RowTimes:
    """Turns the time column of a table into epoch milliseconds.

    Call `see` with all of the column, then `restart` and `read` for every reading of the table.

    Parameters
    ----------
    path, column
        The file and the name of the column, for messages.
    """

    def __init__(self, path: Path, column: str) -> None:
        self._path = path
        self._column = column
        self._unit = UnitVote()
        self.restart()

    def see(self, written: WrittenTimes) -> None:
        """See times of some rows, to find the unit of those that are plain numbers."""
        if not isinstance(written, np.ndarray):
            self._unit.add(written)

    def restart(self) -> None:
        """Begin again at the table's first row."""
        self._rows = 0
        self._without = 0
        self._first = ""

    def read(self, written: WrittenTimes, place: Place) -> Integers:
        """Return the times of some rows, `NO_TIME` where there is none."""
        found = written if isinstance(written, np.ndarray) else cell_times_ms(written, self._unit.per_second)
        without = np.flatnonzero(found == NO_TIME)
        self._rows += len(found)
        self._without += len(without)
        if len(without) and not self._first:
            row = int(without[0])
            self._first = place(row) + _shown(written[row])
        return found

    def warnings(self) -> list[str]:
        """Return a sentence about the rows without a time, if there are any."""
        if not self._without:
            return []
        return [
            f"{self._path}: {self._without:,} of {self._rows:,} rows have no readable time in column "
            f"{self._column}, first {self._first}; they are used for everything that needs no time"
        ]


def _shown(cell: object) -> str:
    if cell is None or cell == "" or isinstance(cell, np.integer):
        return ""
    return f" (found {cell!r:.{_SHOWN_MAX}})"
