"""Which segments make more of the loss than their part of the labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from consumers.cohorts import Cohort
from detectors.tally import error_counts
from watchkeeper.report.content import SegmentLine, Statement
from watchkeeper.report.ledger import LABELS_MIN, Ledger
from watchkeeper.report.wording import between, figure, metric_words, name

SEGMENTS_MAX: Final = 5


def worst_segments(ledger: Ledger, days: Sequence[int], metric: str) -> list[SegmentLine]:
    """Return the segments with most loss beyond their part of the labels, the worst first."""
    sound = list(ledger.sound(days))
    whole = ledger.cohort(sound)
    loss = _loss(ledger, whole)
    if not loss > 0 or whole.labelled < LABELS_MIN:
        return []
    found = []
    for segment, cohort in ledger.segments(sound).items():
        estimate = ledger.metrics(cohort).get(metric) if cohort.labelled >= LABELS_MIN else None
        labels, part = cohort.labelled / whole.labelled, _loss(ledger, cohort) / loss
        if estimate is not None and part > labels:
            found.append(SegmentLine(segment, cohort.labelled, labels, part, estimate))
    found.sort(key=lambda line: (line.share_of_labels - line.share_of_loss, line.segment))
    return found[:SEGMENTS_MAX]


def _loss(ledger: Ledger, cohort: Cohort) -> float:
    if ledger.plan.is_regression:
        return cohort.figures.layout.sum(cohort.figures.vector, "absolute")
    return float(error_counts(cohort.figures)["wrong"])


def segment_statements(lines: Sequence[SegmentLine], ledger: Ledger, metric: str) -> Iterator[Statement]:
    """Yield one sentence about the worst segment, if chance does not explain it."""
    overall = ledger.metrics(ledger.cohort(ledger.sound(ledger.days))).get(metric)
    for line in lines[:1]:
        low, high = line.metric.low, line.metric.high
        if overall is None or low is None or high is None or low <= overall.value <= high:
            continue
        losses = "absolute error" if ledger.plan.is_regression else "errors"
        yield Statement(
            "plain",
            f"Segment {name(line.segment)} makes {100 * line.share_of_loss:.0f}% of the {losses} with "
            f"{100 * line.share_of_labels:.0f}% of the labels: {metric_words(metric)} "
            f"{figure(metric, line.metric.value)}, {between(metric, line.metric)}, "
            f"against {figure(metric, overall.value)} over all.",
        )
