"""A detector of volume that knows its traffic already."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from builders.summaries import MINUTE_MS, NOON_MS

from detectors.betting.calendar import hour_of_week
from detectors.betting.usual_volume import UsualVolume

if TYPE_CHECKING:
    from detectors.detector import Detector


@lru_cache
def _weeks(per_minute: int) -> bytes:
    usual = UsualVolume(MINUTE_MS)
    minutes = NOON_MS - np.arange(4 * 7 * 24 * 60, 0, -1, dtype=np.int64) * MINUTE_MS
    for hour in hour_of_week(minutes).tolist():
        usual.add(hour, per_minute)
    return usual.to_bytes()


def acquainted(detector: Detector[Any], per_minute: int) -> Detector[Any]:
    """Return a detector of windows of a minute that has known this traffic for four weeks, up to window 0."""
    detector.restore(detector.state() | {"usual": _weeks(per_minute), "last_ms": NOON_MS - MINUTE_MS})
    return detector
