"""The blocks of time that a short memory of a long time is kept in: few recent windows, then ever longer blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LEVELS: Final = 6
BLOCKS: Final = 16
"""So many levels of blocks are kept, and so many blocks of each: with windows of a minute the last quarter of an hour
by the minute and the last eleven days by blocks of seventeen hours."""
COARSER: Final = 4
"""A block is so many of the level below."""
AFTER_MAX: Final = 10
"""What came since an onset is looked at in at most so many blocks, so that blocks of the time before are left."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Blocks that begin at whole multiples of their length since 1970, so that everybody has the same.

    Parameters
    ----------
    window_ms
        Length of a window, the block of level 0.
    """

    window_ms: int

    def length_ms(self, level: int) -> int:
        """Return the length of a level's blocks, milliseconds."""
        return int(self.window_ms * COARSER**level)

    def level_for(self, span_ms: int) -> int:
        """Return the finest level in which a stretch of time is at most `AFTER_MAX` blocks, or else the coarsest.

        Examples
        --------
        >>> Grid(60_000).level_for(600_000), Grid(60_000).level_for(660_000)
        (0, 1)
        """
        fitting = (level for level in range(LEVELS) if span_ms <= AFTER_MAX * self.length_ms(level))
        return next(fitting, LEVELS - 1)

    def nearest_ms(self, time_ms: float) -> int:
        """Return the start of a window that is nearest to a time, epoch milliseconds."""
        return round(time_ms / self.window_ms) * self.window_ms
