"""Two contenders of our own making: a scan over windows of many lengths, and one that knows nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import norm  # type: ignore[import-untyped]  # scipy ships no types

from benchmarks.detect.changes import bernoulli_nats
from benchmarks.detect.streams import Floats, Integers, Kind, Stream

LENGTHS: Final = tuple(32 << k for k in range(8))
STEPS: Final = 8
"""A window of n events is looked at every n/8 events."""
VARIANCE_MIN: Final = 1e-12
"""Of a constant reference, whose every change is then far off."""
SIDES: Final[tuple[Literal["left", "right"], ...]] = ("left", "right")
ALL: Final[frozenset[Kind]] = frozenset({"error", "numeric", "category"})


Turn = Callable[[Floats], Floats]


def ranks(ordered: Floats, values: Floats) -> Floats:
    """Return the share of the reference below each value, ties by half."""
    low, high = (np.searchsorted(ordered, values, side=side) for side in SIDES)
    rank: Floats = (low + high) / (2 * len(ordered))
    return rank


def is_code(values: Floats, *, code: float) -> Floats:
    """Return 1 where a value is the category, else 0."""
    return np.where(values == code, 1.0, 0.0)


def windows(values: Floats, length: int) -> tuple[Integers, Floats]:
    """Return the ends of the windows of a length, and their means."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(length, len(values) + 1, length // STEPS)
    means: Floats = (sums[ends] - sums[ends - length]) / length
    return ends, means


class Signal:
    """What is watched of a stream.

    Parameters
    ----------
    turn
        Makes it of the stream's values.
    own
        The reference's, in order of time.
    is_rate
        Values are 0 or 1.
    """

    def __init__(self, turn: Turn, own: Floats, is_rate: bool) -> None:  # noqa: FBT001 - one of three facts about it
        self.turn = turn
        self._is_rate = is_rate
        n = len(own)
        self._mean = float((own.sum() + 1) / (n + 2)) if is_rate else float(own.mean())
        self._variance = max(float(own.var()), VARIANCE_MIN)
        self._inflation = dict.fromkeys(LENGTHS, 1.0)
        for length in LENGTHS:
            means = windows(own, length)[1]
            if len(means) > STEPS:
                self._inflation[length] = max(1.0, float(means.var()) * length / self._variance)

    def is_beyond(self, means: Floats, length: int, chance: float) -> npt.NDArray[np.bool_]:
        """Return which windows lie so far off that it happens with no more than this chance."""
        inflation = self._inflation[length]
        if self._is_rate:
            nats = length * bernoulli_nats(self._mean, np.clip(means, 1e-12, 1 - 1e-12)) / inflation
            beyond: npt.NDArray[np.bool_] = nats > -math.log(chance)
        else:
            z = np.abs(means - self._mean) * math.sqrt(length / self._variance / inflation)
            beyond = z > norm.isf(chance)
        return beyond


@dataclass
class ScanWindows:
    """MSW: the largest deviation over windows of 32 to 4096 events from what the reference says.

    Numbers become their rank in the reference, watched for place and for spread by its z; a rate (errors, and each
    category) by Chernoff's bound, which needs no normality. The chance that a look gives a false alarm is such that all
    looks at all lengths together give one in `run_length` events at most, if events are independent. Where the means
    of the reference's own windows of a length spread more than independence allows, evidence at that length is divided
    by as much: that is all it knows of cycles and bursts. The reference's own error is not allowed for.

    References
    ----------
    Chernoff, "A measure of asymptotic efficiency for tests of a hypothesis based on the sum of observations", Annals of
    Mathematical Statistics 23 (1952). Lai, "Sequential changepoint detection in quality control and dynamical systems",
    Journal of the Royal Statistical Society B 57 (1995), for windows of limited length.
    """

    name: str
    run_length: float
    kinds: frozenset[Kind] = ALL
    _signals: list[Signal] = field(init=False, default_factory=list)

    def fit(self, reference: Stream) -> None:
        """Learn means and spreads from the reference's own windows."""
        if reference.kind == "numeric":
            ordered = np.sort(reference.values)
            turns: list[Turn] = [lambda x: ranks(ordered, x), lambda x: np.abs(2 * ranks(ordered, x) - 1)]
        else:
            codes = [1.0] if reference.kind == "error" else np.unique(reference.values).tolist()
            turns = [partial(is_code, code=code) for code in codes]
        self._signals = [Signal(turn, turn(reference.values), reference.kind != "numeric") for turn in turns]

    def alarms(self, stream: Stream) -> Integers:
        """Look at every window; after an alarm only at those that begin behind it."""
        hits: list[tuple[int, int]] = []
        for signal in self._signals:
            values = signal.turn(stream.values)
            for length in LENGTHS:
                chance = length / STEPS / self.run_length / len(LENGTHS) / len(self._signals) / 2
                ends, means = windows(values, length)
                hits += [(int(end), length) for end in ends[signal.is_beyond(means, length, chance)]]
        found: list[int] = []
        behind = 0
        for end, length in sorted(hits):
            if end - length >= behind:
                found.append(end - 1)
                behind = end
        return np.array(found, np.int64)


@dataclass
class Dummy:
    """Raises an alarm every `events` events, whatever they are: what a table's figures are worth without looking.

    On a row without a change it has 100,000 / `events` false alarms; its mean delay is half of `events`, and it misses
    nothing.
    """

    events: int
    kinds: frozenset[Kind] = ALL

    @property
    def name(self) -> str:
        """How often it alarms."""
        return f"dummy {self.events}"

    def fit(self, reference: Stream) -> None:
        """Learn nothing."""

    def alarms(self, stream: Stream) -> Integers:
        """Count."""
        return np.arange(self.events - 1, len(stream), self.events)


SCANS: Final[tuple[Callable[[], ScanWindows | Dummy], ...]] = (
    lambda: ScanWindows("MSW 1M", 1e6),
    lambda: ScanWindows("MSW 200M", 2e8),
    lambda: Dummy(500),
)
