"""The counts and metrics of models' whole lives, in the one form that the report and `status` share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from consumers.fold import COLUMN, outcome
from consumers.interning import Tables
from consumers.pending import (
    ONE_PREDICTION,
    ONE_WEIGHTED,
    PREDICTION,
    Records,
    decode_entry,
    model_of,
    stored_records,
    times_of,
    weighted_records,
)
from consumers.plan import ModelPlan
from consumers.totals import Life
from detectors.metrics import metrics_of

Counts = npt.NDArray[np.int64]
Waiting = dict[tuple[str, str], list[int]]
"""(model, version) to [expired, pending]."""


def count_waiting(
    entries: Iterable[bytes], tables: Tables, plans: Mapping[str, ModelPlan], now_ms: int
) -> Waiting:
    """Count the predictions without a label, by whether their horizon has passed at `now_ms`.

    Codes that the tables do not know are passed over: the store went back while it was read.
    Entries of one prediction and nothing else, by far the most, are counted by array arithmetic.
    """
    single: list[bytes] = []
    weighted: list[bytes] = []
    found: Counter[tuple[int, bool]] = Counter()
    for data in entries:
        if len(data) == ONE_PREDICTION:
            single.append(data)
        elif len(data) == ONE_WEIGHTED:
            weighted.append(data)
        else:
            _count_one(data, tables, plans, now_ms, found)
    if single:
        _count_single(stored_records(single, PREDICTION), tables, plans, now_ms, found)
    if weighted:
        _count_single(weighted_records(weighted)[0], tables, plans, now_ms, found)
    waiting: Waiting = {}
    for (code, expired), count in found.items():
        waiting.setdefault(tables.versions[code], [0, 0])[0 if expired else 1] += count
    return waiting


def _count_single(
    records: Records,
    tables: Tables,
    plans: Mapping[str, ModelPlan],
    now_ms: int,
    found: Counter[tuple[int, bool]],
) -> None:
    time_ms, version = times_of(records), records["version"]
    for code in np.unique(version[version < len(tables.versions)]).tolist():
        plan = plans.get(tables.versions[code][0])
        if plan is not None:
            expired = time_ms[version == code] + plan.horizon_ms < now_ms
            found[code, True] += int(expired.sum())
            found[code, False] += int((~expired).sum())


def _count_one(
    data: bytes,
    tables: Tables,
    plans: Mapping[str, ModelPlan],
    now_ms: int,
    found: Counter[tuple[int, bool]],
) -> None:
    code = model_of(data)
    plan = plans.get(tables.models[code]) if code < len(tables.models) else None
    if plan is None:
        return
    entry = decode_entry(data, regression=plan.is_regression)
    for prediction in entry.predictions:
        folded = outcome(prediction, entry.labels, horizon_ms=plan.horizon_ms, memory_ms=plan.memory_ms)
        if folded.standing is None and prediction.version < len(tables.versions):
            found[prediction.version, prediction.time_ms + plan.horizon_ms < now_ms] += 1


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
