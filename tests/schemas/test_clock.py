from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.clock import TIME_MS_MAX, TIME_MS_MIN, format_time, parse_time_ms

NOON_MS = 1_793_534_400_000


@pytest.mark.parametrize(
    ("written", "time_ms"),
    [
        ("2026-11-01T12:00:00Z", NOON_MS),
        ("2026-11-01T12:00:00.123Z", NOON_MS + 123),
        ("2026-11-01T12:00:00.1Z", NOON_MS + 100),
        ("2026-11-01T12:00:00.123999999Z", NOON_MS + 123),
        ("2026-11-01t12:00:00z", NOON_MS),
        ("2026-11-01 12:00:00Z", NOON_MS),
        ("2026-11-01T13:00:00+01:00", NOON_MS),
        ("2026-11-01T06:30:00-05:30", NOON_MS),
        ("2026-11-01T12:00:00-00:00", NOON_MS),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2017-01-01T00:59:60.9+01:00", 1_483_228_800_000),
        ("1970-01-01T00:00:00Z", TIME_MS_MIN),
        ("2200-12-31T23:59:59.999Z", TIME_MS_MAX),
        (NOON_MS, NOON_MS),
        (0, 0),
    ],
)
def test_a_time_is_read_as_epoch_milliseconds(written: object, time_ms: int) -> None:
    assert parse_time_ms(written) == time_ms


@pytest.mark.parametrize(
    "written",
    [
        *("", "now", "2026-11-01", "12:00:00Z", "2026-11-01T12:00:00", "2026-11-01T12:00Z"),
        *("2026-11-01T12:00:00+0100", "2026-11-01T12:00:00+01", "2026-11-01T12:00:00 +01:00"),
        *(
            "2026-11-01T12:00:00.Z",
            "2026-11-01T12:00:00,5Z",
            "2026-11-01T12:00:00Z ",
            "2026-11-01T12:00:00Z\n",
        ),
        *("2026-13-01T12:00:00Z", "2026-02-30T12:00:00Z", "2025-02-29T12:00:00Z", "0000-01-01T00:00:00Z"),
        *("2026-11-01T24:00:00Z", "2026-11-01T12:60:00Z", "2026-11-01T12:00:61Z", "2026-11-01T12:00:60Z"),
        *(
            "2026-11-01T12:00:00+24:00",
            "2026-11-01T12:00:00+01:60",
            "٢٠٢٦-11-01T12:00:00Z",
            "20261101T120000Z",
        ),
        *("1793534400000", "1969-12-31T23:59:59.999Z", "1970-01-01T00:30:00+01:00", "2201-01-01T00:00:00Z"),
        *("0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-23:59", f"2026-11-01T12:00:00.{'1' * 5_000}Z"),
        *(True, False, None, 1.0, float("nan"), [], {}, -1, TIME_MS_MAX + 1, 10**400),
    ],
)
def test_what_is_no_time_is_refused_with_what_was_expected(written: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a (time|leap second)"):
        parse_time_ms(written)


@given(st.integers(min_value=TIME_MS_MIN, max_value=TIME_MS_MAX))
@example(TIME_MS_MIN)
@example(TIME_MS_MAX)
def test_a_formatted_time_reads_back_as_itself(time_ms: int) -> None:
    written = format_time(time_ms)
    assert parse_time_ms(written) == time_ms
    assert len(written) == len("2026-11-01T12:00:00.123Z")


@given(
    st.datetimes(
        min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))),
    )
)
def test_every_offset_gives_the_instant_that_the_standard_library_gives(moment: datetime) -> None:
    expected_ms = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert parse_time_ms(moment.isoformat()) == expected_ms


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    try:
        time_ms = parse_time_ms(text)
    except ValueError:
        return
    assert TIME_MS_MIN <= time_ms <= TIME_MS_MAX


@pytest.mark.parametrize("time_ms", [-1, TIME_MS_MAX + 1])
def test_a_time_outside_the_range_is_not_written(time_ms: int) -> None:
    with pytest.raises(ValueError, match="1970 to 2200"):
        format_time(time_ms)
