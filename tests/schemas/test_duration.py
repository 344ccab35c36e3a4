from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.duration import DURATION_MS_MAX, format_duration, parse_duration_ms


@pytest.mark.parametrize(
    ("written", "length_ms"),
    [
        ("1m", 60_000),
        ("14d", 1_209_600_000),
        ("500ms", 500),
        ("1h30m", 5_400_000),
        ("1m5ms", 60_005),
        ("1d2h3m4s5ms", 93_784_005),
        ("90s", 90_000),
        ("0s", 0),
        (90, 90_000),
        (0, 0),
        (0.5, 500),
        (0.001, 1),
        (1.1, 1_100),
        ("3660d", DURATION_MS_MAX),
    ],
)
def test_a_duration_is_read_as_milliseconds(written: object, length_ms: int) -> None:
    assert parse_duration_ms(written) == length_ms


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "5", "m", "1.5h", "-1m", "1 m", "1m ", "1m\n", "30m1h", "1h1h", "1w", "1M", "٣m", "1h-5m"),
        *(True, False, None, [], {}, -1, -0.5, 0.0001, float("nan"), float("inf"), 1e300),
        *("3661d", "999999999999999d", "9" * 5_000 + "s", 10**400),
    ],
)
def test_what_is_no_duration_is_refused_with_what_was_expected(written: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a duration (such as|between|in whole)"):
        parse_duration_ms(written)


@given(st.integers(min_value=0, max_value=DURATION_MS_MAX))
@example(DURATION_MS_MAX)
@example(0)
def test_a_formatted_duration_reads_back_as_itself(length_ms: int) -> None:
    assert parse_duration_ms(format_duration(length_ms)) == length_ms


@pytest.mark.parametrize(
    ("length_ms", "written"), [(0, "0s"), (60_000, "1m"), (5_400_000, "1h30m"), (86_400_500, "1d500ms")]
)
def test_a_duration_is_written_in_its_largest_units(length_ms: int, written: str) -> None:
    assert format_duration(length_ms) == written


def test_a_negative_length_is_not_written() -> None:
    with pytest.raises(ValueError, match="0 ms or more"):
        format_duration(-1)
