"""One figure of a window: how it is read out of a summary, and what it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from detectors.detector import Evidence
from detectors.summary import Summary

Floats = npt.NDArray[np.float64]
Unit: TypeAlias = Literal["", "share", "ms", "s", "per_hour"]
Point: TypeAlias = tuple[float | None, int]
"""A value, None where there is none, and how many events it rests on."""
Read: TypeAlias = Callable[[Summary[Any], float], Point]
"""Reads a summary of so many hours."""


_LATELY_HOURS: Final = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What a picture shows of each window.

    Parameters
    ----------
    name
        Such as `median` or `missing`; with `of`, the category or class that it is about.
    reference
        What is usual, in the figure's unit.
    low, high
        Between these it counts as unchanged.
    threshold
        The limit that fires.
    usual
        What is usual at hours of the week by the profile's clock, where it knows a cycle; in place of `reference`.
    of_columns
        Whether it is read from the profile's columns, which windows from before a learned profile do not have.
    counts_absence
        Whether a time without a window is a value, as of traffic, and not a gap.
    """

    name: str
    read: Read
    unit: Unit = ""
    of: str | None = None
    reference: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    usual: Callable[[Floats], Floats] | None = None
    of_columns: bool = False
    counts_absence: bool = False


@dataclass(frozen=True, slots=True)
class ShareOf:
    """The share of cells of a vector in others."""

    hits: tuple[int, ...]
    all: tuple[int, ...]

    def __call__(self, summary: Summary[Any], _hours: float) -> Point:
        """Return the share, and how many there are of all."""
        n = int(summary.vector[list(self.all)].sum())
        return (int(summary.vector[list(self.hits)].sum()) / n if n else None), n


def lately(value: float | None) -> Callable[[Floats], Floats] | None:
    """Return what is usual where only that of the last hour is known: nothing about the hours before."""
    if value is None:
        return None
    return lambda hours: np.where(np.abs(hours - hours[-1]) <= _LATELY_HOURS, value, np.nan)


def number(evidence: Evidence, key: str) -> float | None:
    """Return a number of the evidence, None for anything else."""
    value = evidence.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def text(evidence: Evidence, key: str) -> str | None:
    """Return a text of the evidence, None for anything else."""
    value = evidence.get(key)
    return value if isinstance(value, str) else None
