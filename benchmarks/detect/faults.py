"""Faults put into a year of flights: each in one feature, for one week, at a known time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from benchmarks.detect.real import Cell, Fault, RealTable
from benchmarks.detect.streams import DAY_MS

FAULT_DAYS: Final = 7
KM_PER_MILE: Final = 1.609344
NULL_SHARE: Final = 0.05
SWAP: Final = {"EWR": "JFK", "JFK": "EWR"}

Spoil = Callable[[list[Cell], np.random.Generator], list[Cell]]


def in_kilometres(cells: list[Cell], _rng: np.random.Generator) -> list[Cell]:
    """Return miles as kilometres."""
    return [cell * KM_PER_MILE if isinstance(cell, float) else cell for cell in cells]


def stuck(cells: list[Cell], _rng: np.random.Generator) -> list[Cell]:
    """Return the first value again and again."""
    first = next(cell for cell in cells if cell is not None)
    return [first] * len(cells)


def with_nulls(cells: list[Cell], rng: np.random.Generator) -> list[Cell]:
    """Return the values, one in twenty of them missing."""
    lost = rng.random(len(cells)) < NULL_SHARE
    return [None if gone else cell for cell, gone in zip(cells, lost.tolist(), strict=True)]


def swapped(cells: list[Cell], _rng: np.random.Generator) -> list[Cell]:
    """Return two categories for each other."""
    return [SWAP.get(cell, cell) if isinstance(cell, str) else cell for cell in cells]


FAULTS: Final[tuple[tuple[int, str, str, Spoil], ...]] = (
    (120, "distance", "kilometres for miles", in_kilometres),
    (170, "dep_delay", "stuck value", stuck),
    (220, "carrier", "5 % nulls", with_nulls),
    (270, "origin", "two categories swapped", swapped),
)
"""Day of the table, column, words, and what is done."""


def spoiled(table: RealTable, seed: int = 1) -> RealTable:
    """Return a table with the faults; scores and labels stay, as if the model had got the right values."""
    rng = np.random.default_rng(seed)
    columns = dict(table.columns)
    faults: list[Fault] = []
    for day, column, what, spoil in FAULTS:
        begin_ms = int(table.times[0] // DAY_MS + day) * DAY_MS
        end_ms = begin_ms + FAULT_DAYS * DAY_MS
        first, last = np.searchsorted(table.times, [begin_ms, end_ms]).tolist()
        cells = columns[column]
        columns[column] = [*cells[:first], *spoil(cells[first:last], rng), *cells[last:]]
        faults.append(Fault(column, what, begin_ms, end_ms))
    return replace(table, name=f"{table.name} with faults", columns=columns, faults=(*table.faults, *faults))
