"""Who watches the month: a protocol, and the peers that can bear 200 features."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from benchmarks.detect.month import DAYS, FEATURES_PER_CHANGE, Block, Matrix, Month, columns
from benchmarks.detect.peers_windows import Measure
from benchmarks.detect.streams import DAY_MS, Floats, Integers, Stream

REFERENCE_STEP: Final = 30
"""Tests compare with every thirtieth row of the reference month: about a day's worth."""


@dataclass(frozen=True, slots=True, eq=False)
class Pages:
    """Raw alarms, one row each, in no order: when, in epoch milliseconds, and of which feature (-1 for none of them)."""

    times: Integers
    features: Integers


class MonthWatch(Protocol):
    """A detector of changes in many features, made anew for each month.

    `learn` gets the reference month hour by hour, then `see` the month itself. Then `pages` is
    called, once.
    """

    @property
    def name(self) -> str:
        """Its row."""
        ...

    def learn(self, block: Block) -> None:
        """Take in an hour without a change."""
        ...

    def see(self, block: Block) -> None:
        """Watch an hour; the first one ends the reference."""
        ...

    def pages(self) -> Pages:
        """Return every raw alarm, at the time at which it was known."""
        ...


@dataclass
class Watched:
    """What a watch did with a month.

    Parameters
    ----------
    pages
        Raw alarms of features that did not change, or not yet.
    days_with_a_page
        Days on which there were any.
    delays
        By change and feature: events from the change to the first alarm of that feature, at the month's mean pace;
        infinite if there was none.
    us_per_value
        Processor time of `see` in microseconds per feature and event.
    """

    pages: int
    days_with_a_page: int
    delays: dict[str, list[float]]
    us_per_value: float


def watch(month: Month, watchers: Sequence[MonthWatch]) -> dict[str, Watched]:
    """Let watchers look at one month, hour by hour in turns, and count."""
    for block in month.reference.blocks():
        for watcher in watchers:
            watcher.learn(block)
    cpu_s = dict.fromkeys([watcher.name for watcher in watchers], 0.0)
    for block in month.blocks():
        for watcher in watchers:
            begun = time.process_time()
            watcher.see(block)
            cpu_s[watcher.name] += time.process_time() - begun
    values = month.events * month.features
    return {w.name: count(w.pages(), month, cpu_s[w.name] / values * 1e6) for w in watchers}


def count(pages: Pages, month: Month, us_per_value: float = 0.0) -> Watched:
    """Tell the pages that should not have been from the changes found."""
    changed = len(month.changes) * FEATURES_PER_CHANGE
    # What changes a feature changes all of them together, so an alarm about none of them is right from then on.
    right = (pages.times > month.change_ms) & (pages.features < changed) & (changed > 0)
    pace = month.events / (DAYS * DAY_MS)
    delays: dict[str, list[float]] = {}
    for place, change in enumerate(month.changes):
        for feature in range(changed)[columns(place)]:
            found = pages.times[right & (pages.features == feature)]
            events = float(found.min() - month.change_ms) * pace if len(found) else math.inf
            delays.setdefault(change.name, []).append(events)
    # An alarm at midnight is about the day that ends then.
    days = np.unique((pages.times[~right] - 1) // DAY_MS)
    return Watched(int(np.count_nonzero(~right)), len(days), delays, us_per_value)


@dataclass
class Tested:
    """A test of every feature in every hour or day against rows of the reference.

    Parameters
    ----------
    limit
        An alarm lies above it, or below it if `p_value`.
    shared
        The limit is divided by the number of features (Bonferroni).
    """

    name: str
    statistic: Callable[[Stream], Measure]
    limit: float
    span_ms: int
    p_value: bool = False
    shared: bool = False
    _rows: list[Matrix] = field(init=False, default_factory=list)
    _measures: list[Measure] = field(init=False, default_factory=list)
    _held: list[Block] = field(init=False, default_factory=list)
    _found: list[tuple[int, int]] = field(init=False, default_factory=list)

    def learn(self, block: Block) -> None:
        """Keep one row in thirty."""
        self._rows.append(block.values[::REFERENCE_STEP])

    def see(self, block: Block) -> None:
        """Test a span when the next one begins."""
        if not self._measures:
            rows = np.concatenate(self._rows)
            self._measures = [self.statistic(_column(rows, number)) for number in range(rows.shape[1])]
        if self._held and block.times[0] // self.span_ms != self._held[0].times[0] // self.span_ms:
            self._test()
        self._held.append(block)

    def pages(self) -> Pages:
        """Test the last span, and return all that was found."""
        self._test()
        found = np.array(self._found, np.int64).reshape(-1, 2)
        return Pages(found[:, 0], found[:, 1])

    def _test(self) -> None:
        end = int(self._held[0].times[0] // self.span_ms + 1) * self.span_ms
        values = np.concatenate([block.values for block in self._held])
        limit = self.limit / len(self._measures) if self.shared else self.limit
        for number, measure in enumerate(self._measures):
            value = measure(values[:, number].astype(np.float64))
            if value < limit if self.p_value else value > limit:
                self._found.append((end, number))
        self._held = []


def _column(rows: Matrix, number: int) -> Stream:
    return Stream("numeric", np.zeros(len(rows), np.int64), rows[:, number].astype(np.float64))


@dataclass
class Standardised:
    """One of river's detectors at its defaults on every feature, standardised by the reference, event by event."""

    name: str
    make: Callable[[], Any]
    _sums: list[Floats] = field(init=False, default_factory=list)
    _detectors: list[Any] = field(init=False, default_factory=list)
    _found: list[tuple[int, int]] = field(init=False, default_factory=list)

    def learn(self, block: Block) -> None:
        """Sum up."""
        values = block.values.astype(np.float64)
        ones = np.full(values.shape[1], float(len(values)))
        self._sums.append(np.stack([ones, values.sum(axis=0), (values * values).sum(axis=0)]))

    def see(self, block: Block) -> None:
        """Feed every value; a detector that alarms is made anew."""
        events, total, squares = np.sum(self._sums, axis=0)
        mean = total / events
        scaled = (block.values - mean) / np.sqrt(squares / events - mean * mean)
        self._detectors = self._detectors or [self.make() for _ in mean]
        for number, values in enumerate(scaled.T.tolist()):
            detector = self._detectors[number]
            for index, value in enumerate(values):
                detector.update(value)
                if detector.drift_detected:
                    self._found.append((int(block.times[index]), number))
                    detector = self._detectors[number] = self.make()

    def pages(self) -> Pages:
        """Return all that was found."""
        found = np.array(self._found, np.int64).reshape(-1, 2)
        return Pages(found[:, 0], found[:, 1])


@dataclass
class DummyWatch:
    """Raises a page every `events` events of the model, of no feature."""

    events: int

    @property
    def name(self) -> str:
        """How often it pages."""
        return f"dummy {self.events}"

    _times: list[Integers] = field(init=False, default_factory=list)

    def learn(self, block: Block) -> None:
        """Learn nothing."""

    def see(self, block: Block) -> None:
        """Note the times."""
        self._times.append(block.times)

    def pages(self) -> Pages:
        """Count."""
        times = np.concatenate(self._times)[self.events - 1 :: self.events]
        return Pages(times, np.full(len(times), -1))
