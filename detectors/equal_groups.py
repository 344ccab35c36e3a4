"""Bins put together to groups of about equal weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.intp]


def equal_groups(counts: Sequence[int], *, groups: int) -> Places:
    """Return the group of each cell: neighbours together, about equal weight, numbered from 0.

    Parameters
    ----------
    counts
        Reference events per cell, in order.
    groups
        At most so many; a cell that outweighs a group is a group of its own.

    Examples
    --------
    >>> equal_groups([25, 25, 25, 25], groups=2).tolist(), equal_groups([90, 2, 2, 6], groups=4).tolist()
    ([0, 0, 1, 1], [0, 1, 1, 1])
    """
    weights = np.asarray(counts, dtype=np.float64)
    total = weights.sum()
    if total <= 0:
        return np.zeros(len(weights), dtype=np.intp)
    middles = (np.cumsum(weights) - weights / 2) / total
    coarse = np.minimum((middles * groups).astype(np.intp), groups - 1)
    return np.unique(coarse, return_inverse=True)[1].astype(np.intp)
