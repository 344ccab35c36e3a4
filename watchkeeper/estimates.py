"""What is expected of a model's answers before their labels come, from its cohorts, for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from consumers.cohorts import Cohort, Cohorts
from consumers.plan import ModelPlan
from consumers.rollup import DAY_MS
from detectors.detector import OTHERS, is_own
from detectors.estimation.figures import Estimates, estimated
from detectors.estimation.reality import borne_out
from detectors.reference import Reference

WHOLE_SHARE: Final = 0.8
"""A day whose labels may still come can tell as well if so many of its predictions have one."""
NEWEST_LABELS: Final = 2_000
"""Whether estimates hold is told by the newest days with so many labels."""


SEGMENTS_SHOWN: Final = 10
"""Segments that people are shown at once."""

Part = tuple[str, str]
"""(version, "") or ("", segment)."""


@dataclass(frozen=True, slots=True)
class Described:
    """Estimates by version and by segment, in the form of a report."""

    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    segments: dict[str, dict[str, Any]] = field(default_factory=dict)


def estimates_in(reference: Reference | None, cohort: Cohort) -> Estimates:
    """Return the metrics expected of all own answers of a cohort; none without a calibration, or of too few answers."""
    profile = None if reference is None else reference.profile
    calibration = None if profile is None else profile.calibration
    if calibration is None or cohort.answers is None:
        return {}
    return estimated(calibration, cohort.answers.layout, cohort.answers.vector)


def is_borne_out(plan: ModelPlan, reference: Reference | None, cohort: Cohort) -> bool | None:
    """Return whether the labels of a cohort bear estimates out; None where too few of them have come, or none can tell."""
    if reference is None or reference.profile is None:
        return None
    return borne_out(reference.profile, cohort.figures, least=plan.settings.min_effect)


def leading(plan: ModelPlan, days: Iterable[Cohorts]) -> str:
    """Return which versions have most predictions of some days: one with a reference of its own, or `OTHERS`."""
    found = dict.fromkeys((OTHERS, *plan.versions), 0)
    for cohorts in days if plan.versions else ():
        for (version, segment), cohort in cohorts.items():
            if not segment and is_own(version):
                found[plan.set_apart(version)] += cohort.predictions
    return max(found, key=lambda name: found[name])


def describe_estimates(plan: ModelPlan, days: Mapping[int, Cohorts], *, now_ms: int) -> Described:
    """Return the estimates over all days in the form of a report, by version and by segment, and whether labels bear them out.

    `reliable` is what the newest days tell whose labels are in, and null where too few have come: labels that come first
    may be those of one class. Of a segment it says whether scores mean in it what they mean in the whole model. A segment has the answers of all
    versions, but for those of the fallback and in the shadow; where versions have references of their own, of those with the reference
    that most predictions have.
    """
    if plan.predictions.answers is None:
        return Described()
    lead = leading(plan, days.values())
    newest: dict[Part, Cohort] = {}
    for day in sorted(days, reverse=True):
        is_over = day + DAY_MS + plan.horizon_ms <= now_ms
        for part, cohort in _by_part(plan, [days[day]], lead).items():
            if not is_over and cohort.coverage < WHOLE_SHARE:
                continue
            if part not in newest or newest[part].labelled < NEWEST_LABELS:
                newest[part] = newest[part].merge(cohort) if part in newest else cohort
    found = Described()
    for part, cohort in sorted(_by_part(plan, days.values(), lead).items()):
        version, segment = part
        reference = plan.reference(lead if segment else version)
        figures = estimates_in(reference, cohort)
        if figures:
            told = {name: {"value": f.value, "low": f.low, "high": f.high} for name, f in figures.items()}
            checked = is_borne_out(plan, reference, newest[part]) if part in newest else None
            group, name = (found.segments, segment) if segment else (found.versions, version)
            group[name] = {**told, "reliable": checked}
    return found


def _by_part(plan: ModelPlan, days: Iterable[Cohorts], lead: str) -> dict[Part, Cohort]:
    """Return the days together by version, and those of all own versions of one reference by segment."""
    found: dict[Part, Cohort] = {}
    for cohorts in days:
        for (version, segment), cohort in cohorts.items():
            if segment and not (is_own(version) and plan.set_apart(version) == lead):
                continue
            part = ("", segment) if segment else (version, "")
            found[part] = found[part].merge(cohort) if part in found else cohort
    return found


def worst_segments(segments: Mapping[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Return the segments of a report of which the worst is expected, at most `SEGMENTS_SHOWN`."""

    def goodness(item: tuple[str, dict[str, Any]]) -> tuple[float, str]:
        segment, found = item
        metric = next(iter(found["estimated"]))
        value = float(found["estimated"][metric]["value"])
        return (-value if metric == "mae" else value), segment

    return sorted(segments.items(), key=goodness)[:SEGMENTS_SHOWN]
