"""The counts and metrics of models' whole lives, in the one form that the report and `status` share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from consumers.fold import COLUMN, outcome
from consumers.interning import Tables
from consumers.pending import (
    ENDS,
    FLAGS_AT,
    HEAD,
    PER_ID_MAX,
    UNOBSERVABLE_FLAG,
    PendingPrediction,
    Records,
    decode_entry,
    labelled_records,
    model_of,
    records_of,
    times_of,
)
from consumers.plan import HASH_DIGITS, ModelPlan
from consumers.totals import Life
from consumers.windows import ModelWindows
from detectors.intervals import estimates_of
from detectors.layout import ErrorLayout
from detectors.metrics import metrics_of
from detectors.quality_tables import tables_of
from detectors.summary import Summary
from watchkeeper.estimates import Described

Counts = npt.NDArray[np.int64]
Figures = Summary[ErrorLayout]
_NONE: Final = Described()
CHUNK: Final = 50_000
"""Entries that are looked at together."""


@dataclass(slots=True)
class Waiting:
    """The predictions whose label may still come.

    Parameters
    ----------
    pending
        (model, version) to their number.
    assumed
        (model, version), fallback answers apart, to what they would come to if silence had spoken already.
    """

    pending: Counter[tuple[str, str]] = field(default_factory=Counter)
    assumed: dict[tuple[str, str], Figures] = field(default_factory=dict)

    def add(self, other: Waiting) -> None:
        """Take in what was found elsewhere."""
        self.pending.update(other.pending)
        for key, summary in other.assumed.items():
            self.assumed[key] = self.assumed[key].merge(summary) if key in self.assumed else summary


def count_waiting(
    entries: Iterable[bytes], tables: Tables, plans: Mapping[str, ModelPlan], now_ms: int
) -> Waiting:
    """Return the predictions without a label that may still get one at `now_ms`.

    Codes that the tables do not know are passed over: the store went back while it was read.
    Entries of one prediction, by far the most, are judged by array arithmetic.
    """
    waiting, left = Waiting(), iter(entries)
    while chunk := list(islice(left, CHUNK)):
        for records in _unlabelled(chunk, tables, plans):
            waiting.add(_waiting(records, tables, plans, now_ms))
    return waiting


def _unlabelled(
    entries: Sequence[bytes], tables: Tables, plans: Mapping[str, ModelPlan]
) -> Iterator[Records]:
    """Yield the predictions of entries that have no label, those of entries of one form together."""
    forms: dict[tuple[bytes, int, int], list[bytes]] = {}
    for data in entries:
        flags = data[FLAGS_AT] if data[0] & PER_ID_MAX else 0
        forms.setdefault((data[: HEAD.itemsize], len(data), flags & ENDS), []).append(data)
    for (head, _, kind), some in forms.items():
        code = model_of(head)
        plan = plans.get(tables.models[code]) if code < len(tables.models) else None
        if plan is not None and head[0] & PER_ID_MAX == 1:
            predictions, labels = labelled_records(
                some, head[0] >> 4, kind=kind, regression=plan.is_regression
            )
            in_time = times_of(labels) - times_of(predictions)[:, None] <= plan.horizon_ms
            yield predictions[~in_time.any(axis=1)]
        elif plan is not None:
            yield records_of([p for data in some for p in _unlabelled_of(data, plan)])


def _unlabelled_of(data: bytes, plan: ModelPlan) -> Iterator[PendingPrediction]:
    entry = decode_entry(data, regression=plan.is_regression)
    for prediction in entry.predictions:
        folded = outcome(prediction, entry.labels, horizon_ms=plan.horizon_ms, memory_ms=plan.memory_ms)
        if folded.standing is None:
            yield prediction


def _waiting(records: Records, tables: Tables, plans: Mapping[str, ModelPlan], now_ms: int) -> Waiting:
    """Return those of records without a label that may still get one."""
    records = records[records["version"] < len(tables.versions)]
    models = np.array([name for name, _ in tables.versions], dtype=object)[records["version"]]
    waiting = Waiting()
    for name, plan in plans.items():
        own = records[models == name]
        open_ms = plan.implicit_ms  # the horizon, where silence means nothing
        own = own[(own["flags"] & UNOBSERVABLE_FLAG == 0) & (times_of(own) + open_ms >= now_ms)]
        for code, count in zip(*np.unique(own["version"], return_counts=True), strict=True):
            waiting.pending[tables.versions[code]] += int(count)
        if plan.implicit is not None and len(own):
            windows = ModelWindows(plan, tables)
            windows.assume_records(own, lambda arrival_ms: np.zeros(len(arrival_ms), dtype=np.bool_))
            for key in windows.assumed.keys():  # noqa: SIM118 - not a mapping
                waiting.assumed[name, key[0]] = windows.assumed.get(key)
    return waiting


def describe_lives(
    lives: Mapping[str, Life],
    plans: Mapping[str, ModelPlan],
    waiting: Waiting,
    estimates: Mapping[str, Described] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the `models` part of a report, in the contract's form.

    Parameters
    ----------
    estimates
        By model, of those that have any: see `watchkeeper.estimates`.
    """
    return {
        model: {
            "versions": {
                version: _version(plans[model], lives[model], version, waiting)
                | _estimated(estimates.get(model, _NONE).versions, version)
                for version in sorted({*lives[model].counters, *lives[model].figures, *lives[model].assumed})
            },
            "orphan_labels": lives[model].orphans,
            **_segments(estimates.get(model, _NONE)),
        }
        for model in sorted(lives)
    }


def _segments(estimates: Described) -> dict[str, Any]:
    """Return what is known of segments; nothing where nothing is estimated of them."""
    found = {name: {"estimated": figures} for name, figures in estimates.segments.items()}
    return {"segments": found} if found else {}


def _estimated(estimates: Mapping[str, Any], version: str) -> dict[str, Any]:
    return {"estimated": estimates[version]} if version in estimates else {}


def _version(plan: ModelPlan, life: Life, version: str, waiting: Waiting) -> dict[str, Any]:
    quality = describe_quality(plan, _figures(plan, life, version, waiting))
    counts = life.counters.get(version)
    if counts is None:  # a version's fallback answers have metrics of their own and no counts
        return quality
    pending = waiting.pending[plan.name, version]
    silent = unlabelled(counts) - pending
    is_implicit = plan.implicit is not None
    return {
        "predictions": _count(counts, "predictions"),
        "labels": _count(counts, "labels"),
        "joined": _count(counts, "joined"),
        "implicit": silent if is_implicit else 0,
        "unobservable": _count(counts, "unobservable"),
        "duplicates": {
            "predictions": _count(counts, "duplicate_predictions"),
            "labels": _count(counts, "duplicate_labels"),
        },
        "corrections": _count(counts, "corrections"),
        "conflicts": _count(counts, "conflicts"),
        "late": _count(counts, "late"),
        "expired": 0 if is_implicit else silent,
        "pending": pending,
        "late_events": _count(counts, "late_events"),
        "status": {name: _count(counts, name) for name in ("ok", "fallback", "error")},
        **quality,
        **_compared_with(plan, version),
    }


def _compared_with(plan: ModelPlan, version: str) -> dict[str, Any]:
    """Return the hash of the profile that a version is compared with; nothing where all have the same."""
    profile = plan.reference(version).profile
    if not plan.versions or profile is None:
        return {}
    return {"profile": profile.content_hash[:HASH_DIGITS]}


def describe_quality(plan: ModelPlan, figures: Figures) -> dict[str, Any]:
    """Return the metrics of answers, the 95 % intervals of those that have one, and their tables."""
    positive, costs = plan.classes.positive, plan.settings.costs
    metrics = metrics_of(figures, positive=positive, costs=costs)
    estimates = estimates_of(figures, positive=positive, names=metrics, costs=costs)
    intervals = {name: [found.low, found.high] for name, found in estimates.items() if found.low is not None}
    return {"metrics": metrics, "intervals": intervals, "tables": tables_of(figures)}


def _figures(plan: ModelPlan, life: Life, version: str, waiting: Waiting) -> Figures:
    """Return the figures of all labels of a version, the implicit ones included."""
    empty = Summary.empty(plan.totals)
    figures = life.figures.get(version, empty)
    if plan.implicit is None:
        return figures
    assumed = life.assumed.get(version, empty)
    return figures.merge(assumed).merge(waiting.assumed.get((plan.name, version), empty).negated())


def unlabelled(counts: Counts) -> int:
    """Return how many predictions that can have a label have none: expired (remembered or not) and pending together."""
    return _count(counts, "predictions") - _count(counts, "joined") - _count(counts, "unobservable")


def _count(counts: Counts, name: str) -> int:
    return int(counts[COLUMN[name]])
