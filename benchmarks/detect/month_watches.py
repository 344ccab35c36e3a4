"""Who watches the month; a watch more is one line more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from river.drift import ADWIN, PageHinkley

from benchmarks.detect.month_watch import DummyWatch, MonthWatch, Standardised, Tested
from benchmarks.detect.ours import OURS_MONTH
from benchmarks.detect.peers_windows import (
    jensen_shannon,
    kolmogorov_smirnov,
    stability_index,
    wasserstein,
)
from benchmarks.detect.streams import DAY_MS, HOUR_MS

WATCHES: Final[tuple[Callable[[], MonthWatch], ...]] = (
    *OURS_MONTH,
    lambda: Standardised("ADWIN std", ADWIN),
    lambda: Standardised("PageHinkley std", PageHinkley),
    lambda: Tested("Wasserstein 0.1 hour", wasserstein, 0.1, HOUR_MS),
    lambda: Tested("KS 0.05 day", kolmogorov_smirnov, 0.05, DAY_MS, p_value=True),
    lambda: Tested("KS 0.05/F day", kolmogorov_smirnov, 0.05, DAY_MS, p_value=True, shared=True),
    lambda: Tested("Wasserstein 0.1 day", wasserstein, 0.1, DAY_MS),
    lambda: Tested("PSI 0.1 day", stability_index, 0.1, DAY_MS),
    lambda: Tested("JS 0.1 day", jensen_shannon, 0.1, DAY_MS),
    lambda: DummyWatch(100_000),
)
"""In the order of the rows; river's take minutes."""


def watches(only: str | None) -> list[Callable[[], MonthWatch]]:
    """Return the watches whose names are listed, comma by comma; all if None."""
    asked = None if only is None else {name.strip().lower() for name in only.split(",")}
    return [make for make in WATCHES if asked is None or make().name.lower() in asked]
