"""Whether the labels that come promptly stand for all of them."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.betting.label_times import is_prompt
from detectors.detector import ErrorWindow, LabelWindow, State
from detectors.label_layout import LabelCell, LabelLayout
from detectors.sketch import LABEL_LAG_S
from detectors.state_values import value_in
from schemas.finding import Finding, Stream

FAIR_SHARE: Final = 0.9
"""Prompt labels stand for all where they are so many of those that come."""
PREDICTIONS_MIN: Final = 100
KEPT: Final = 0.5 ** (1 / 24)
"""Half of what was counted is forgotten in a day of hours."""
_NEVER: Final = -1


class Promptness:
    """Tells in which error windows the mix of labels means something.

    Frauds may be reported within the hour, and everything else count as honest two weeks later: then windows of prompt labels
    hold frauds alone, and their mix of classes says nothing. So prompt labels are taken to stand for all only where nearly every
    prediction gets one, or where hardly any label has come later over a whole label horizon.

    Parameters
    ----------
    prompt_s
        Labels are prompt up to this delay, seconds.
    horizon_ms
        How long after its prediction a label counts.
    implicit
        Whether silence means a class: those labels are never prompt.
    strict
        Whether nothing is taken to be fair before it is known.
    """

    name: Final = "prompt_labels"
    stream: Final = Stream.LABELS
    standing: Final = ()

    def __init__(self, prompt_s: float, horizon_ms: int, *, implicit: bool, strict: bool) -> None:
        self._cells = LabelLayout.LAG + int(LABEL_LAG_S.index(np.array([prompt_s]))[0]) + 1
        self._horizon_ms, self._implicit, self._strict = horizon_ms, implicit, strict
        self._since_ms = self._now_ms = _NEVER
        self._predictions = self._newest = self._labels = self._prompt = 0.0

    @property
    def fair(self) -> bool:
        """Whether prompt labels stand for all, by the windows of labels so far."""
        if self._implicit:
            return False
        due = self._predictions - self._newest  # the labels of the newest window's may still come promptly
        if due < PREDICTIONS_MIN:
            return not self._strict
        if self._prompt >= FAIR_SHARE * due:
            return True
        is_long = self._now_ms - self._since_ms >= self._horizon_ms
        return is_long and self._prompt >= FAIR_SHARE * self._labels

    def holds(self, window: ErrorWindow) -> bool:
        """Return whether the labels of a window came promptly, and stand for all."""
        return self.fair and is_prompt(window)

    def update(self, window: LabelWindow) -> list[Finding]:
        """Take one window of labels in; there is never anything to tell of it."""
        vector = window.overall.vector
        if self._since_ms == _NEVER:
            self._since_ms = window.span.start_ms
        self._now_ms = window.span.end_ms
        self._newest = float(vector[LabelCell.PREDICTIONS])
        self._predictions = self._predictions * KEPT + self._newest
        self._labels = self._labels * KEPT + float(vector[LabelCell.FIRST])
        self._prompt = self._prompt * KEPT + float(vector[LabelLayout.LAG : self._cells].sum())
        return []

    def state(self) -> State:
        """Return what has been counted."""
        return {
            "since_ms": self._since_ms,
            "now_ms": self._now_ms,
            "predictions": self._predictions,
            "newest": self._newest,
            "labels": self._labels,
            "prompt": self._prompt,
        }

    def restore(self, state: State) -> None:
        """Take up a remembered state.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        names = ("predictions", "newest", "labels", "prompt")
        counted = [value_in(state, name, float) for name in names]
        if not np.isfinite(counted).all():
            raise ValueError("expected finite numbers of labels")
        self._predictions, self._newest, self._labels, self._prompt = counted
        self._since_ms, self._now_ms = value_in(state, "since_ms", int), value_in(state, "now_ms", int)
