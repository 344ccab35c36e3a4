"""The budgeted detector of labels that take longer: fewer of those that come are as young as most of them usually are."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.betting.calendar import HOUR_MS, HOURS_PER_DAY
from detectors.betting.label_flow import LEARN_LABELS_MIN, LabelFlow
from detectors.betting.troubles import evidence_of, finding_of, standing_of
from detectors.betting.volume_signals import volume_signals
from detectors.betting.watched import Watched
from detectors.detector import Evidence, LabelWindow, State
from detectors.label_layout import LabelCell, LabelLayout
from detectors.sketch import LABEL_LAG_S
from detectors.state_values import value_in
from schemas.duration import format_duration
from schemas.finding import Finding, Kind, Severity, Stream, Topic

LABEL_LAG: Final = "label_lag"
PROMPT_SHARE: Final = 0.75
"""Labels are prompt whose delay is that of so many of the usual ones at most."""
_NEVER: Final = -1


def lag_signals(length_ms: int) -> list[Watched]:
    """Return what is bet on: that fewer labels are prompt."""
    return volume_signals(
        length_ms, kind=Kind.LABEL_LAG, check=LABEL_LAG, group="labels", directions=("down",)
    )


class BudgetedLag:
    """Bets that of the labels that come fewer are prompt than usual.

    The delay that makes a label prompt is learned over the first label horizon, and stays. How many of the labels of an hour
    are prompt also depends on how many predictions were made and when; that is reckoned with. Labels that do not come
    at all say nothing here: that is `BudgetedCoverage`.

    Parameters
    ----------
    bars
        Log evidence at which the signals of `lag_signals` fire.
    flow
        How labels are counted.
    """

    name: Final = LABEL_LAG
    stream: Final = Stream.LABELS

    def __init__(self, bars: list[float], flow: LabelFlow) -> None:
        self._bars, self._flow = bars, flow
        self._reset()

    def _reset(self) -> None:
        self._bets = self._flow.bets(lag_signals(self._flow.length_ms), self._bars)
        self._delays = self._flow.delays()
        self._since_ms, self._last_ms, self._prompt = _NEVER, _NEVER, 0

    @property
    def standing(self) -> set[Topic]:
        """See `detectors.detector.Detector`."""
        return standing_of([self._bets.banks])

    def update(self, window: LabelWindow) -> list[Finding]:
        """Take one window in; a finding while labels take longer."""
        vector, start_ms = window.overall.vector, window.span.start_ms
        if start_ms <= self._last_ms:
            return []
        missed = 0 if self._last_ms == _NEVER else (start_ms - self._last_ms) // self._flow.length_ms - 1
        for _ in range(min(missed, self._delays.windows)):
            self._delays.make(0)
        self._last_ms = start_ms
        self._delays.make(int(vector[LabelCell.PREDICTIONS]))
        found = self._bet(window) if self._prompt else []
        if self._bets.calm:
            self._delays.learn(vector)
        if not self._prompt:
            self._learn(start_ms, int(vector[LabelCell.FIRST]))
        return found

    def _learn(self, start_ms: int, labels: int) -> None:
        """Settle which delays are prompt, once enough labels have come for long enough."""
        if self._since_ms == _NEVER and labels:
            self._since_ms = start_ms
        is_long = start_ms + self._flow.length_ms - self._since_ms >= self._flow.learning_ms
        came = self._delays.came
        if self._since_ms != _NEVER and is_long and came.sum() >= LEARN_LABELS_MIN:
            self._prompt = int(np.argmax(np.cumsum(came) >= PROMPT_SHARE * came.sum())) + 1

    def _bet(self, window: LabelWindow) -> list[Finding]:
        vector, start_ms = window.overall.vector, window.span.start_ms
        labels, share = int(vector[LabelCell.FIRST]), self._delays.share_within(self._prompt)
        if not labels or not share:
            return []
        hour = self._flow.hour(start_ms)
        prompt = int(vector[LabelLayout.LAG : LabelLayout.LAG + self._prompt].sum())
        before = bool(self._bets.firing)
        usual = self._bets.usual.expected(hour)
        readings = self._bets.take(start_ms, hour, prompt, exposure=labels * share)
        found: list[Finding] = []
        for place, reading in list(readings.items())[:1]:
            ratio = self._bets.ratio(place)
            is_told = not before or reading.resolved
            evidence: Evidence = {}
            if is_told:
                usually = min(share * (1.0 if usual is None else usual), 1.0)
                within_ms = round(float(LABEL_LAG_S.values()[self._prompt - 1])) * 1_000
                evidence = {
                    **evidence_of(reading),
                    "direction": "up",
                    "top_category": f"labels within {format_duration(_rounded(within_ms))}",
                    "share_before": usually,
                    "share_now": usually * ratio,
                    "learned_days": self._bets.usual.hours / HOURS_PER_DAY,
                }
            item = self._bets.banks.watched[place]
            found.append(finding_of(item, reading, window, severity=Severity.WARNING, evidence=evidence))
        return found

    def state(self) -> State:
        """Return what is usual, the predictions that wait, and the evidence against it."""
        return {
            **self._bets.state(),
            **self._delays.state(),
            "exposure": self._bets.usual.exposure,
            "since_ms": self._since_ms,
            "last_ms": self._last_ms,
            "prompt": self._prompt,
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
        exposure, prompt = value_in(state, "exposure", float), value_in(state, "prompt", int)
        if not np.isfinite(exposure) or not 0 <= prompt <= LABEL_LAG_S.size:
            raise ValueError(f"expected an exposure and a number of cells, got {exposure} and {prompt}")
        self._bets.usual.exposure, self._prompt = exposure, prompt
        self._since_ms, self._last_ms = value_in(state, "since_ms", int), value_in(state, "last_ms", int)


def _rounded(length_ms: int) -> int:
    """Return a length of time in whole days, hours, minutes or seconds, whichever is the first that fits."""
    for unit_ms in (24 * HOUR_MS, HOUR_MS, 60_000, 1_000):
        if length_ms >= 2 * unit_ms:
            return round(length_ms / unit_ms) * unit_ms
    return max(length_ms, 1_000)
