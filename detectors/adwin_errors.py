"""ADWIN on the errors of successive windows."""

from __future__ import annotations

import math
from typing import Final

from detectors.adaptive_window import AdaptiveWindow, Cut
from detectors.adwin import adwin_finding
from detectors.detector import ErrorWindow, Evidence, State
from detectors.layout import ErrorLayout
from detectors.state_values import value_in
from detectors.tally import error_counts
from schemas.finding import Finding, Kind, Stream, WindowSpan

LABELS_MIN: Final = 30


class AdwinErrors:
    """ADWIN on the error rate (classification) or mean absolute error (regression) of successive windows.

    ADWIN finds a fall as readily as a rise; only a rise becomes a finding that breaches. Labels are added up
    until there are `labels_min` of them. The score is the number of readings that ADWIN cut off, 0 without a
    change.

    Parameters
    ----------
    layout
        Of the error windows.
    error_sd
        Regression: spread of the absolute error in the profile, which puts it on ADWIN's scale; above 0.
    labels_min
        Labels that make up one reading.

    Examples
    --------
    >>> from detectors.detector import ClosedWindow
    >>> from detectors.summary import Summary
    >>> from schemas.finding import Verdict
    >>> adwin = AdwinErrors(ErrorLayout("binary"))
    >>> for minute in range(60):
    ...     summary = Summary.empty(ErrorLayout("binary"))
    ...     summary.vector[:2] = 100, 10 if minute < 40 else 60
    ...     span = WindowSpan(minute * 60_000, (minute + 1) * 60_000, 100)
    ...     [finding] = adwin.update(ClosedWindow("fraud", Stream.ERRORS, span, summary))
    ...     if finding.verdict is Verdict.BREACH:
    ...         print(minute, finding.onset_ms // 60_000, finding.evidence["mean_before"], finding.evidence["mean_now"])
    51 40 0.1 0.6

    References
    ----------
    Bifet and Gavalda, "Learning from time-changing data with adaptive windowing", SIAM International
    Conference on Data Mining (2007).
    """

    name: Final = "adwin_errors"
    stream: Final = Stream.ERRORS
    standing: Final = ()

    def __init__(self, layout: ErrorLayout, *, error_sd: float = 1.0, labels_min: int = LABELS_MIN) -> None:
        self._is_regression = layout.task == "regression"
        self._labels_min = labels_min
        # Multiplied by the root of its labels, a reading spreads about as much as one label's loss.
        self._adwin = AdaptiveWindow(scale=math.sqrt(labels_min) / (error_sd if self._is_regression else 1.0))
        self._reset()

    def _reset(self) -> None:
        self._n, self._loss = 0, 0.0
        self._start_ms = -1

    def update(self, window: ErrorWindow) -> list[Finding]:
        """Take one window in; one finding."""
        summary = window.overall
        counts = error_counts(summary)
        if self._n == 0:
            self._start_ms = window.span.start_ms
        self._n += counts["n"]
        self._loss += (
            summary.layout.sum(summary.vector, "absolute") if self._is_regression else counts["wrong"]
        )
        span = WindowSpan(self._start_ms, window.span.end_ms, self._n)
        if self._n < self._labels_min:
            return [adwin_finding(window, span, self.name, Kind.PERFORMANCE, None, enough=False)]
        cut = self._adwin.update(self._loss / self._n, self._start_ms)
        self._reset()
        return [self._told(window, span, cut)]

    def _told(self, window: ErrorWindow, span: WindowSpan, cut: Cut | None) -> Finding:
        worse = cut if cut is not None and cut.now > cut.before else None
        note, self._adwin.note = self._adwin.note, None
        evidence: Evidence = {"metric": "mae" if self._is_regression else "error_rate"}
        return adwin_finding(window, span, self.name, Kind.PERFORMANCE, worse, evidence=evidence, note=note)

    def state(self) -> State:
        """Return ADWIN's own bytes and the labels that are still too few for a reading."""
        return {
            "adwin": self._adwin.to_bytes(),
            "n": self._n,
            "loss": self._loss,
            "start_ms": self._start_ms,
        }

    def restore(self, state: State) -> None:
        """Take up a remembered state; ADWIN starts over if another release of river wrote it.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        self._adwin.restore(value_in(state, "adwin", bytes))
        self._n, self._loss = value_in(state, "n", int), value_in(state, "loss", float)
        self._start_ms = value_in(state, "start_ms", int)
