"""What is bet on about the service: shares of statuses, and how long answers take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from detectors.betting.feature_signals import NUMERIC_WAGERS, SD_FACTORS, VALUES_MIN, rate_signal
from detectors.betting.functionals import NUMERIC, centred, numeric_functionals
from detectors.betting.signal import UP, Signal, quantile_for, rate_slack, rhythms_of, slack_of
from detectors.betting.watched import Watched
from detectors.layout import STATUSES, PredictionLayout
from detectors.profile import ReferenceProfile
from detectors.sketch import LATENCY_MS
from schemas.finding import Kind
from schemas.model_parts import MinEffect

STATUS_KINDS: Final = {"error_rate": Kind.ERROR_RATE, "fallback_rate": Kind.FALLBACK_RATE}
STATUS_RATE: Final = 0.05
"""Share of errors, or of answers by the fallback, that counts as usual where nobody says more."""
LATENCY: Final = "latency"


def status_signal(check: str, *, usual: Sequence[int] = (), intervals: int = 1) -> Watched:
    """Return a bet that more than `STATUS_RATE` of the answers have a status.

    Parameters
    ----------
    usual
        Rows per status in the reference, where a higher share than that may be usual; else empty.
    intervals
        So many references as this one hold at once.
    """
    statuses = np.arange(len(STATUSES))
    share, slack = STATUS_RATE, np.zeros((1, 2))
    n = sum(usual)
    if n and usual[STATUSES.index(check.removesuffix("_rate"))] > STATUS_RATE * n:
        share = usual[STATUSES.index(check.removesuffix("_rate"))] / n
        z = quantile_for(intervals)
        slack = rate_slack(np.array([share]), (None,), n=n, z=z, minimum=np.zeros(1))
    signal = rate_signal(
        check,
        "service",
        PredictionLayout.STATUS + statuses.astype(np.intp),
        statuses == STATUSES.index(check.removesuffix("_rate")),
        share=share,
        slack=slack,
        minimum=share / 10,
    )
    return Watched(signal, STATUS_KINDS[check], check)


def latency_signal(profile: ReferenceProfile, *, least: MinEffect, intervals: int = 1) -> Watched | None:
    """Return a bet that answers take longer than in the reference; None where it has no latencies."""
    counts = np.zeros(LATENCY_MS.size)
    for cell, rows in profile.latency:
        counts[cell] = rows
    n = int(counts.sum())
    if n < VALUES_MIN:
        return None
    values = centred(numeric_functionals(counts), counts)
    variance = np.maximum(counts @ np.square(values) / n, 3 / n * np.square(values).max(axis=0))
    if not variance.all():
        return None
    sds, rhythms = np.sqrt(variance), rhythms_of(profile.latency_rhythms, NUMERIC)
    minimum = least.sd * SD_FACTORS
    signal = Signal(
        name=LATENCY,
        group="service",
        cells=PredictionLayout.LATENCY + np.arange(LATENCY_MS.size, dtype=np.intp),
        values=values,
        sds=sds,
        slack=slack_of(sds, rhythms, n=n, z=quantile_for(len(NUMERIC) * intervals), minimum=minimum),
        minimum=minimum,
        wagers=tuple(wager for wager in NUMERIC_WAGERS[:3] if wager.direction == UP),
        rhythms=rhythms,
    )
    return Watched(signal, Kind.LATENCY, LATENCY)
