"""The counts and metrics of models' whole lives, in the one form that the report and `status` share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from consumers.fold import COLUMN, outcome
from consumers.interning import Tables
from consumers.pending import (
    FLAGS_AT,
    ONE_PREDICTION,
    ONE_WEIGHTED,
    PREDICTION,
    PROBABILITIES_FLAG,
    UNOBSERVABLE_FLAG,
    WEIGHTED,
    PendingPrediction,
    Records,
    decode_entry,
    model_of,
    records_of,
    stored_records,
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
    Entries of one prediction and nothing else, by far the most, are judged by array arithmetic.
    """
    single: dict[int, list[bytes]] = {ONE_PREDICTION: [], ONE_WEIGHTED: []}
    others: list[PendingPrediction] = []
    for data in entries:
        if len(data) in single and not data[FLAGS_AT] & PROBABILITIES_FLAG:
            single[len(data)].append(data)
        else:
            others += _unlabelled(data, tables, plans)
    plain = stored_records(single[ONE_PREDICTION], PREDICTION)
    weighted = stored_records(single[ONE_WEIGHTED], WEIGHTED)
    waiting = Waiting()
    for records in (plain, weighted, records_of(others)):
        waiting.add(_waiting(records, tables, plans, now_ms))
    return waiting


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


def _unlabelled(data: bytes, tables: Tables, plans: Mapping[str, ModelPlan]) -> Iterator[PendingPrediction]:
    """Yield an entry's predictions that have no label."""
    code = model_of(data)
    plan = plans.get(tables.models[code]) if code < len(tables.models) else None
    if plan is None:
        return
    entry = decode_entry(data, regression=plan.is_regression)
    for prediction in entry.predictions:
        folded = outcome(prediction, entry.labels, horizon_ms=plan.horizon_ms, memory_ms=plan.memory_ms)
        if folded.standing is None:
            yield prediction


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
