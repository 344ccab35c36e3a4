"""Which signals a model has, and how its budget is dealt out to them."""

from __future__ import annotations

from typing import Any

from detectors.betting.budget import LABELLED_GROUPS, bars
from detectors.betting.columns import BudgetedColumns
from detectors.betting.error_cells import error_cells
from detectors.betting.error_signals import METRICS, PERFORMANCE
from detectors.betting.errors import BudgetedErrors
from detectors.betting.part_setup import PartSetup
from detectors.betting.watching import (
    watched_columns,
    watched_errors,
    watched_limits,
    watched_prompt,
    watched_service,
)
from detectors.classes import ClassNames
from detectors.detector import Detector
from detectors.layout import error_layout, prediction_layout
from detectors.profile import ReferenceProfile
from schemas.model_settings import ModelSettings
from schemas.monitor_settings import MetricRule


def budgeted(settings: ModelSettings, profile: ReferenceProfile | None) -> list[Detector[Any]]:
    """Return the budgeted detectors of a model, those of the whole before those of its parts.

    A check that the settings switch off, or give a threshold of the user's own, is not among them.
    """
    layout, names = prediction_layout(profile), _names(settings, profile)
    cells = error_cells(error_layout(settings.task, profile), profile, names)
    columns = watched_columns(settings, profile, layout) + watched_service(settings, profile)
    errors = watched_errors(settings, profile, cells) + watched_limits(settings, profile, cells)
    prompt = watched_prompt(settings, profile, cells)
    parts = PartSetup(settings, profile, cells, names)
    levels = bars(
        [item.signal for item in (*columns, *errors, *prompt)],
        false_alarms=settings.false_alarm_budget.false_alarms,
        per_ms=settings.false_alarm_budget.per_ms,
        window_ms=settings.window_ms,
        weights=settings.false_alarm_budget.weights.by_group(),
        share=1 - parts.share,
        reserved=() if profile is None or profile.learned is None else LABELLED_GROUPS,
    )
    first, last = len(columns), len(columns) + len(errors)
    watching_columns = watching_errors = None
    if columns:
        watching_columns = BudgetedColumns(
            layout, profile, columns, levels[:first], window_ms=settings.window_ms
        )
    if errors or prompt:
        watching_errors = BudgetedErrors(
            profile,
            cells,
            errors,
            levels[first:last],
            prompt=prompt,
            prompt_bars=levels[last:],
            positive=names.positive,
            window_ms=settings.window_ms,
        )
    whole = [detector for detector in (watching_columns, watching_errors) if detector is not None]
    return [*whole, *parts.detectors(watching_columns, watching_errors)]


def _names(settings: ModelSettings, profile: ReferenceProfile | None) -> ClassNames:
    known = () if profile is None else profile.classes
    return ClassNames(settings.classes, settings.positive_class, known)


def unbudgeted_limits(settings: ModelSettings) -> dict[str, MetricRule]:
    """Return the metrics whose limits are not bet on.

    Bets are on shares of wrong answers, and the tuning of `performance` takes its limits out of the budget with it.
    """
    tuned = settings.task == "regression" or settings.monitor(PERFORMANCE).tuned
    return {name: rule for name, rule in settings.metrics.items() if tuned or name not in METRICS}
