"""Reads CSV tables, which have no types: a first reading finds those of the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from detectors.profile_values import Values
from detectors.text_types import TextColumn, cell_categories, cell_numbers, cell_values
from schemas.errors import Stop
from watchkeeper.profile_lines import BATCH_ROWS, Advance, LinePlaces, open_input
from watchkeeper.profile_table import ColumnTypes, TableBatch
from watchkeeper.profile_times import WrittenTimes

_BATCH_CELLS: Final = 400_000

Rows = list[list[str]]


class CsvTable:
    """A CSV file (RFC 4180, UTF-8, commas, a header), plain or gzip.

    Parameters
    ----------
    advance
        Told how far the first reading is, which happens here.

    Raises
    ------
    Stop
        No header, or rows that do not fit it.
    """

    def __init__(self, path: Path, types: ColumnTypes, advance: Advance) -> None:
        self._path = path
        self._types = types
        self._header: list[str] = []
        self._found: dict[int, TextColumn] = {}
        for _, rows in self._rows(advance):
            for position, cells in enumerate(zip(*rows, strict=True)):
                if self._is_wanted(position):
                    self._column(position).add(cells)

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns; one without a name is left out."""
        return [name for name in self._header if name]

    def warnings(self) -> list[str]:
        """Return what is odd about the file, one sentence each."""
        places = [str(position + 1) for position, name in enumerate(self._header) if not name]
        if not places:
            return []
        return [f"{self._path}: left out column {', '.join(places)}, which has no name (a row index?)"]

    def _column(self, position: int) -> TextColumn:
        return self._found.setdefault(position, TextColumn())

    def _is_wanted(self, position: int) -> bool:
        name = self._header[position]
        return bool(name) and name not in self._types.skipped

    def batches(self, advance: Advance) -> Iterator[TableBatch]:
        """Yield the rows from the first one on."""
        for lines, rows in self._rows(advance):
            columns = {
                self._header[position]: self._values(position, cells)
                for position, cells in enumerate(zip(*rows, strict=True))
                if self._is_wanted(position)
            }
            places = LinePlaces(self._path, lines)
            yield TableBatch(len(rows), columns, places, self._written_times(rows))

    def times(self, advance: Advance) -> Iterator[WrittenTimes]:
        """Yield the column of the time alone."""
        for _, rows in self._rows(advance):
            written = self._written_times(rows)
            if written is not None:
                yield written

    def _written_times(self, rows: Rows) -> WrittenTimes | None:
        if self._types.time is None:
            return None
        position = self._header.index(self._types.time)
        return [row[position] for row in rows]

    def _values(self, position: int, cells: Sequence[str]) -> Values:
        name, types, found = self._header[position], self._types, self._column(position)
        if name in types.numbers:
            return cell_numbers(cells)
        if name in types.texts:
            return cell_categories(cells, "text")
        if name in types.categories:
            return cell_categories(cells, found.type)
        if name in types.answers or found.is_mostly_numbers:
            return cell_values(cells)
        return cell_numbers(cells) if found.type == "number" else cell_categories(cells, found.type)

    def _rows(self, advance: Advance) -> Iterator[tuple[list[int], Rows]]:
        """Yield line numbers and rows, each as wide as the header."""
        with open_input(self._path) as opened:
            text = io.TextIOWrapper(opened.stream, encoding="utf-8-sig", newline="")
            reader = csv.reader(text, strict=True)
            try:
                self._header = self._checked_header(next(reader, []))
                size = max(min(BATCH_ROWS, _BATCH_CELLS // len(self._header)), 1)
                numbered = ((reader.line_num, row) for row in reader if row)
                while batch := list(islice(numbered, size)):
                    yield self._checked_rows(batch)
                    advance(opened.progress())
            except UnicodeDecodeError as error:
                where = f"{self._path}: after line {reader.line_num}"
                raise Stop(f"{where}: expected UTF-8, but {error.reason}; save it as UTF-8") from error
            except csv.Error as error:
                where = f"{self._path}:{reader.line_num}"
                raise Stop(
                    f"{where}: expected CSV with quotes as in RFC 4180, but {error}; mend the line"
                ) from error
        advance(1.0)

    def _checked_header(self, header: list[str]) -> list[str]:
        if not any(header):
            raise Stop(f"{self._path}:1: expected a header with the names of the columns, found none; add it")
        twice = [name for position, name in enumerate(header) if name and name in header[:position]]
        if twice:
            raise Stop(f"{self._path}:1: expected each column once, found {twice[0]!r} twice; rename one")
        if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
            raise Stop(
                f"{self._path}:1: expected commas between the columns, found {header[0][:60]!r}; save it with commas"
            )
        return header

    def _checked_rows(self, batch: list[tuple[int, list[str]]]) -> tuple[list[int], Rows]:
        width = len(self._header)
        for number, row in batch:
            if len(row) != width:
                raise Stop(
                    f"{self._path}:{number}: expected {width} cells as in the header, found {len(row)}; mend the line"
                )
        return [number for number, _ in batch], [row for _, row in batch]
