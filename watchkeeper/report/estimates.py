"""Days whose labels are not in: what is expected of them, and whether such estimates have held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from watchkeeper.estimates import is_borne_out
from watchkeeper.report.calendar import day_text, day_words
from watchkeeper.report.content import EstimateCheck, Point, SegmentEstimate, Statement
from watchkeeper.report.ledger import Ledger
from watchkeeper.report.wording import between, figure, metric_words

SEGMENTS_MAX: Final = 10
"""Segments that are shown."""
RECENT_DAYS: Final = 30
"""Days whose labels are in, the newest ones, that estimates are checked with."""

HOLD: Final = {
    True: "labels bear such estimates out",
    False: "labels refute such estimates, so it is unreliable",
    None: "no labels have checked it",
}


def open_points(points: Sequence[Point]) -> list[Point]:
    """Return the points whose labels are not all in, and of which something is expected."""
    return [point for point in points if point.row.estimated and point.row.standing != "final"]


def estimate_check(ledger: Ledger) -> EstimateCheck | None:
    """Return what the newest sound days say of estimates; None where nothing is estimated."""
    profile = ledger.plan.profile
    if profile is None or profile.calibration is None or not profile.calibration.n:
        return None
    days = list(ledger.sound(ledger.days))[-RECENT_DAYS:]
    cohort = ledger.cohort(days)
    until = day_text(days[-1]) if days else None
    return EstimateCheck(is_borne_out(ledger.plan, ledger.reference(days), cohort), cohort.labelled, until)


def segment_estimates(ledger: Ledger, days: Sequence[int], metric: str) -> list[SegmentEstimate]:
    """Return what is expected of segments on the days whose labels are not in, the worst first by a metric."""
    due = [day for day in days if not ledger.is_final(day)]
    lead = ledger.leading(due)
    reference = ledger.plan.reference(lead)
    sound = ledger.segments(list(ledger.sound(ledger.days))[-RECENT_DAYS:], lead=lead)
    found: list[SegmentEstimate] = []
    for segment, cohort in ledger.segments(due, lead=lead).items():
        expected = ledger.estimates(cohort, reference)
        if metric in expected:
            hold = is_borne_out(ledger.plan, reference, sound[segment]) if segment in sound else None
            found.append(SegmentEstimate(segment, cohort.predictions, cohort.coverage, expected, hold))
    sign = 1 if metric == "mae" else -1
    return sorted(found, key=lambda one: (-sign * one.estimated[metric].value, one.segment))[:SEGMENTS_MAX]


def estimate_statements(
    points: Sequence[Point], check: EstimateCheck | None, metrics: Sequence[str]
) -> Iterator[Statement]:
    """Yield one sentence about the newest point whose labels are not in."""
    if check is None or not points:
        return
    newest = points[-1]
    told = [
        f"{metric_words(metric)} {figure(metric, found.value)}, {between(metric, found)}"
        for metric in metrics
        if (found := newest.row.estimated.get(metric)) is not None
    ]
    if not told:
        return
    days = day_words(newest.first)
    if newest.last != newest.first:
        days += f" to {day_words(newest.last)}"
    until = f" (until {day_words(check.until)})" if check.until is not None and check.hold is not None else ""
    yield Statement(
        "unknown" if check.hold is False else "plain",
        f"Labels of {days} are not all in. Expected from the answers alone: {'; '.join(told)}; {HOLD[check.hold]}{until}.",
    )
