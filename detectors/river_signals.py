"""What a monitor of river can watch: how each signal is read out of a closed window's summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from detectors.layout import MOMENT_SCALE, STATUSES, ColumnCells, ErrorLayout, PredictionLayout
from detectors.profile import OUTPUT_PREFIX, CategoricalColumn, NumericColumn
from detectors.reference import Reference
from schemas.errors import Stop
from schemas.finding import Kind, Stream
from schemas.river_parameters import RIVER
from schemas.river_settings import RiverSettings, SignalName
from schemas.setting_types import nearest

Vector = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]

SPREAD_MIN: Final = 0.1
"""Least spread of a share: one that the profile never saw counts as one of 1 %."""

SPREAD_UNKNOWN: Final = 0.5
"""Spread of a share without a reference: no 0/1 spreads more."""


class Measure(Protocol):
    """Reads a window."""

    def __call__(self, vector: Vector) -> tuple[int, float]:
        """Return the number of events and the sum of the signal over them."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal.

    Parameters
    ----------
    figure
        What its mean over events is called in evidence, such as `rate`.
    measure
        Reads a window of `stream`.
    spread
        Standard deviation of one event where nothing changes, in the unit of `measure`.
    offset, scale
        From the unit of `measure` to the one that people know.
    basis
        Hash of what it was counted on: sums of different bases must not be compared.
    """

    stream: Stream
    kind: Kind
    figure: str
    measure: Measure
    basis: str
    spread: float = 1.0
    offset: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class _Hits:
    """A share of events: cells of all of them, and of those that count."""

    all: Places
    hits: Places

    def __call__(self, vector: Vector) -> tuple[int, float]:
        return int(vector[self.all].sum()), float(vector[self.hits].sum())


@dataclass(frozen=True, slots=True)
class _Standardised:
    """A numeric column in the profile's standard deviations, counted from the profile's mean."""

    present: Places
    moment: int

    def __call__(self, vector: Vector) -> tuple[int, float]:
        return int(vector[self.present].sum()), float(vector[self.moment]) / MOMENT_SCALE


@dataclass(frozen=True, slots=True)
class _AbsoluteErrors:
    layout: ErrorLayout

    def __call__(self, vector: Vector) -> tuple[int, float]:
        return int(vector[0]), self.layout.sum(vector, "absolute")


def signal_of(settings: RiverSettings, reference: Reference) -> Signal:
    """Return the signal that a monitor watches.

    Raises
    ------
    Stop
        If the profile does not have what it names; without the place, which the caller knows.
    """
    name = settings.signal_name
    if name.kind == "error":
        return _errors(reference)
    if name.feature is not None:
        return _of_column(settings, name, name.feature, reference)
    kind = Kind.ERROR_RATE if name.kind == "error_rate" else Kind.FALLBACK_RATE
    cell = PredictionLayout.STATUS + STATUSES.index(name.kind.removesuffix("_rate"))
    measure = _Hits(_cells(PredictionLayout.EVENTS), _cells(cell))
    return Signal(Stream.PREDICTIONS, kind, "rate", measure, "", spread=SPREAD_UNKNOWN)


def _errors(reference: Reference) -> Signal:
    layout, profile = reference.errors, reference.profile
    if layout.task == "regression":
        if profile is None or profile.error_sd <= 0:
            raise Stop(
                "expected a profile that knows the spread of the errors; build it with --label, or watch a feature"
            )
        return Signal(
            *(Stream.ERRORS, Kind.PERFORMANCE, "mae", _AbsoluteErrors(layout), layout.hash),
            spread=profile.error_sd,
        )
    accuracy = None if profile is None else profile.metrics.get("accuracy")
    spread = SPREAD_UNKNOWN if accuracy is None else _spread(1 - accuracy)
    measure = _Hits(_cells(0), _cells(1))
    return Signal(Stream.ERRORS, Kind.PERFORMANCE, "rate", measure, layout.hash, spread=spread)


def _of_column(settings: RiverSettings, name: SignalName, feature: str, reference: Reference) -> Signal:
    cells = _column(feature, reference)
    if name.kind == "feature" and not RIVER[settings.river].is_binary:
        return _mean(feature, cells, reference.predictions)
    measure, known = _share(name, feature, cells)
    is_bad = name.kind in {"missing", "invalid", "unseen"}
    kind = Kind.DATA_QUALITY if is_bad else _drift_of(feature)
    figure, basis = ("rate" if is_bad else "share"), reference.predictions.hash
    return Signal(Stream.PREDICTIONS, kind, figure, measure, basis, spread=_spread(known))


def _column(feature: str, reference: Reference) -> ColumnCells:
    if reference.profile is None:
        raise Stop(f"expected a profile to find {feature!r} in; name one under profile")
    found = {cells.column.name: cells for cells in reference.predictions.columns}
    if feature not in found:
        raise Stop(f"the profile has no column {feature!r}; {nearest(feature, found)}")
    return found[feature]


def _mean(feature: str, cells: ColumnCells, layout: PredictionLayout) -> Signal:
    column = _numeric(feature, cells)
    measure = _Standardised(_range(cells, cells.bins), layout.counts + layout.numeric.index(cells))
    scale = column.sd if column.sd > 0 else 1.0  # as where values are counted
    return Signal(
        *(Stream.PREDICTIONS, _drift_of(feature), "mean", measure, layout.hash),
        offset=column.mean,
        scale=scale,
    )


def _share(name: SignalName, feature: str, cells: ColumnCells) -> tuple[_Hits, float]:
    """Return how to read a share of a column's events, and what the profile says of it."""
    column, present = cells.column, _range(cells, len(cells.column.counts))
    if name.kind in {"missing", "invalid"}:
        bad = cells.missing if name.kind == "missing" else cells.invalid
        rows = column.missing if name.kind == "missing" else column.invalid
        return _Hits(_range(cells, cells.size), _in_columns(bad)), rows / max(column.n, 1)
    if name.kind == "feature":
        upper = _upper_half(_numeric(feature, cells))
        return _Hits(present, present[upper:]), sum(column.counts[upper:]) / max(sum(column.counts), 1)
    if not isinstance(column, CategoricalColumn):
        raise Stop(f"{feature!r} is a number, which has no categories; watch feature:{feature}")
    present = np.append(present, _in_columns(cells.offset + cells.bins))
    rows = max(sum(column.counts) + column.other, 1)
    if name.kind == "unseen":
        return _Hits(present, present[-1:]), column.other / rows
    if name.category not in column.categories:
        hint = nearest(str(name.category), column.categories, otherwise=f"watch unseen:{feature}")
        raise Stop(f"the profile of {feature!r} has no category {name.category!r}; {hint}")
    place = column.categories.index(name.category)
    return _Hits(present, present[place : place + 1]), column.counts[place] / rows


def _numeric(feature: str, cells: ColumnCells) -> NumericColumn:
    if not isinstance(cells.column, NumericColumn):
        raise Stop(f"{feature!r} has categories and no mean; watch share:{feature}=CATEGORY")
    return cells.column


def _upper_half(column: NumericColumn) -> int:
    """Return the first bin of the upper half of the profile's rows."""
    below = np.cumsum(column.counts)
    return int(np.argmin(np.abs(2 * below - below[-1]))) + 1


def _spread(share: float) -> float:
    return max(float(np.sqrt(share * (1 - share))), SPREAD_MIN)


def _drift_of(feature: str) -> Kind:
    return Kind.PREDICTION_DRIFT if feature.startswith(OUTPUT_PREFIX) else Kind.DATA_DRIFT


def _cells(*places: int) -> Places:
    return np.array(places, dtype=np.intp)


def _in_columns(cell: int) -> Places:
    return _cells(PredictionLayout.COLUMNS + cell)


def _range(cells: ColumnCells, count: int) -> Places:
    start: Any = PredictionLayout.COLUMNS + cells.offset
    return np.arange(start, start + count, dtype=np.intp)
