"""What windows are compared with: the profile of a model, or that of one version, which is counted on the same cells.

All versions are counted on the cells of the model's profile, so that windows merge by adding whatever versions they hold. A version's own
profile differs in what it expects in those cells, and in the mean and the standard deviation that it measures numbers by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.layout import (
    MOMENT_SCALE,
    SQUARE_SCALE,
    ColumnCells,
    ErrorLayout,
    PredictionLayout,
    calibrated_answers,
    error_layout,
    prediction_layout,
)
from detectors.profile import NumericColumn, ReferenceProfile
from detectors.summary import Summary
from schemas.model_settings import ModelSettings

SUM_MAX: Final = 2.0**62


@dataclass(frozen=True, slots=True)
class Reference:
    """A profile, and the layouts of the windows that are compared with it.

    Parameters
    ----------
    profile
        None where only what needs no reference is watched.
    """

    profile: ReferenceProfile | None
    predictions: PredictionLayout
    errors: ErrorLayout


def reference_of(settings: ModelSettings, profile: ReferenceProfile | None) -> Reference:
    """Return the reference of a model, on whose cells all versions are counted."""
    return Reference(profile, prediction_layout(profile), error_layout(settings.task, profile, settings.loss))


def reference_of_version(own: ReferenceProfile, main: Reference) -> Reference:
    """Return the reference of one version, on the cells of its model (see `detectors.shared_cells.difference`)."""
    layout = replace(prediction_layout(own), answers=calibrated_answers(main.profile))
    return Reference(own, layout, main.errors)


def on_own_scale(summary: Summary[PredictionLayout], layout: PredictionLayout) -> Summary[PredictionLayout]:
    """Return what was counted of a version as its own reference measures it.

    Parameters
    ----------
    summary
        Counted by the model's mean and standard deviation of each number.
    layout
        Of the version, with the same cells.

    Notes
    -----
    Moments are moved from one scale to the other, to within their grain; counts stay as they are.
    """
    first, width = layout.counts, len(layout.numeric)
    vector = summary.vector.copy()
    n = np.array([vector[_values(layout, cells)].sum() for cells in layout.numeric], dtype=np.float64)
    sums = vector[first : first + width] / MOMENT_SCALE
    squares = vector[first + width : first + 2 * width] / SQUARE_SCALE
    old_mean, old_sd = _scale(summary.layout.numeric)
    mean, sd = _scale(layout.numeric)
    with np.errstate(over="ignore", invalid="ignore"):
        factor, shift = old_sd / sd, (old_mean - mean) / sd
        moved = factor * sums + shift * n
        spread = factor**2 * squares + 2 * factor * shift * sums + shift**2 * n
        both = np.concatenate([MOMENT_SCALE * moved, SQUARE_SCALE * spread])
        both = np.clip(np.nan_to_num(both), -SUM_MAX, SUM_MAX)
    vector[first : first + 2 * width] = np.rint(both).astype(np.int64)
    return replace(summary, layout=layout, vector=vector)


def _values(layout: PredictionLayout, cells: ColumnCells) -> slice:
    start = layout.COLUMNS + cells.offset
    return slice(start, start + cells.bins)


def _scale(numeric: Sequence[ColumnCells]) -> npt.NDArray[np.float64]:
    """Return the means and standard deviations that values are counted by, shape (2, columns)."""
    columns = [cells.column for cells in numeric if isinstance(cells.column, NumericColumn)]
    found = [(column.mean, column.sd if column.sd > 0 else 1.0) for column in columns]
    return np.array(found, dtype=np.float64).reshape(-1, 2).T
