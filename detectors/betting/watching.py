"""What is bet on of a model, or of a part of one, by its settings and a reference."""

from __future__ import annotations

from typing import Final

from detectors.betting.error_cells import ErrorCells
from detectors.betting.error_signals import (
    PERFORMANCE,
    class_signals,
    prompt_signals,
    regression_signals,
)
from detectors.betting.feature_signals import DRIFT, FLAWS, column_signals
from detectors.betting.limit_signals import limit_signals
from detectors.betting.service_signals import LATENCY, STATUS_KINDS, latency_signal, status_signal
from detectors.betting.watched import Watched
from detectors.joint import DISTANCE, OUTSIDE
from detectors.layout import PredictionLayout
from detectors.profile import JOINT_PREFIX, OUTPUT_PREFIX, ReferenceProfile
from schemas.finding import Kind
from schemas.model_settings import ModelSettings

OOD: Final = "ood_rate"
UNFAMILIAR: Final = (f"{JOINT_PREFIX}{DISTANCE}", f"{JOINT_PREFIX}{OUTSIDE}")
"""Figures of an event that say how unlike the reference it is: one trouble, whichever of them shows it."""


def is_budgeted(settings: ModelSettings, check: str) -> bool:
    """Return whether a check is left to the budget: on, and not tuned by the user."""
    monitor = settings.monitor(check)
    return monitor.enabled and not monitor.tuned


def watched_columns(
    settings: ModelSettings, profile: ReferenceProfile | None, layout: PredictionLayout
) -> list[Watched]:
    """Return what is bet on about a layout's columns."""
    if profile is None or not layout.columns:
        return []
    checks = [check for check in (DRIFT, *FLAWS) if is_budgeted(settings, check)]
    weights = {name: rule.weight for name, rule in settings.features.items()}
    importance = _importances(profile)
    found: list[Watched] = []
    for made in column_signals(layout, least=settings.min_effect, checks=checks, weights=weights):
        name = layout.columns[made.column].column.name
        kind = _kind(made.check, name)
        check, feature = (made.check, name) if kind is not Kind.OOD_RATE else (OOD, None)
        weight = importance.get(name, 1.0)
        found.append(Watched(made.signal, kind, check, feature, made.column, weight))
    return found


def _kind(check: str, name: str) -> Kind:
    if check != DRIFT:
        return Kind.DATA_QUALITY
    if name.startswith(OUTPUT_PREFIX):
        return Kind.PREDICTION_DRIFT
    return Kind.OOD_RATE if name in UNFAMILIAR else Kind.DATA_DRIFT


def _importances(profile: ReferenceProfile) -> dict[str, float]:
    mean = sum(profile.importances.values()) / max(len(profile.importances), 1)
    return {name: value / mean for name, value in profile.importances.items()} if mean > 0 else {}


def watched_service(
    settings: ModelSettings,
    profile: ReferenceProfile | None,
    *,
    statuses: tuple[int, ...] = (),
    intervals: int = 1,
) -> list[Watched]:
    """Return what is bet on about latencies and statuses.

    Parameters
    ----------
    statuses
        Usual rows per status, of a segment that may always have had more errors than `STATUS_RATE`.
    intervals
        So many references as this one hold at once.
    """
    slow = None
    if profile is not None and is_budgeted(settings, LATENCY):
        slow = latency_signal(profile, least=settings.min_effect, intervals=intervals)
    found = [] if slow is None else [slow]
    rates = [check for check in STATUS_KINDS if is_budgeted(settings, check)]
    return found + [status_signal(check, usual=statuses, intervals=intervals) for check in rates]


def watched_errors(
    settings: ModelSettings, profile: ReferenceProfile | None, cells: ErrorCells, *, intervals: int = 1
) -> list[Watched]:
    """Return what is bet on about errors whatever the order in which labels come."""
    if profile is None or not is_budgeted(settings, PERFORMANCE):
        return []
    least = settings.min_effect
    if settings.task != "regression":
        return class_signals(cells, profile, least=least, intervals=intervals)
    squared = settings.loss.name == "squared"
    return regression_signals(cells, profile, squared=squared, least=least, intervals=intervals)


def watched_limits(
    settings: ModelSettings, profile: ReferenceProfile | None, cells: ErrorCells
) -> list[Watched]:
    """Return what is bet on about the user's limits."""
    if settings.monitor(PERFORMANCE).tuned:
        return []
    return limit_signals(cells, settings.metrics, {} if profile is None else profile.metrics)


def watched_prompt(
    settings: ModelSettings, profile: ReferenceProfile | None, cells: ErrorCells
) -> list[Watched]:
    """Return what is bet on only where labels come promptly."""
    if profile is None or settings.task == "regression":
        return []
    made = prompt_signals(cells, profile, least=settings.min_effect)
    return [item for item in made if is_budgeted(settings, item.check)]
