"""Event times of a whole batch at once: RFC 3339 text or epoch milliseconds to an int64 column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.clock import parse_time_ms

INVALID_MS = np.iinfo(np.int64).min
"""Stands for a time that could not be read."""

_LENGTH = len("2026-11-01T12:00:00.123Z")
_TEMPLATE = np.frombuffer(b"0000-00-00T00:00:00.000Z", dtype=np.uint8)
_DIGITS = np.flatnonzero(ord("0") == _TEMPLATE)
_MARKS = np.flatnonzero(ord("0") != _TEMPLATE)
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_MONTH_STARTS = (
    np.arange(f"{_FIRST_YEAR}-01", f"{_LAST_YEAR + 1}-02", dtype="datetime64[M]")
    .astype("datetime64[D]")
    .astype(np.int64)
)


def times_ms(values: Sequence[str | int]) -> npt.NDArray[np.int64]:
    """Return the epoch milliseconds of each value, `INVALID_MS` where it is not a time.

    The usual form (UTC, milliseconds) is read by array arithmetic, any other one by
    `schemas.clock.parse_time_ms`; both accept the same texts.
    """
    try:
        alike = set(map(len, values)) == {_LENGTH}  # type: ignore[arg-type]  # an int raises TypeError
    except TypeError:
        alike = False
    if alike and (text := "".join(values)).isascii():  # type: ignore[arg-type]  # all have a length
        times, good = _canonical(np.frombuffer(text.encode(), dtype=np.uint8).reshape(-1, _LENGTH))
        if good.all():
            return times
    else:
        times, good = _mixed(values)
    for place in np.flatnonzero(~good).tolist():
        times[place] = _one(values[place])
    return times


def _mixed(values: Sequence[str | int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Read the usual form where it stands; the rest is marked as not good."""
    times = np.full(len(values), INVALID_MS, dtype=np.int64)
    good = np.zeros(len(values), dtype=np.bool_)
    usual = [(i, v) for i, v in enumerate(values) if type(v) is str and len(v) == _LENGTH and v.isascii()]
    if usual:
        text = "".join([v for _, v in usual]).encode()
        places = [i for i, _ in usual]
        times[places], good[places] = _canonical(np.frombuffer(text, dtype=np.uint8).reshape(-1, _LENGTH))
    return times, good


def _canonical(
    characters: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    digits = characters[:, _DIGITS].astype(np.int64) - ord("0")
    good = (characters[:, _MARKS] == _TEMPLATE[_MARKS]).all(axis=1)
    good &= ((digits >= 0) & (digits <= 9)).all(axis=1)
    year = digits[:, :4] @ np.array([1000, 100, 10, 1])
    month, day, hour, minute, second = (
        digits[:, start] * 10 + digits[:, start + 1] for start in (4, 6, 8, 10, 12)
    )
    milli = digits[:, 14:] @ np.array([100, 10, 1])
    good &= (year >= _FIRST_YEAR) & (year < _LAST_YEAR) & (month >= 1) & (month <= 12) & (day >= 1)
    good &= (hour < 24) & (minute < 60) & (second < 60)
    index = np.where(good, (year - _FIRST_YEAR) * 12 + month - 1, 0)
    good &= day <= _MONTH_STARTS[index + 1] - _MONTH_STARTS[index]
    days = _MONTH_STARTS[index] + day - 1
    return ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + milli, good


def _one(value: str | int) -> int:
    try:
        return parse_time_ms(value)
    except ValueError:
        return int(INVALID_MS)
