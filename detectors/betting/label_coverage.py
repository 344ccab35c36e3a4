"""The budgeted detector of labels that stay away: fewer than usual come, for the predictions that wait for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.bank import Reading
from detectors.betting.calendar import HOUR_MS, HOURS_PER_DAY
from detectors.betting.label_flow import LabelFlow
from detectors.betting.troubles import evidence_of
from detectors.betting.volume import SEVERE_RATIO
from detectors.betting.volume_signals import volume_signals
from detectors.betting.watched import AT_ONCE, LN_10, Told, Watched
from detectors.detector import Evidence, LabelWindow, State
from detectors.label_layout import LabelCell
from detectors.state_values import integers_in, value_in
from schemas.finding import Finding, Kind, Severity, Stream, Topic, Verdict

LABEL_COVERAGE: Final = "label_coverage"
GAP_WINDOWS_MAX: Final = 1_000
"""Of a longer gap only so many empty windows are counted."""
CLEAR_UNITS: Final = 3
"""Labels come again when so many units in a row hold about as many as usual."""
PAUSE_MIN_MS: Final = 12 * HOUR_MS
"""No pause is worth an alert by itself that is shorter."""
DUE_MIN: Final = 50
"""A pause is no outage in which fewer labels were due."""
_NEVER: Final = -1

Vector = npt.NDArray[np.int64]


def coverage_signals(length_ms: int) -> list[Watched]:
    """Return what is bet on: that fewer labels come."""
    return volume_signals(
        length_ms, kind=Kind.LABEL_COVERAGE, check=LABEL_COVERAGE, group="labels", directions=("down",)
    )


class BudgetedCoverage:
    """Bets that fewer labels come than usual.

    What is usual is learned from the stream: how long labels take, and the share of due labels that comes at this hour of the
    week (jobs that write labels run at night). Predictions that were fewer are due fewer labels, so a quiet fortnight
    is no outage when its labels come. More labels than usual, as after an outage, are nothing to wake anybody for.

    Where labels come once a day or more rarely, bets learn too little from each run that fails. So a pause twice as long
    as any before is told as well: outside the budget, and only where labels were due in it.

    Parameters
    ----------
    bars
        Log evidence at which the signals of `coverage_signals` fire.
    flow
        How labels are counted.
    """

    name: Final = LABEL_COVERAGE
    stream: Final = Stream.LABELS

    def __init__(self, bars: list[float], flow: LabelFlow) -> None:
        self._bars, self._flow = bars, flow
        self._reset()

    def _reset(self) -> None:
        self._bets = self._flow.bets(coverage_signals(self._flow.length_ms), self._bars)
        self._delays = self._flow.delays()
        self._pause = Pause()
        self._last_ms, self._worst, self._fired = _NEVER, 0, False

    @property
    def standing(self) -> set[Topic]:
        """See `detectors.detector.Detector`."""
        return {Topic(Kind.LABEL_COVERAGE, LABEL_COVERAGE)} if self._fired else set()

    def update(self, window: LabelWindow) -> list[Finding]:
        """Take one window in, and the empty ones before it; a finding while labels stay away."""
        start_ms, length_ms = window.span.start_ms, self._flow.length_ms
        if start_ms <= self._last_ms:
            return []
        first_ms = start_ms if self._last_ms == _NEVER else self._last_ms + length_ms
        self._last_ms = start_ms
        empty = min((start_ms - first_ms) // length_ms, GAP_WINDOWS_MAX)
        nothing = np.zeros_like(window.overall.vector)
        told: dict[int, Reading] = {}
        expected = 0.0
        for place in range(empty + 1):
            at_ms = start_ms - (empty - place) * length_ms
            found, expected = self._take(at_ms, window.overall.vector if place == empty else nothing)
            told |= found
        before, self._fired = self._fired, bool(self._bets.firing) or self._pause.is_long
        if not self._fired and not before:
            return []  # what began and ended in one gap is not told
        readings = [(p, told[p]) for p in sorted(told) if told[p].resolved is not self._fired]
        labels = int(window.overall.vector[LabelCell.FIRST])
        return [self._finding(window, readings, is_new=not before, expected=expected, labels=labels)]

    def _take(self, start_ms: int, vector: Vector) -> tuple[dict[int, Reading], float]:
        """Count one window; returns what fires or has just stopped, and how many labels were expected."""
        hour = self._flow.hour(start_ms)
        self._delays.make(int(vector[LabelCell.PREDICTIONS]))
        labels, exposure = int(vector[LabelCell.FIRST]), self._delays.exposure
        found: dict[int, Reading] = {}
        expected = 0.0
        if exposure:
            expected = (self._bets.usual.expected(hour) or 0.0) * exposure
            found = self._bets.take(start_ms, hour, labels, exposure=exposure)
            if self._bets.firing and self._bets.enough >= CLEAR_UNITS:
                self._bets.stop()  # where labels are few, bets take weeks to be certain of what anybody can see
                found = {}
        self._pause.take(start_ms, labels, expected, length_ms=self._flow.length_ms, calm=self._bets.calm)
        if self._bets.calm:
            self._delays.learn(vector)
        return found, expected

    def _finding(
        self, window: LabelWindow, told: Sequence[Told], *, is_new: bool, expected: float, labels: int
    ) -> Finding:
        if told:
            place, reading = told[0]
            ratio, since_ms, evidence = self._bets.ratio(place), reading.since_ms, evidence_of(reading)
            score = reading.log_evidence / LN_10
        else:  # a pause, or labels that come again before the bets are sure of it
            ratio, since_ms, evidence = 0.0, self._pause.since_ms, {}
            score = self._bars[0] / LN_10
        was = 0 if is_new else self._worst
        severity = Severity.ERROR if ratio <= 1 / SEVERE_RATIO else Severity.WARNING
        self._worst = max(was, severity.rank)
        is_told = is_new or not self._fired or self._worst > was
        if is_new and not told:
            evidence = self._pause.evidence()
        elif is_told:
            evidence |= {
                "direction": "down",
                "counted": "labels",
                "usual_per_hour": self._flow.per_hour(expected),
                "seen_per_hour": self._flow.per_hour(labels),
                "ratio": ratio,
                "learned_days": self._bets.usual.hours / HOURS_PER_DAY,
            }
        bar = self._bars[0] / LN_10
        return Finding(
            kind=Kind.LABEL_COVERAGE,
            check=LABEL_COVERAGE,
            model=window.model,
            window=window.span,
            verdict=Verdict.BREACH if self._fired else Verdict.CLEAR,
            score=score,
            fire=bar,
            clear=bar,
            severity=list(Severity)[self._worst],
            hysteresis=AT_ONCE,
            onset_ms=since_ms if self._fired else None,
            evidence=evidence if is_told else {},
        )

    def state(self) -> State:
        """Return what is usual, the predictions that wait, and the evidence against it."""
        return {
            **self._bets.state(),
            **self._delays.state(),
            "exposure": self._bets.usual.exposure,
            "pause": self._pause.to_list(),
            "enough": self._bets.enough,
            "last_ms": self._last_ms,
            "worst": self._worst,
            "fired": int(self._fired),
        }

    def restore(self, state: State) -> None:
        """Take up a remembered state; one of another clock or of windows of another length starts over.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        self._reset()
        if not self._bets.restore(state):
            return
        self._delays.restore(state)
        worst, exposure = value_in(state, "worst", int), value_in(state, "exposure", float)
        if worst not in {severity.rank for severity in Severity} or not np.isfinite(exposure):
            raise ValueError(f"expected a severity and an exposure, got {worst} and {exposure}")
        self._bets.usual.exposure, self._bets.enough = exposure, value_in(state, "enough", int)
        self._pause = Pause.of(integers_in(state, "pause"))
        self._last_ms, self._worst = value_in(state, "last_ms", int), worst
        self._fired = bool(value_in(state, "fired", int))


@dataclass(slots=True)
class Pause:
    """The time since the last label beside the longest such time while all was well.

    Parameters
    ----------
    since_ms
        When the last window with labels ended, -1 before the first.
    length_ms, longest_ms
        Of this pause, and of the longest one before.
    due
        Labels that were expected in it, rounded down.
    """

    since_ms: int = _NEVER
    length_ms: int = 0
    longest_ms: int = 0
    due: int = 0

    @property
    def is_long(self) -> bool:
        """Whether it is twice as long as any before, long at all, and labels were due."""
        return self.longest_ms > 0 and self.length_ms > self.limit_ms and self.due >= DUE_MIN

    @property
    def limit_ms(self) -> int:
        """How long a pause may be."""
        return max(2 * self.longest_ms, PAUSE_MIN_MS)

    def take(self, start_ms: int, labels: int, expected: float, *, length_ms: int, calm: bool) -> None:
        """Take a window in; a pause counts as usual only if it ended while nothing else spoke of an outage."""
        if labels:
            if calm and not self.is_long:
                self.longest_ms = max(self.longest_ms, self.length_ms, length_ms)
            self.since_ms, self.length_ms, self.due = start_ms + length_ms, 0, 0
        elif self.since_ms != _NEVER:
            self.length_ms += length_ms
            self.due += int(expected)

    def evidence(self) -> Evidence:
        """Return the figures of an alert about it."""
        return {
            "statistic": "hours_without_labels",
            "value": self.length_ms / HOUR_MS,
            "threshold": self.limit_ms / HOUR_MS,
            "reference": self.longest_ms / HOUR_MS,
            "budgeted": False,
            "direction": "down",
            "pause_hours": self.length_ms / HOUR_MS,
            "longest_pause_hours": self.longest_ms / HOUR_MS,
        }

    def to_list(self) -> list[int]:
        """Return the state for `of`."""
        return [self.since_ms, self.length_ms, self.longest_ms, self.due]

    @classmethod
    def of(cls, stored: list[int]) -> Pause:
        """Return the pause of a state; raises `ValueError` for something else."""
        if len(stored) != len(cls().to_list()):
            raise ValueError(f"expected a pause of {len(cls().to_list())} numbers, got {len(stored)}")
        return cls(*stored)
