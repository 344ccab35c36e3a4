"""Which signals a model has, and how its budget is dealt out to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from detectors.profile import ReferenceProfile
from detectors.reference import Reference, reference_of
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
    promptness = _promptness(settings, strict=strict)
    return [promptness, *_of_reference(settings, reference_of(settings, profile), promptness)]


def budgeted_by_version(
    settings: ModelSettings, main: Reference, versions: Mapping[str, Reference]
) -> tuple[list[Detector[Any]], dict[str, list[Detector[Any]]]]:
    """Return the budgeted detectors of a model some of whose versions have a reference of their own.

    Each reference has an equal part of the budget, so that the rates of all together are still the model's.

    Returns
    -------
    tuple
        What is compared with the model's reference, or with none, and by version what is compared with its own.
    """
    promptness = _promptness(settings, strict=True)
    budget = 1 / (1 + len(versions))
    rest = [promptness, *_of_reference(settings, main, promptness, budget=budget)]
    return rest, {
        version: _of_reference(settings, own, promptness, budget=budget, of_version=True)
        for version, own in versions.items()
    }


def _of_reference(
    settings: ModelSettings,
    reference: Reference,
    promptness: Promptness,
    *,
    budget: float = 1.0,
    of_version: bool = False,
) -> list[Detector[Any]]:
    """Return what has a part of the budget: all but `promptness`; of a version, all that a reference is needed for."""
    profile, layout = reference.profile, reference.predictions
    names = _names(settings, profile)
    cells = error_cells(reference.errors, profile, names)
    columns = watched_columns(settings, profile, layout) + watched_service(settings, profile)
    errors = watched_errors(settings, profile, cells) + watched_limits(settings, profile, cells)
    prompt = watched_prompt(settings, profile, cells)
    volume = volume_signals(settings.window_ms) if is_budgeted(settings, VOLUME) and not of_version else []
    labels = None if of_version else LabelSetup(settings)
    estimates = EstimateSetup(settings, reference, cells, promptness)
    parts = PartSetup(
        settings,
        reference,
        cells,
        names,
        promptness,
        budget=budget,
        of_version=of_version,
        estimates=estimates.watched,
    )
    label_bets = [] if labels is None else labels.watched
    bets = (*columns, *errors, *prompt, *volume, *estimates.watched, *label_bets)
    dealt = iter(_levels(settings, profile, bets, share=budget * (1 - parts.share)))

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
    estimated = estimates.detectors(own(estimates.watched))
    return [
        *([] if labels is None else labels.detectors(own(label_bets))),
        *(detector for detector in (*every, *estimated) if detector is not None),
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


def unbudgeted_limits(settings: ModelSettings, reference: Reference) -> dict[str, MetricRule]:
    """Return the metrics whose limits are not bet on.

    That is where nothing that is counted gives an honest bet, and where the tuning of `performance` takes its limits out of
    the budget with it.
    """
    profile = reference.profile
    cells = error_cells(reference.errors, profile, _names(settings, profile))
    bet_on = {item.check for item in watched_limits(settings, profile, cells)}
    own = () if settings.monitor(PERFORMANCE).tuned else SHARES
    found: dict[str, MetricRule] = {}
    for name, rule in settings.metrics.items():
        left = {key for key in rule.model_fields_set if f"{name}_{key}" not in bet_on}
        if left and name not in own:
            found[name] = rule.model_copy(update=dict.fromkeys(rule.model_fields_set - left))
    return found
