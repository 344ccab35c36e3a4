"""Finds out what the input of `watchkeeper profile` is, and opens it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from consumers.plan import plan_model
from detectors.profile_values import RowBatch
from schemas.errors import Stop
from schemas.model_settings import ModelSettings
from watchkeeper.profile_csv import CsvTable
from watchkeeper.profile_events import EventRows
from watchkeeper.profile_jsonl import JsonlTable, first_object
from watchkeeper.profile_labels import Labels
from watchkeeper.profile_lines import Advance, reason
from watchkeeper.profile_table import NamedColumns, TableReader, TableRows, column_types

_PARQUET = (".parquet", ".pq")
_CSV = (".csv",)
_JSONL = (".jsonl", ".ndjson")


class Rows(Protocol):
    """Rows that can be read again and again: a table's, or those of events."""

    def batches(self, advance: Advance) -> Iterator[RowBatch]:
        """Yield the rows from the first one on; reads files, and raises `Stop` where it cannot."""

    def warnings(self) -> list[str]:
        """Return what the last reading found odd, one sentence each."""


class Meter:
    """Turns the progress of several readings into one percentage.

    Parameters
    ----------
    report
        Called with a whole number from 0 to 100 whenever it grows.
    """

    def __init__(self, report: Callable[[int], None]) -> None:
        self._report = report
        self._readings = 1
        self._done = 0
        self._percent = -1

    def expect(self, readings: int) -> None:
        """Say how many readings there will be."""
        self._readings = readings

    def advance(self, share: float) -> None:
        """Say how much of the present reading is done, 0 to 1."""
        percent = int(100 * (self._done + share) / self._readings)
        if percent > self._percent:
            self._percent = percent
            self._report(percent)

    def end_reading(self) -> None:
        """Say that the present reading is over."""
        self.advance(1.0)
        self._done += 1


def open_rows(
    settings: ModelSettings, path: Path, *, named: NamedColumns, labels_path: Path | None, meter: Meter
) -> Rows:
    """Return the rows of an input: Parquet, CSV or JSONL by the file's name, events by their first row.

    The readings that must come before the two of the profile happen here: that of the types of a CSV file,
    that of a table's times, and that of the labels.

    Raises
    ------
    Stop
        Input that cannot be read, or options that do not fit it.
    """
    kind = _kind(path)
    if kind == _JSONL and _is_event(first_object(path)):
        _refuse_columns(path, named)
        return _open_events(settings, path, labels_path, meter)
    if labels_path is not None:
        raise Stop(
            f"{path}: --labels goes with prediction events, which have prediction_id, model and features; found a "
            "table: name its column of labels with --label"
        )
    return _open_rows(settings, path, kind, named, meter)


def _kind(path: Path) -> tuple[str, ...]:
    name = path.name.lower().removesuffix(".gz")
    for kind in (_PARQUET, _CSV, _JSONL):
        if name.endswith(kind) and (kind != _PARQUET or not path.name.lower().endswith(".gz")):
            return kind
    raise Stop(
        f"{path}: expected a name that ends in .parquet, .csv, .csv.gz, .jsonl or .jsonl.gz; rename it"
    )


def _is_event(row: dict[str, object]) -> bool:
    return {"prediction_id", "model", "features"} <= row.keys()


def _refuse_columns(path: Path, named: NamedColumns) -> None:
    for option, name in named.by_option().items():
        raise Stop(
            f"{path}: {option} {name}: names a column of a table, found prediction events; their outputs are read as "
            "they are, and ground truth comes with --labels FILE"
        )


def _open_events(settings: ModelSettings, path: Path, labels_path: Path | None, meter: Meter) -> EventRows:
    labels = None
    meter.expect(2)
    if labels_path is not None:
        meter.expect(3)
        labels = Labels(labels_path, plan_model(settings, None), meter.advance)
        meter.end_reading()
    return EventRows(path, settings, labels)


def _open_rows(
    settings: ModelSettings, path: Path, kind: tuple[str, ...], named: NamedColumns, meter: Meter
) -> TableRows:
    has_times = named.time is not None
    meter.expect(2 + has_times + (kind == _CSV))
    rows = TableRows(path, _open_table(settings, path, kind, named, meter), settings, named)
    if has_times:
        rows.see_times(meter.advance)
        meter.end_reading()
    return rows


def _open_table(
    settings: ModelSettings, path: Path, kind: tuple[str, ...], named: NamedColumns, meter: Meter
) -> TableReader:
    if kind == _JSONL:
        return JsonlTable(path, named.time)
    types = column_types(settings, named)
    if kind == _PARQUET:
        from watchkeeper.profile_parquet import ParquetTable  # noqa: PLC0415 - pyarrow takes long to import

        return ParquetTable(path, types)
    table = CsvTable(path, types, meter.advance)
    meter.end_reading()
    return table


def read_importances(path: Path) -> dict[str, float]:
    """Return the importances of features from a JSON file: an object of name to number of 0 or more.

    Raises
    ------
    Stop
        Anything else.
    """
    mend = 'write an object such as {"amount": 0.7, "country": 0.3}'
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Stop(f"{path}: expected a file of importances, but: {reason(error)}; check the path") from error
    except ValueError as error:
        raise Stop(f"{path}: expected JSON, but: {error}; {mend}") from error
    if not isinstance(found, dict):
        raise Stop(f"{path}: expected an object, found {type(found).__name__}; {mend}")
    for name, value in found.items():
        if type(value) not in (int, float) or not 0 <= value < math.inf:
            raise Stop(f"{path}: expected a number of 0 or more for {name!r}, found {value!r}; {mend}")
    return {name: float(value) for name, value in found.items()}
