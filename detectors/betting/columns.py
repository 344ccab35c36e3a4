"""The budgeted detector of features, answers and statuses: windows by prediction time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from detectors.betting.calendar import hour_of_week, local_ms
from detectors.betting.column_findings import ColumnFindings
from detectors.betting.troubles import Open, Trouble, effects_of, standing_of
from detectors.betting.watched import Watched, WatchedBanks
from detectors.detector import PredictionWindow, State
from detectors.layout import PredictionLayout
from detectors.profile import ReferenceProfile
from detectors.state_values import value_in
from schemas.finding import Finding, Stream, Topic


class BudgetedColumns:
    """Sequential bets on every feature, answer and status under one budget of false alarms.

    Parameters
    ----------
    layout
        The profile's columns.
    profile
        The reference; None where only statuses are watched.
    watched, bars
        What is bet on, and the log evidence at which each fires.
    window_ms
        Length of a window.

    References
    ----------
    Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
    New England Journal of Statistics in Data Science 2 (2024); Waudby-Smith and Ramdas, "Estimating means of
    bounded random variables by betting", Journal of the Royal Statistical Society B 86 (2024); Shiryaev, "On
    optimum methods in quickest detection problems", Theory of Probability and its Applications 8 (1963).

    Notes
    -----
    A finding comes only for what fires, in every informed window until it is over, and once when it is over;
    its absence means that nothing fires. Evidence comes with the news only, as measuring it costs more than
    finding it.
    """

    name: Final = "budget_columns"
    stream: Final = Stream.PREDICTIONS

    def __init__(
        self,
        layout: PredictionLayout,
        profile: ReferenceProfile | None,
        watched: Sequence[Watched],
        bars: Sequence[float],
        *,
        window_ms: int,
    ) -> None:
        reference = "" if profile is None else profile.inputs_hash
        self._banks = WatchedBanks(watched, bars, window_ms=window_ms, reference=reference)
        self._findings = ColumnFindings(layout, profile, watched)
        self._zone = "UTC" if profile is None else profile.timezone

    @property
    def effects(self) -> dict[Trouble, float]:
        """How far each trouble is off that fires after the last window, in standard deviations."""
        return effects_of((self._banks,))

    @property
    def open(self) -> list[Open]:
        """What has been told and is not over."""
        return self._findings.troubles.open

    @property
    def standing(self) -> set[Topic]:
        """See `detectors.detector.Detector`."""
        return standing_of([self._banks])

    def update(self, window: PredictionWindow) -> list[Finding]:
        """Take one window in; a finding for each trouble that fires or has just stopped."""
        hour = middle_hour(window, self._zone)
        said = self._banks.said(window.overall.vector, start_ms=window.span.start_ms, hour=hour)
        return self._findings.of(window, said)

    def state(self) -> State:
        """Return the evidence of every signal, the pools and the worst severities so far."""
        return {"banks": self._banks.to_bytes(), **self._findings.state()}

    def restore(self, state: State) -> None:
        """Take up a remembered state; one of another profile or of other signals starts over.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        known = self._banks.restore(value_in(state, "banks", bytes))
        self._findings.restore(state, known=known)


def middle_hour(window: PredictionWindow, zone: str) -> float:
    """Return the hour of the week of a window's middle, by the clock of a zone."""
    middle = np.array([(window.span.start_ms + window.span.end_ms) // 2], dtype=np.int64)
    return float(hour_of_week(local_ms(middle, zone))[0])
