"""Which signals a model has, and how its budget is dealt out to them."""

from __future__ import annotations

from typing import Any, Final

from detectors.betting.budget import bars
from detectors.betting.columns import BudgetedColumns
from detectors.betting.error_cells import ErrorCells, error_cells
from detectors.betting.error_signals import (
    METRICS,
    PERFORMANCE,
    class_signals,
    limit_signals,
    prompt_signals,
    regression_signals,
)
from detectors.betting.errors import BudgetedErrors
from detectors.betting.feature_signals import DRIFT, FLAWS, column_signals
from detectors.betting.service_signals import LATENCY, STATUS_KINDS, latency_signal, status_signal
from detectors.betting.volume import BudgetedVolume
from detectors.betting.volume_signals import VOLUME, volume_signals
from detectors.betting.watched import Watched
from detectors.classes import ClassNames
from detectors.detector import Detector
from detectors.joint import DISTANCE, OUTSIDE
from detectors.layout import error_layout, prediction_layout
from detectors.profile import JOINT_PREFIX, OUTPUT_PREFIX, ReferenceProfile
from schemas.finding import Kind
from schemas.model_settings import ModelSettings
from schemas.monitor_settings import MetricRule

OOD: Final = "ood_rate"
UNFAMILIAR: Final = (f"{JOINT_PREFIX}{DISTANCE}", f"{JOINT_PREFIX}{OUTSIDE}")
"""Figures of an event that say how unlike the reference it is: one trouble, whichever of them shows it."""


def budgeted(settings: ModelSettings, profile: ReferenceProfile | None) -> list[Detector[Any]]:
    """Return the budgeted detectors of a model.

    A check that the settings switch off, or give a threshold of the user's own, is not among them.
    """
    columns = _columns(settings, profile)
    names = _names(settings, profile)
    cells = error_cells(error_layout(settings.task, profile, settings.loss), profile, names)
    errors, prompt = _errors(settings, profile, cells), _prompt(settings, profile, cells)
    volume = volume_signals(settings.window_ms) if is_budgeted(settings, VOLUME) else []
    levels = bars(
        [item.signal for item in (*columns, *errors, *prompt, *volume)],
        false_alarms=settings.false_alarm_budget.false_alarms,
        per_ms=settings.false_alarm_budget.per_ms,
        window_ms=settings.window_ms,
        weights=settings.false_alarm_budget.weights.by_group(),
    )
    first, last = len(columns), len(columns) + len(errors)
    end = last + len(prompt)
    found: list[Detector[Any]] = []
    if columns:
        layout = prediction_layout(profile)
        found.append(BudgetedColumns(layout, profile, columns, levels[:first], window_ms=settings.window_ms))
    if errors or prompt:
        found.append(
            BudgetedErrors(
                profile,
                cells,
                errors,
                levels[first:last],
                prompt=prompt,
                prompt_bars=levels[last:end],
                positive=names.positive,
                window_ms=settings.window_ms,
            )
        )
    if volume:
        found.append(
            BudgetedVolume(
                levels[end:],
                window_ms=settings.window_ms,
                zone=settings.timezone,
                least=settings.min_effect.volume,
            )
        )
    return found


def _names(settings: ModelSettings, profile: ReferenceProfile | None) -> ClassNames:
    known = () if profile is None else profile.classes
    return ClassNames(settings.classes, settings.positive_class, known)


def is_budgeted(settings: ModelSettings, check: str) -> bool:
    """Return whether a check is left to the budget: on, and not tuned by the user."""
    monitor = settings.monitor(check)
    return monitor.enabled and not monitor.tuned


def _columns(settings: ModelSettings, profile: ReferenceProfile | None) -> list[Watched]:
    found: list[Watched] = []
    if profile is not None:
        checks = [check for check in (DRIFT, *FLAWS) if is_budgeted(settings, check)]
        weights = {name: rule.weight for name, rule in settings.features.items()}
        importance = _importances(profile)
        for made in column_signals(
            prediction_layout(profile), least=settings.min_effect, checks=checks, weights=weights
        ):
            name = profile.columns[made.column].name
            kind = _kind(made.check, name)
            check, feature = (made.check, name) if kind is not Kind.OOD_RATE else (OOD, None)
            weight = importance.get(name, 1.0)
            found.append(Watched(made.signal, kind, check, feature, made.column, weight))
        slow = latency_signal(profile, least=settings.min_effect)
        found += [slow] if slow is not None and is_budgeted(settings, LATENCY) else []
    found += [status_signal(check) for check in STATUS_KINDS if is_budgeted(settings, check)]
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


def _errors(settings: ModelSettings, profile: ReferenceProfile | None, cells: ErrorCells) -> list[Watched]:
    """Return what is bet on whatever the order in which labels come."""
    found: list[Watched] = []
    is_regression = settings.task == "regression"
    if profile is not None and is_budgeted(settings, PERFORMANCE):
        if not is_regression:
            found += class_signals(cells, profile, least=settings.min_effect)
        elif profile.error is not None:
            squared = settings.loss.name == "squared"
            found += regression_signals(
                cells, profile.error, profile.deviance, squared=squared, least=settings.min_effect
            )
    if not is_regression and not settings.monitor(PERFORMANCE).tuned:
        reference = {} if profile is None else profile.metrics
        found += limit_signals(cells, settings.metrics, reference)
    return found


def _prompt(settings: ModelSettings, profile: ReferenceProfile | None, cells: ErrorCells) -> list[Watched]:
    """Return what is bet on only where labels come promptly."""
    if profile is None or settings.task == "regression":
        return []
    made = prompt_signals(cells, profile, least=settings.min_effect)
    return [item for item in made if is_budgeted(settings, item.check)]


def unbudgeted_limits(settings: ModelSettings) -> dict[str, MetricRule]:
    """Return the metrics whose limits are not bet on.

    Bets are on shares of wrong answers, and the tuning of `performance` takes its limits out of the budget with it.
    """
    tuned = settings.task == "regression" or settings.monitor(PERFORMANCE).tuned
    return {name: rule for name, rule in settings.metrics.items() if tuned or name not in METRICS}
