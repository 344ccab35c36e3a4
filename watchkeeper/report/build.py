"""A model's past to its report: pure, so that the same past gives the same report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from consumers.plan import ModelPlan
from consumers.rollup import DAY_MS
from detectors.intervals import MAIN_METRICS
from schemas.duration import format_duration
from schemas.model_settings import ModelSettings
from watchkeeper.report.calendar import Unit, day_text, unit_name, units_between
from watchkeeper.report.comparisons import (
    comparison_statements,
    comparisons,
    switch_statements,
    version_lives,
)
from watchkeeper.report.content import FORMAT, People, Period, Point, Report, Statement
from watchkeeper.report.estimates import estimate_check, estimate_statements, open_points, segment_estimates
from watchkeeper.report.incidents import incident_lines, incident_statements
from watchkeeper.report.labels import label_gaps, label_statements, rule_statements
from watchkeeper.report.ledger import Ledger
from watchkeeper.report.pairs import pair_statements
from watchkeeper.report.past import Past
from watchkeeper.report.segments import segment_statements, worst_segments
from watchkeeper.report.shown import shown_metrics
from watchkeeper.report.trends import metric_trends, trend_statements

WEEKS_UP_TO_MS: Final = 60 * DAY_MS
"""A report of at most so much goes by weeks, with a curve of days; a longer one by months, with one of weeks."""

VERSIONS_MAX: Final = 20
"""Those with most predictions, in the whole and in each period."""


def build_report(plan: ModelPlan, past: Past, *, since_ms: int) -> Report:
    """Return the report of the last `since_ms` milliseconds of a model's life.

    Comparisons and usual coverages look at all days that are known, periods and trends at those of the report.
    """
    plan = past.known(plan)
    ledger = Ledger(plan, past)
    oldest_ms = (past.now_ms - since_ms) // DAY_MS * DAY_MS
    days = ledger.between(oldest_ms, past.now_ms + 1)
    unit: Literal["month", "week"] = "week" if since_ms <= WEEKS_UP_TO_MS else "month"
    headlines = _headlines(plan)
    periods = _periods(ledger, days, unit)
    lives = version_lives(ledger, ledger.versions(days)[:VERSIONS_MAX])
    trends = metric_trends(ledger, days, headlines, lives)
    gaps = label_gaps(ledger, days)
    first_ms = days[0] if days else oldest_ms
    incidents = incident_lines(past.incidents, periods, first_ms=first_ms, now_ms=past.now_ms)
    compared = comparisons(ledger)
    segments = worst_segments(ledger, days, headlines[0])
    points = _points(ledger, days, "day" if unit == "week" else "week")
    due, check = open_points(points), estimate_check(ledger)
    final = [day for day in days if ledger.is_final(day)]
    statements = [
        *trend_statements(trends),
        *comparison_statements(compared, headlines),
        *pair_statements(past.pairs),
        *switch_statements(lives, headlines, trends),
        *label_statements(gaps, ledger.row(days), any_final=bool(final)),
        *rule_statements(ledger.row(days), plan),
        *estimate_statements(due, check, headlines),
        *incident_statements(incidents),
        *segment_statements(segments, ledger, headlines[0]),
    ]
    return Report(
        format=FORMAT,
        model=plan.name,
        task=plan.settings.task,
        first=day_text(first_ms),
        last=day_text(days[-1] if days else past.now_ms),
        final_until=day_text(final[-1]) if final else None,
        horizon=format_duration(plan.horizon_ms),
        unit=unit,
        metrics=shown_metrics(plan),
        headlines=headlines,
        statements=tuple(statements) if days else (Statement("unknown", "No prediction in this time."),),
        periods=tuple(periods),
        points=tuple(points),
        trends=tuple(trends),
        comparisons=tuple(compared),
        versions=tuple(lives),
        gaps=tuple(gaps),
        incidents=tuple(incidents),
        segments=tuple(segments),
        people=_people(plan.settings),
        estimates=tuple(due),
        estimate_check=check,
        segment_estimates=tuple(segment_estimates(ledger, days, MAIN_METRICS[plan.settings.task][0])),
    )


def _headlines(plan: ModelPlan) -> tuple[str, ...]:
    """Return the task's first metric, a binary model's recall, and what the settings set limits to."""
    shown = shown_metrics(plan)
    asked = {shown[0], *plan.settings.metrics, *(["recall"] if plan.settings.task == "binary" else [])}
    return tuple(metric for metric in shown if metric in asked)


def _periods(ledger: Ledger, days: Sequence[int], unit: Literal["month", "week"]) -> list[Period]:
    found = []
    for start, end, own in _cut(days, unit):
        versions = ledger.versions(own, others=True)[:VERSIONS_MAX]
        rows = (ledger.row(own), *(ledger.row(own, version) for version in versions))
        found.append(Period(unit_name(start, unit), day_text(start), day_text(end - DAY_MS), rows))
    return found


def _points(ledger: Ledger, days: Sequence[int], unit: Unit) -> list[Point]:
    return [
        Point(day_text(start), day_text(end - DAY_MS), ledger.row(own))
        for start, end, own in _cut(days, unit)
    ]


def _cut(days: Sequence[int], unit: Unit) -> list[tuple[int, int, list[int]]]:
    if not days:
        return []
    cuts = units_between(days[0], days[-1] + DAY_MS, unit)
    return [(start, end, [day for day in days if start <= day < end]) for start, end in cuts]


def _people(settings: ModelSettings) -> People:
    owner, updates = settings.owner, settings.updates
    return People(
        team=None if owner is None else owner.team,
        contact=None if owner is None else owner.contact,
        escalation=() if owner is None else tuple(owner.escalation),
        updated_by=None if updates is None else updates.who,
        cadence=None if updates is None else updates.cadence,
        trigger=None if updates is None else updates.trigger,
        fallback=settings.fallback,
        runbook=settings.runbook,
    )
