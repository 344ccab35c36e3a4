"""The detectors of estimates: the bet, and the check that stops it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from detectors.betting.budget import E_VALUE_MIN
from detectors.betting.error_cells import ErrorCells
from detectors.betting.estimate_signals import refuting_signal
from detectors.betting.estimates import BudgetedEstimate, EstimateCheck, Trust
from detectors.betting.watched import Watched
from detectors.detector import Detector
from detectors.layout import PredictionLayout
from detectors.profile import ReferenceProfile
from schemas.model_settings import ModelSettings

HEEDED_AFTER_MIN_MS: Final = 5 * 60_000
"""Estimates heed what labels said so long before, at the least: a topic that lags by less changes nothing."""


def estimate_detectors(
    settings: ModelSettings,
    profile: ReferenceProfile,
    layout: PredictionLayout,
    cells: ErrorCells,
    bets: tuple[Sequence[Watched], Sequence[float]],
) -> list[Detector[Any]]:
    """Return the bet on estimates, and the check that stops it where labels refute them.

    Parameters
    ----------
    bets
        What is bet on, and the log evidence at which each fires. Estimates are refuted without cause at most as often as
        the whole model may have false alarms.
    """
    window_ms, budget = settings.window_ms, settings.false_alarm_budget
    trust = Trust(max(HEEDED_AFTER_MIN_MS, 2 * window_ms + settings.allowed_lateness_ms))
    found: list[Detector[Any]] = [BudgetedEstimate(layout, profile, *bets, trust, window_ms=window_ms)]
    signal = refuting_signal(cells, profile, least=settings.min_effect)
    if signal is not None:
        bar = math.log(max(budget.per_ms / window_ms / budget.false_alarms, E_VALUE_MIN))
        reference = profile.content_hash
        found.append(EstimateCheck(cells, signal, bar, trust, reference=reference, window_ms=window_ms))
    return found
