"""Points in time: RFC 3339 text with an offset, and epoch milliseconds. Reads no clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, TypeAlias

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

TIME_MS_MIN: Final = 0
"""1970-01-01T00:00:00.000Z."""
TIME_MS_MAX: Final = 7_289_654_399_999
"""2200-12-31T23:59:59.999Z."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_RFC3339: Final = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]"
    r"(?P<minute>(?:[01][0-9]|2[0-3]):[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
    r"(?:\.(?P<fraction>[0-9]{1,32}))?(?:[Zz]|(?P<offset>[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]))"
)
_EXPECTED: Final = "RFC 3339 with an offset, such as 2026-11-01T12:00:00.123Z, or whole epoch milliseconds"


def parse_time_ms(value: object) -> int:
    """Return the epoch milliseconds of a point in time.

    Parameters
    ----------
    value
        RFC 3339 text with an offset (`Z` or `+01:00`; `t`, `z` and a space for the `T` are allowed);
        digits beyond the millisecond are cut off; a leap second, `23:59:60` in UTC, is the first
        instant of the next day. Or an integer: epoch milliseconds.

    Raises
    ------
    ValueError
        Anything else (a boolean and a float too), or a time outside the years 1970 to 2200.
    """
    if isinstance(value, str):
        time_ms = _from_text(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        time_ms = value
    else:
        raise ValueError(f"expected a time: {_EXPECTED}")  # noqa: TRY004 - pydantic passes TypeError on
    if not TIME_MS_MIN <= time_ms <= TIME_MS_MAX:
        raise ValueError("expected a time within the years 1970 to 2200 (integers are epoch milliseconds)")
    return time_ms


def format_time(time_ms: int) -> str:
    """Return `2026-11-01T12:00:00.123Z` for epoch milliseconds within the years 1970 to 2200."""
    if not TIME_MS_MIN <= time_ms <= TIME_MS_MAX:
        raise ValueError(f"expected a time within the years 1970 to 2200, got {time_ms} ms")
    moment = _EPOCH + time_ms * _MILLISECOND
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _from_text(text: str) -> int:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a time: {_EXPECTED}")
    is_leap = match["second"] == "60"
    second = "59" if is_leap else match["second"]
    offset = match["offset"] or "+00:00"
    try:
        moment = datetime.fromisoformat(f"{match['date']}T{match['minute']}:{second}{offset}")
        since_epoch = moment - _EPOCH
    except ValueError:
        raise ValueError(f"expected a time that exists: {_EXPECTED}") from None
    seconds = since_epoch // timedelta(seconds=1)
    if is_leap:
        return _after_leap_second_ms(seconds)
    return seconds * 1_000 + int((match["fraction"] or "0")[:3].ljust(3, "0"))


def _after_leap_second_ms(seconds: int) -> int:
    if (seconds + 1) % 86_400:
        raise ValueError("expected a leap second only at 23:59:60 UTC")
    return (seconds + 1) * 1_000


TimeMs: TypeAlias = Annotated[
    int,
    BeforeValidator(parse_time_ms),
    PlainSerializer(format_time, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "integer", "minimum": TIME_MS_MIN, "maximum": TIME_MS_MAX},
            ],
            "description": "RFC 3339 with an offset, or epoch milliseconds.",
        }
    ),
]
"""Epoch milliseconds that an event writes as RFC 3339 text or as an integer."""
