"""What bets on estimates say: the metrics that are expected, with intervals, and what they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.betting.bank import Reading
from detectors.betting.troubles import Troubles, evidence_of, finding_of
from detectors.betting.watched import Said, Watched
from detectors.confidence import Estimate
from detectors.detector import Evidence, PredictionWindow, State
from detectors.estimation.calibration import Calibration
from detectors.estimation.cells import AnswerLayout
from detectors.estimation.figures import estimated
from detectors.state_values import integers_in
from schemas.finding import Finding, Severity

Counts = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]


def estimate_evidence(
    calibration: Calibration, layout: AnswerLayout, pool: Counts, reading: Reading, *, signal: str
) -> Evidence:
    """Return the evidence of an alert on an estimate.

    Parameters
    ----------
    pool
        Shape (cells,): the answers since the leading bet began.
    signal
        What was bet on.
    """
    before = estimated(calibration, layout, np.array(calibration.counts))
    now = estimated(calibration, layout, pool)
    metric = next(iter(before))
    evidence: Evidence = {
        **evidence_of(reading),
        "signal": signal,
        "effect": reading.effect,
        "direction": "up" if metric == "mae" else "down",
        "metric": metric,
        f"{metric}_before": before[metric].value,
        "n": int(pool.sum()),
        "rests_on_labels": calibration.n,
        "estimates": {name: _interval_of(estimate) for name, estimate in now.items()},
    }
    if metric in now:
        found = now[metric]
        evidence |= {f"{metric}_now": found.value, "low": found.low, "high": found.high}
    return evidence


def _interval_of(estimate: Estimate) -> dict[str, float | None]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


class EstimateFindings:
    """Makes findings of readings of one version's estimate; see `detectors.betting.seats.PartFindings`.

    Parameters
    ----------
    place
        Where the cells of answers lie in a version's summary.
    watched
        What `estimate_signals` returns.
    """

    def __init__(
        self, calibration: Calibration, layout: AnswerLayout, place: slice, watched: Sequence[Watched]
    ) -> None:
        self.watched = tuple(watched)
        self.troubles = Troubles(watched)
        self.pool = None
        self._calibration, self._layout, self._place = calibration, layout, place
        self._answers: Integers = np.zeros(layout.size, dtype=np.int64)

    def of(self, window: PredictionWindow, said: Said) -> list[Finding]:
        """Take a window in; a finding while the estimate is worse, and when that is over."""
        if said.fresh.any():
            self._answers[:] = 0
        self._answers += window.overall.vector[self._place]
        return self.troubles.told(said, lambda place, reading: self._finding(window, place, reading))

    def _finding(self, window: PredictionWindow, place: int, reading: Reading) -> Finding:
        item = self.watched[place]
        severity, is_news = self.troubles.raised(place, Severity.WARNING)
        evidence: Evidence = {}
        if reading.fired or reading.resolved or is_news:
            signal = item.signal.name
            evidence = estimate_evidence(
                self._calibration, self._layout, self._answers, reading, signal=signal
            )
        return finding_of(item, reading, window, severity=severity, evidence=evidence)

    def state(self) -> State:
        """Return the answers since the leading bet began, and the worst severity so far."""
        return {"worst": self.troubles.ranks(), "answers": self._answers.tolist()}

    def restore(self, state: State, *, known: bool) -> None:
        """Take up a remembered state, where the evidence is `known`: of the same signals and reference.

        Raises
        ------
        ValueError
            If the state is not one of these findings.
        """
        worst, answers = integers_in(state, "worst"), integers_in(state, "answers")
        if not known:
            return
        if len(answers) != self._layout.size:
            raise ValueError(f"expected {self._layout.size} cells of answers, got {len(answers)}")
        self.troubles.take(worst)
        self._answers = np.array(answers, dtype=np.int64)
