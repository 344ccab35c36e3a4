"""What a reference profile says of the model's answers: their columns, the classes, the metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from builders.profile_rows import batch, batches_of, build, mixed_rows
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    matthews_corrcoef,
    precision_score,
    recall_score,
    roc_auc_score,
)

from detectors.profile import CategoricalColumn, NumericColumn
from detectors.profile_values import Answers
from schemas.metric_settings import METRICS, Task


def test_the_class_below_the_threshold_has_the_name_of_the_only_other_class() -> None:
    profile, _ = build(batches_of(mixed_rows(500), [100]), task="binary", positive="fraud")
    label = profile.column("output.label")
    assert isinstance(label, CategoricalColumn)
    assert set(label.categories) == {"fraud", "ok"}
    assert set(profile.classes) == {"fraud", "ok"}


def test_without_another_class_the_one_below_the_threshold_has_no_name() -> None:
    answers = Answers(predicted=["(negative)", "fraud", "(negative)"], value=np.array([0.1, 0.9, 0.2]))
    profile, _ = build([batch(3, answers)], task="binary", positive="fraud")
    assert profile.classes == ("(negative)", "fraud")


def test_metrics_of_a_binary_model_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(5)
    score = np.round(random.random(4_000), 2)
    true = random.random(4_000) < score
    answers = Answers(
        truth=["fraud" if t else "ok" for t in true],
        predicted=["fraud" if s >= 0.5 else "ok" for s in score],
        value=score,
    )
    profile, _ = build([batch(4_000, answers)], task="binary", positive="fraud")
    said = score >= 0.5
    assert profile.metrics == {
        "accuracy": accuracy_score(true, said),
        "balanced_accuracy": pytest.approx(balanced_accuracy_score(true, said), rel=1e-12),
        "precision": precision_score(true, said),
        "recall": recall_score(true, said),
        "f1": pytest.approx(f1_score(true, said), rel=1e-12),
        "mcc": pytest.approx(matthews_corrcoef(true, said), rel=1e-12),
        "log_loss": pytest.approx(log_loss(true, np.clip(score, 1e-15, 1 - 1e-15)), rel=1e-12),
        "brier": pytest.approx(brier_score_loss(true, score), rel=1e-12),
        "roc_auc": pytest.approx(roc_auc_score(true, score), rel=1e-12),
        "pr_auc": pytest.approx(average_precision_score(true, score), rel=1e-3),
        "ece": pytest.approx(0.02, abs=0.02),
    }
    assert profile.labelled == 4_000
    assert profile.error_sd == pytest.approx((said == true).std(), rel=1e-12)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_metrics_have_the_names_that_limits_in_the_settings_can_have(task: Task) -> None:
    score = np.array([0.9, 0.8, 0.3, 0.6])
    names = ["a", "b", "a", "b"]
    answers = Answers(
        truth=["a", "b", "b", "b"], predicted=names, true_value=np.array([1.0, 2, 3, 5]), value=score
    )
    profile, _ = build([batch(4, answers)], task=task, positive="a" if task == "binary" else None)
    assert set(profile.metrics) <= set(METRICS[task])
    assert len(profile.metrics) >= 7


def test_metrics_of_a_regression_are_mae_rmse_and_bias_of_the_labelled_rows() -> None:
    answers = Answers(
        true_value=np.array([1.0, 2.0, np.nan, 4.0]), value=np.array([2.0, 2.0, 3.0, np.nan]), measured=None
    )
    profile, _ = build([batch(4, answers)])
    assert profile.metrics == {
        "mae": 0.5,
        "rmse": math.sqrt(0.5),
        "bias": 0.5,
        "mape": 0.5,
        "smape": pytest.approx(1 / 3),
        "r2": -1.0,
        "actual_to_expected": 0.75,
    }
    assert profile.labelled == 3
    assert profile.error_sd == 0.5
    assert profile.column("output.value") == NumericColumn(
        "output.value",
        (math.nextafter(2.0, 0.0), 2.0, 3.0),
        (0, 2, 1, 0),
        7 / 3,
        math.sqrt(2 / 9),
        2.0,
        3.0,
        2.0,
        missing=1,
    )


def test_errors_beyond_a_double_count_as_the_largest_one() -> None:
    answers = Answers(true_value=np.array([-1e308, 1.0]), value=np.array([1e308, 1.0]))
    profile, _ = build([batch(2, answers)])
    assert profile.metrics["mae"] == np.finfo(np.float64).max / 2
    assert all(math.isfinite(value) for value in profile.metrics.values())
    assert math.isfinite(profile.error_sd)


def test_answers_that_are_not_the_models_own_count_for_nothing_but_their_label() -> None:
    answers = Answers(
        truth=["ok", "ok", "fraud"],
        predicted=["ok", "fraud", "fraud"],
        value=np.array([0.1, 0.9, 0.8]),
        measured=np.array([True, False, True]),
    )
    profile, _ = build([batch(3, answers, x=[1, 2, 3])], task="binary", positive="fraud")
    assert profile.labelled == 3
    assert profile.metrics["accuracy"] == 1.0
    assert [column.n for column in profile.columns] == [3, 2, 2]


def test_more_than_two_classes_have_an_accuracy_and_no_score_column() -> None:
    answers = Answers(truth=["a", "b", "c", None], predicted=["a", "c", "c", "a"], value=np.full(4, 0.6))
    profile, _ = build([batch(4, answers)], task="multiclass")
    assert profile.metrics["accuracy"] == pytest.approx(2 / 3)
    assert profile.metrics["macro_recall"] == pytest.approx(2 / 3)
    assert profile.classes == ("a", "c", "b")
    assert [column.name for column in profile.columns] == ["output.label"]
