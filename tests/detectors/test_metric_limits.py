from __future__ import annotations

import numpy as np
import pytest
from builders.summaries import classified, error_window, regressed
from sklearn import metrics as sk

from detectors.layout import ErrorLayout
from detectors.metric_limits import MetricLimits
from detectors.metric_margin import standard_error
from detectors.metrics import metrics_of
from schemas.finding import Finding, Verdict
from schemas.metric_settings import METRICS, MetricRule

BINARY = ErrorLayout("binary")


def answers(recall: float, n: int = 2000) -> tuple[list[str], list[str]]:
    """Return predictions and truths with half positives, of which that share is found."""
    found = round(n / 2 * recall)
    true = ["fraud"] * (n // 2) + ["ok"] * (n - n // 2)
    return ["fraud"] * found + ["ok"] * (n - found), true


def judged(rules: dict[str, MetricRule], recall: float, **tuning: object) -> dict[str, Finding]:
    limits = MetricLimits(BINARY, rules, positive="fraud", **tuning)  # type: ignore[arg-type]
    summary = classified(*answers(recall), positive="fraud")
    return {f.check: f for f in limits.update(error_window(summary))}


CASES = {
    "well inside": (0.95, Verdict.CLEAR),
    "at the limit": (0.8, Verdict.CLEAR),
    "beyond it by no more than chance": (0.78, Verdict.BETWEEN),
    "well beyond it": (0.6, Verdict.BREACH),
}


@pytest.mark.parametrize("case", CASES)
def test_a_minimum_fires_when_the_metric_is_below_it_beyond_chance(case: str) -> None:
    recall, verdict = CASES[case]
    assert judged({"recall": MetricRule(min=0.8)}, recall)["recall_min"].verdict is verdict


def test_a_drop_counts_from_the_profile() -> None:
    rules = {"recall": MetricRule(drop=0.05)}
    assert judged(rules, 0.88, reference={"recall": 0.9})["recall_drop"].verdict is Verdict.CLEAR
    found = judged(rules, 0.7, reference={"recall": 0.9})["recall_drop"]
    assert found.verdict is Verdict.BREACH
    assert found.evidence["recall_before"] == 0.9
    assert found.evidence["recall_now"] == 0.7
    assert found.evidence["direction"] == "down"
    assert found.evidence["threshold"] == pytest.approx(0.85)


def test_a_drop_of_a_loss_is_a_rise() -> None:
    rng = np.random.default_rng(1)
    limits = MetricLimits(ErrorLayout("regression"), {"mae": MetricRule(drop=1.0)}, reference={"mae": 8.0})
    summary = regressed(rng.normal(0, 20, 500).tolist(), [0.0] * 500)
    [found] = limits.update(error_window(summary))
    assert (found.check, found.verdict, found.evidence["direction"]) == ("mae_drop", Verdict.BREACH, "up")
    assert found.evidence["threshold"] == 9.0


def test_both_ends_of_a_bias_are_watched() -> None:
    limits = MetricLimits(ErrorLayout("regression"), {"bias": MetricRule(min=-1, max=1)})
    [low, high] = limits.update(error_window(regressed([5.0, 6.0] * 200, [1.0] * 400)))
    assert (low.check, low.verdict) == ("bias_min", Verdict.CLEAR)
    assert (high.check, high.verdict) == ("bias_max", Verdict.BREACH)


UNKNOWN = {
    "no such metric in the profile": (
        {"recall": MetricRule(drop=0.1)},
        0.5,
        "the profile has no recall to drop from",
    ),
    "a metric that the labels do not give": (
        {"roc_auc": MetricRule(min=0.9)},
        0.5,
        "these labels do not give the metric",
    ),
    "a weighted metric": (
        {"weighted.recall": MetricRule(min=0.9)},
        0.5,
        "these labels do not give the metric",
    ),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_limit_that_cannot_be_judged_says_why(case: str) -> None:
    rules, recall, reason = UNKNOWN[case]
    [found] = judged(rules, recall).values()
    assert (found.verdict, found.evidence["reason"]) == (Verdict.UNKNOWN, reason)


def test_too_few_labels_and_no_new_ones_are_not_judged() -> None:
    limits = MetricLimits(BINARY, {"recall": MetricRule(min=0.8)}, positive="fraud")
    [few] = limits.update(error_window(classified(*answers(0.1, 150), positive="fraud"), 0))
    [enough] = limits.update(error_window(classified(*answers(0.1, 150), positive="fraud"), 1))
    [none] = limits.update(error_window(classified([], [], positive="fraud"), 2))
    assert (few.verdict, few.evidence["reason"]) == (Verdict.UNKNOWN, "not enough data: 150 labels so far")
    assert enough.verdict is Verdict.BREACH
    assert (none.verdict, none.evidence["reason"]) == (Verdict.UNKNOWN, "no new labels")


def test_every_metric_has_a_margin() -> None:
    rng = np.random.default_rng(1)
    scores = rng.random(600)
    true = ["fraud" if t else "ok" for t in rng.random(600) < scores]
    said = ["fraud" if s > 0.5 else "ok" for s in scores]
    numbers = rng.normal(5, 2, 600)
    summaries = {
        "binary": (classified(said, true, scores, positive="fraud"), "fraud"),
        "multiclass": (classified(said, true, scores), None),
        "regression": (regressed((numbers + rng.normal(0, 1, 600)).tolist(), numbers.tolist()), None),
    }
    for task, (summary, positive) in summaries.items():
        found = metrics_of(summary, positive=positive)
        assert set(found) <= set(METRICS[task])  # type: ignore[index]
        for name, value in found.items():
            assert 0 < standard_error(name, value, summary, positive=positive) < 1


@pytest.mark.parametrize(
    "name", ["accuracy", "precision", "recall", "f1", "balanced_accuracy", "mcc", "roc_auc"]
)
def test_a_margin_is_about_the_spread_of_the_metric(name: str) -> None:
    rng = np.random.default_rng(2)
    seen, margins = [], []
    for _ in range(300):
        truth = rng.random(500) < 0.3
        scores = 1 / (1 + np.exp(-rng.normal(np.where(truth, 1.0, -1.0), 1.5)))
        said = ["fraud" if s > 0.5 else "ok" for s in scores]
        summary = classified(said, ["fraud" if t else "ok" for t in truth], scores, positive="fraud")
        seen.append(metrics_of(summary, positive="fraud")[name])
        margins.append(standard_error(name, float(np.mean(seen)), summary, positive="fraud"))
    assert 0.8 * np.std(seen) <= np.mean(margins) <= 2.5 * np.std(seen)


def test_the_margin_of_the_mean_error_is_its_standard_error() -> None:
    rng = np.random.default_rng(3)
    said, true = rng.lognormal(0, 1, 400), rng.lognormal(0, 1, 400)
    summary = regressed(said.tolist(), true.tolist())
    absolute = np.abs(said - true)
    assert absolute.mean() == pytest.approx(sk.mean_absolute_error(true, said))
    assert standard_error("mae", 1.0, summary, positive=None) == pytest.approx(absolute.std() / 20)
    assert standard_error("bias", 0.0, summary, positive=None) == pytest.approx((said - true).std() / 20)
