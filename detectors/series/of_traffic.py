"""The figures of how much comes and how it is answered: events in an hour, shares of statuses, latency."""

from __future__ import annotations

from typing import Any

from detectors.detector import Evidence
from detectors.layout import STATUSES, PredictionLayout
from detectors.series.figure import Figure, Point, ShareOf, lately, number
from detectors.sketch import LATENCY_MS
from detectors.summary import Summary
from schemas.finding import Kind


def traffic_figure(kind: Kind, evidence: Evidence) -> Figure | None:
    """Return the figure of an alert about traffic, statuses or latency; None for any other kind."""
    if kind is Kind.VOLUME:
        usual = number(evidence, "usual_per_hour")
        return Figure(
            name="events",
            unit="per_hour",
            read=_per_hour,
            reference=usual,
            usual=lately(usual),
            counts_absence=True,
        )
    if kind in (Kind.ERROR_RATE, Kind.FALLBACK_RATE):
        cell = PredictionLayout.STATUS + STATUSES.index(kind.value.removesuffix("_rate"))
        return Figure(
            name=kind.value,
            unit="share",
            read=ShareOf((cell,), (PredictionLayout.EVENTS,)),
            reference=number(evidence, "rate_before"),
            threshold=None if evidence.get("budgeted") else number(evidence, "threshold"),
        )
    if kind is Kind.LATENCY:
        return Figure(
            name="median", unit="ms", read=_median_latency, reference=number(evidence, "profile_median")
        )
    return None


def _per_hour(summary: Summary[Any], hours: float) -> Point:
    n = int(summary.vector[PredictionLayout.EVENTS])
    return n / hours, n


def _median_latency(summary: Summary[Any], _hours: float) -> Point:
    start = PredictionLayout.LATENCY
    counts = summary.vector[start : start + LATENCY_MS.size]
    return LATENCY_MS.quantile(counts, 0.5), int(counts.sum())
