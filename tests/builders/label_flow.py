"""How labels of a simulated stream come, an hour at a time, and detectors that watch them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from alerts.announce import AlertContext
from alerts.policy import AlertBook, Hearing, step
from detectors.betting.promptness import Promptness
from detectors.betting.setup import budgeted
from detectors.detector import ClosedWindow, Detector, LabelWindow
from detectors.label_layout import LabelCell, LabelLayout
from detectors.sketch import LABEL_LAG_S
from detectors.summary import Summary
from schemas.alert import AlertData, AlertEvent
from schemas.finding import Stream, WindowSpan
from schemas.model_settings import ModelSettings

HOUR_MS = 3_600_000
START_MS = 1_772_409_600_000  # a Monday, midnight
LAYOUT = LabelLayout()
Delay = Callable[[np.random.Generator, int], npt.NDArray[np.float64]]


def spread_over_days(rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    """Delays in hours of labels that people send back over a week or so."""
    return np.minimum(rng.lognormal(math.log(60.0), 0.6, n), 330.0)


def by_night(_rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    """Delays of labels that wait a day; `Flow` rounds them up to the next run of a job at two."""
    return np.full(n, 24.0)


@dataclass
class Flow:
    """Predictions of a weekly cycle and their labels, by hour of arrival.

    Parameters
    ----------
    delay
        Hours that labels take.
    coverage
        Share of predictions that get one.
    nightly
        Whether a job writes them at two at night.
    traffic
        Factor of the predictions, by hour since the start.
    """

    days: int
    seed: int = 1
    per_hour: float = 200.0
    delay: Delay = spread_over_days
    coverage: float = 0.6
    nightly: bool = False
    traffic: Callable[[int], float] = lambda _hour: 1.0
    windows: npt.NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        rng, hours = np.random.default_rng(self.seed), 24 * self.days
        self.windows = np.zeros((hours, LAYOUT.size), dtype=np.int64)
        for hour in range(hours):
            rate = self.per_hour * (1 + 0.5 * math.sin(hour / 24 * 2 * math.pi)) * self.traffic(hour)
            made = int(rng.poisson(rate * (0.4 if hour // 24 % 7 >= 5 else 1.0)))
            self.windows[hour, LabelCell.PREDICTIONS] = made
            labelled = int(rng.binomial(made, self.coverage))
            arrives = hour + self.delay(rng, labelled)
            if self.nightly:
                arrives = np.ceil((arrives - 2) / 24) * 24 + 2
            self.add_labels(hour, arrives)

    def add_labels(self, made: int, arrives: npt.NDArray[np.float64]) -> None:
        """Let labels of the predictions of an hour arrive."""
        came = arrives[arrives < len(self.windows)]
        hours = came.astype(np.int64)
        np.add.at(self.windows[:, LabelCell.FIRST], hours, 1)
        np.add.at(self.windows, (hours, LabelLayout.LAG + LABEL_LAG_S.index((came - made) * 3_600.0)), 1)

    def held_back(self, first: int, last: int, *, flushed: bool = True) -> None:
        """Let no label come between two hours; all of them come in the hour after, if anything."""
        held = self.windows[first:last].copy()
        held[:, LabelCell.PREDICTIONS] = 0
        self.windows[first:last] -= held
        if flushed:
            lags = held[:, LabelLayout.LAG :].sum()
            self.windows[last, LabelCell.FIRST] += held[:, LabelCell.FIRST].sum()
            cell = LABEL_LAG_S.index(np.array([(last - first) * 3_600.0]))[0]
            self.windows[last, LabelLayout.LAG + cell] += lags


class LabelWatch:
    """The detectors of windows of labels and the alerts that come of them."""

    def __init__(self, **more: Any) -> None:
        raw = {"name": "fraud", "task": "binary", "positive_class": "fraud", **more}
        self.settings = ModelSettings.model_validate(raw)
        self.detectors: list[Detector[Any]] = [
            detector
            for detector in budgeted(self.settings, None)
            if detector.stream is Stream.LABELS and not isinstance(detector, Promptness)
        ]
        self.book = AlertBook()
        self.heard: list[AlertData] = []

    def feed(self, windows: npt.NDArray[np.int64], *, first: int = 0) -> LabelWatch:
        """Take windows in, the first one of that hour; those that nothing was counted in are not delivered."""
        for place, vector in enumerate(windows):
            if not vector.any():
                continue
            start_ms = START_MS + (first + place) * HOUR_MS
            span = WindowSpan(start_ms, start_ms + HOUR_MS, int(vector[0]))
            window: LabelWindow = ClosedWindow("fraud", Stream.LABELS, span, Summary(LAYOUT, vector.copy()))
            findings = [finding for detector in self.detectors for finding in detector.update(window)]
            standing = [topic for detector in self.detectors for topic in detector.standing]
            hearing = Hearing("fraud", Stream.LABELS, span.end_ms, standing.copy)
            context = AlertContext(app="test")
            self.book, events = step(self.book, findings, context=context, hearing=hearing)
            self.heard += [event.data for event in events if isinstance(event, AlertEvent)]
        return self

    def fired(self, check: str | None = None) -> list[AlertData]:
        """Return the alerts that began, of one check or of all."""
        return [
            d for d in self.heard if d.status == "firing" and d.revision == 0 and check in (None, d.check)
        ]


def hour_of(data: AlertData) -> float:
    """Return the hour since the start at which an alert was told."""
    return (data.detected_at.timestamp() * 1_000 - START_MS) / HOUR_MS
