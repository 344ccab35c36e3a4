"""Tests of one window after another against the reference, with the thresholds that tools come with.

The threshold of the last kind, mean and three standard deviations of the statistic over the reference's own windows, is
NannyML's; 0.1 for the normed Wasserstein distance and for the Jensen-Shannon distance are Evidently's for more than a
thousand rows; 0.1 for the population stability index is the banks' rule of thumb; 0.05 is everybody's p-value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy.special import chdtrc, kolmogorov  # type: ignore[import-untyped]  # scipy ships no types

from benchmarks.detect.streams import DAY_MS, HOUR_MS, Floats, Integers, Kind, Stream

Measure = Callable[[Floats], float]
"""The statistic of one window's values."""
BINS: Final = 10
SD_LIMIT: Final = 3.0
CODED: Final[frozenset[Kind]] = frozenset({"error", "category"})
NUMERIC: Final[frozenset[Kind]] = frozenset({"numeric"})
ALL: Final = CODED | NUMERIC


def kolmogorov_smirnov(reference: Stream) -> Measure:
    """Return the p-value of the two-sample test, by its asymptotic law."""
    ordered = np.sort(reference.values)

    def measure(values: Floats) -> float:
        n, m = len(values), len(ordered)
        found = np.sort(values)
        ranks = np.arange(1, n + 1) / n
        above = ranks - np.searchsorted(ordered, found, side="right") / m
        below = np.searchsorted(ordered, found, side="left") / m - (ranks - 1 / n)
        return float(kolmogorov(math.sqrt(n * m / (n + m)) * max(above.max(), below.max())))

    return measure


def wasserstein(reference: Stream) -> Measure:
    """Return the distance in standard deviations of the reference, between quantile and quantile."""
    ordered, sd = np.sort(reference.values), float(reference.values.std()) or 1.0

    def measure(values: Floats) -> float:
        n = len(values)
        places = ((np.arange(n) + 0.5) / n * len(ordered)).astype(np.int64)
        return float(np.abs(np.sort(values) - ordered[places]).mean() / sd)

    return measure


def shares(reference: Stream) -> tuple[Callable[[Floats], Floats], Floats]:
    """Return how to count values in the reference's bins (tenths, or its categories), and its own shares."""
    if reference.kind == "numeric":
        edges = np.unique(np.quantile(reference.values, np.arange(1, BINS) / BINS))
    else:
        edges = np.arange(1, reference.values.max() + 1.0)

    def count(values: Floats) -> Floats:
        cells = np.searchsorted(edges, values, side="right")
        return np.bincount(cells, minlength=len(edges) + 1) / len(values)

    return count, count(reference.values)


def chi_squared(reference: Stream) -> Measure:
    """Return the p-value of Pearson's test against the reference's shares."""
    count, expected = shares(reference)
    kept = expected > 0

    def measure(values: Floats) -> float:
        share = count(values)[kept]
        statistic = len(values) * float(np.sum((share - expected[kept]) ** 2 / expected[kept]))
        return float(chdtrc(np.count_nonzero(kept) - 1, statistic))

    return measure


def stability_index(reference: Stream) -> Measure:
    """Return the population stability index; an empty cell counts as a share of 0.0001."""
    count, expected = shares(reference)
    before = np.maximum(expected, 1e-4)

    def measure(values: Floats) -> float:
        after = np.maximum(count(values), 1e-4)
        return float(np.sum((after - before) * np.log(after / before)))

    return measure


def jensen_shannon(reference: Stream) -> Measure:
    """Return the Jensen-Shannon distance, the root of the divergence in bits."""
    count, before = shares(reference)

    def measure(values: Floats) -> float:
        after = count(values)
        middle = (after + before) / 2
        parts = [p[p > 0] @ np.log2(p[p > 0] / middle[p > 0]) for p in (after, before)]
        return math.sqrt(max(sum(map(float, parts)) / 2, 0.0))

    return measure


def mean(_reference: Stream) -> Measure:
    """Return the mean."""
    return lambda values: float(values.mean())


@dataclass
class Windowed:
    """A statistic of each full window, and a limit.

    Parameters
    ----------
    limit
        An alarm lies above it, or below it if `p_value`; None takes mean and three standard deviations of the
        statistic over the reference's windows, on both sides.
    events, span_ms
        A window's length: a number of events, or if that is 0 a length of time.
    """

    name: str
    statistic: Callable[[Stream], Measure]
    limit: float | None
    kinds: frozenset[Kind] = ALL
    p_value: bool = False
    events: int = 1000
    span_ms: int = 0
    _measure: Measure = field(init=False, default=lambda _values: 0.0)
    _low: float = field(init=False, default=-math.inf)
    _high: float = field(init=False, default=math.inf)

    def fit(self, reference: Stream) -> None:
        """Prepare the statistic, and set the limits."""
        self._measure = self.statistic(reference)
        if self.limit is None:
            own = np.array([value for _, value in self._windows(reference)])
            self._low, self._high = own.mean() - SD_LIMIT * own.std(), own.mean() + SD_LIMIT * own.std()
        elif self.p_value:
            self._low = self.limit
        else:
            self._high = self.limit

    def alarms(self, stream: Stream) -> Integers:
        """Measure every window that the stream fills."""
        found = [at for at, value in self._windows(stream) if not self._low <= value <= self._high]
        return np.array(found, np.int64)

    def _windows(self, stream: Stream) -> list[tuple[int, float]]:
        """Return per window the index at which it is known to be full, and its statistic."""
        n = len(stream)
        if self.span_ms:
            ends = np.flatnonzero(np.diff(stream.times // self.span_ms)) + 1
        else:
            ends = np.arange(self.events, n + 1, self.events)
        starts = np.concatenate([[0], ends[:-1]])
        closing = ends if self.span_ms else ends - 1
        return [
            (int(at), self._measure(stream.values[start:end]))
            for at, start, end in zip(closing, starts, ends, strict=True)
        ]


WINDOWS: Final[tuple[Callable[[], Windowed], ...]] = (
    lambda: Windowed("KS 0.05", kolmogorov_smirnov, 0.05, NUMERIC, p_value=True),
    lambda: Windowed("KS 0.05 day", kolmogorov_smirnov, 0.05, NUMERIC, p_value=True, span_ms=DAY_MS),
    lambda: Windowed("chi2 0.05", chi_squared, 0.05, CODED, p_value=True),
    lambda: Windowed("chi2 0.05 day", chi_squared, 0.05, CODED, p_value=True, span_ms=DAY_MS),
    lambda: Windowed("Wasserstein 0.1", wasserstein, 0.1, NUMERIC),
    lambda: Windowed("Wasserstein 0.1 hour", wasserstein, 0.1, NUMERIC, span_ms=HOUR_MS),
    lambda: Windowed("Wasserstein 0.1 day", wasserstein, 0.1, NUMERIC, span_ms=DAY_MS),
    lambda: Windowed("PSI 0.1", stability_index, 0.1),
    lambda: Windowed("PSI 0.1 day", stability_index, 0.1, span_ms=DAY_MS),
    lambda: Windowed("JS 0.1", jensen_shannon, 0.1),
    lambda: Windowed("JS 0.1 day", jensen_shannon, 0.1, span_ms=DAY_MS),
    lambda: Windowed("JS 3 sd", jensen_shannon, None),
    lambda: Windowed("mean 3 sd", mean, None, frozenset({"error", "numeric"})),
)
