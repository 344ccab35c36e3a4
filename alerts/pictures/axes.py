"""Round values and round times for the edges of a picture."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_STEPS_S: Final = (
    *(1, 5, 10, 30),
    *(minutes * _MINUTE_S for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR_S for hours in (1, 2, 3, 6, 12)),
    *(days * _DAY_S for days in (1, 2, 7, 14, 30)),
)
_TIMES_MAX: Final = 7
_LINES: Final = 4


def round_values(low: float, high: float) -> list[float]:
    """Return two to five round values between two.

    Examples
    --------
    >>> round_values(0.0, 0.9), round_values(38.0, 66.0)
    ([0.0, 0.25, 0.5, 0.75], [40.0, 50.0, 60.0])
    """
    rough = (high - low) / _LINES
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((m * power for m in (1, 2, 2.5, 5) if m * power >= rough), 10 * power)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def time_steps(start: datetime, end: datetime) -> list[tuple[datetime, str]]:
    """Return round times between two, seven at most, and how they are written: in UTC, midnight as its day.

    Examples
    --------
    >>> noon, later = (datetime(2026, 11, 1, 12, minute, tzinfo=UTC) for minute in (1, 31))
    >>> [told for _, told in time_steps(noon, later)]
    ['12:05', '12:10', '12:15', '12:20', '12:25', '12:30']
    """
    length_s = (end - start).total_seconds()
    step_s = next((step for step in _STEPS_S if length_s / step < _TIMES_MAX), _STEPS_S[-1])
    first_s = math.ceil(start.timestamp() / step_s) * step_s
    count = math.floor((end.timestamp() - first_s) / step_s) + 1
    # A series of any length has as many steps as there is room for.
    some = range(0, max(count, 0), -(-count // _TIMES_MAX) if count > 0 else 1)
    times = [datetime.fromtimestamp(first_s + k * step_s, UTC) for k in some]
    return [(time, _written(time, step_s)) for time in times]


def _written(time: datetime, step_s: int) -> str:
    if step_s >= _DAY_S or (time.hour, time.minute, time.second) == (0, 0, 0):
        return f"{time.day} {time:%b}"
    return f"{time:%H:%M}" if step_s >= _MINUTE_S else f"{time:%H:%M:%S}"
