"""Which signals a model has, and how its budget is dealt out to them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from detectors.betting.budget import bars, kept_for_labels
from detectors.betting.columns import BudgetedColumns
from detectors.betting.error_cells import error_cells
from detectors.betting.error_signals import PERFORMANCE
from detectors.betting.errors import BudgetedErrors
from detectors.betting.estimate_setup import EstimateSetup
from detectors.betting.label_setup import LabelSetup
from detectors.betting.label_times import prompt_ms
from detectors.betting.limit_signals import SHARES
from detectors.betting.part_setup import PartSetup
from detectors.betting.promptness import Promptness
from detectors.betting.volume import BudgetedVolume
from detectors.betting.volume_signals import VOLUME, volume_signals
from detectors.betting.watched import Watched
from detectors.betting.watching import (
    is_budgeted,
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
from schemas.metric_settings import MetricRule
from schemas.model_settings import ModelSettings


def budgeted(
    settings: ModelSettings, profile: ReferenceProfile | None, *, strict: bool = False
) -> list[Detector[Any]]:
    """Return the budgeted detectors of a model, those of the whole before those of its parts.

    A check that the settings switch off, or give a threshold of the user's own, is not among them.

    Parameters
    ----------
    strict
        Whether windows of labels tell how labels come, so that nothing need be taken for granted before they do.
    """
    layout, names = prediction_layout(profile), _names(settings, profile)
    cells = error_cells(error_layout(settings.task, profile, settings.loss), profile, names)
    columns = watched_columns(settings, profile, layout) + watched_service(settings, profile)
    errors = watched_errors(settings, profile, cells) + watched_limits(settings, profile, cells)
    prompt = watched_prompt(settings, profile, cells)
    promptness = _promptness(settings, strict=strict)
    volume = volume_signals(settings.window_ms) if is_budgeted(settings, VOLUME) else []
    labels = LabelSetup(settings)
    estimates = EstimateSetup(settings, profile, layout, cells, promptness)
    parts = PartSetup(settings, profile, cells, names, promptness, estimates=estimates.watched)
    bets = (*columns, *errors, *prompt, *volume, *estimates.watched, *labels.watched)
    dealt = iter(_levels(settings, profile, bets, share=1 - parts.share))

    def own(items: Sequence[Watched]) -> list[float]:
        return list(islice(dealt, len(items)))

    watching_columns = watching_errors = None
    if columns:
        watching_columns = BudgetedColumns(
            layout, profile, columns, own(columns), window_ms=settings.window_ms
        )
    if errors or prompt:
        watching_errors = BudgetedErrors(
            profile,
            cells,
            errors,
            own(errors),
            prompt=prompt,
            prompt_bars=own(prompt),
            promptness=promptness,
            positive=names.positive,
            window_ms=settings.window_ms,
        )
    watching_volume = _volume(settings, own(volume)) if volume else None
    every = (watching_columns, watching_errors, watching_volume)
    whole: list[Detector[Any]] = [detector for detector in every if detector is not None]
    estimated = estimates.detectors(own(estimates.watched))
    return [
        promptness,
        *labels.detectors(own(labels.watched)),
        *whole,
        *(detector for detector in estimated if detector is not None),
        *parts.detectors(watching_columns, watching_errors, estimated),
    ]


def _levels(
    settings: ModelSettings, profile: ReferenceProfile | None, bets: Sequence[Watched], *, share: float
) -> list[float]:
    """Return the log evidence at which each bet fires."""
    budget = settings.false_alarm_budget
    return bars(
        [item.signal for item in bets],
        false_alarms=budget.false_alarms,
        per_ms=budget.per_ms,
        window_ms=settings.window_ms,
        weights=budget.weights.by_group(),
        reserved=kept_for_labels(profile),
        share=share,
    )


def _volume(settings: ModelSettings, levels: list[float]) -> BudgetedVolume:
    return BudgetedVolume(
        levels, window_ms=settings.window_ms, zone=settings.timezone, least=settings.min_effect.volume
    )


def _promptness(settings: ModelSettings, *, strict: bool) -> Promptness:
    return Promptness(
        prompt_ms(settings.window_ms) / 1_000,
        settings.label_horizon_ms,
        implicit=settings.labels.implicit is not None,
        strict=strict,
    )


def _names(settings: ModelSettings, profile: ReferenceProfile | None) -> ClassNames:
    known = () if profile is None else profile.classes
    return ClassNames(settings.classes, settings.positive_class, known)


def unbudgeted_limits(settings: ModelSettings, profile: ReferenceProfile | None) -> dict[str, MetricRule]:
    """Return the metrics whose limits are not bet on.

    That is where nothing that is counted gives an honest bet, and where the tuning of `performance` takes its limits out of
    the budget with it.
    """
    cells = error_cells(
        error_layout(settings.task, profile, settings.loss), profile, _names(settings, profile)
    )
    bet_on = {item.check for item in watched_limits(settings, profile, cells)}
    own = () if settings.monitor(PERFORMANCE).tuned else SHARES
    found: dict[str, MetricRule] = {}
    for name, rule in settings.metrics.items():
        left = {key for key in rule.model_fields_set if f"{name}_{key}" not in bet_on}
        if left and name not in own:
            found[name] = rule.model_copy(update=dict.fromkeys(rule.model_fields_set - left))
    return found
