"""How a drifted column changed, in the user's units."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.column_figures import largest_share_shift, moments_of, quantile, rank_shift
from detectors.detector import Evidence
from detectors.layout import ColumnCells, PredictionLayout
from detectors.profile import CategoricalColumn, NumericColumn

Counts = npt.NDArray[np.int64]

RANK_SHIFT_MIN: Final = 0.02
"""A smaller shift of the ranks has no direction: the values are spread differently."""


class DriftEvidence:
    """Says how the values of a column moved.

    Parameters
    ----------
    layout
        The profile's columns.
    """

    def __init__(self, layout: PredictionLayout) -> None:
        self._layout = layout
        names = [cells.column.name for cells in layout.numeric]
        self._moment = {name: place for place, name in enumerate(names)}

    def of(self, place: int, vector: Counts) -> Evidence:
        """Return the evidence for one column of a prediction summary's vector.

        `effect` is the shift of the mean in standard deviations of the profile, or the change of share of
        the category that changed most.
        """
        cells = self._layout.columns[place]
        if isinstance(cells.column, CategoricalColumn):
            return _categorical(cells.column, vector[_values(cells)])
        return self._numeric(cells.column, vector, vector[_values(cells)])

    def _numeric(self, column: NumericColumn, vector: Counts, counts: Counts) -> Evidence:
        n = np.full(len(self._layout.numeric), counts.sum(), dtype=np.int64)
        moments = moments_of(self._layout, vector, n)
        place = self._moment[column.name]
        scale = column.sd if column.sd > 0 else 1.0
        mean = column.mean + scale * float(moments.mean[place])
        shift = rank_shift(counts, np.array(column.counts, dtype=np.int64))
        evidence: Evidence = {
            "direction": _direction(shift),
            "effect": float(moments.mean[place]),
            "rank_shift": shift,
            "profile_mean": column.mean,
            "window_mean": mean,
            "profile_sd": column.sd,
            "window_sd": scale * float(moments.sd[place]),
        }
        return evidence if _direction(shift) == "changed" else evidence | _moved(column, counts, mean)


def _moved(column: NumericColumn, counts: Counts, mean: float) -> Evidence:
    """Return the pair of figures that says how far: medians, or means where the bins give no median."""
    before = quantile(column, np.array(column.counts, dtype=np.int64), 0.5)
    now = quantile(column, counts, 0.5)
    if before is None or now is None:
        return {"mean_before": column.mean, "mean_now": mean}
    return {"profile_median": before, "window_median": now}


def _values(cells: ColumnCells) -> slice:
    start = PredictionLayout.COLUMNS + cells.offset
    return slice(start, PredictionLayout.COLUMNS + cells.missing)


def _direction(shift: float) -> str:
    if abs(shift) < RANK_SHIFT_MIN:
        return "changed"
    return "up" if shift > 0 else "down"


def _categorical(column: CategoricalColumn, counts: Counts) -> Evidence:
    shift = largest_share_shift(column, counts)
    if shift is None:
        return {}
    return {
        "direction": "changed",
        "effect": shift.now - shift.before,
        "top_category": shift.category,
        "share_before": shift.before,
        "share_now": shift.now,
    }
