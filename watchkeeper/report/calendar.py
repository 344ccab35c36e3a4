"""Days, weeks and months of UTC as epoch milliseconds, and how a report names them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from schemas.duration import MS_PER_DAY

Unit = Literal["day", "week", "month"]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def day_text(time_ms: int) -> str:
    """Return the day of a time as `2026-05-02`."""
    return _moment(time_ms).date().isoformat()


def day_words(day: str) -> str:
    """Return a day as people write it.

    Examples
    --------
    >>> day_words("2026-05-02")
    '2 May 2026'
    """
    moment = datetime.fromisoformat(day)
    return f"{moment.day} {moment:%b %Y}"


def unit_start(time_ms: int, unit: Unit) -> int:
    """Return the start of the day, the week (a Monday) or the month of a time."""
    day = _moment(time_ms).replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "week":
        day -= timedelta(days=day.weekday())
    return _ms(day.replace(day=1) if unit == "month" else day)


def unit_end(start_ms: int, unit: Unit) -> int:
    """Return the end of the unit that begins at a time."""
    if unit == "month":
        return unit_start(start_ms + 31 * MS_PER_DAY, "month")
    return start_ms + (7 if unit == "week" else 1) * MS_PER_DAY


def units_between(first_ms: int, until_ms: int, unit: Unit) -> Iterator[tuple[int, int]]:
    """Yield start and end of every unit that has a day in first_ms <= day < until_ms, cut to that range."""
    start = unit_start(first_ms, unit)
    while start < until_ms:
        end = unit_end(start, unit)
        yield max(start, first_ms), min(end, until_ms)
        start = end


def unit_name(start_ms: int, unit: Unit) -> str:
    """Return `May 2026`, `2026-W18` or `2026-05-02`."""
    moment = _moment(start_ms)
    if unit == "month":
        return f"{moment:%b %Y}"
    return f"{moment:%G-W%V}" if unit == "week" else day_text(start_ms)


def _moment(time_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=time_ms)


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)
