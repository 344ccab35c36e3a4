from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from builders.summaries import classified
from sklearn import metrics as sk

from detectors.classes import NEGATIVE
from detectors.layout import ErrorLayout
from detectors.metrics import metrics_of
from detectors.summary import Summary

SEEDS = range(5)
BINARY = {"accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc"}
SCORED = {"roc_auc", "pr_auc", "log_loss", "brier", "ece"}


def a_binary_stream(seed: int, n: int = 3000) -> tuple[list[str], list[str], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.2
    scores = 1 / (1 + np.exp(-(rng.normal(size=n) + np.where(truth, 1.0, -1.5))))
    predicted = ["fraud" if s >= 0.5 else "ok" for s in scores]
    return predicted, ["fraud" if t else "ok" for t in truth], scores


@pytest.mark.parametrize("seed", SEEDS)
def test_binary_counts_equal_scikit_learn_to_the_last_digits(seed: int) -> None:
    predicted, true, scores = a_binary_stream(seed)
    found = metrics_of(classified(predicted, true, scores, positive="fraud"), positive="fraud")
    expected = {
        "accuracy": sk.accuracy_score(true, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(true, predicted),
        "precision": sk.precision_score(true, predicted, pos_label="fraud"),
        "recall": sk.recall_score(true, predicted, pos_label="fraud"),
        "f1": sk.f1_score(true, predicted, pos_label="fraud"),
        "mcc": sk.matthews_corrcoef(true, predicted),
        "log_loss": sk.log_loss([t == "fraud" for t in true], scores),
        "brier": sk.brier_score_loss([t == "fraud" for t in true], scores),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    assert set(found) == BINARY | SCORED


@pytest.mark.parametrize("bins", [128, 1024])
@pytest.mark.parametrize("seed", SEEDS)
def test_ranks_of_binned_scores_stay_within_their_bounds(seed: int, bins: int) -> None:
    predicted, true, scores = a_binary_stream(seed)
    found = metrics_of(classified(predicted, true, scores, positive="fraud", bins=bins), positive="fraud")
    truth = np.array(true) == "fraud"
    cells = np.floor(scores * bins)
    per_bin = [(truth[cells == c].sum(), (~truth[cells == c]).sum()) for c in np.unique(cells)]
    shared = sum(p * n for p, n in per_bin) / (truth.sum() * (~truth).sum())
    assert abs(found["roc_auc"] - sk.roc_auc_score(truth, scores)) <= shared / 2
    assert abs(found["pr_auc"] - sk.average_precision_score(truth, scores)) <= (
        0.01 if bins == 128 else 0.001
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_that_are_one_per_bin_give_ranks_without_any_error(seed: int) -> None:
    predicted, true, scores = a_binary_stream(seed)
    coarse = (np.floor(scores * 128) + 0.5) / 128
    found = metrics_of(classified(predicted, true, coarse, positive="fraud"), positive="fraud")
    truth = [t == "fraud" for t in true]
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, coarse), rel=1e-12)
    assert found["pr_auc"] == pytest.approx(sk.average_precision_score(truth, coarse), rel=1e-12)


@pytest.mark.parametrize("bins", [128, 1024])
def test_calibration_error_is_within_half_a_bin_of_the_definition(bins: int) -> None:
    predicted, true, scores = a_binary_stream(7)
    found = metrics_of(classified(predicted, true, scores, positive="fraud", bins=bins), positive="fraud")
    truth, group = np.array(true) == "fraud", np.floor(scores * 16)
    gaps = [abs((scores[group == g] - truth[group == g]).sum()) for g in range(16)]
    assert abs(found["ece"] - sum(gaps) / len(scores)) <= 0.5 / bins


@pytest.mark.parametrize("seed", SEEDS)
def test_multiclass_counts_equal_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = np.array(["a", "b", "c", "never true"])
    true = names[rng.choice(3, 500, p=[0.7, 0.2, 0.1])].tolist()
    predicted = np.where(rng.random(500) < 0.6, true, names[rng.choice(4, 500)]).tolist()
    found = metrics_of(classified(predicted, true), positive=None)
    expected = {"accuracy": sk.accuracy_score(true, predicted), "mcc": sk.matthews_corrcoef(true, predicted)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # predicted classes that are never true
        expected["balanced_accuracy"] = sk.balanced_accuracy_score(true, predicted)
    for average in ("macro", "weighted"):
        for name, score in (
            ("precision", sk.precision_score),
            ("recall", sk.recall_score),
            ("f1", sk.f1_score),
        ):
            expected[f"{average}_{name}"] = score(true, predicted, average=average, zero_division=0)
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_table_counted_by_hand() -> None:
    predicted = ["fraud"] * 4 + ["ok"] * 6
    true = ["fraud"] * 3 + ["ok"] + ["ok"] * 4 + ["fraud"] * 2
    found = metrics_of(classified(predicted, true, positive="fraud"), positive="fraud")
    assert found == pytest.approx(
        {
            "accuracy": 0.7,
            "balanced_accuracy": 0.7,
            "precision": 0.75,
            "recall": 0.6,
            "f1": 2 / 3,
            "mcc": (3 * 4 - 1 * 2) / np.sqrt(4 * 5 * 5 * 6),
        }
    )


UNDEFINED = {
    "nothing counted": ([], [], set(BINARY) | SCORED),
    "nobody was predicted positive": (["ok", "ok"], ["fraud", "ok"], {"precision", "mcc"}),
    "nobody was positive": (["fraud", "ok"], ["ok", "ok"], {"recall", "mcc", "balanced_accuracy"}),
    "everybody was positive": (["fraud", "ok"], ["fraud", "fraud"], {"mcc", "balanced_accuracy"}),
    "neither": (["ok", "ok"], ["ok", "ok"], {"precision", "recall", "f1", "mcc", "balanced_accuracy"}),
}


@pytest.mark.parametrize("case", UNDEFINED)
def test_a_metric_that_the_rows_cannot_give_is_absent(case: str) -> None:
    predicted, true, absent = UNDEFINED[case]
    found = metrics_of(classified(predicted, true, positive="fraud"), positive="fraud")
    assert set(found) == BINARY - absent


def test_answers_without_a_score_count_in_the_confusion_and_not_in_the_scores() -> None:
    scores = [0.9, np.nan, 0.2, np.nan]
    summary = classified(
        ["fraud", "fraud", "ok", "ok"], ["fraud", "ok", "ok", "ok"], scores, positive="fraud"
    )
    found = metrics_of(summary, positive="fraud")
    assert found["accuracy"] == 0.75
    assert found["brier"] == pytest.approx((0.1**2 + 0.2**2) / 2)


def test_one_class_of_scores_has_no_area_under_the_curve() -> None:
    found = metrics_of(
        classified(["ok"] * 3, ["ok"] * 3, [0.1, 0.2, 0.3], positive="fraud"), positive="fraud"
    )
    assert "roc_auc" not in found
    assert "pr_auc" not in found


def test_the_unnamed_negative_class_is_right_for_every_class_but_the_positive_one() -> None:
    predicted = [NEGATIVE] * 3 + ["fraud"]
    true = ["ok", "genuine", "fraud", "fraud"]
    found = metrics_of(classified(predicted, true, positive="fraud"), positive="fraud")
    assert found["accuracy"] == 0.75
    assert (found["precision"], found["recall"]) == (1.0, 0.5)


def test_no_metric_of_an_empty_summary_exists() -> None:
    for task in ("binary", "multiclass", "regression"):
        assert (
            metrics_of(Summary.empty(ErrorLayout(task)), positive="fraud" if task == "binary" else None) == {}
        )


def test_metrics_of_busy_models_do_not_overflow() -> None:
    summary = Summary.empty(ErrorLayout("binary"))
    many = 3 * 10**12
    summary.vector[:2] = 4 * many, 2 * many
    summary.pairs |= {
        ("fraud", "fraud"): many,
        ("ok", "ok"): many,
        ("ok", "fraud"): many,
        ("fraud", "ok"): many,
    }
    assert metrics_of(summary, positive="fraud")["mcc"] == 0.0
