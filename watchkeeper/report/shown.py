"""Which metrics a report shows, and their estimates."""

from __future__ import annotations

from consumers.plan import ModelPlan
from detectors.confidence import Estimate
from detectors.intervals import MAIN_METRICS, estimates_of
from detectors.layout import ErrorLayout
from detectors.summary import Summary
from schemas.metric_settings import WEIGHTED


def shown_metrics(plan: ModelPlan) -> tuple[str, ...]:
    """Return the main metrics of the task, the main one first, then what the settings ask for, and the weighted main one."""
    main, settings = MAIN_METRICS[plan.settings.task], plan.settings
    costs = [] if settings.costs is None else ["cost"]
    return tuple(dict.fromkeys([*main, *costs, *settings.metrics, f"{WEIGHTED}{main[0]}"]))


def shown_estimates(plan: ModelPlan, figures: Summary[ErrorLayout]) -> dict[str, Estimate]:
    """Return those of the shown metrics that the figures can give."""
    positive, costs = plan.classes.positive, plan.settings.costs
    return estimates_of(figures, positive=positive, names=shown_metrics(plan), costs=costs)
