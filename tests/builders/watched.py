"""A binary and a regression model with every detector switched on, and windows of their calm and broken days.

Budgeted detectors run where nothing is tuned, those with thresholds where everything is; `every_detector` gives both.

The golden states in tests/golden/detectors were counted on these very days: keep them as they are.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from builders.summaries import (
    INVALID,
    Values,
    classified,
    error_window,
    prediction_window,
    predictions,
    profile_of,
    regressed,
)

from detectors.detector import ClosedWindow
from detectors.label_layout import LabelCell, LabelLayout
from detectors.layout import ErrorLayout, PredictionLayout, error_layout, prediction_layout
from detectors.registry import detectors_for
from detectors.segments import SegmentReference
from detectors.sketch import LABEL_LAG_S
from detectors.summary import Summary
from schemas.finding import Stream, WindowSpan
from schemas.model_settings import ModelSettings

if TYPE_CHECKING:
    from detectors.detector import Detector
    from detectors.profile import ReferenceProfile

Seed: TypeAlias = "int | list[int]"

EVENTS: Final = 240
HOUR_MS: Final = 3_600_000
DIFFERENT: Final = 25
"""So many windows of a part differ: drawing them takes time."""

DISTANCES_ASKED: Final[dict[str, Any]] = {
    "jensen_shannon": {"threshold": 0.1},
    "kolmogorov_smirnov": {"threshold": 0.1},
    "wasserstein": {"threshold": 0.1},
    "chi_square": {"threshold": 2.0},
    "l_infinity": {"threshold": 0.1},
}
AS_EVER: Final[dict[str, Any]] = {
    **{name: {"windows": 5} for name in ("psi", "unseen_rate", "error_rate", "fallback_rate", "performance")},
    **{name: {"breaches": 2, "windows": 3} for name in ("missing_rate", "invalid_rate")},
}
"""Tuned to the very values that the monitors have anyway."""


def _models(monitors: dict[str, Any]) -> dict[str, ModelSettings]:
    shapes: list[dict[str, Any]] = [
        {
            "name": "fraud",
            "task": "binary",
            "positive_class": "fraud",
            "metrics": {"recall": {"min": 0.5}, "accuracy": {"drop": 0.05}},
            "segments": ["country"],
        },
        {
            "name": "price",
            "task": "regression",
            "metrics": {"rmse": {"max": 25.0}},
            "segments": ["country"],
        },
    ]
    return {keys["task"]: ModelSettings.model_validate({**keys, "monitors": monitors}) for keys in shapes}


SETTINGS: Final = _models(DISTANCES_ASKED)
TUNED: Final = _models(DISTANCES_ASKED | AS_EVER)
"""The same models with every threshold in the user's hand, outside the budget."""

PART_DETECTORS: Final = tuple(
    f"budget_{kind}_{stream}" for kind in ("version", "segment") for stream in ("columns", "errors")
)
"""Of versions and segments, in order."""
LABEL_DETECTORS: Final = ("prompt_labels", "label_coverage", "label_lag", "label_shares")
BUDGETED: Final = (*LABEL_DETECTORS, "budget_columns", "budget_errors", "volume", *PART_DETECTORS)
"""Names of the detectors that speak of trouble only."""


def _columns(rng: np.random.Generator, n: int) -> dict[str, Values]:
    return {
        "amount": rng.normal(42, 10, n).tolist(),
        "constant": [7.0] * n,
        "country": rng.choice(["DE", "FR", "IT"], n, p=[0.7, 0.2, 0.1]).tolist(),
        "only": ["one"] * n,
        "output.score": rng.beta(2, 5, n).tolist(),
    }


@lru_cache
def profile(task: str) -> ReferenceProfile:
    columns = _columns(np.random.default_rng(1), 4000)
    name = SETTINGS[task].name
    if task == "regression":
        metrics = {"mae": 8.0, "rmse": 10.0}
        return profile_of(columns, model=name, task=task, labelled=4000, metrics=metrics, error_sd=6.0)
    metrics, classes = {"accuracy": 0.9}, ("ok", "fraud")
    confusion = (("fraud", "fraud", 270), ("fraud", "ok", 70), ("ok", "fraud", 30), ("ok", "ok", 630))
    return profile_of(
        columns,
        model=name,
        task=task,
        labelled=4000,
        metrics=metrics,
        classes=classes,
        segments={"country=DE": SegmentReference(1_000, confusion=confusion, metrics=metrics)},
    )


@cache
def _unused(task: str) -> dict[str, Detector[Any]]:
    return _made(task, profile(task))


def _made(task: str, reference: ReferenceProfile) -> dict[str, Detector[Any]]:
    return {d.name: d for models in (TUNED, SETTINGS) for d in detectors_for(models[task], reference)}


def every_detector(task: str, reference: ReferenceProfile | None = None) -> dict[str, Detector[Any]]:
    """Return the budgeted detectors and those that tuning adds, by name; of `profile` where no other is given.

    Those of `profile` are copies, which takes a fraction of the time that making them takes.
    """
    return copy.deepcopy(_unused(task)) if reference is None else _made(task, reference)


EVERY: Final = [
    (task, name)
    for task in SETTINGS
    for name in every_detector(task)
    if name not in {*LABEL_DETECTORS, "compare"}
]
"""Every detector of the registry, by task and name, but those of windows of labels: what is usual they learn over weeks, so
tests/detectors/test_label_health.py has their laws; and but the one that compares versions, whose laws are in
tests/detectors/test_compare.py."""


def _broken(rng: np.random.Generator, n: int) -> dict[str, Values]:
    amounts: list[object] = rng.normal(80, 30, n).tolist()
    amounts[: n // 4] = [None] * (n // 8) + [INVALID] * (n // 4 - n // 8)
    return _columns(rng, n) | {
        "amount": amounts,
        "country": rng.choice(["FR", "XX"], n).tolist(),
        "output.score": rng.beta(5, 2, n).tolist(),
    }


def layout(task: str) -> PredictionLayout:
    return prediction_layout(profile(task))


def _events(task: str, seed: Seed, *, broken: bool, n: int, lost: int) -> Summary[PredictionLayout]:
    rng = np.random.default_rng(seed)
    values = _broken(rng, n) if broken else _columns(rng, n)
    summary = predictions(layout(task), values, error=lost, fallback=lost)
    if broken:
        summary.pairs["new", ""] = n // 2
    return summary


def _prediction_day(task: str, index: int, *, broken: bool, n: int) -> ClosedWindow[Any]:
    whole = _events(task, index, broken=broken, n=n, lost=80 if broken else 1)
    part = _part(task, Stream.PREDICTIONS, index % DIFFERENT, broken=broken, n=n // 2)
    service = prediction_layout(None)
    segment = Summary(service, part.vector[: service.size])
    return replace(prediction_window(whole, index), versions={"8": part}, segments={"country=DE": segment})


@lru_cache
def _part(task: str, stream: Stream, index: int, *, broken: bool, n: int) -> Summary[Any]:
    """Return what a version, or a segment, has in a window."""
    if stream is Stream.ERRORS:
        return _errors(task, [index, 1], broken=broken, n=n)
    return _events(task, [index, 1], broken=broken, n=n, lost=40 if broken else 0)


def _error_day(task: str, index: int, *, broken: bool, n: int) -> ClosedWindow[Any]:
    part = _part(task, Stream.ERRORS, index % DIFFERENT, broken=broken, n=n // 2)
    window = error_window(_errors(task, index, broken=broken, n=n), index)
    return replace(window, versions={"8": part}, segments={"country=DE": part})


def _errors(task: str, seed: Seed, *, broken: bool, n: int) -> Summary[ErrorLayout]:
    rng = np.random.default_rng(seed)
    if task == "regression":
        error = rng.normal(0, 40 if broken else 10, n)
        counted = regressed((error + 100).tolist(), [100.0] * n)
        own = error_layout(task, profile(task), SETTINGS[task].loss)
        vector = np.zeros(own.size, dtype=np.int64)
        vector[: counted.layout.size] = counted.vector
        return Summary(own, vector)
    truth = rng.random(n) < 0.3
    right = rng.random(n) < (0.4 if broken else 0.9)
    names = np.array(["ok", "fraud"])
    said, true = names[(truth == right).astype(int)].tolist(), names[truth.astype(int)].tolist()
    return classified(said, true, rng.random(n), positive="fraud")


def _label_day(task: str, index: int, *, broken: bool, n: int) -> ClosedWindow[Any]:
    """Return an hour of prompt labels, half of which are nobody's if broken."""
    layout = LabelLayout()
    vector = np.zeros(layout.size, dtype=np.int64)
    vector[LabelCell.PREDICTIONS] = vector[LabelCell.FIRST] = n
    vector[LabelCell.ORPHANS] = n if broken else 0
    vector[LabelLayout.LAG + int(LABEL_LAG_S.index(np.array([60.0]))[0])] = n
    span = WindowSpan(index * HOUR_MS, (index + 1) * HOUR_MS, n)
    return ClosedWindow(SETTINGS[task].name, Stream.LABELS, span, Summary(layout, vector))


@lru_cache(maxsize=20_000)
def day(task: str, stream: Stream, index: int, *, broken: bool = False, n: int = EVENTS) -> ClosedWindow[Any]:
    """Return window `index`, calm or broken, of n events."""
    makers = {Stream.PREDICTIONS: _prediction_day, Stream.ERRORS: _error_day, Stream.LABELS: _label_day}
    return makers[stream](task, index, broken=broken, n=n)
