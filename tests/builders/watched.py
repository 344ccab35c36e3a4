"""A binary and a regression model with every detector switched on, and windows of their calm and broken days.

Budgeted detectors run where nothing is tuned, those with thresholds where everything is; `every_detector` gives both.

The golden states in tests/golden/detectors were counted on these very days: keep them as they are.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

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

from detectors.layout import PredictionLayout, prediction_layout
from detectors.registry import detectors_for
from schemas.finding import Stream
from schemas.model_settings import ModelSettings

if TYPE_CHECKING:
    from detectors.detector import ClosedWindow, Detector
    from detectors.profile import ReferenceProfile

EVENTS: Final = 240

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
        },
        {"name": "price", "task": "regression", "metrics": {"rmse": {"max": 25.0}}},
    ]
    return {keys["task"]: ModelSettings.model_validate({**keys, "monitors": monitors}) for keys in shapes}


SETTINGS: Final = _models(DISTANCES_ASKED)
TUNED: Final = _models(DISTANCES_ASKED | AS_EVER)
"""The same models with every threshold in the user's hand, outside the budget."""

BUDGETED: Final = ("budget_columns", "budget_errors", "volume")
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
    return profile_of(columns, model=name, task=task, labelled=4000, metrics=metrics, classes=classes)


def every_detector(task: str, reference: ReferenceProfile | None = None) -> dict[str, Detector[Any]]:
    """Return the budgeted detectors and those that tuning adds, by name; of `profile` where no other is given."""
    known = reference or profile(task)
    return {d.name: d for models in (TUNED, SETTINGS) for d in detectors_for(models[task], known)}


EVERY: Final = [(task, name) for task in SETTINGS for name in every_detector(task)]
"""Every detector of the registry, by task and name."""


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


def _prediction_day(task: str, index: int, *, broken: bool, n: int) -> ClosedWindow[Any]:
    rng = np.random.default_rng(index)
    values = _broken(rng, n) if broken else _columns(rng, n)
    lost = 80 if broken else 1
    return prediction_window(predictions(layout(task), values, error=lost, fallback=lost), index)


def _error_day(task: str, index: int, *, broken: bool, n: int) -> ClosedWindow[Any]:
    rng = np.random.default_rng(index)
    if task == "regression":
        error = rng.normal(0, 40 if broken else 10, n)
        return error_window(regressed((error + 100).tolist(), [100.0] * n), index)
    truth = rng.random(n) < 0.3
    right = rng.random(n) < (0.4 if broken else 0.9)
    names = np.array(["ok", "fraud"])
    said, true = names[(truth == right).astype(int)].tolist(), names[truth.astype(int)].tolist()
    return error_window(classified(said, true, rng.random(n), positive="fraud"), index)


@lru_cache(maxsize=20_000)
def day(task: str, stream: Stream, index: int, *, broken: bool = False, n: int = EVENTS) -> ClosedWindow[Any]:
    """Return window `index`, calm or broken, of n events."""
    make = _prediction_day if stream is Stream.PREDICTIONS else _error_day
    return make(task, index, broken=broken, n=n)
