"""Lengths of time as people write them (`1m`, `1h30m`, `14d`) and as milliseconds."""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeAlias

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from schemas.setting_types import ExpectedError

MS_PER_SECOND: Final = 1_000
MS_PER_MINUTE: Final = 60_000
MS_PER_HOUR: Final = 3_600_000
MS_PER_DAY: Final = 86_400_000
DURATION_MS_MAX: Final = 3_660 * MS_PER_DAY
"""Ten years: longer than any horizon, short enough that sums of a few stay exact in a float."""

DURATION_DESCRIPTION: Final = "A duration: 500ms, 90s, 1m, 1h30m, 14d; a bare number is seconds."
"""How the JSON Schema describes a duration."""

_UNITS_MS: Final = {
    "d": MS_PER_DAY,
    "h": MS_PER_HOUR,
    "m": MS_PER_MINUTE,
    "s": MS_PER_SECOND,
    "ms": 1,
}
_SHAPE: Final = re.compile(
    r"(?:(?P<d>[0-9]{1,15})d)?(?:(?P<h>[0-9]{1,15})h)?(?:(?P<m>[0-9]{1,15})m(?!s))?"
    r"(?:(?P<s>[0-9]{1,15})s)?(?:(?P<ms>[0-9]{1,15})ms)?"
)
_EXPECTED: Final = "a duration such as 500ms, 90s, 1m, 1h30m or 14d (a bare number is seconds)"
_RANGE: Final = "a duration between 0s and 3660d"


def parse_duration_ms(value: object) -> int:
    """Return the length in milliseconds of a duration as a settings file writes it.

    Parameters
    ----------
    value
        Text of whole numbers with the units d, h, m, s and ms, largest first, each at most once and
        without spaces; or a number of seconds whose thousandfold is whole.

    Raises
    ------
    ExpectedError
        Anything else, a negative length, or one beyond `DURATION_MS_MAX`.
    """
    if isinstance(value, str):
        length_ms = _from_text(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        length_ms = _from_seconds(value)
    else:
        raise ExpectedError(_EXPECTED)
    if length_ms > DURATION_MS_MAX:
        raise ExpectedError(_RANGE)
    return length_ms


def format_duration(length_ms: int) -> str:
    """Return the shortest text that `parse_duration_ms` reads back as `length_ms` (0 or more)."""
    if length_ms < 0:
        raise ValueError(f"expected a length of 0 ms or more, got {length_ms}")
    parts: list[str] = []
    rest_ms = length_ms
    for unit, unit_ms in _UNITS_MS.items():
        count, rest_ms = divmod(rest_ms, unit_ms)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _from_text(text: str) -> int:
    match = _SHAPE.fullmatch(text)
    if not text or match is None:
        raise ExpectedError(_EXPECTED)
    return sum(int(count) * _UNITS_MS[unit] for unit, count in match.groupdict().items() if count)


def _from_seconds(seconds: float) -> int:
    if not 0 <= seconds <= DURATION_MS_MAX / MS_PER_SECOND:  # NaN is in no range
        raise ExpectedError(_RANGE)
    length_ms = round(seconds * MS_PER_SECOND)
    if abs(seconds * MS_PER_SECOND - length_ms) > 1e-6:  # 0.001 has no exact float
        raise ExpectedError("a duration in whole milliseconds")
    return length_ms


DurationMs: TypeAlias = Annotated[
    int,
    BeforeValidator(parse_duration_ms),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "string",
                    "pattern": r"^(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
                },
                {"type": "number", "minimum": 0},
            ],
            "description": DURATION_DESCRIPTION,
        }
    ),
]
"""A whole number of milliseconds that a settings file writes as text or as seconds."""
