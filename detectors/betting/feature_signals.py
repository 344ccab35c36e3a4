"""What is bet on about columns: how their values lie, and how many are missing, invalid or unknown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.functionals import NUMERIC, centred, numeric_functionals
from detectors.betting.signal import (
    DOWN,
    UP,
    Signal,
    Wager,
    quantile_for,
    rate_slack,
    rhythms_of,
    slack_of,
)
from detectors.layout import ColumnCells, PredictionLayout
from detectors.profile import OUTPUT_PREFIX, CategoricalColumn, NumericColumn, is_feature
from detectors.profile_count import WATCHED_CATEGORIES_MAX
from detectors.rhythm import Rhythm
from schemas.model_parts import MinEffect

Floats = npt.NDArray[np.float64]

VALUES_MIN: Final = 100
"""A column with fewer values in the reference is not bet on."""

NUMERIC_WAGERS: Final = (
    Wager(0, UP, (0.05, 0.1, 0.2, 0.4), 4.0),
    Wager(0, DOWN, (0.05, 0.1, 0.2, 0.4), 4.0),
    Wager(1, UP, (0.1, 0.2, 0.3, 0.5), 4.0),
    Wager(2, DOWN, (0.1, 0.2, 0.4, 0.8), 3.0),
    Wager(3, UP, (0.1, 0.2, 0.4), 0.5),
    Wager(3, DOWN, (0.1, 0.2, 0.4), 0.5),
)
RATE_SIZES: Final = (0.1, 0.2, 0.4, 0.8)
_HALF: Final = 0.5
SD_FACTORS: Final = np.array([1.0, 2.0, 0.3, 0.3])
"""What a shift, or a stretch, by one standard deviation of normal values does to each functional of a number."""

DRIFT: Final = "drift"
FLAWS: Final = ("missing_rate", "invalid_rate", "unseen_rate")


@dataclass(frozen=True, slots=True)
class ColumnSignal:
    """A signal about a column, and the check that it stands for."""

    check: str
    column: int
    signal: Signal


def column_signals(
    layout: PredictionLayout,
    *,
    least: MinEffect,
    checks: Iterable[str],
    weights: Mapping[str, float] | None = None,
) -> list[ColumnSignal]:
    """Return the signals of a profile's columns, in their order.

    Parameters
    ----------
    least
        Smallest changes that matter.
    checks
        Which of `DRIFT` and `FLAWS` are wanted.
    weights
        Share of the budget by feature, relative to 1.
    """
    wanted = frozenset(checks)
    usable = [(place, c) for place, c in enumerate(layout.columns) if _present(c) >= VALUES_MIN]
    functionals = sum(len(NUMERIC) if isinstance(c.column, NumericColumn) else 12 for _, c in usable)
    z = quantile_for(functionals + 2 * len(usable))
    found: list[ColumnSignal] = []
    for place, cells in usable:
        weight = (weights or {}).get(cells.column.name, 1.0)
        if DRIFT in wanted:
            made = _drift(cells, z=z, least=least, weight=weight)
            found += [ColumnSignal(DRIFT, place, made)] if made is not None else []
        if not is_feature(cells.column.name):
            continue
        for check in FLAWS:
            if check in wanted and (check != "unseen_rate" or isinstance(cells.column, CategoricalColumn)):
                found.append(ColumnSignal(check, place, _flaw(cells, check, z=z, least=least, weight=weight)))
    return found


def _present(cells: ColumnCells) -> int:
    return cells.column.n - cells.column.missing - cells.column.invalid


def _drift(cells: ColumnCells, *, z: float, least: MinEffect, weight: float) -> Signal | None:
    if isinstance(cells.column, NumericColumn):
        return _numeric(cells, cells.column, z=z, least=least, weight=weight)
    return _categorical(cells, cells.column, z=z, least=least, weight=weight)


def _group(name: str) -> str:
    return "prediction_drift" if name.startswith(OUTPUT_PREFIX) else "data_drift"


def _places(cells: ColumnCells, stop: int) -> npt.NDArray[np.intp]:
    return np.arange(PredictionLayout.COLUMNS + cells.offset, PredictionLayout.COLUMNS + stop, dtype=np.intp)


def _numeric(
    cells: ColumnCells, column: NumericColumn, *, z: float, least: MinEffect, weight: float
) -> Signal | None:
    counts = np.array(column.counts, dtype=np.float64)
    n = int(counts.sum())
    values = centred(numeric_functionals(counts), counts)
    # Of a constant nothing else was ever seen: the rule of three says how often it still may be.
    variance = np.maximum(counts @ np.square(values) / n, 3 / n * np.square(values).max(axis=0))
    if not variance.all():
        return None
    sds = np.sqrt(variance)
    rhythms = rhythms_of(column.rhythms, NUMERIC)
    minimum = least.sd * SD_FACTORS
    return Signal(
        name=f"{DRIFT}:{column.name}",
        group=_group(column.name),
        cells=_places(cells, cells.missing),
        values=values,
        sds=sds,
        slack=slack_of(sds, rhythms, n=n, z=z, minimum=minimum),
        minimum=minimum,
        wagers=NUMERIC_WAGERS,
        rhythms=rhythms,
        weight=weight,
    )


def _categorical(
    cells: ColumnCells, column: CategoricalColumn, *, z: float, least: MinEffect, weight: float
) -> Signal | None:
    watched = column.categories[:WATCHED_CATEGORIES_MAX]
    counts = np.array([*column.counts, column.other], dtype=np.float64)
    n = int(counts.sum())
    if not watched:
        return None
    hits = (np.arange(len(counts))[:, None] == np.arange(len(watched))).astype(np.float64)
    shares = counts[: len(watched)] / n
    rhythms = rhythms_of(column.rhythms, [f"={name}" for name in watched])
    minimum = np.full(len(watched), least.share)
    slack = rate_slack(shares, rhythms, n=n, z=z, minimum=minimum)
    wagers: list[Wager] = []
    for place, share in enumerate(shares.tolist()):
        wagers += [Wager(place, UP, _rise_sizes(share, slack[place])), Wager(place, DOWN, RATE_SIZES)]
    return Signal(
        name=f"{DRIFT}:{column.name}",
        group=_group(column.name),
        cells=_places(cells, cells.missing),
        values=hits - shares,
        sds=_share_sds(shares, slack),
        slack=slack,
        minimum=minimum,
        wagers=tuple(wagers),
        rhythms=rhythms,
        weight=weight,
    )


def _share_sds(shares: Floats, slack: Floats) -> Floats:
    """Return the standard deviations of shares, at the hardest end of their interval where they are 0 or 1."""
    highest, lowest = np.minimum(shares + slack[:, 0], 1.0), np.maximum(shares - slack[:, 1], 0.0)
    extreme = np.maximum(highest * (1 - highest), lowest * (1 - lowest))
    variance = np.where((shares > 0) & (shares < 1), shares * (1 - shares), extreme)
    return np.sqrt(np.maximum(variance, np.finfo(np.float64).tiny))


def _rise_sizes(share: float, slack: Floats) -> tuple[float, ...]:
    """Return the sizes of bets on a rise above the upper end of what counts as unchanged.

    A small share that may grow to a multiple of itself unchanged is bet on as that multiple: stakes by its own
    standard deviation would be so high that they lose until it has grown far beyond.
    """
    highest = min(share + float(slack[0]), 1.0)
    most = _HALF if share < _HALF < highest else highest
    own, widest = share * (1 - share), most * (1 - most)
    ratio = math.sqrt(own / widest) if 0 < own < widest else 1.0
    return tuple(size * ratio for size in RATE_SIZES)


def rate_signal(  # noqa: PLR0913 - the parts of a rate
    name: str,
    group: str,
    cells: npt.NDArray[np.intp],
    bad: npt.NDArray[np.bool_],
    *,
    share: float,
    slack: Floats,
    minimum: float,
    rhythms: tuple[Rhythm | None, ...] = (None,),
    weight: float = 1.0,
) -> Signal:
    """Return a bet that the share of bad events has risen.

    Parameters
    ----------
    cells, bad
        Shape (cells,): where events are counted, and which of the cells are bad.
    share
        Of bad events in the reference.
    slack
        Shape (1, 2), as `Signal.slack`.
    """
    shares = np.array([share])
    return Signal(
        name=name,
        group=group,
        cells=cells,
        values=bad[:, None].astype(np.float64) - shares,
        sds=_share_sds(shares, slack),
        slack=slack,
        minimum=np.array([minimum]),
        wagers=(Wager(0, UP, _rise_sizes(share, slack[0])),),
        rhythms=rhythms,
        weight=weight,
    )


def _flaw(cells: ColumnCells, check: str, *, z: float, least: MinEffect, weight: float) -> Signal:
    column = cells.column
    name = {"missing_rate": "missing", "invalid_rate": "invalid", "unseen_rate": "unseen"}[check]
    stop = cells.missing if check == "unseen_rate" else cells.offset + cells.size
    places = _places(cells, stop)
    last = {"missing": cells.missing, "invalid": cells.invalid, "unseen": cells.missing - 1}[name]
    n = _present(cells) if check == "unseen_rate" else column.n
    hits = {"missing": column.missing, "invalid": column.invalid, "unseen": getattr(column, "other", 0)}[name]
    shares = np.array([hits / n])
    rhythms = rhythms_of(column.rhythms, [name])
    slack = rate_slack(shares, rhythms, n=n, z=z, minimum=np.array([least.share]))
    return rate_signal(
        f"{check}:{column.name}",
        "data_quality",
        places,
        places == PredictionLayout.COLUMNS + last,
        share=float(shares[0]),
        slack=slack,
        minimum=least.share,
        rhythms=rhythms,
        weight=weight,
    )
