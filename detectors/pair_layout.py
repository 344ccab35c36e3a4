"""What is counted of two versions that answered the same ids, by arrival of the label."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

RELATIVE_STEPS: Final = 16
"""Steps from 0 to the largest gain, where gains are relative sizes of errors."""
COST_STEPS: Final = 1_000
"""The same where they are differences of costs."""


class PairCell(IntEnum):
    """Place of a count in the vector; first and second are the two versions, in the order of their names."""

    N = 0
    """Ids."""
    LIVE_FIRST = 1
    LIVE_SECOND = 2
    """Ids that this version did not answer in the shadow."""
    LOSS_FIRST = 3
    LOSS_SECOND = 4
    """Sums of losses, in steps."""


@dataclass(frozen=True)
class PairLayout:
    """Slices of a summary of pairs: the counts of `PairCell`, then ids by gain.

    A gain is the first version's loss less the second's, from -1 to 1: above 0 the second one was better.

    Parameters
    ----------
    steps
        Steps of the grid from 0 to 1.
    loss
        Name of the loss: `error` (0 or 1), `cost` (shares of the widest difference of costs, above the lowest), or
        `larger_error` (1 for the version that was further off). Of the last one gains are `(a - b) / (a + b)` for absolute errors a
        and b, so that no scale is needed and no outlier decides.
    low, span
        Lowest cost, and the widest difference of costs.
    costs
        Names the whole table of costs, empty without one: by another one of the same range losses mean something else.
    """

    steps: int = 1
    loss: str = "error"
    low: float = 0.0
    span: float = 1.0
    costs: str = ""

    GAINS = len(PairCell)

    @property
    def size(self) -> int:
        """Length of the vector."""
        return self.GAINS + 2 * self.steps + 1

    counts = known = further = size
    """All entries are plain counts, and every release has had them."""

    further_hash = ""

    @cached_property
    def gains(self) -> npt.NDArray[np.float64]:
        """The grid of gains, shape (2 * steps + 1,)."""
        grid: npt.NDArray[np.float64] = np.arange(-self.steps, self.steps + 1) / self.steps
        return grid

    @property
    def hash(self) -> str:
        """Names the layout: vectors of different hashes must not be added."""
        return "-".join(
            filter(None, (f"pairs-{self.loss}-{self.steps}-{self.low!r}-{self.span!r}", self.costs))
        )


def pair_layout(task: str, costs: Mapping[str, Mapping[str, float]] | None) -> PairLayout:
    """Return the layout of a model's pairs, by its task and what mistakes cost."""
    if task == "regression":
        return PairLayout(RELATIVE_STEPS, "larger_error")
    listed = [0.0, *(cost for row in (costs or {}).values() for cost in row.values())]
    low, high = min(listed), max(listed)
    if costs is None or high == low:
        return PairLayout()
    return PairLayout(COST_STEPS, "cost", low, high - low, _name_of(costs))


def _name_of(costs: Mapping[str, Mapping[str, float]]) -> str:
    """Return the same name for tables of the same costs: what is not listed costs nothing."""
    listed = sorted(
        (true, said, float(cost)) for true, row in costs.items() for said, cost in row.items() if cost
    )
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:12]
