"""What is counted of versions that share the traffic, so that each is held against what others answered at the same time.

A label counts in a cell by when its prediction was made and by how long it took to come, and the cell is read once no further label
can fall into it. So a version that has just begun, of which only quick labels are known, is held against the quick labels of the others, made
in the same minutes: how delays depend on the class cancels, and so does whatever changes with time for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.functionals import bin_middles, loss_cap
from detectors.pair_layout import pair_layout
from detectors.profile import ReferenceProfile
from schemas.model_settings import ModelSettings

Integers = npt.NDArray[np.int64]

ERROR_STEPS: Final = 1_000
"""Steps of the loss of a regression."""


class SplitCell(IntEnum):
    """Place of a count among those of one class of delays."""

    N = 0
    """Labels."""
    LOSS = 1
    """Sum of losses, in steps."""
    SQUARE = 2
    """Sum of their squares."""


@dataclass(frozen=True)
class SplitLayout:
    """Slices of a summary of one version's labels that fall due in a window: for each class of delays the counts of `SplitCell`.

    Parameters
    ----------
    window_ms
        Length of the windows.
    delays
        Upper ends of the classes of delays, milliseconds, each a multiple of a window.
    lengths
        Of the stretches of prediction time that are compared within, by class of delays; the same.
    steps
        Steps of the grid of losses from 0 to 1.
    loss
        `error` (0 or 1), `cost` (shares of the widest difference of costs, above the lowest), or `clipped_error` (of a
        regression: share of `span`, which is the most that an error counts).
    low, span, costs
        As in `PairLayout`.
    """

    window_ms: int
    delays: tuple[int, ...]
    lengths: tuple[int, ...]
    steps: int = 1
    loss: str = "error"
    low: float = 0.0
    span: float = 1.0
    costs: str = ""

    @property
    def size(self) -> int:
        """Length of the vector."""
        return len(SplitCell) * len(self.delays)

    counts = known = further = size
    """All entries are plain counts, and every release has had them."""

    further_hash = ""

    @property
    def hash(self) -> str:
        """Names the layout: vectors of different hashes must not be added."""
        times = "-".join(str(ms) for ms in (self.window_ms, self.delays[-1], self.lengths[-1]))
        return "-".join(
            filter(None, (f"split-{self.loss}-{self.steps}-{self.low!r}-{self.span!r}-{times}", self.costs))
        )

    def due(self, time_ms: Integers, delay_ms: Integers) -> tuple[Integers, Integers]:
        """Return the start of the window in which labels fall due, and their classes of delays.

        Parameters
        ----------
        time_ms, delay_ms
            Shape (n,): times of predictions, and how long after them their labels came; at most the last of `delays`.
        """
        group = np.searchsorted(self.delays, delay_ms).astype(np.int64)
        length, delay = np.array(self.lengths)[group], np.array(self.delays)[group]
        return time_ms // length * length + length + delay - self.window_ms, group


def split_layout_of(settings: ModelSettings, profile: ReferenceProfile | None) -> SplitLayout | None:
    """Return the layout of a model.

    None where versions are not compared, and for a regression without a reference that tells how large errors are. Losses of classes are
    on the grid of pairs; a stretch of prediction time is as long as a cohort at most, or a window if that is longer.
    """
    if not settings.monitor("compare").enabled:
        return None
    pairs, window_ms = pair_layout(settings.task, settings.costs), settings.window_ms
    times = _times(window_ms, settings.cohort_window_ms, settings.label_horizon_ms)
    if settings.task != "regression":
        return SplitLayout(window_ms, *times, pairs.steps, pairs.loss, pairs.low, pairs.span, pairs.costs)
    error = None if profile is None else profile.error
    most = 0.0 if error is None else loss_cap(np.abs(bin_middles(error)), np.array(error.counts, np.float64))
    return SplitLayout(window_ms, *times, ERROR_STEPS, "clipped_error", 0.0, most) if most > 0 else None


def _times(window_ms: int, cohort_ms: int, horizon_ms: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return delays that double, and stretches half as long: a label is read within three times its delay and two windows."""
    windows = -(-horizon_ms // window_ms)
    delays = [1]
    while delays[-1] < windows:
        delays.append(min(2 * delays[-1], windows))
    longest = max(cohort_ms // window_ms, 1)
    lengths = [min(max(delay // 2, 1), longest) for delay in delays]
    return _in_ms(delays, window_ms), _in_ms(lengths, window_ms)


def _in_ms(windows: Sequence[int], window_ms: int) -> tuple[int, ...]:
    return tuple(n * window_ms for n in windows)
