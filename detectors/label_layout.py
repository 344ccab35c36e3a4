"""What is counted of how labels come, an hour of arrival at a time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from detectors.sketch import LABEL_LAG_S


class LabelCell(IntEnum):
    """Place of a count in the vector."""

    PREDICTIONS = 0
    """Predictions made in this time that can have a label."""
    FIRST = 1
    """First labels of predictions, by the time at which they came."""
    DUPLICATES = 2
    CORRECTIONS = 3
    CONFLICTS = 4
    LATE = 5
    """Labels after the horizon."""
    ORPHANS = 6
    """Labels whose prediction has not come, by distinct id."""


RECEIVED: Final = (
    LabelCell.FIRST,
    LabelCell.DUPLICATES,
    LabelCell.CORRECTIONS,
    LabelCell.CONFLICTS,
    LabelCell.LATE,
    LabelCell.ORPHANS,
)
"""What a label can turn out to be; together all that came."""


@dataclass(frozen=True)
class LabelLayout:
    """Slices of a summary of labels: the counts of `LabelCell`, then the delays of first labels in cells of `LABEL_LAG_S`."""

    LAG = len(LabelCell)

    @property
    def counts(self) -> int:
        """Number of leading entries that are plain counts: all of them."""
        return self.size

    @property
    def size(self) -> int:
        """Length of the vector."""
        return self.LAG + LABEL_LAG_S.size

    @property
    def known(self) -> int:
        """Number of leading entries that every release has had: all of them."""
        return self.size

    further = known
    further_hash = ""

    @property
    def hash(self) -> str:
        """Names the layout: vectors of different hashes must not be added."""
        return f"labels-{self.size}"
