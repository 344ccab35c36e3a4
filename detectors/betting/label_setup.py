"""Which bets on how labels come a model has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

from detectors.betting.label_coverage import LABEL_COVERAGE, BudgetedCoverage, coverage_signals
from detectors.betting.label_flow import LabelFlow
from detectors.betting.label_lag import LABEL_LAG, BudgetedLag, lag_signals
from detectors.betting.label_shares import SHARES, BudgetedLabelShares, share_signals
from detectors.betting.watched import Watched
from detectors.betting.watching import is_budgeted
from detectors.detector import Detector
from schemas.model_settings import ModelSettings


class LabelSetup:
    """The bets on windows of labels.

    Parameters
    ----------
    settings
        The model's; they need no reference, for they learn what is usual from the stream.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._shares = [share for share in SHARES if is_budgeted(settings, share.check)]
        self._flows: list[tuple[type[BudgetedCoverage | BudgetedLag], list[Watched]]] = []
        if is_budgeted(settings, LABEL_COVERAGE):
            self._flows.append((BudgetedCoverage, coverage_signals(settings.cohort_window_ms)))
        if is_budgeted(settings, LABEL_LAG):
            self._flows.append((BudgetedLag, lag_signals(settings.cohort_window_ms)))

    @property
    def watched(self) -> list[Watched]:
        """What is bet on, for its share of the budget."""
        flows = [item for _, watched in self._flows for item in watched]
        return [*flows, *share_signals(self._shares, least=self._settings.min_effect.share)]

    def detectors(self, levels: Sequence[float]) -> list[Detector[Any]]:
        """Return the detectors.

        Parameters
        ----------
        levels
            Log evidence at which each of `watched` fires, were it bet on in every detection window.
        """
        settings = self._settings
        flow = LabelFlow(
            settings.cohort_window_ms,
            settings.label_horizon_ms,
            settings.timezone,
            settings.min_effect.volume,
        )
        # Windows of labels are fewer, and so are the chances of a false alarm.
        rarer = math.log(settings.window_ms / flow.length_ms)
        bars = iter([level + rarer for level in levels])
        found: list[Detector[Any]] = [
            kind(list(islice(bars, len(watched))), flow) for kind, watched in self._flows
        ]
        if self._shares:
            least = settings.min_effect.share
            found.append(BudgetedLabelShares(self._shares, list(bars), flow, least=least))
        return found
