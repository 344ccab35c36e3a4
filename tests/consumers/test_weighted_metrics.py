"""Weighted metrics, Gini and quantiles against scikit-learn, on what the hot path counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from consumers.joined import JOINED
from consumers.losses import Losses
from consumers.plan import ModelPlan, plan_model
from detectors.codec import decode_summary, encode_summary
from detectors.intervals import estimates_of
from detectors.layout import ErrorLayout
from detectors.metrics import metrics_of
from detectors.metrics_numbers import gini_error
from detectors.summary import Summary, SummaryTable
from detectors.tally import tally_of
from schemas.model_settings import ModelSettings

Array = np.ndarray[Any, Any]
NAMES = ["ok", "fraud"]


def plan(task: str) -> ModelPlan:
    settings: dict[str, Any] = {"name": "m", "task": task, "learn": False}
    if task == "binary":
        settings |= {"positive_class": "fraud", "classes": {"fraud": ["fraud"], "ok": ["ok"]}}
        settings |= {"costs": {"fraud": {"ok": 100.0}, "ok": {"fraud": 5.0}}}
    return plan_model(ModelSettings.model_validate(settings), None)


def rows_of(value: Array, truth: Array, weight: Array, predicted: Array | int = 0) -> Array:
    rows = np.zeros(len(value), dtype=JOINED)
    rows["sign"], rows["value"], rows["truth"], rows["weight"] = 1, value, truth, weight
    rows["predicted"] = predicted
    return rows


def counted(model: ModelPlan, rows: Array) -> Summary[ErrorLayout]:
    table: SummaryTable[str, ErrorLayout] = SummaryTable(model.totals)
    places = np.full(len(rows), table.row("all"), dtype=np.intp)
    Losses(model, rows, NAMES).add_to(table, places, pick=np.arange(len(rows)))
    return table.get("all")


def weights_of(kind: str, rng: np.random.Generator, n: int) -> Array:
    if kind == "with zeros":
        return rng.choice([0.0, 1.0, 2.5], n)
    return rng.lognormal(0, 1.5, n) if kind == "exposures" else rng.lognormal(10, 2, n)


def a_binary_stream(kind: str, seed: int, n: int = 2000) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < (0.02 if kind == "amounts" else 0.3)).astype(np.float64)
    score = 1 / (1 + np.exp(-(rng.normal(size=n) + 2 * truth - 1)))
    if kind == "with zeros":
        score = np.round(score, 1)  # ties
    return score, truth, weights_of(kind, rng, n)


@pytest.mark.parametrize("kind", ["with zeros", "exposures", "amounts"])
def test_weighted_metrics_of_classes_equal_scikit_learn(kind: str) -> None:
    score, truth, weight = a_binary_stream(kind, 1)
    said = (score >= 0.5).astype(np.int64)
    model = plan("binary")
    summary = counted(model, rows_of(score, truth, weight, said))
    found = metrics_of(summary, positive="fraud", costs=model.settings.costs)
    given: dict[str, Any] = {"sample_weight": weight}
    expected = {
        "accuracy": sk.accuracy_score(truth, said, **given),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, said, **given),
        "precision": sk.precision_score(truth, said, **given),
        "recall": sk.recall_score(truth, said, **given),
        "f1": sk.f1_score(truth, said, **given),
        "mcc": sk.matthews_corrcoef(truth, said, **given),
        "log_loss": sk.log_loss(truth, score, **given),
        "brier": sk.brier_score_loss(truth, score, **given),
        "cost": np.average(np.where(truth == 1, 100.0 * (said == 0), 5.0 * (said == 1)), weights=weight),
    }
    assert {name: found[f"weighted.{name}"] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert found["weighted.roc_auc"] == pytest.approx(sk.roc_auc_score(truth, score, **given), abs=2e-3)
    assert found["weighted.pr_auc"] == pytest.approx(
        sk.average_precision_score(truth, score, **given), abs=2e-2
    )
    assert found["accuracy"] == sk.accuracy_score(truth, said)


@pytest.mark.parametrize("kind", ["with zeros", "exposures", "amounts"])
def test_weighted_metrics_of_numbers_equal_scikit_learn(kind: str) -> None:
    rng = np.random.default_rng(2)
    said = rng.lognormal(1, 1, 2000)
    truth = said * rng.lognormal(0, 0.5, 2000)
    weight = weights_of(kind, rng, 2000)
    summary = counted(plan("regression"), rows_of(said, truth, weight))
    found = metrics_of(summary, positive=None)
    given: dict[str, Any] = {"sample_weight": weight}
    expected = {
        "mae": sk.mean_absolute_error(truth, said, **given),
        "rmse": sk.root_mean_squared_error(truth, said, **given),
        "mape": sk.mean_absolute_percentage_error(truth, said, **given),
        "r2": sk.r2_score(truth, said, **given),
        "bias": np.average(said - truth, weights=weight),
        "actual_to_expected": np.average(truth, weights=weight) / np.average(said, weights=weight),
    }
    assert {name: found[f"weighted.{name}"] for name in expected} == pytest.approx(expected, rel=1e-9)
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(truth, said), rel=1e-12)
    for prefix, mass in (("", np.ones(2000)), ("weighted.", weight)):
        order = np.argsort(said)
        x, y = np.cumsum(mass[order]), np.cumsum((mass * truth)[order])
        exact = 1 - 2 * sk.auc([0, *(x / x[-1])], [0, *(y / y[-1])])
        bins = tally_of(summary).bins
        assert bins is not None
        bound = gini_error(bins)
        assert bound is not None
        assert abs(found[f"{prefix}gini"] - exact) <= (bound if not prefix else 2 * bound)


def test_quantiles_of_errors_are_within_a_bin_and_their_interval_holds_them() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(100, 10, 5000)
    said = truth + rng.normal(1, 4, 5000)
    summary = counted(plan("regression"), rows_of(said, truth, np.ones(5000)))
    found = metrics_of(summary, positive=None)
    error = said - truth
    for share in (5, 50, 95):
        exact = np.percentile(error, share)
        assert abs(found[f"error_p{share:02}"] - exact) <= 0.19 * abs(exact) + 1e-6
    for share in (50, 95):
        exact = np.percentile(np.abs(error), share)
        assert abs(found[f"absolute_error_p{share}"] - exact) <= 0.19 * exact
    [estimate] = estimates_of(summary, positive=None, names=["absolute_error_p95"]).values()
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low < estimate.value < estimate.high
    assert summary.weights is None


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_weights_merge_in_any_order_are_taken_back_whole_and_survive_the_store(task: str) -> None:
    score, truth, weight = a_binary_stream("exposures", 4, 300)
    rows = rows_of(score, truth, weight, (score >= 0.5).astype(np.int64))
    model = plan(task)
    whole = counted(model, rows)
    parts = [counted(model, rows[i::3]) for i in (2, 0, 1)]
    assert parts[0].merge(parts[1]).merge(parts[2]) == whole
    assert decode_summary(model.totals, encode_summary(whole)) == whole
    back = rows.copy()
    back["sign"] = -1
    nothing = whole.merge(counted(model, back))
    assert nothing == Summary.empty(model.totals)
    assert whole.merge(whole.negated()) == nothing


def test_one_true_class_of_weights_gives_what_is_defined_and_no_more() -> None:
    score = np.array([0.2, 0.7])
    summary = counted(plan("binary"), rows_of(score, np.zeros(2), np.array([2.0, 0.0]), np.array([0, 1])))
    found = metrics_of(summary, positive="fraud")
    assert found["weighted.accuracy"] == 1.0
    assert {"weighted.roc_auc", "weighted.recall", "weighted.mcc"}.isdisjoint(found)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_rows_without_a_weight_may_be_counted_apart_from_those_with_one(task: str) -> None:
    """As where a batch corrects a weighted prediction and has first labels of others."""
    rows = rows_of(np.array([0.2, 0.7]), np.zeros(2), np.array([1.0, 2.5]), np.array([0, 1]))
    model = plan(task)
    table: SummaryTable[str, ErrorLayout] = SummaryTable(model.totals)
    losses, place = Losses(model, rows, NAMES), np.array([table.row("all")], dtype=np.intp)
    losses.add_to(table, place, pick=np.array([0]))
    assert table.get("all") == counted(model, rows[:1])
    losses.add_to(table, place, pick=np.array([1]))
    assert table.get("all") == counted(model, rows)
