from __future__ import annotations

import numpy as np
import pytest
from builders.summaries import regressed
from sklearn import metrics as sk

from detectors.metrics import metrics_of


@pytest.mark.parametrize("seed", range(5))
def test_a_regression_equals_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = rng.lognormal(3, 1, 2000)
    said = true * rng.normal(1.1, 0.3, 2000)
    found = metrics_of(regressed(said.tolist(), true.tolist()), positive=None)
    assert found == pytest.approx(
        {
            "mae": sk.mean_absolute_error(true, said),
            "rmse": sk.root_mean_squared_error(true, said),
            "bias": float(np.mean(said - true)),
            "mape": sk.mean_absolute_percentage_error(true, said),
            "smape": float(np.mean(2 * np.abs(said - true) / (np.abs(said) + np.abs(true)))),
            "r2": sk.r2_score(true, said),
            "actual_to_expected": true.sum() / said.sum(),
        },
        rel=1e-10,
    )


def test_a_table_counted_by_hand() -> None:
    found = metrics_of(regressed([3.0, 0.0, 5.0, 0.0], [1.0, 0.0, 10.0, 2.0]), positive=None)
    assert found == pytest.approx(
        {
            "mae": 9 / 4,
            "rmse": np.sqrt(33 / 4),
            "bias": -5 / 4,
            "mape": (2.0 + 0.5 + 1.0) / 3,
            "smape": (1.0 + 0.0 + 2 / 3 + 2.0) / 4,
            "r2": 1 - 33 / (105 - 13 * 13 / 4),
            "actual_to_expected": 13 / 8,
        }
    )


UNDEFINED = {
    "one row": ([2.0], [1.0], {"r2"}),
    "a constant truth": ([2.0, 3.0, 4.0], [5.1, 5.1, 5.1], {"r2"}),
    "a truth of zeros": ([2.0, 3.0], [0.0, 0.0], {"r2", "mape"}),
    "predictions that add up to 0": ([-1.0, 1.0], [1.0, 2.0], {"actual_to_expected"}),
}


@pytest.mark.parametrize("case", UNDEFINED)
def test_a_metric_that_the_rows_cannot_give_is_absent(case: str) -> None:
    said, true, absent = UNDEFINED[case]
    every = {"mae", "rmse", "bias", "mape", "smape", "r2", "actual_to_expected"}
    assert set(metrics_of(regressed(said, true), positive=None)) == every - absent


def test_r2_of_a_target_far_from_zero_keeps_its_digits() -> None:
    rng = np.random.default_rng(1)
    true = rng.normal(1e5, 1.0, 500)
    said = true + rng.normal(0, 0.5, 500)
    found = metrics_of(regressed(said.tolist(), true.tolist()), positive=None)
    assert found["r2"] == pytest.approx(sk.r2_score(true, said), rel=1e-4)


def test_a_sum_beyond_a_double_is_absent_and_not_infinite() -> None:
    found = metrics_of(regressed([8e307] * 3, [1.0] * 3), positive=None)
    assert {"mae", "rmse", "bias"}.isdisjoint(found)
    assert found["smape"] == pytest.approx(2.0)
