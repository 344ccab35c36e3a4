"""Reads JSONL: objects line by line, as columns, and tables whose rows they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from consumers.event_rows import columns_of
from schemas.errors import Stop
from watchkeeper.profile_lines import Advance, LinePlaces, LineTally, batches_of_lines, open_input
from watchkeeper.profile_table import TableBatch
from watchkeeper.profile_times import WrittenTimes

_SNIFFED_LINES = 100


def read_object(line: bytes) -> dict[str, Any]:
    """Return the object of a line; NaN and Infinity are taken as Python's JSON takes them.

    Raises
    ------
    ValueError
        Anything else than a JSON object in UTF-8; the message says what.
    """
    try:
        value = json.loads(line.decode("utf-8"))
    except RecursionError:
        raise ValueError("expected a JSON object, found one nested too deep") from None
    except ValueError as error:
        raise ValueError(f"expected a JSON object in UTF-8: {str(error)[:200]}") from error
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, found {type(value).__name__}")  # noqa: TRY004 - data, not a bug
    return value


def first_object(path: Path) -> dict[str, Any]:
    """Return the first object of a JSONL file.

    Raises
    ------
    Stop
        No object in its first lines.
    """
    first = ""
    with open_input(path) as opened:
        batch = next(batches_of_lines(opened), [])
    for number, line in batch[:_SNIFFED_LINES]:
        try:
            return read_object(line)
        except ValueError as error:
            first = first or f"{path}:{number}: {error}"
    raise Stop(f"{first}; write one object per line" if first else f"{path}: expected rows, found none")


class JsonlTable:
    """A JSONL file whose objects are rows; a name that an object lacks is missing in its row.

    Lines that are no object are counted and left out, up to one in ten.

    Parameters
    ----------
    time
        The column of the time, if there is one.
    """

    names = None

    def __init__(self, path: Path, time: str | None) -> None:
        self._path = path
        self._time = time
        self._tally = LineTally(path)

    def warnings(self) -> list[str]:
        """Return a sentence about the lines left out, if there are any."""
        return self._tally.warnings()

    def batches(self, advance: Advance) -> Iterator[TableBatch]:
        """Yield the rows from the first one on."""
        self._tally.restart()
        with open_input(self._path) as opened:
            for batch in batches_of_lines(opened):
                numbers: list[int] = []
                rows: list[dict[str, Any]] = []
                for number, line in batch:
                    self._tally.lines += 1
                    try:
                        rows.append(read_object(line))
                        numbers.append(number)
                    except ValueError as error:
                        self._tally.refuse(number, str(error))
                times = None if self._time is None else [row.get(self._time) for row in rows]
                yield TableBatch(len(rows), columns_of(rows), LinePlaces(self._path, numbers), times)
                advance(opened.progress())
        self._tally.check()
        advance(1.0)

    def times(self, advance: Advance) -> Iterator[WrittenTimes]:
        """Yield the column of the time alone."""
        return (batch.time for batch in self.batches(advance) if batch.time is not None)
