"""The times of a profile's rows: every format and every way of writing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders.profile_tables import (
    Row,
    events,
    model,
    table,
    write_bytes,
    write_csv,
    write_jsonl,
    write_parquet,
)

from consumers.times import INVALID_MS
from detectors.profile_values import NO_TIME, RowBatch
from watchkeeper.profile_command import build_profile
from watchkeeper.profile_input import Meter, Rows, open_rows
from watchkeeper.profile_table import NamedColumns

NOON_MS = 1_793_534_400_123
"""2026-11-01T12:00:00.123Z."""


def opened(path: Path, time: str | None = "at") -> Rows:
    meter = Meter(lambda _percent: None)
    return open_rows(model(), path, named=NamedColumns(time=time), labels_path=None, meter=meter)


def batches(rows: Rows) -> list[RowBatch]:
    return list(rows.batches(lambda _share: None))


def times(rows: Rows) -> list[int | None]:
    found: list[int | None] = []
    for batch in batches(rows):
        assert batch.time_ms is not None
        assert batch.time_ms.dtype == np.int64
        assert len(batch.time_ms) == batch.n
        found += [None if value == NO_TIME else value for value in batch.time_ms.tolist()]
    return found


def parquet(folder: Path, values: pa.Array) -> Path:
    pq.write_table(pa.table({"x": pa.array(range(len(values))), "at": values}), folder / "t.parquet")
    return folder / "t.parquet"


def test_the_two_marks_of_no_time_are_one_number() -> None:
    assert INVALID_MS == NO_TIME


Write = Callable[[Path, Sequence[Mapping[str, Any]]], Path]
FORMATS: list[tuple[str, Write]] = [
    ("t.csv", write_csv),
    ("t.csv.gz", write_csv),
    ("t.jsonl", write_jsonl),
    ("t.jsonl.gz", write_jsonl),
    ("t.parquet", write_parquet),
]
TEXTS = [
    "2026-11-01T12:00:00.123Z",
    "2026-11-01T12:00:00.123",
    "2026-11-01 12:00:00.123456",
    "2026-11-01 13:00:00.123456+01:00",
    "2026-11-01t12:00:00.123999z",
    "2026-11-01 12:00:00.1230+00:00",
]


@pytest.mark.parametrize(("name", "write"), FORMATS)
def test_a_time_in_text_is_in_utc_unless_it_says_otherwise(tmp_path: Path, name: str, write: Write) -> None:
    rows = opened(write(tmp_path / name, [{"x": i, "at": text} for i, text in enumerate(TEXTS)]))
    assert times(rows) == [NOON_MS] * len(TEXTS)
    assert rows.warnings() == []


@pytest.mark.parametrize(("name", "write"), FORMATS)
def test_rows_need_not_be_sorted_and_come_in_the_same_order_in_every_reading(
    tmp_path: Path, name: str, write: Write
) -> None:
    stamps = np.random.default_rng(5).integers(1_600_000_000, 1_700_000_000, 20_000).tolist()
    rows = opened(write(tmp_path / name, [{"x": i, "at": stamp} for i, stamp in enumerate(stamps)]))
    assert times(rows) == times(rows) == [stamp * 1000 for stamp in stamps]


def test_text_of_other_forms_is_read_by_the_same_rules(tmp_path: Path) -> None:
    given: dict[str, int | None] = {
        "2026-11-01": NOON_MS - 43_200_123,
        " 2026-11-01 ": NOON_MS - 43_200_123,
        "2026-11-01 12:00:00": NOON_MS - 123,
        "2026-11-01 12:00:00.1": NOON_MS - 23,
        "2016-12-31 23:59:60": 1_483_228_800_000,
        "2026-02-30": None,
        "2026-11-01 25:00:00": None,
        "2026-11-01 12:00": None,
        "1969-12-31": None,
        "2201-01-01": None,
        "01.11.2026": None,
        "\u0662026-11-01": None,
    }
    rows = opened(write_csv(tmp_path / "t.csv", [{"x": 1, "at": text} for text in given]))
    assert times(rows) == list(given.values())


UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@pytest.mark.parametrize(("name", "write"), FORMATS)
@pytest.mark.parametrize("per_second", UNITS.values(), ids=UNITS)
def test_the_unit_of_whole_numbers_is_told_by_their_size(
    tmp_path: Path, name: str, write: Write, per_second: int
) -> None:
    seconds = [1_700_000_000 + i for i in range(9_000)]
    rows = opened(write(tmp_path / name, [{"x": i, "at": s * per_second} for i, s in enumerate(seconds)]))
    assert times(rows) == [s * 1000 for s in seconds]


def test_nanoseconds_lose_no_digit_on_the_way(tmp_path: Path) -> None:
    stamps = [NOON_MS * 1_000_000, NOON_MS * 1_000_000 - 1]
    for name, write in FORMATS:
        path = write(tmp_path / name, [{"x": 1, "at": stamp} for stamp in stamps])
        assert times(opened(path)) == [NOON_MS, NOON_MS - 1], name


def test_the_unit_is_that_of_most_numbers_wherever_the_others_stand(tmp_path: Path) -> None:
    """The first batch alone looks like seconds, and one number like nanoseconds."""
    stamps = [1_000_000 * i for i in range(9_000)] + [1_700_000_000_000] * 9_000 + [10**18]
    for name, write in FORMATS:
        rows = opened(write(tmp_path / name, [{"x": 1, "at": stamp} for stamp in stamps]))
        assert times(rows) == [*stamps[:-1], None], name


@pytest.mark.parametrize(("name", "write"), FORMATS)
def test_seconds_may_have_fractions(tmp_path: Path, name: str, write: Write) -> None:
    path = write(tmp_path / name, [{"x": 1, "at": NOON_MS / 1000}, {"x": 2, "at": 1.5e9}])
    assert times(opened(path)) == [NOON_MS, 1_500_000_000_000]


def test_numbers_and_text_may_stand_in_one_column(tmp_path: Path) -> None:
    mixed = [NOON_MS, "2026-11-01T12:00:00.123Z", str(NOON_MS), float(NOON_MS), f"{NOON_MS}.4"]
    path = write_jsonl(tmp_path / "t.jsonl", [{"x": 1, "at": value} for value in mixed])
    assert times(opened(path)) == [NOON_MS] * 5


ODD: list[object] = [None, True, [], {}, -1, 10**30, 1e300, "soon", "", "NA", "1" * 400, "-5"]


def test_a_row_without_a_readable_time_is_kept_counted_and_named(tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path / "t.jsonl", [{"x": i, "at": v} for i, v in enumerate([NOON_MS, *ODD])] + [{"x": 0}]
    )
    rows = opened(path)
    for _ in range(2):
        assert times(rows) == [NOON_MS] + [None] * 13
        assert rows.warnings() == [
            f"{path}: 13 of 14 rows have no readable time in column at, first {path}:2; they are used for "
            "everything that needs no time"
        ]
    assert sum(batch.n for batch in batches(rows)) == 14


def test_the_first_bad_time_is_shown_as_it_is_written(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "t.csv", b"x,at\n1,2026-11-01\n2,soon\n3,\n")
    profile, warnings = build_profile(model(), path, time="at")
    assert (profile.n, [column.name for column in profile.columns]) == (3, ["x"])
    assert warnings[0].startswith(
        f"{path}: 2 of 3 rows have no readable time in column at, first {path}:3 (found 'soon')"
    )


def test_without_the_option_no_time_is_known(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", [{"x": 1, "at": "2026-11-01"}])
    [batch] = batches(opened(path, time=None))
    assert batch.time_ms is None
    assert set(batch.features) == {"x", "at"}


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("unit", UNITS)
def test_parquet_timestamps_of_every_unit_and_zone_are_read(
    tmp_path: Path, unit: str, zone: str | None
) -> None:
    second = NOON_MS // 1000
    values = pa.array([second * UNITS[unit], None, -5], type=pa.timestamp(unit, tz=zone))
    path = parquet(tmp_path, values)
    rows = opened(path)
    assert times(rows) == [second * 1000, None, None]
    assert rows.warnings()[0].startswith(
        f"{path}: 2 of 3 rows have no readable time in column at, first {path}: row 2;"
    )


def test_early_parquet_timestamps_are_not_guessed(tmp_path: Path) -> None:
    assert times(opened(parquet(tmp_path, pa.array([5, 7], type=pa.timestamp("ms"))))) == [5, 7]


def test_a_parquet_timestamp_after_the_year_2200_is_no_time(tmp_path: Path) -> None:
    assert times(opened(parquet(tmp_path, pa.array([2**62, 0], type=pa.timestamp("ms"))))) == [None, 0]


DAY = date(2026, 11, 1)
ZONED = datetime(2026, 11, 1, 14, 0, 0, 123_000, tzinfo=timezone(timedelta(hours=2)))
PARQUET = {
    "days": pa.array([DAY, None], type=pa.date32()),
    "days in milliseconds": pa.array([DAY, None], type=pa.date64()),
    "text": pa.array(["2026-11-01", None]),
    "large text": pa.array(["2026-11-01", None], type=pa.large_string()),
    "categories": pa.array(["2026-11-01", None]).dictionary_encode(),
    "32-bit seconds": pa.array([1_793_491_200, None], type=pa.uint32()),
    "64-bit nanoseconds": pa.array([1_793_491_200_000_000_000, None], type=pa.uint64()),
    "floats": pa.array([1_793_491_200.0, float("nan")]),
    "decimals": pa.array([1_793_491_200, None], type=pa.decimal128(12, 0)),
}


@pytest.mark.parametrize("values", PARQUET.values(), ids=PARQUET)
def test_other_parquet_types_are_read_too(tmp_path: Path, values: pa.Array) -> None:
    assert times(opened(parquet(tmp_path, values))) == [NOON_MS - 43_200_123, None]


def test_a_parquet_time_with_an_offset_is_the_same_moment(tmp_path: Path) -> None:
    assert times(opened(parquet(tmp_path, pa.array([ZONED])))) == [NOON_MS]


NO_TIMES = {
    "time of day": pa.array([43_200], type=pa.time32("s")),
    "bytes": pa.array([b"2026"]),
    "lists": pa.array([[1]]),
    "booleans": pa.array([True]),
    "nothing": pa.array([None]),
    "date before 1970": pa.array([date(1969, 12, 31)]),
}


@pytest.mark.parametrize("values", NO_TIMES.values(), ids=NO_TIMES)
def test_parquet_types_that_are_no_time_are_none(tmp_path: Path, values: pa.Array) -> None:
    rows = opened(parquet(tmp_path, values))
    assert times(rows) == [None]
    assert "1 of 1 rows have no readable time" in rows.warnings()[0]


def test_prediction_events_bring_their_own_time(tmp_path: Path) -> None:
    given: list[Row] = events(table(3))
    given[0]["time"] = "2026-11-01T13:00:00.123+01:00"
    given[1]["shadow"] = True
    path = write_jsonl(tmp_path / "x.jsonl", given)
    assert times(opened(path, time=None)) == [NOON_MS, 1_700_000_000_002]


@pytest.mark.parametrize(("name", "write"), FORMATS)
def test_progress_counts_the_reading_of_the_times(tmp_path: Path, name: str, write: Write) -> None:
    path = write(tmp_path / name, [dict(row, at=NOON_MS) for row in table(20_000)])
    seen: list[int] = []
    build_profile(model(), path, time="at", progress=seen.append)
    assert seen == sorted(set(seen))
    assert seen[-1] == 100
