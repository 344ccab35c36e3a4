"""A figure over time, as an alert carries it: small, rounded, and the same from the same windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from detectors.betting.calendar import HOUR_MS, hour_of_week, local_ms
from detectors.detector import Evidence
from detectors.series.figure import Figure
from detectors.summary import Summary
from schemas.alert_wire import clean_text, rfc3339, utc_of_ms
from schemas.series import OF_CHARS_MAX, POINTS_MAX

_WINDOWS_A_POINT: Final = (1, 2, 5)
"""What a point may be made of: so an hour of minutes shows each, and four hours are shown in the same width."""
_BEFORE: Final = 0.5
"""A third of the picture is from before the change, where there is room."""


def windows_a_point(since_ms: int, end_ms: int, *, length_ms: int) -> int:
    """Return how many windows make a point, so that the change and some time before it are shown.

    Parameters
    ----------
    since_ms
        When the change began.
    end_ms
        End of the last window.
    length_ms
        Of a window.

    Examples
    --------
    >>> [windows_a_point(0, minutes * 60_000, length_ms=60_000) for minutes in (5, 40, 600)]
    [1, 2, 5]
    """
    wanted = (1 + _BEFORE) * (end_ms - since_ms) / length_ms
    return next((size for size in _WINDOWS_A_POINT if size * POINTS_MAX >= wanted), _WINDOWS_A_POINT[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was counted up to the end of a window.

    Parameters
    ----------
    points
        By start, on the grid of `step_ms` that ends at `end_ms`; a time without any window is absent.
    empty
        What a time without a window holds.
    """

    points: Mapping[int, Summary[Any]] = field(kw_only=False)
    end_ms: int
    step_ms: int
    empty: Summary[Any]


def series_of(figure: Figure, past: Past, *, since_ms: int, zone: str) -> Evidence | None:
    """Return the series up to the end of a window, as `schemas.series.Series` reads it; None without two values.

    Parameters
    ----------
    since_ms
        When what is wrong began.
    zone
        The clock of what is usual.
    """
    points, step_ms = past.points, past.step_ms
    if not points:
        return None
    starts = list(range(min(points), past.end_ms, step_ms))[-POINTS_MAX:]
    values: list[float | None] = []
    counts: list[int] = []
    for start in starts:
        summary = points.get(start, past.empty if figure.counts_absence else None)
        value, n = (None, 0) if summary is None else figure.read(summary, step_ms / HOUR_MS)
        values.append(value)
        counts.append(n)
    if sum(value is not None for value in values) < 2:
        return None
    told: Evidence = {
        "figure": figure.name,
        "unit": figure.unit,
        "of": None if figure.of is None else clean_text(figure.of, chars_max=OF_CHARS_MAX),
        "start": rfc3339(utc_of_ms(starts[0])),
        "step_s": step_ms / 1_000,
        "values": list(values),
        "n": list(counts),
        "reference": figure.reference,
        "low": figure.low,
        "high": figure.high,
        "threshold": figure.threshold,
        "since": rfc3339(utc_of_ms(since_ms)),
    }
    if figure.usual is not None:
        middles = np.array(starts, dtype=np.int64) + step_ms // 2
        usual = figure.usual(hour_of_week(local_ms(middles, zone))).tolist()
        told["usual"] = [None if np.isnan(value) else value for value in usual]
    return told
