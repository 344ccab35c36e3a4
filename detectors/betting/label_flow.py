"""The flow of a model's labels, as the detectors that watch it need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.betting.calendar import HOUR_MS, hour_of_week, local_ms
from detectors.betting.label_delays import LabelDelays
from detectors.betting.volume_bets import VolumeBets
from detectors.betting.watched import Watched

LEARN_DAYS_MIN: Final = 2
LEARN_DAYS_MAX: Final = 14
"""What stays as a reference is learned over one label horizon, within these bounds."""
LEARN_LABELS_MIN: Final = 1_000
"""And from at least so many labels."""
_DAY_MS: Final = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class LabelFlow:
    """How a model's labels are counted.

    Parameters
    ----------
    length_ms
        Of a window of labels.
    horizon_ms
        How long after its prediction a label counts.
    zone
        The clock that hours are read from, such as Europe/Berlin.
    least
        The smallest relative change of a flow that matters.
    """

    length_ms: int
    horizon_ms: int
    zone: str
    least: float

    @property
    def learning_ms(self) -> int:
        """How long is learned what stays as a reference."""
        return min(max(self.horizon_ms, LEARN_DAYS_MIN * _DAY_MS), LEARN_DAYS_MAX * _DAY_MS)

    def hour(self, start_ms: int) -> float:
        """Return the hour of the week of a window's middle."""
        middle = np.array([start_ms + self.length_ms // 2], dtype=np.int64)
        return float(hour_of_week(local_ms(middle, self.zone))[0])

    def per_hour(self, count: float) -> float:
        """Return what so many in a window come to in an hour."""
        return count * HOUR_MS / self.length_ms

    def bets(self, watched: Sequence[Watched], bars: Sequence[float]) -> VolumeBets:
        """Return new bets on a flow of labels."""
        return VolumeBets(watched, bars, window_ms=self.length_ms, zone=self.zone, least=self.least)

    def delays(self) -> LabelDelays:
        """Return a new memory of how long labels take."""
        return LabelDelays(self.length_ms, self.horizon_ms)
