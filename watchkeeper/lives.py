"""The counts and metrics of models' whole lives, in the one form that the report and `status` share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from detectors.metrics import metrics_of

from consumers.fold import COLUMN, outcome
from consumers.interning import Tables
from consumers.pending import decode_entry
from consumers.plan import ModelPlan
from consumers.totals import Life

Counts = npt.NDArray[np.int64]
Waiting = dict[tuple[str, str], list[int]]
"""(model, version) to [expired, pending]."""


def count_waiting(
    entries: Iterable[bytes], tables: Tables, plans: Mapping[str, ModelPlan], now_ms: int
) -> Waiting:
    """Count the predictions without a label, by whether their horizon has passed at `now_ms`."""
    waiting: Waiting = {}
    for data in entries:
        code = int.from_bytes(data[1:3], "little")
        plan = plans.get(tables.models[code]) if code < len(tables.models) else None
        if plan is None:
            continue
        entry = decode_entry(data, regression=plan.is_regression)
        for prediction in entry.predictions:
            joined = outcome(prediction, entry.labels, horizon_ms=plan.horizon_ms, memory_ms=plan.memory_ms)
            if joined.standing is None:
                row = waiting.setdefault((plan.name, tables.versions[prediction.version][1]), [0, 0])
                row[0 if prediction.time_ms + plan.horizon_ms < now_ms else 1] += 1
    return waiting


def describe_lives(
    lives: Mapping[str, Life], plans: Mapping[str, ModelPlan], waiting: Waiting
) -> dict[str, Any]:
    """Return the `models` part of a report, in the contract's form."""
    return {
        model: {
            "versions": {
                version: _version(plans[model], lives[model], version, waiting.get((model, version), [0, 0]))
                for version in sorted(_versions(lives[model]))
            },
            "orphan_labels": lives[model].orphans,
        }
        for model in sorted(lives)
    }


def _versions(life: Life) -> set[str]:
    return {*life.counters, *life.figures}


def _version(plan: ModelPlan, life: Life, version: str, waiting: list[int]) -> dict[str, Any]:
    figures = life.figures.get(version)
    metrics = {} if figures is None else metrics_of(figures, positive=plan.classes.positive)
    counts = life.counters.get(version)
    if counts is None:  # a version's fallback answers have metrics of their own and no counts
        return {"metrics": metrics}
    expired = unlabelled(counts) - waiting[1]
    return {
        "predictions": _count(counts, "predictions"),
        "labels": _count(counts, "labels"),
        "joined": _count(counts, "joined"),
        "duplicates": {
            "predictions": _count(counts, "duplicate_predictions"),
            "labels": _count(counts, "duplicate_labels"),
        },
        "corrections": _count(counts, "corrections"),
        "conflicts": _count(counts, "conflicts"),
        "late": _count(counts, "late"),
        "expired": expired,
        "pending": waiting[1],
        "late_events": _count(counts, "late_events"),
        "status": {name: _count(counts, name) for name in ("ok", "fallback", "error")},
        "metrics": metrics,
    }


def unlabelled(counts: Counts) -> int:
    """Return how many predictions have no label: expired (remembered or not) and pending together."""
    return _count(counts, "predictions") - _count(counts, "joined")


def _count(counts: Counts, name: str) -> int:
    return int(counts[COLUMN[name]])
