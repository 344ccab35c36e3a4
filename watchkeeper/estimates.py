"""What is expected of a model's answers before their labels come, from its cohorts, for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from consumers.cohorts import Cohort, Cohorts
from consumers.plan import ModelPlan
from consumers.rollup import DAY_MS
from detectors.estimation.figures import Estimates, estimated
from detectors.estimation.reality import borne_out

WHOLE_SHARE: Final = 0.8
"""A day whose labels may still come can tell as well if so many of its predictions have one."""
NEWEST_LABELS: Final = 2_000
"""Whether estimates hold is told by the newest days with so many labels."""


def estimates_in(plan: ModelPlan, cohort: Cohort) -> Estimates:
    """Return the metrics expected of all own answers of a cohort; none without a calibration, or of too few answers."""
    calibration = None if plan.profile is None else plan.profile.calibration
    if calibration is None or cohort.answers is None:
        return {}
    return estimated(calibration, cohort.answers.layout, cohort.answers.vector)


def is_borne_out(plan: ModelPlan, cohort: Cohort) -> bool | None:
    """Return whether the labels of a cohort bear estimates out; None where too few of them have come, or none can tell."""
    if plan.profile is None:
        return None
    return borne_out(plan.profile, cohort.figures, least=plan.settings.min_effect)


def describe_estimates(
    plan: ModelPlan, days: Mapping[int, Cohorts], *, now_ms: int
) -> dict[str, dict[str, Any]]:
    """Return, by version, the estimates over all days in the form of a report, and whether labels bear them out.

    `reliable` is what the newest days tell whose labels are in, and null where too few have come: labels that come first
    may be those of one class.
    """
    if plan.predictions.answers is None:
        return {}
    newest: dict[str, Cohort] = {}
    for day in sorted(days, reverse=True):
        is_over = day + DAY_MS + plan.horizon_ms <= now_ms
        for version, cohort in _by_version([days[day]]).items():
            if not is_over and cohort.coverage < WHOLE_SHARE:
                continue
            if version not in newest or newest[version].labelled < NEWEST_LABELS:
                newest[version] = newest[version].merge(cohort) if version in newest else cohort
    found: dict[str, dict[str, Any]] = {}
    for version, cohort in _by_version(days.values()).items():
        figures = estimates_in(plan, cohort)
        if figures:
            told = {name: {"value": f.value, "low": f.low, "high": f.high} for name, f in figures.items()}
            checked = is_borne_out(plan, newest[version]) if version in newest else None
            found[version] = {**told, "reliable": checked}
    return found


def _by_version(days: Iterable[Cohorts]) -> dict[str, Cohort]:
    found: dict[str, Cohort] = {}
    for cohorts in days:
        for (version, segment), cohort in cohorts.items():
            if not segment:
                found[version] = found[version].merge(cohort) if version in found else cohort
    return found
