"""Reads Parquet tables; the only module that knows pyarrow, and imported only when one is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from consumers.written_times import epoch_ms
from detectors.profile_values import NO_TIME, Numbers, Values
from schemas.errors import Stop
from watchkeeper.profile_lines import BATCH_ROWS, Advance, reason
from watchkeeper.profile_table import ColumnTypes, TableBatch
from watchkeeper.profile_times import WrittenTimes

_BATCH_CELLS: Final = 400_000
_INDEX: Final = "__index_level_"
"""What pandas calls the column of an index without a name."""
_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY_S: Final = 86_400
_NO_VALUE: Final = ()
"""Stands for lists, structs and bytes, none of which a profile knows."""


@dataclass(frozen=True, slots=True)
class RowPlaces:
    """Says where the rows of a batch stand: rows of a Parquet file have no lines, but numbers from 1."""

    path: Path
    first: int

    def __call__(self, row: int) -> str:
        """Return file and number of a row of the batch."""
        return f"{self.path}: row {self.first + row}"


class ParquetTable:
    """A Parquet file. Memory: one row group as it is stored, and a batch of rows.

    Raises
    ------
    Stop
        Not a Parquet file, or a damaged one.
    """

    def __init__(self, path: Path, types: ColumnTypes) -> None:
        self._path = path
        self._types = types
        with self._open() as file:
            self._stored = [str(name) for name in file.schema_arrow.names]
        twice = [name for position, name in enumerate(self._stored) if name in self._stored[:position]]
        if twice:
            raise Stop(f"{path}: expected each column once, found {twice[0]!r} twice; rename one")

    def _open(self) -> Any:
        try:
            return pq.ParquetFile(self._path)
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> Stop:
        return Stop(
            f"{self._path}: expected a readable Parquet file, but: {reason(error)}; check the path and the file"
        )

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns, an index apart."""
        return [name for name in self._stored if not name.startswith(_INDEX)]

    def warnings(self) -> list[str]:
        """Return what is odd about the file, one sentence each."""
        left_out = [name for name in self._stored if name.startswith(_INDEX)]
        return [f"{self._path}: left out column {name}, the index of a table" for name in left_out]

    def batches(self, advance: Advance) -> Iterator[TableBatch]:
        """Yield the rows from the first one on."""
        wanted = [name for name in self.names if name not in self._types.skipped]
        time = self._types.time
        first = 1
        for batch in self._stored_batches([*wanted, *self._time_columns()], advance):
            columns = {name: self._values(name, batch.column(name)) for name in wanted}
            times = None if time is None else _written_times(batch.column(time))
            yield TableBatch(batch.num_rows, columns, RowPlaces(self._path, first), times)
            first += batch.num_rows

    def times(self, advance: Advance) -> Iterator[WrittenTimes]:
        """Yield the column of the time alone."""
        for name in self._time_columns():
            for batch in self._stored_batches([name], advance):
                yield _written_times(batch.column(name))

    def _time_columns(self) -> list[str]:
        return [] if self._types.time is None else [self._types.time]

    def _stored_batches(self, wanted: Sequence[str], advance: Advance) -> Iterator[Any]:
        size = max(min(BATCH_ROWS, _BATCH_CELLS // max(len(wanted), 1)), 1)
        done = 0
        with self._open() as file:
            try:
                for batch in file.iter_batches(batch_size=size, columns=wanted, use_threads=False):
                    yield batch
                    done += batch.num_rows
                    advance(done / max(file.metadata.num_rows, 1))
            except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
                raise self._unreadable(error) from error
        advance(1.0)

    def _values(self, name: str, column: Any) -> Values:
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        kind = column.type
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        missing = np.asarray(column.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)
        if is_number and name not in self._types.categories:
            values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            return Numbers(np.asarray(values, dtype=np.float64), missing)
        if pa.types.is_temporal(kind):
            column = column.cast(pa.string())  # as events carry it
        elif pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return [None if is_missing else _NO_VALUE for is_missing in missing.tolist()]
        return [_plain(value) for value in column.to_pylist()]


def _written_times(column: Any) -> WrittenTimes:
    """Return typed times as epoch milliseconds, and everything else as an event would carry it."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_timestamp(kind):
        return epoch_ms(_integers(column), _PER_SECOND[kind.unit])
    if pa.types.is_date64(kind):
        return epoch_ms(_integers(column), 1_000)
    if pa.types.is_date32(kind):
        days = _integers(column.cast(pa.int32()))
        return epoch_ms(np.where(days >= 0, days * _DAY_S, NO_TIME), 1)
    return [_plain(value) for value in column.to_pylist()]


def _integers(column: Any) -> npt.NDArray[np.int64]:
    """Return a column as integers, `NO_TIME` for null."""
    whole = column.cast(pa.int64()).fill_null(NO_TIME)
    return np.asarray(whole.to_numpy(zero_copy_only=False), dtype=np.int64)


def _plain(value: object) -> object:
    """Return a value as an event would carry it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
