"""What takes part in the benchmark, and how it is timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from benchmarks.detect.streams import Integers, Kind, Stream


class Contender(Protocol):
    """A detector of changes in one signal, made anew for each stream.

    `fit` is called once, then `alarms` once. Neither may look at the clock or draw from a global random source: a table
    is a function of its seeds.
    """

    @property
    def name(self) -> str:
        """Head of its column."""
        ...

    @property
    def kinds(self) -> frozenset[Kind]:
        """Signals that it can watch; its cells of other rows stay empty."""
        ...

    def fit(self, reference: Stream) -> None:
        """Learn what is normal from a stream without a change."""
        ...

    def alarms(self, stream: Stream) -> Integers:
        """Return the index of the event at which each alarm was raised, in ascending order.

        Every alarm counts: after one, the contender starts over or goes on as its documentation says, and raises the
        next. An alarm of a window is raised at the first event that is known to lie behind that window, or at
        the window's last event if the window is a number of events.
        """
        ...


Maker = Callable[[], Contender]


@dataclass(frozen=True, slots=True)
class Run:
    """One contender on one stream."""

    alarms: Integers
    cpu_s: float
    events: int

    @property
    def us_per_event(self) -> float:
        """Processor time of `alarms` in microseconds per event; `fit` is not in it."""
        return self.cpu_s / self.events * 1e6


def run(make: Maker, reference: Stream, live: Stream) -> Run:
    """Fit a new contender and let it watch the live stream."""
    contender = make()
    contender.fit(reference)
    begun = time.process_time()
    alarms = contender.alarms(live)
    return Run(alarms, time.process_time() - begun, len(live))
