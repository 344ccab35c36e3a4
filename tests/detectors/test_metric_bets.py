"""Limits of quantiles of errors, log loss and Brier score under the budget."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from builders.summaries import classified, error_window

from detectors.betting.errors import BudgetedErrors
from detectors.betting.setup import budgeted, unbudgeted_limits
from detectors.class_cells import CLASS_CELLS
from detectors.detector import ErrorWindow
from detectors.layout import error_layout
from detectors.metrics import metrics_of
from detectors.profile import ReferenceProfile
from detectors.reference import reference_of
from detectors.registry import detectors_for
from detectors.summary import Summary
from schemas.finding import Finding, Verdict
from schemas.model_settings import ModelSettings

LABELS = 100
Array = np.ndarray[Any, Any]


def settings(task: str, metrics: dict[str, Any], **more: Any) -> ModelSettings:
    raw: dict[str, Any] = {"name": "m", "task": task, "metrics": metrics, **more}
    if task == "binary":
        raw["positive_class"] = "fraud"
    return ModelSettings.model_validate(raw)


def detector(model: ModelSettings, profile: ReferenceProfile | None = None) -> BudgetedErrors:
    [found] = [d for d in budgeted(model, profile) if isinstance(d, BudgetedErrors)]
    return found


def of_errors(model: ModelSettings, errors: Array) -> Summary[Any]:
    summary = Summary.empty(error_layout("regression", None, model.loss))
    summary.vector[0] = len(errors)
    cells = summary.layout.SCORES + np.searchsorted(summary.layout.edges, errors)
    np.add.at(summary.vector, cells, 1)
    return summary


def of_scores(_: ModelSettings, scores: Array, happens: Array) -> Summary[Any]:
    true = ["fraud" if t else "ok" for t in happens]
    said = ["fraud" if s >= 0.5 else "ok" for s in scores]
    return classified(said, true, scores, positive="fraud")


def of_losses(_: ModelSettings, losses: Array) -> Summary[Any]:
    summary = classified(["a"] * len(losses), ["a"] * len(losses))
    first = summary.layout.known
    summary.vector[first] = len(losses)
    np.add.at(summary.vector, first + CLASS_CELLS.places("log_loss", losses), 1)
    return summary


def windows(task: str, model: ModelSettings, seed: int, count: int, worse: float) -> list[ErrorWindow]:
    """Return windows of a model whose metric lies at its limit, times `worse`."""
    rng = np.random.default_rng(seed)
    found = []
    for index in range(count):
        if task == "regression":
            summary = of_errors(model, worse * rng.standard_normal(LABELS))
        elif task == "binary":
            scores = np.clip(rng.beta(0.5, 2, LABELS), 0.001, 0.999)
            odds = np.log(scores / (1 - scores)) * worse  # overconfident by so much
            summary = of_scores(model, 1 / (1 + np.exp(-odds)), rng.random(LABELS) < scores)
        else:
            summary = of_losses(model, worse * rng.exponential(0.5, LABELS))
        found.append(error_window(summary, index))
    return found


@lru_cache
def limit_of_scores(metric: str) -> float:
    """Return the metric of scores that are right, over so many that chance does not show."""
    rng = np.random.default_rng(99)
    scores = np.clip(rng.beta(0.5, 2, 300_000), 0.001, 0.999)
    loss = scores * (1 - scores)
    if metric == "log_loss":
        loss = -scores * np.log(scores) - (1 - scores) * np.log1p(-scores)
    return float(loss.mean())


CASES: dict[str, tuple[str, dict[str, float], float]] = {
    "error_p95": ("regression", {"max": 1.6449}, 1.5),
    "error_p05": ("regression", {"min": -1.6449}, 1.5),
    "absolute_error_p95": ("regression", {"max": 1.96}, 1.5),
    "absolute_error_p50": ("regression", {"max": 0.6745}, 1.5),
    "brier": ("binary", {"max": limit_of_scores("brier")}, 3.0),
    "log_loss": ("binary", {"max": limit_of_scores("log_loss")}, 3.0),
    "multiclass log_loss": ("multiclass", {"max": 0.5}, 1.5),
}


def run(name: str, seed: int, count: int, worse: float) -> list[Finding]:
    task, rule, _ = CASES[name]
    metric = name.rpartition(" ")[2]
    model = settings(task, {metric: rule})
    bets = detector(model)
    return [f for w in windows(task, model, seed, count, worse) for f in bets.update(w)]


@pytest.mark.parametrize("name", CASES)
def test_a_model_at_its_limit_is_silent_and_one_beyond_it_is_told(name: str) -> None:
    """Of 4 x 250 windows at the limit, with a bar that one run in 43 would cross by chance, none fires."""
    assert not [f for seed in range(4) for f in run(name, seed, 250, 1.0)]
    found = run(name, 7, 150, CASES[name][2])
    first = found[0]
    metric, [key] = name.rpartition(" ")[2], CASES[name][1]
    assert (first.check, first.verdict) == (f"{metric}_{key}", Verdict.BREACH)
    assert first.evidence["budgeted"] is True
    assert first.evidence["limit_value"] == CASES[name][1][key]
    assert first.evidence["metric"] == metric
    assert first.evidence["direction"] == ("down" if key == "min" else "up")


def test_a_share_of_a_bin_that_the_limit_lies_in_counts_as_inside() -> None:
    model = settings("regression", {"absolute_error_p50": {"max": 1.05}})
    inside, beyond = np.full(LABELS, 1.06), np.full(LABELS, 1.3)  # bins end at 1.0, 1.19 and 1.41
    for errors, fires in ((inside, False), (beyond, True)):
        bets = detector(model)
        told = [f for i in range(30) for f in bets.update(error_window(of_errors(model, errors), i))]
        assert bool(told) is fires


def test_drop_counts_from_the_profile() -> None:
    profile = ReferenceProfile("m", "multiclass", 5000, (), labelled=5000, metrics={"log_loss": 0.4})
    model = settings("multiclass", {"log_loss": {"drop": 0.1}})
    bets = detector(model, profile)
    told = [f for w in windows("multiclass", model, 3, 60, 1.5) for f in bets.update(w)]
    assert (told[0].check, told[0].evidence["limit_value"]) == ("log_loss_drop", 0.5)


def test_what_has_no_bet_is_judged_outside_the_budget_and_nothing_twice() -> None:
    metrics = {
        "gini": {"min": 0.2},
        "mae": {"max": 1.0},
        "error_p95": {"max": 1.0, "min": -1e300},
        "absolute_error_p50": {"max": 1.0},
    }
    model = settings("regression", metrics)
    left = unbudgeted_limits(model, reference_of(model, None))
    assert sorted(left) == ["error_p95", "gini", "mae"]
    assert (left["error_p95"].min, left["error_p95"].max) == (-1e300, None)
    tuned = settings("regression", metrics, monitors={"performance": {"min_events": 50}})
    assert sorted(unbudgeted_limits(tuned, reference_of(tuned, None))) == sorted(metrics)
    names = [d.name for d in detectors_for(model, None)]
    assert names.count("metrics") == names.count("budget_errors") == 1


def test_limits_are_those_of_the_metrics_that_are_told() -> None:
    model = settings("binary", {"brier": {"max": 0.1}})
    [window] = windows("binary", model, 5, 1, 1.0)
    found = metrics_of(window.overall, positive="fraud")
    cells = detector(model)._cells
    places, least = cells.losses("brier")
    counts = cells.vector(window.overall)[places]
    mean = float(counts @ least) / counts.sum()
    assert mean <= found["brier"] <= mean + 2 / 128
