"""`python -m benchmarks.detect.volume`: false alarms and delays of the volume detector, in simulated weeks of traffic."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detectors.detector import ClosedWindow, Detector
from detectors.layout import PredictionLayout, prediction_layout
from detectors.registry import detectors_for
from detectors.summary import Summary
from schemas.finding import Finding, Stream, Verdict, WindowSpan
from schemas.model_settings import ModelSettings

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

MINUTE_MS: Final = 60_000
MONDAY_MS: Final = 1_792_972_800_000
"""2026-10-26 00:00 UTC."""
LAYOUT: Final = prediction_layout(None)
CHANGES: Final = {"a tenth": 0.1, "half": 0.5, "double": 2.0}
FOLLOWED_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Traffic:
    """How events come.

    Parameters
    ----------
    mean
        Events per window, on average over the first weeks.
    daily
        Amplitude of the daily cycle of the logarithm.
    weekend
        Traffic of Saturday and Sunday relative to other days.
    growth
        Relative, in 30 days.
    day_sd, hour_sd
        Standard deviation of the logarithm of days, and of hours.
    scatter
        Relative variance of windows, beyond that of independent events.
    holidays
        Days, counted from 0, with half of their traffic.
    """

    mean: float
    daily: float = 1.0
    weekend: float = 0.4
    growth: float = 0.2
    day_sd: float = 0.1
    hour_sd: float = 0.0
    scatter: float = 0.0
    holidays: Sequence[int] = ()

    def rates(self, rng: np.random.Generator, days: int, *, minutes: int) -> Floats:
        """Return the expected events of every window from a Monday on."""
        hours = np.arange(days * 24 * 60 // minutes) * minutes / 60
        day = (hours // 24).astype(np.int64)
        weekend = np.where(day % 7 >= 5, self.weekend, 1.0)
        shape = np.exp(self.daily * np.cos((hours % 24 - 14) * np.pi / 12)) * weekend
        found: Floats = self.mean * shape / shape.mean() * (1 + self.growth) ** (hours / 720)
        found *= np.exp(rng.normal(0, self.day_sd, days))[day]
        found *= np.exp(rng.normal(0, self.hour_sd, days * 24))[hours.astype(np.int64)]
        found[np.isin(day, self.holidays)] *= 0.5
        return found * rng.gamma(1 / self.scatter, self.scatter, len(found)) if self.scatter else found


ORDINARY: Final = {
    "3 events a window": Traffic(3),
    "100 events a window": Traffic(100),
    "10,000 events a window": Traffic(10_000),
    "overdispersed windows (variance 0.1)": Traffic(1_000, scatter=0.1),
    "hours with an sd of 20 %": Traffic(1_000, hour_sd=0.2),
    "working days alone": Traffic(1_000, daily=2.0, weekend=0.05),
    "no cycle, no growth, days alike": Traffic(1_000, daily=0.0, weekend=1.0, growth=0.0, day_sd=0.0),
}


@dataclass(slots=True)
class Watch:
    """A detector, the windows that it was given, and when it began and ceased to speak of trouble."""

    minutes: int = 60
    settings: dict[str, Any] = field(default_factory=dict)
    windows: int = 0
    fired: list[tuple[int, Finding]] = field(default_factory=list)
    resolved: list[tuple[int, Finding]] = field(default_factory=list)
    detector: Detector[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.detector = volume_detector(self.minutes, **self.settings)

    def feed(self, counts: Counts) -> Watch:
        """Deliver windows, those without events left out as the product does."""
        for count in counts.tolist():
            for finding in self.take(count):
                if finding.verdict is Verdict.CLEAR:
                    self.resolved.append((self.windows - 1, finding))
                elif len(self.fired) == len(self.resolved):
                    self.fired.append((self.windows - 1, finding))
        return self

    def take(self, count: int) -> list[Finding]:
        """Deliver the next window, unless it is empty."""
        start_ms = MONDAY_MS + self.windows * self.minutes * MINUTE_MS
        self.windows += 1
        return self.detector.update(window_of(count, start_ms, self.minutes)) if count else []


def volume_detector(minutes: int = 60, **settings: Any) -> Detector[Any]:
    """Return the detector as a model's settings make it."""
    keys = {"name": "fraud", "task": "binary", "positive_class": "1", "window": f"{minutes}m"} | settings
    found = detectors_for(ModelSettings.model_validate(keys), None)
    return next(detector for detector in found if detector.name == "volume")


def window_of(count: int, start_ms: int, minutes: int) -> ClosedWindow[PredictionLayout]:
    """Return a window of so many events."""
    vector = np.zeros(LAYOUT.size, dtype=np.int64)
    vector[PredictionLayout.EVENTS] = count
    span = WindowSpan(start_ms, start_ms + minutes * MINUTE_MS, count)
    return ClosedWindow("fraud", Stream.PREDICTIONS, span, Summary(LAYOUT, vector))


def calm_rows(days: int, seeds: int) -> Iterator[str]:
    """Yield a row per kind of traffic: alarms of all streams in windows of an hour."""
    for name, traffic in ORDINARY.items():
        alarms = 0
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            alarms += len(Watch().feed(rng.poisson(traffic.rates(rng, days, minutes=60))).fired)
        yield f"| {name} | {seeds} x {days} days | {alarms} |"
    rng = np.random.default_rng(seeds)
    holidays = [day for day in range(30, days, 40) if day % 7 < 5]
    traffic = replace(ORDINARY["100 events a window"], holidays=holidays)
    told = Watch().feed(rng.poisson(traffic.rates(rng, days, minutes=60))).fired
    of_them = sum(place // 24 in holidays for place, _ in told)
    yield (
        f"| {len(holidays)} holidays with half of the traffic | 1 x {days} days | {of_them} of {len(holidays)} "
        f"holidays, {len(told) - of_them} besides |"
    )


def delay_rows(known_days: int, seeds: int, minutes: int) -> Iterator[str]:
    """Yield a row per kind of traffic: median and worst delay of each change, in windows."""
    for name in ("3 events a window", "1,000 events a window", "hours with an sd of 20 %"):
        traffic = ORDINARY.get(name, Traffic(1_000))
        found: dict[str, list[float]] = {change: [] for change in CHANGES}
        for seed in range(seeds):
            rng = np.random.default_rng(1_000 + seed)
            rates = traffic.rates(rng, known_days + FOLLOWED_DAYS + 1, minutes=minutes)
            until = (known_days * 24 + 10) * 60 // minutes
            known = Watch(minutes).feed(rng.poisson(rates[:until]))
            for change, factor in CHANGES.items():
                counts = rng.poisson(rates[until : until + FOLLOWED_DAYS * 24 * 60 // minutes] * factor)
                found[change].append(_delay(copy.deepcopy(known), counts))
        cells = (f"{np.median(delays):.0f} / {max(delays):.0f}" for delays in found.values())
        yield f"| {name}, of {minutes} min | {known_days} days | {' | '.join(cells)} |".replace("inf", "-")


def _delay(watch: Watch, counts: Counts) -> float:
    """Return how many windows it took, infinity where it was missed."""
    watch.fired.clear()
    watch.resolved.clear()
    began = watch.windows
    for count in counts.tolist():
        if any(finding.verdict is Verdict.BREACH for finding in watch.take(count)):
            return watch.windows - began
    return float("inf")


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, and print two tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detect.volume")
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--seeds", type=int, default=4)
    how = parser.parse_args(arguments)
    print("| traffic without a change, windows of 1 h | streams | alarms |\n|---|---|---|")
    for row in calm_rows(how.days, how.seeds):
        print(row)
    print(
        "\n| median / worst delay in windows | known for | a tenth | half | double |\n|---|---|---|---|---|"
    )
    for known_days, minutes in ((8, 15), (21, 15), (56, 15), (56, 60)):
        for row in delay_rows(known_days, how.seeds, minutes):
            print(row)


if __name__ == "__main__":
    main()
