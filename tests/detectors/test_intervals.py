"""Intervals of metrics: by hand, against published examples, and as often right as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from builders.summaries import classified, regressed

from detectors.confidence import Estimate, difference, wilson
from detectors.intervals import estimates_of, mean_sums


def test_a_share_has_wilsons_interval() -> None:
    # Newcombe (1998), table I: 81 of 263.
    found = wilson(81, 263)
    assert found.low == pytest.approx(0.2553, abs=1e-4)
    assert found.high == pytest.approx(0.3662, abs=1e-4)
    assert wilson(0, 20).low == 0.0
    assert wilson(20, 20).high == 1.0


def test_a_difference_of_shares_has_newcombes_interval() -> None:
    # Newcombe (1998), method 10: 56 of 70 against 48 of 80.
    found = difference(wilson(56, 70), wilson(48, 80))
    assert found.value == pytest.approx(0.2)
    assert found.low == pytest.approx(0.0524, abs=1e-4)
    assert found.high == pytest.approx(0.3339, abs=1e-4)


def test_a_difference_to_a_value_without_an_interval_has_none() -> None:
    assert difference(wilson(3, 4), Estimate(0.5)) == Estimate(0.25)


def test_binary_metrics_are_those_of_the_confusion_counted_by_hand() -> None:
    predicted = ["fraud"] * 4 + ["ok"] * 6
    true = ["fraud"] * 3 + ["ok"] + ["ok"] * 5 + ["fraud"]
    found = estimates_of(classified(predicted, true, positive="fraud"), positive="fraud")
    assert found == {"accuracy": wilson(8, 10), "recall": wilson(3, 4), "precision": wilson(3, 4)}


def test_the_area_has_delongs_interval_counted_pair_by_pair() -> None:
    rng = np.random.default_rng(3)
    true = rng.random(400) < 0.3
    scores = np.round(np.clip(rng.normal(0.4 + 0.15 * true, 0.15), 0, 0.99) * 128) / 128
    names = ["fraud" if t else "ok" for t in true]
    found = estimates_of(classified(names, names, scores, positive="fraud"), positive="fraud")["roc_auc"]
    wins = (scores[true][:, None] > scores[~true]) + 0.5 * (scores[true][:, None] == scores[~true])
    area = wins.mean()
    error = math.sqrt(
        wins.mean(axis=1).var(ddof=1) / true.sum() + wins.mean(axis=0).var(ddof=1) / (~true).sum()
    )
    assert found.value == pytest.approx(area)
    assert found.low is not None
    assert found.high is not None
    logits = [math.log(p / (1 - p)) for p in (found.low, found.high)]
    assert (logits[1] - logits[0]) / 2 == pytest.approx(1.959964 * error / (area * (1 - area)))


@pytest.mark.parametrize(("frauds", "scores"), [(9, None), (20, 0.9)])
def test_an_area_of_few_positives_or_without_an_error_has_no_interval(
    frauds: int, scores: float | None
) -> None:
    true = ["fraud"] * frauds + ["ok"] * 50
    given = [(scores or 0.3) if t == "fraud" else 0.2 + 0.002 * i for i, t in enumerate(true)]
    found = estimates_of(classified(true, true, given, positive="fraud"), positive="fraud")["roc_auc"]
    assert (found.low, found.high) == (None, None)


def test_means_of_errors_have_the_normal_interval_of_their_exact_sums() -> None:
    truth = [1.0, 2.0, 3.0, 4.0]
    found = estimates_of(regressed([2.0, 2.0, 5.0, 3.0], truth), positive=None)
    # Errors 1, 0, 2, -1: absolute mean 1, spread sqrt(2/3); bias 0.5, spread sqrt(5/3).
    half = 1.959964 * math.sqrt(2 / 3 / 4)
    assert found["mae"].value == 1.0
    assert found["mae"].high == pytest.approx(1.0 + half)
    assert found["bias"].low == pytest.approx(0.5 - 1.959964 * math.sqrt(5 / 3 / 4))
    assert (found["rmse"].low, found["r2"].low) == (None, None)


def _covered(metric: str, seed: int) -> tuple[float, Estimate]:
    rng = np.random.default_rng(seed)
    if metric == "macro_f1":
        true = rng.choice(3, 300, p=[0.5, 0.3, 0.2])
        said = np.where(rng.random(300) < 0.8, true, (true + 1) % 3)
        summary = classified([f"k{c}" for c in said], [f"k{c}" for c in true])
        return 0.7897, estimates_of(summary, positive=None)["macro_f1"]
    scores = rng.beta(2, 3, 300)
    names = ["fraud" if hit else "ok" for hit in rng.random(300) < scores]
    found = estimates_of(classified(names, names, scores, positive="fraud"), positive="fraud")
    return 0.2, found["brier"]  # E s(1-s) of beta(2, 3)


@pytest.mark.parametrize("metric", ["macro_f1", "brier"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(metric: str) -> None:
    inside = []
    for seed in range(200):
        true, found = _covered(metric, seed)
        assert found.low is not None
        assert found.high is not None
        inside.append(found.low <= true <= found.high)
    assert 0.91 <= np.mean(inside) <= 0.985


def test_a_metric_that_is_no_mean_over_rows_has_no_sums() -> None:
    summary = classified(["a", "b"], ["a", "a"])
    assert mean_sums("macro_f1", summary, positive=None) is None
