"""A profile's cells put together to few groups of about equal weight, as distances need them.

Sixty-four bins of two hundred events are mostly noise. About ten groups of equal reference weight keep the
noise of a distance small and its threshold the same for every column.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.equal_groups import Places, equal_groups
from detectors.layout import ColumnCells, PredictionLayout
from detectors.profile import CategoricalColumn

Counts = npt.NDArray[np.int64]

NUMERIC_GROUPS: Final = 10
CATEGORY_GROUPS: Final = 16
"""Groups of known categories; those that the profile does not know are one more."""


class ColumnGroups:
    """The groups of several columns in flat arrays, worked out once per profile.

    Parameters
    ----------
    columns
        Which columns of the layout; only their present values count, missing and invalid ones do not.

    Attributes
    ----------
    starts
        Shape (columns,): first group of each column.
    sizes
        Shape (columns,): groups of each column.
    reference
        Shape (groups of all columns,): events of the profile (see `unseen_rows`).
    """

    def __init__(self, columns: Iterable[ColumnCells]) -> None:
        cells: list[Places] = []
        groups: list[Places] = []
        reference: list[int] = []
        starts: list[int] = []
        for column in columns:
            place, group, counts = _grouped(column)
            starts.append(len(reference))
            cells.append(PredictionLayout.COLUMNS + place)
            groups.append(len(reference) + group)
            reference += counts
        empty = np.zeros(0, dtype=np.intp)
        self._cells = np.concatenate([empty, *cells])
        self._groups = np.concatenate([empty, *groups])
        self.starts = np.array(starts, dtype=np.intp)
        self.reference: Counts = np.array(reference, dtype=np.int64)
        self.sizes = np.diff(self.starts, append=len(reference))

    def counts(self, vector: Counts) -> Counts:
        """Return the events of a prediction summary per group, shape as `reference`."""
        total = np.bincount(self._groups, vector[self._cells], minlength=len(self.reference))
        return total.astype(np.int64)

    def totals(self, counts: Counts) -> Counts:
        """Return the present values per column, shape (columns,)."""
        return np.add.reduceat(counts, self.starts) if len(self.starts) else counts


def unseen_rows(column: CategoricalColumn) -> int:
    """Return the rows of the profile that stand for categories it does not list.

    Those it counted as `other`, and one per category that it saw once: that is how much weight categories
    have that it did not see at all (Good, "The population frequencies of species", Biometrika 40, 1953).
    """
    return column.other + column.counts.count(1)


def category_groups(column: CategoricalColumn) -> Places:
    """Return the group of each category, numbered from 0.

    A frequent category is a group of its own. Rare ones are put together by name and not by frequency: those
    that look frequent among the rare ones are partly lucky, and groups of them would seem to shrink later.
    """
    counts = np.array(column.counts, dtype=np.int64)
    own = counts * CATEGORY_GROUPS >= counts.sum()
    by_name = sorted(np.flatnonzero(~own).tolist(), key=lambda place: column.categories[place])
    groups = np.zeros(len(counts), dtype=np.intp)
    groups[own] = np.arange(int(own.sum()))
    rare = counts[by_name]
    # As many groups for the rare ones as their weight would fill.
    wanted = max(1, round(CATEGORY_GROUPS * float(rare.sum()) / max(1, int(counts.sum()))))
    groups[by_name] = int(own.sum()) + equal_groups(rare.tolist(), groups=wanted)
    return groups


def _grouped(cells: ColumnCells) -> tuple[Places, Places, list[int]]:
    """Return a column's value cells, the group of each, and the reference events per group."""
    column = cells.column
    if isinstance(column, CategoricalColumn):
        known = category_groups(column)
        group = np.append(known, int(known.max(initial=-1)) + 1)
        reference = (*column.counts, unseen_rows(column))
    else:
        group, reference = equal_groups(column.counts, groups=NUMERIC_GROUPS), column.counts
    place = cells.offset + np.arange(len(reference), dtype=np.intp)
    return place, group, np.bincount(group, reference).astype(np.int64).tolist()
