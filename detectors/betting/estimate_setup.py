"""The detectors of estimates: the bet, and the check that stops it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from detectors.betting.budget import E_VALUE_MIN
from detectors.betting.error_cells import ErrorCells
from detectors.betting.estimate_signals import ESTIMATED, estimate_signals, refuting_signal
from detectors.betting.estimates import BudgetedEstimate, EstimateCheck, Trust
from detectors.betting.part_trust import PartTrust
from detectors.betting.promptness import Promptness
from detectors.betting.watched import Watched
from detectors.betting.watching import is_budgeted
from detectors.estimation.reality import surprises_of
from detectors.reference import Reference
from schemas.model_settings import ModelSettings

HEEDED_AFTER_MIN_MS: Final = 5 * 60_000
"""Estimates heed what labels said so long before, at the least: a topic that lags by less changes nothing."""


class EstimateDetectors(NamedTuple):
    """The bet on the whole model, and what labels say of estimates; None where nothing is watched, or nothing can tell."""

    bets: BudgetedEstimate | None = None
    check: EstimateCheck | None = None

    def distrust(self, version: str, start_ms: int) -> bool:
        """Return whether nothing is believed of a version's estimate in windows that start then."""
        if self.bets is None or start_ms < self.bets.from_ms:
            return True
        check = self.check
        return check is not None and check.holds(("version", version), start_ms, at_once=False) is False


class EstimateSetup:
    """Makes what bets on estimates, and what stops it where labels refute them.

    Attributes
    ----------
    watched
        What is bet on; none without a calibration.
    """

    def __init__(
        self,
        settings: ModelSettings,
        reference: Reference,
        cells: ErrorCells,
        promptness: Promptness,
    ) -> None:
        self._promptness = promptness
        profile, layout = reference.profile, reference.predictions
        self._settings, self._profile, self._layout, self._cells = settings, profile, layout, cells
        wanted = is_budgeted(settings, ESTIMATED)
        self.watched: list[Watched] = (
            estimate_signals(layout, profile, least=settings.min_effect) if wanted else []
        )

    def detectors(self, bars: Sequence[float]) -> EstimateDetectors:
        """Return both detectors, given the log evidence at which each signal fires; none where nothing is watched.

        Estimates are refuted without cause at most as often as the whole model may have false alarms.
        """
        if self._profile is None or not self.watched:
            return EstimateDetectors()
        window_ms, budget = self._settings.window_ms, self._settings.false_alarm_budget
        trust = Trust(max(HEEDED_AFTER_MIN_MS, 2 * window_ms + self._settings.allowed_lateness_ms))
        bets = BudgetedEstimate(self._layout, self._profile, self.watched, bars, trust, window_ms=window_ms)
        check = None
        surprises = surprises_of(self._profile, self._cells.layout, least=self._settings.min_effect)
        signal = None if surprises is None else refuting_signal(self._cells, surprises)
        if surprises is not None and signal is not None:
            bar = math.log(max(budget.per_ms / window_ms / budget.false_alarms, E_VALUE_MIN))
            reference = self._profile.content_hash
            check = EstimateCheck(
                self._cells,
                signal,
                bar,
                trust,
                parts=PartTrust(surprises),
                promptness=self._promptness,
                horizon_ms=self._settings.label_horizon_ms,
                reference=reference,
                window_ms=window_ms,
            )
        return EstimateDetectors(bets, check)
