"""Local hours: where in the day and the week a moment lies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

HOUR_MS: Final = 3_600_000
HOURS_PER_DAY: Final = 24
HOURS_PER_WEEK: Final = 168

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY: Final = 72
"""The epoch was a Thursday: three days after a Monday."""


def local_ms(time_ms: npt.NDArray[np.int64], zone: str) -> npt.NDArray[np.int64]:
    """Return moments as a local clock shows them, in milliseconds of 1970-01-01 of that clock.

    Parameters
    ----------
    time_ms
        Epoch milliseconds.
    zone
        A name such as Europe/Berlin; `UTC` changes nothing.
    """
    if zone == "UTC" or not time_ms.size:
        return time_ms
    hours, inverse = np.unique(time_ms // HOUR_MS, return_inverse=True)
    place = ZoneInfo(zone)
    offsets = [_offset_ms(hour, place) for hour in hours.tolist()]
    return time_ms + np.array(offsets, dtype=np.int64)[inverse]


def _offset_ms(hour: int, place: ZoneInfo) -> int:
    offset = (_EPOCH + timedelta(hours=hour)).astimezone(place).utcoffset() or timedelta()
    return int(offset.total_seconds()) * 1_000


def hour_of_week(local: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the hour of the week, 0 on Monday at midnight, with its fraction; from 0 up to 168.

    Examples
    --------
    >>> hour_of_week(np.array([0, 90 * 60_000])).tolist()  # Thursday, midnight and half past one
    [72.0, 73.5]
    """
    return (local / HOUR_MS + _MONDAY) % HOURS_PER_WEEK
