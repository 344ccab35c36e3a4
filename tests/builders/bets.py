"""Columns, signals and streams to bet on, drawn cell by cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from builders.summaries import MINUTE_MS, NOON_MS, prediction_window

from detectors.betting.bank import Reading, SignalBank
from detectors.betting.budget import bars
from detectors.betting.columns import BudgetedColumns
from detectors.betting.feature_signals import DRIFT, FLAWS, column_signals
from detectors.betting.functionals import NUMERIC
from detectors.layout import PredictionLayout, prediction_layout
from detectors.profile import CategoricalColumn, Column, NumericColumn, ReferenceProfile
from detectors.profile_build import ProfileBuilder
from detectors.profile_values import Answers, Numbers, RowBatch
from detectors.registry import detectors_for
from detectors.rhythm import BET_SIZES, Rhythm
from detectors.summary import Summary
from schemas.finding import Verdict
from schemas.model_parts import FeatureRule, MinEffect
from schemas.model_settings import ModelSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from detectors.betting.signal import Signal
    from detectors.detector import Detector, PredictionWindow
    from schemas.finding import Finding

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.int64]

EVENTS: Final = 60
"""In a window."""
CALM: Final = Rhythm(inflation=(1.0,) * (2 * len(BET_SIZES)), rate=EVENTS / MINUTE_MS)
"""Of a reference whose events are independent."""
BAR: Final = float(np.log(43_200.0))


def number(name: str, counts: Sequence[int], *, rhythm: Rhythm | None = CALM, **fields: Any) -> NumericColumn:
    """Return a numeric column of these counts; its bins lie at 0, 1, 2, ..."""
    edges = tuple(float(edge) for edge in range(len(counts) - 1))
    rhythms = {} if rhythm is None else dict.fromkeys((*NUMERIC, "missing", "invalid"), rhythm)
    plain: dict[str, Any] = {
        "mean": 0.0,
        "sd": 1.0,
        "low": 0.0,
        "high": 1.0,
        "median": 0.5,
        "rhythms": rhythms,
    }
    return NumericColumn(name, edges, tuple(counts), **(plain | fields))


def category(
    name: str, counts: Sequence[int], *, rhythm: Rhythm | None = CALM, **fields: Any
) -> CategoricalColumn:
    """Return a categorical column of these counts, most frequent first."""
    names = tuple(f"k{place}" for place in range(len(counts)))
    known = (*(f"={n}" for n in names), "missing", "invalid")
    rhythms = {} if rhythm is None else dict.fromkeys(known, rhythm)
    ranked = tuple(sorted(counts, reverse=True))
    return CategoricalColumn(name, names, ranked, **({"rhythms": rhythms} | fields))


def layout_of(*columns: Column) -> PredictionLayout:
    """Return the layout of a profile of these columns."""
    return prediction_layout(ReferenceProfile("fraud", "binary", 20_000, columns))


def signals_of(
    layout: PredictionLayout, *, least: MinEffect | None = None, checks: Sequence[str] = (DRIFT, *FLAWS)
) -> list[Signal]:
    """Return the signals of a layout's columns; without `least` every change matters."""
    least = MinEffect(sd=0, share=0, relative_error=0) if least is None else least
    return [made.signal for made in column_signals(layout, least=least, checks=checks)]


def chances_of(layout: PredictionLayout) -> list[Floats]:
    """Return the share of every cell of every column in the reference."""
    found: list[Floats] = []
    for cells in layout.columns:
        column = cells.column
        other = [column.other] if isinstance(column, CategoricalColumn) else []
        counts = np.array([*column.counts, *other, column.missing, column.invalid], dtype=np.float64)
        found.append(counts / counts.sum())
    return found


def drawn(
    rng: np.random.Generator,
    layout: PredictionLayout,
    windows: int,
    *,
    n: int = EVENTS,
    chances: Mapping[int, npt.ArrayLike] | None = None,
) -> Vectors:
    """Return the vectors of windows of n events each; `chances` replace those of the reference, by column."""
    found = np.zeros((windows, layout.size), dtype=np.int64)
    found[:, [PredictionLayout.EVENTS, PredictionLayout.STATUS]] = n
    for place, (cells, chance) in enumerate(zip(layout.columns, chances_of(layout), strict=True)):
        true = np.asarray((chances or {}).get(place, chance), dtype=np.float64)
        found[:, layout.cells(cells)] = rng.multinomial(n, true, size=windows)
    return found


def shifted(column: NumericColumn, share: float) -> Floats:
    """Return the chances of a numeric column's cells with a share of the values moved to the highest bin."""
    chance = np.array(column.counts, dtype=np.float64) / sum(column.counts) * (1 - share)
    chance[-1] += share
    return np.concatenate([chance, [0.0, 0.0]])


def bank_of(signals: Sequence[Signal], *, bar: float = BAR) -> SignalBank:
    """Return a bank whose signals all fire at the same log evidence."""
    return SignalBank(signals, [bar] * len(signals), window_ms=MINUTE_MS)


def fed(
    bank: SignalBank, vectors: Vectors, *, first: int = 0, hour: float | None = None
) -> list[list[Reading]]:
    """Return the readings of every window."""
    return [
        bank.update(vector, start_ms=NOON_MS + (first + index) * MINUTE_MS, hour=hour)
        for index, vector in enumerate(vectors)
    ]


def firings(readings: Sequence[Sequence[Reading]], signal: int | None = None) -> list[int]:
    """Return the windows in which something fired."""
    return [w for w, found in enumerate(readings) for r in found if r.fired and signal in (None, r.signal)]


def resolutions(readings: Sequence[Sequence[Reading]]) -> list[int]:
    """Return the windows in which something was over."""
    return [w for w, found in enumerate(readings) for r in found if r.resolved]


def budget_bars(signals: Sequence[Signal], *, false_alarms: float, windows: int) -> list[float]:
    """Return the bars of signals for so many false alarms in so many windows, each group with an equal share."""
    groups = {signal.group: 1.0 for signal in signals}
    return bars(
        signals,
        false_alarms=false_alarms,
        per_ms=windows * MINUTE_MS,
        window_ms=MINUTE_MS,
        weights=groups,
    )


def built(columns: Mapping[str, Floats], times: npt.NDArray[np.int64] | None = None) -> ReferenceProfile:
    """Return the profile of numbers, NaN for missing ones, as the product builds it."""
    rules = {name: FeatureRule(type="numeric") for name in columns}
    builder = ProfileBuilder("fraud", "binary", positive="1", feature_rules=rules)
    n = max(len(values) for values in columns.values())
    features: dict[str, Any] = {name: Numbers(values, np.isnan(values)) for name, values in columns.items()}
    batch = RowBatch(n, features, Answers(), times)
    builder.sample(batch)
    builder.count(batch)
    return builder.finish()


def minutes(n: int, *, per_minute: int = EVENTS) -> npt.NDArray[np.int64]:
    """Return the times of n events at an even pace, that end at noon."""
    return NOON_MS - (np.arange(n, dtype=np.int64)[::-1] + 1) * (MINUTE_MS // per_minute)


def counted(layout: PredictionLayout, columns: Mapping[str, Floats]) -> Vectors:
    """Return the vector of one window: NaN counts as missing, infinity as invalid."""
    n = max((len(values) for values in columns.values()), default=0)
    vector = np.zeros(layout.size, dtype=np.int64)
    vector[[PredictionLayout.EVENTS, PredictionLayout.STATUS]] = n
    for cells in layout.columns:
        column = cells.column
        assert isinstance(column, NumericColumn)
        values = columns.get(column.name, np.full(n, np.nan))
        bins = np.array(column.edges).searchsorted(values)
        bins[np.isnan(values)], bins[np.isinf(values)] = cells.bins, cells.bins + 1
        vector[layout.cells(cells)] = np.bincount(bins, minlength=cells.size)
    return vector


SETTINGS: Final = ModelSettings.model_validate(
    {
        "name": "fraud",
        "task": "binary",
        "positive_class": "1",
        "monitors": {"volume": False, "adwin_features": False, "adwin_errors": False},
    }
)


@dataclass(slots=True)
class Columns:
    """The budgeted detector of a profile's columns, and what it has said."""

    profile: ReferenceProfile
    settings: ModelSettings = SETTINGS
    windows: int = 0
    said: list[tuple[int, str, str | None, Verdict]] = field(default_factory=list)
    detector: Detector[Any] = field(init=False)
    layout: PredictionLayout = field(init=False)

    def __post_init__(self) -> None:
        found = detectors_for(self.settings, self.profile)
        [self.detector] = [d for d in found if isinstance(d, BudgetedColumns)]
        self.layout = prediction_layout(self.profile)

    def feed(self, *vectors: Vectors) -> list[list[Finding]]:
        """Take windows in, one after the other."""
        found: list[list[Finding]] = []
        for vector in vectors:
            window: PredictionWindow = prediction_window(Summary(self.layout, vector), self.windows)
            found.append(self.detector.update(window))
            self.said += [(self.windows, f.check, f.feature, f.verdict) for f in found[-1]]
            self.windows += 1
        return found

    def first(self, check: str) -> dict[str | None, int]:
        """Return the first window in which each feature breached a check."""
        found: dict[str | None, int] = {}
        for window, name, feature, verdict in self.said:
            if name == check and verdict is Verdict.BREACH:
                found.setdefault(feature, window)
        return found
