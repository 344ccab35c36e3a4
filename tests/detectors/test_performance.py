from __future__ import annotations

import numpy as np
import pytest
from builders.streams import Watch
from builders.summaries import MINUTE_MS, NOON_MS, classified, error_counts, error_window, regressed

from detectors.layout import ErrorLayout
from detectors.performance import PerformanceDrop
from detectors.profile import ReferenceProfile
from schemas.finding import Finding, Kind, Severity, Verdict

BINARY, REGRESSION = ErrorLayout("binary"), ErrorLayout("regression")
PROFILE = ReferenceProfile("fraud", "binary", 5000, (), labelled=5000, metrics={"accuracy": 0.9})
MAE = ReferenceProfile("fraud", "regression", 5000, (), labelled=5000, metrics={"mae": 8.0}, error_sd=6.0)


def judged(detector: PerformanceDrop, n: int, wrong: int, index: int = 0) -> Finding:
    [found] = detector.update(error_window(error_counts(n, wrong), index))
    return found


CASES = {
    "as in the profile": (1000, 100, Verdict.CLEAR),
    "better than in the profile": (1000, 10, Verdict.CLEAR),
    "a growth too small to matter": (1000, 112, Verdict.CLEAR),
    "somewhat worse": (1000, 150, Verdict.BETWEEN),
    "twice as bad": (1000, 200, Verdict.BREACH),
    "all wrong": (1000, 1000, Verdict.BREACH),
    "too few labels": (199, 199, Verdict.UNKNOWN),
    "no labels": (0, 0, Verdict.UNKNOWN),
}


@pytest.mark.parametrize("case", CASES)
def test_only_an_error_rate_beyond_chance_breaches(case: str) -> None:
    n, wrong, verdict = CASES[case]
    assert judged(PerformanceDrop(BINARY, PROFILE), n, wrong).verdict is verdict


def test_the_evidence_says_from_which_accuracy_to_which() -> None:
    found = judged(PerformanceDrop(BINARY, PROFILE), 1000, 250)
    assert (found.kind, found.check, found.severity) == (Kind.PERFORMANCE, "performance", Severity.ERROR)
    evidence = found.evidence
    assert evidence["metric"] == "accuracy"
    assert evidence["accuracy_before"] == pytest.approx(0.9)
    assert evidence["accuracy_now"] == 0.75
    assert evidence["direction"] == "down"
    assert evidence["n"] == 1000


def test_three_times_the_good_error_rate_is_critical_unless_it_is_still_small() -> None:
    assert judged(PerformanceDrop(BINARY, PROFILE), 1000, 450).severity is Severity.CRITICAL
    good = ReferenceProfile("fraud", "binary", 5000, (), labelled=5000, metrics={"accuracy": 0.999})
    found = judged(PerformanceDrop(BINARY, good), 2000, 60)
    assert (found.verdict, found.severity) == (Verdict.BREACH, Severity.ERROR)


def test_labels_that_trickle_in_are_pooled_over_the_newest_windows() -> None:
    detector = PerformanceDrop(BINARY, PROFILE)
    verdicts = [judged(detector, 20, 2 if index < 30 else 10, index).verdict for index in range(60)]
    assert set(verdicts[:9]) == {Verdict.UNKNOWN}
    assert set(verdicts[9:31]) == {Verdict.CLEAR}
    assert Verdict.BREACH in verdicts[30:40]
    assert set(verdicts[40:]) == {Verdict.BREACH}


def test_windows_without_new_labels_say_nothing_and_change_nothing() -> None:
    detector = PerformanceDrop(BINARY, PROFILE)
    judged(detector, 400, 40)
    before = detector.state()
    found = judged(detector, 0, 0, 1)
    assert (found.verdict, found.evidence["reason"]) == (Verdict.UNKNOWN, "no new labels")
    assert detector.state() == before


def test_the_long_pool_sees_what_the_short_one_cannot() -> None:
    detector, short = PerformanceDrop(BINARY, PROFILE), PerformanceDrop(BINARY, PROFILE)
    once = judged(short, 200, 36)
    verdicts = [judged(detector, 200, 36, index).verdict for index in range(6)]
    assert once.verdict is not Verdict.BREACH
    assert verdicts[-1] is Verdict.BREACH


def test_the_onset_is_where_the_error_rate_rose() -> None:
    detector = PerformanceDrop(BINARY, PROFILE)
    found = [judged(detector, 100, 10 if index < 8 else 50, index) for index in range(10)]
    breach = next(f for f in found if f.verdict is Verdict.BREACH)
    assert breach.onset_ms == NOON_MS + 8 * MINUTE_MS


def test_without_a_profile_the_threshold_of_a_user_is_the_good_error_rate() -> None:
    detector = PerformanceDrop(BINARY, None, threshold=0.3)
    assert judged(detector, 1000, 300).verdict is Verdict.CLEAR
    found = judged(PerformanceDrop(BINARY, None, threshold=0.3), 1000, 400)
    assert found.verdict is Verdict.BREACH
    assert found.evidence["accuracy_before"] is None


def test_the_mistakes_that_became_frequent_are_named() -> None:
    detector = PerformanceDrop(BINARY, PROFILE, positive="fraud")
    usual = classified(["ok"] * 370 + ["fraud"] * 30, ["ok"] * 360 + ["fraud"] * 40, positive="fraud")
    broken = classified(["ok"] * 300 + ["fraud"] * 100, ["ok"] * 400, positive="fraud")
    detector.update(error_window(usual, 0))
    [found] = detector.update(error_window(broken, 1))
    shift = found.evidence["confusion_shift"]
    assert isinstance(shift, list)
    assert shift[0] == {"predicted": "fraud", "true": "ok", "share_before": 0.0, "share_now": 0.25}


def test_broken_windows_do_not_become_the_usual_ones() -> None:
    detector = PerformanceDrop(BINARY, PROFILE, positive="fraud")
    detector.update(error_window(classified(["ok"] * 400, ["ok"] * 400, positive="fraud"), 0))
    broken = classified(["ok"] * 200 + ["fraud"] * 200, ["ok"] * 400, positive="fraud")
    for index in range(1, 5):
        [found] = detector.update(error_window(broken, index))
    shift = found.evidence["confusion_shift"]
    assert isinstance(shift, list)
    assert isinstance(shift[0], dict)
    assert shift[0]["share_before"] == 0.0


@pytest.mark.parametrize(
    ("scale", "verdict"),
    [(1.0, Verdict.CLEAR), (0.3, Verdict.CLEAR), (1.6, Verdict.BREACH), (9.0, Verdict.BREACH)],
)
def test_a_regression_is_judged_by_its_mean_absolute_error(scale: float, verdict: Verdict) -> None:
    error = np.random.default_rng(1).normal(0, 10 * scale, 1000)
    [found] = PerformanceDrop(REGRESSION, MAE).update(error_window(regressed(error.tolist(), [0.0] * 1000)))
    assert found.verdict is verdict
    assert found.evidence["mae_before"] == 8.0
    assert found.evidence["mae_now"] == pytest.approx(8 * scale, rel=0.1)
    assert found.evidence["direction"] == "up"


def test_a_single_enormous_error_does_not_page() -> None:
    error = np.random.default_rng(1).normal(0, 10, 1000)
    error[0] = 1e6
    [found] = PerformanceDrop(REGRESSION, MAE).update(error_window(regressed(error.tolist(), [0.0] * 1000)))
    assert found.verdict is not Verdict.BREACH


def test_a_perfect_reference_and_perfect_answers_are_clear() -> None:
    perfect = ReferenceProfile("fraud", "regression", 500, (), labelled=500, metrics={"mae": 0.0})
    same = [float(i) for i in range(300)]
    [found] = PerformanceDrop(REGRESSION, perfect).update(error_window(regressed(same, same)))
    assert found.verdict is Verdict.CLEAR


@pytest.mark.parametrize("labels", [5, 100, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_unchanged_windows_raise_no_alert(seed: int, labels: int) -> None:
    rng = np.random.default_rng(seed)
    seen = rng.binomial(2000, 0.9) / 2000
    profile = ReferenceProfile("fraud", "binary", 2000, (), labelled=2000, metrics={"accuracy": float(seen)})
    detector, watch = PerformanceDrop(BINARY, profile), Watch()
    for index in range(1000):
        n = int(rng.poisson(labels))
        watch.take([judged(detector, n, int(rng.binomial(n, 0.1)), index)])
    assert watch.alerts == []
    assert watch.breaches == 0


def test_a_doubled_error_rate_is_found_within_a_thousand_labels() -> None:
    delays = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        detector, watch = PerformanceDrop(BINARY, PROFILE), Watch()
        for index in range(200):
            watch.take([judged(detector, 50, int(rng.binomial(50, 0.1 if index < 100 else 0.2)), index)])
            if watch.alerts:
                delays.append((index - 99) * 50)
                break
    assert len(delays) == 20
    assert max(delays) <= 1000
