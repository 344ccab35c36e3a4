"""Moves rows between padded arrays of signals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def adopt_rows(
    arrays: Sequence[npt.NDArray[Any]], others: Sequence[npt.NDArray[Any]], rows: Sequence[tuple[int, int]]
) -> None:
    """Copy rows of signals that both have: places here and there; what is wider on one side is padding."""
    if not rows:
        return
    here, there = np.array(rows, dtype=np.intp).T
    for own, other in zip(arrays, others, strict=True):
        shared = tuple(slice(min(pair)) for pair in zip(own.shape[1:], other.shape[1:], strict=True))
        own[(here, *shared)] = other[(there, *shared)]
