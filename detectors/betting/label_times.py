"""When the labels of an error window came, and to which hour their predictions belong."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.calendar import HOUR_MS, hour_of_week, local_ms
from detectors.detector import ErrorWindow
from detectors.layout import ErrorLayout
from detectors.sketch import LABEL_LAG_S

LAG_SPREAD_MAX_MS: Final = 3 * HOUR_MS
"""Labels that come with a wider spread of delays belong to no hour of the day."""
PROMPT_MS: Final = HOUR_MS
PROMPT_WINDOWS: Final = 10
"""Labels are prompt when 95 of 100 come within an hour, or within ten windows."""


def prompt_ms(window_ms: int) -> int:
    """Return the delay up to which a label is prompt, by the length of a window."""
    return max(PROMPT_MS, PROMPT_WINDOWS * window_ms)


def is_prompt(window: ErrorWindow) -> bool:
    """Return whether the labels of a window came promptly."""
    late = LABEL_LAG_S.quantile(_lags(window), 0.95) or 0.0
    return late * 1_000 <= prompt_ms(_length_ms(window))


def label_hour(window: ErrorWindow, zone: str) -> float | None:
    """Return the hour of the week that the labels' predictions belong to; None where they belong to many."""
    lags = _lags(window)
    low, high = (LABEL_LAG_S.quantile(lags, share) or 0.0 for share in (0.1, 0.9))
    if (high - low) * 1_000 > LAG_SPREAD_MAX_MS:
        return None
    return float(hour_of_week(local_ms(np.array([made_ms(window)], dtype=np.int64), zone))[0])


def made_ms(window: ErrorWindow) -> int:
    """Return when the predictions of the labels of a window were made, by the median delay, epoch milliseconds."""
    middle_s = LABEL_LAG_S.quantile(_lags(window), 0.5) or 0.0
    return window.span.start_ms + _length_ms(window) // 2 - int(middle_s * 1_000)


def _length_ms(window: ErrorWindow) -> int:
    return window.span.end_ms - window.span.start_ms


def _lags(window: ErrorWindow) -> npt.NDArray[np.int64]:
    """Return the delays of the labels of the whole model: those of a young version are the ones that come first."""
    start = ErrorLayout.LAG
    return (window.whole or window).overall.vector[start : start + LABEL_LAG_S.size]
