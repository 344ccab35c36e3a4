"""The budgeted detector of estimates, before labels come, and the check of estimates once they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from detectors.betting.bank import Reading
from detectors.betting.columns import middle_hour
from detectors.betting.error_cells import ErrorCells
from detectors.betting.estimate_findings import estimate_evidence
from detectors.betting.part_trust import PartTrust
from detectors.betting.promptness import Promptness
from detectors.betting.signal import Signal
from detectors.betting.troubles import Open, Trouble, effects_of, finding_of, standing_of
from detectors.betting.watched import AT_ONCE, Watched, WatchedBanks
from detectors.codec import decode_summary, encode_summary
from detectors.detector import ErrorWindow, Evidence, PredictionWindow, State
from detectors.estimation.cells import AnswerLayout
from detectors.estimation.parts import Part
from detectors.layout import PredictionLayout
from detectors.profile import ReferenceProfile
from detectors.state_values import integers_in, value_in
from detectors.summary import Summary
from schemas.errors import Stop
from schemas.finding import Finding, Kind, Severity, Stream, Topic, Verdict

CHANGES_KEPT: Final = 32
"""So many times an estimate was refuted, or held again, are remembered."""
_UNSEEN: Final = -1


class Trust:
    """Since when labels have refuted the estimates, and since when they bear them out again.

    Parameters
    ----------
    after_ms
        A window by prediction time heeds only what labels said so long before it began. By then both streams have passed
        that time, so it does not matter which of them was read first.
    """

    def __init__(self, after_ms: int) -> None:
        self._after_ms = after_ms
        self.changes: list[int] = []
        """Ends of the windows that changed it: refuted, held again, refuted, ..."""

    def heeded_ms(self, known_ms: int) -> int:
        """Return from when on windows heed what was known at a time."""
        return known_ms + self._after_ms

    def refuted(self, start_ms: int) -> bool:
        """Return whether estimates count as refuted in a window that starts then."""
        return self.is_refuted(self.known_ms(start_ms))

    def known_ms(self, start_ms: int) -> int:
        """Return up to when windows that start then heed what was known."""
        return start_ms - self._after_ms

    def is_refuted(self, at_ms: int) -> bool:
        """Return whether estimates counted as refuted at a time."""
        return sum(at <= at_ms for at in self.changes) % 2 == 1

    def change(self, end_ms: int) -> None:
        """Remember that labels have changed their mind."""
        self.changes.append(end_ms)
        if len(self.changes) > CHANGES_KEPT:
            del self.changes[:2]


class EstimateCheck:
    """Compares labelled answers with what their scores made expect; says nothing itself, but to `Trust`.

    Windows count whose labels came promptly and stand for all, and every window once a label horizon has passed: before that
    the labels that come first may be mostly of one class.

    Parameters
    ----------
    signal
        Of `estimate_signals.refuting_signal`.
    bar
        Log evidence at which estimates are refuted.
    parts
        Judges segments and versions by the same windows.
    promptness
        Tells in which windows prompt labels stand for all.
    horizon_ms
        How long after its prediction a label counts.
    """

    name: Final = "estimate_check"
    stream: Final = Stream.ERRORS
    standing: Final = ()

    def __init__(  # noqa: PLR0913 - the parts of a detector
        self,
        cells: ErrorCells,
        signal: Signal,
        bar: float,
        trust: Trust,
        *,
        parts: PartTrust,
        promptness: Promptness,
        horizon_ms: int,
        reference: str,
        window_ms: int,
    ) -> None:
        self._parts = parts
        self._cells, self._trust, self._promptness, self._horizon_ms = cells, trust, promptness, horizon_ms
        item = Watched(signal, Kind.ESTIMATED_PERFORMANCE, signal.name)
        self._banks = WatchedBanks([item], [bar], window_ms=window_ms, reference=reference)
        self._first_ms = _UNSEEN

    def update(self, window: ErrorWindow) -> list[Finding]:
        """Take one window in; returns nothing."""
        span = window.span
        if span.n <= 0:
            return []
        if self._first_ms == _UNSEEN:
            self._first_ms = span.start_ms
        if self._promptness.holds(window) or span.start_ms - self._first_ms >= self._horizon_ms:
            before = bool(self._banks.firing[0])
            self._banks.update(self._cells.vector(window.overall), start_ms=span.start_ms, hour=None)
            if bool(self._banks.firing[0]) != before:
                self._trust.change(span.end_ms)
            self._parts.take(window)
        return []

    def holds(self, part: Part, at_ms: int, *, at_once: bool) -> bool | None:
        """Return whether labels bear out the estimates of a part, at a time; None where too few labels have come.

        Where the part has too few, estimates that are refuted for the whole model are so for the part.

        Parameters
        ----------
        at_once
            False to heed labels as windows by prediction time do, which start then.
        """
        heeded_ms = at_ms if at_once else self._trust.known_ms(at_ms)
        holds = self._parts.holds(part, heeded_ms)
        return False if holds is None and self._trust.is_refuted(heeded_ms) else holds

    def state(self) -> State:
        """Return the evidence, and when it changed its mind."""
        return {
            "parts": self._parts.to_bytes(),
            "banks": self._banks.to_bytes(),
            "first_ms": self._first_ms,
            "changes": list(self._trust.changes),
        }

    def restore(self, state: State) -> None:
        """Take up a remembered state; one of another profile starts over.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        changes, first_ms = integers_in(state, "changes"), value_in(state, "first_ms", int)
        parts = value_in({"parts": b"", **state}, "parts", bytes)
        self._first_ms = first_ms
        if self._banks.restore(value_in(state, "banks", bytes)):
            self._trust.changes = list(changes)
            self._parts.restore(parts)


class BudgetedEstimate:
    """Sequential bets that answers are expected to be worse than the reference's, from the answers alone.

    Parameters
    ----------
    profile
        With a calibration.
    watched, bars
        What `estimate_signals` returns, and the log evidence at which it fires.
    trust
        While estimates are refuted nothing is told, and what was told is closed as refuted.

    Notes
    -----
    Findings come as those of `columns.BudgetedColumns`; see there for the sources.
    """

    name: Final = "budget_estimate"
    stream: Final = Stream.PREDICTIONS

    def __init__(  # noqa: PLR0913 - the parts of a detector
        self,
        layout: PredictionLayout,
        profile: ReferenceProfile,
        watched: Sequence[Watched],
        bars: Sequence[float],
        trust: Trust,
        *,
        window_ms: int,
    ) -> None:
        if profile.calibration is None or layout.answers is None:
            raise ValueError("expected a profile with a calibration")
        self._cells: AnswerLayout = layout.answers
        self._place, self._trust, self._zone = layout.answer_cells, trust, profile.timezone
        self._calibration = profile.calibration
        learned_ms = 0 if profile.learned is None else profile.learned.calibrated_ms
        self.from_ms = trust.heeded_ms(learned_ms)
        """Windows that start before this are passed over."""
        self._item = watched[0]
        self._banks = WatchedBanks(watched, bars, window_ms=window_ms, reference=profile.content_hash)
        self._pool = np.zeros(self._cells.size, dtype=np.int64)

    @property
    def open(self) -> list[Open]:
        """What has been told and is not over."""
        if not self._banks.firing[0]:
            return []
        return [Open(self._item.kind, self._item.check, Severity.WARNING)]

    @property
    def effects(self) -> dict[Trouble, float]:
        """How far the estimate is off if it fires after the last window, in standard deviations."""
        return effects_of((self._banks,))

    @property
    def standing(self) -> set[Topic]:
        """See `detectors.detector.Detector`."""
        return standing_of([self._banks])

    def update(self, window: PredictionWindow) -> list[Finding]:
        """Take one window in; a finding while the estimate is worse and holds, and when that is over.

        What was learned is heeded as what labels refute is: so long after it was known.
        """
        if window.span.start_ms < self.from_ms:
            return []
        if self._trust.refuted(window.span.start_ms):
            told = bool(self._banks.firing[0])
            self._banks.restart([0])
            self._pool[:] = 0
            return [self._refuted(window)] if told else []
        hour = middle_hour(window, self._zone)
        readings = self._banks.update(window.overall.vector, start_ms=window.span.start_ms, hour=hour)
        if self._banks.fresh[0]:
            self._pool[:] = 0
        self._pool += window.overall.vector[self._place]
        return [self._finding(window, reading) for _, reading in readings]

    def _finding(self, window: PredictionWindow, reading: Reading) -> Finding:
        told = reading.fired or reading.resolved
        evidence = self._told(reading) if told else {}
        return finding_of(self._item, reading, window, severity=Severity.WARNING, evidence=evidence)

    def _told(self, reading: Reading) -> Evidence:
        signal = self._item.signal.name
        return estimate_evidence(self._calibration, self._cells, self._pool, reading, signal=signal)

    def _refuted(self, window: PredictionWindow) -> Finding:
        return Finding(
            kind=self._item.kind,
            check=self._item.check,
            model=window.model,
            window=window.span,
            verdict=Verdict.GONE,
            score=0.0,
            fire=0.0,
            clear=0.0,
            hysteresis=AT_ONCE,
            refuted=True,
        )

    def state(self) -> State:
        """Return the evidence, and the answers since the leading bet began."""
        pool = encode_summary(Summary(self._cells, self._pool))
        return {"banks": self._banks.to_bytes(), "pool": pool}

    def restore(self, state: State) -> None:
        """Take up a remembered state; one of another profile starts over.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        pool = value_in(state, "pool", bytes)
        if self._banks.restore(value_in(state, "banks", bytes)):
            try:
                self._pool = decode_summary(self._cells, pool).vector
            except Stop as error:
                raise ValueError(str(error)) from error
