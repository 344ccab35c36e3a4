from __future__ import annotations

import numpy as np
import pytest
from builders.streams import Watch, reality
from builders.summaries import INVALID, Values, prediction_window, predictions, profile_of

from detectors.drift import DistanceDrift
from detectors.layout import prediction_layout
from schemas.finding import Finding, Kind, Severity, Verdict

RNG = np.random.default_rng(42)
TRAINING: dict[str, Values] = {
    "amount": RNG.normal(42, 10, 5000),
    "country": RNG.choice(["DE", "FR", "IT"], 5000, p=[0.7, 0.2, 0.1]).tolist(),
    "output.score": RNG.beta(2, 5, 5000),
}
LAYOUT = prediction_layout(profile_of(TRAINING))


def judged(columns: dict[str, Values], **tuning: object) -> dict[str | None, Finding]:
    window = prediction_window(predictions(LAYOUT, columns))
    return {f.feature: f for f in DistanceDrift(LAYOUT, **tuning).update(window)}  # type: ignore[arg-type]


def usual(n: int, seed: int = 1) -> dict[str, Values]:
    rng = np.random.default_rng(seed)
    return {
        "amount": rng.normal(42, 10, n),
        "country": rng.choice(["DE", "FR", "IT"], n, p=[0.7, 0.2, 0.1]).tolist(),
        "output.score": rng.beta(2, 5, n),
    }


@pytest.mark.parametrize("n", [200, 1000, 5000])
def test_the_same_distribution_is_clear(n: int) -> None:
    assert {f.verdict for f in judged(usual(n)).values()} == {Verdict.CLEAR}


def test_a_shifted_number_says_from_which_median_to_which() -> None:
    found = judged(usual(1000) | {"amount": np.random.default_rng(2).normal(61, 10, 1000)})["amount"]
    assert (found.verdict, found.kind, found.severity) == (Verdict.BREACH, Kind.DATA_DRIFT, Severity.ERROR)
    evidence = found.evidence
    assert evidence["direction"] == "up"
    assert evidence["profile_median"] == pytest.approx(42, abs=1)
    assert evidence["mean_now" if "mean_now" in evidence else "window_median"] == pytest.approx(61, abs=3)
    assert evidence["window_mean"] == pytest.approx(61, abs=1.5)
    assert evidence["effect"] == pytest.approx(1.9, abs=0.2)


def test_a_smaller_shift_is_a_warning() -> None:
    found = judged(usual(2000) | {"amount": np.random.default_rng(2).normal(48, 10, 2000)})["amount"]
    assert (found.verdict, found.severity) == (Verdict.BREACH, Severity.WARNING)
    assert found.evidence["window_median"] == pytest.approx(48, abs=1.5)


def test_a_wider_spread_has_no_direction_and_no_medians() -> None:
    found = judged(usual(2000) | {"amount": np.random.default_rng(2).normal(42, 30, 2000)})["amount"]
    assert found.verdict is Verdict.BREACH
    assert found.evidence["direction"] == "changed"
    assert "window_median" not in found.evidence
    assert found.evidence["window_sd"] == pytest.approx(30, rel=0.1)


def test_a_shifted_category_says_which_share_moved() -> None:
    moved = np.random.default_rng(2).choice(["DE", "FR", "new"], 1000, p=[0.2, 0.7, 0.1]).tolist()
    found = judged(usual(1000) | {"country": moved})["country"]
    assert found.verdict is Verdict.BREACH
    assert found.evidence["top_category"] in {"DE", "FR"}
    assert found.evidence["share_before"] == pytest.approx(0.7, abs=0.03) or found.evidence[
        "share_before"
    ] == pytest.approx(0.2, abs=0.03)


def test_moved_answers_are_prediction_drift() -> None:
    found = judged(usual(1000) | {"output.score": np.random.default_rng(2).beta(5, 2, 1000)})["output.score"]
    assert (found.verdict, found.kind) == (Verdict.BREACH, Kind.PREDICTION_DRIFT)


def test_a_burst_of_missing_and_invalid_values_is_no_drift() -> None:
    columns = usual(2000)
    amounts: list[object] = list(columns["amount"])
    amounts[:1200] = [None] * 600 + [INVALID] * 600
    found = judged(columns | {"amount": amounts})["amount"]
    assert found.verdict is Verdict.CLEAR
    assert found.evidence["n"] == 800


def test_a_column_that_is_all_missing_is_unknown_and_says_so() -> None:
    found = judged(usual(500) | {"amount": [None] * 500})["amount"]
    assert found.verdict is Verdict.UNKNOWN
    assert found.evidence["reason"] == "not enough data: 0 values so far"


def test_too_short_a_profile_is_not_compared_with() -> None:
    layout = prediction_layout(profile_of({"x": [1.0, 2.0, 3.0]}))
    window = prediction_window(predictions(layout, {"x": [100.0] * 900}))
    [found] = DistanceDrift(layout).update(window)
    assert found.verdict is Verdict.UNKNOWN
    assert found.evidence["reason"] == "not enough data: the profile has 3 values of 100"


def test_small_windows_are_added_up_until_there_are_enough_values() -> None:
    drift = DistanceDrift(LAYOUT)
    verdicts = []
    for index in range(10):
        shifted = np.random.default_rng(index).normal(70, 10, 50)
        window = prediction_window(predictions(LAYOUT, usual(50, index) | {"amount": shifted}), index)
        found = {f.feature: f for f in drift.update(window)}["amount"]
        verdicts.append(found.verdict)
        if found.verdict is Verdict.BREACH:
            assert (found.window.n, found.window.end_ms - found.window.start_ms) == (200, 240_000)
    assert verdicts == ([Verdict.UNKNOWN] * 3 + [Verdict.BREACH]) * 2 + [Verdict.UNKNOWN] * 2


def test_the_threshold_of_a_user_holds_where_there_are_enough_events() -> None:
    shifted = usual(5000) | {"amount": np.random.default_rng(2).normal(45, 10, 5000)}
    assert judged(shifted)["amount"].verdict is Verdict.CLEAR
    assert judged(shifted, threshold=0.05)["amount"].verdict is Verdict.BREACH
    few = judged(usual(200), threshold=0.001)["amount"]
    assert few.fire > 0.1


def test_jensen_shannon_fires_by_its_own_threshold() -> None:
    shifted = usual(2000) | {"amount": np.random.default_rng(2).normal(52, 10, 2000)}
    found = judged(shifted, distance="jensen_shannon", threshold=0.1)["amount"]
    assert (found.check, found.verdict) == ("jensen_shannon", Verdict.BREACH)
    assert found.score == found.evidence["jensen_shannon"]
    assert judged(shifted)["amount"].evidence["jensen_shannon"] == found.score


def test_the_evidence_does_not_depend_on_the_unit() -> None:
    scaled = {
        name: np.array(values) * 1000 if name == "amount" else values for name, values in TRAINING.items()
    }
    layout = prediction_layout(profile_of(scaled))
    shifted = np.random.default_rng(2).normal(50, 10, 1000)
    summary = predictions(layout, usual(1000) | {"amount": shifted * 1000})
    small = judged(usual(1000) | {"amount": shifted})["amount"]
    large = {f.feature: f for f in DistanceDrift(layout).update(prediction_window(summary))}["amount"]
    assert large.score == pytest.approx(small.score, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("most", [201, 5000])
def test_six_hundred_windows_of_thirty_unchanged_columns_raise_no_alert(seed: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    world = reality(rng, columns=30, rows=1000, missing=0.02 if seed else 0.0)
    drift, watch = DistanceDrift(world.layout), Watch()
    for index in range(600):
        # Missing values may leave a column a little short; its windows are then added up.
        watch.take(drift.update(world.window(rng, int(rng.integers(200, most)), index)))
    assert watch.alerts == []
    assert watch.breaches <= 2


def test_columns_with_hundreds_of_rare_categories_do_not_cry_wolf_either() -> None:
    rng = np.random.default_rng(9)
    names = np.array([f"zip-{i}" for i in range(400)])
    layout = prediction_layout(profile_of({"zip": rng.choice(names, 1000).tolist()}))
    drift, watch = DistanceDrift(layout), Watch()
    for index in range(300):
        drawn = predictions(layout, {"zip": rng.choice(names, 1000).tolist()})
        watch.take(drift.update(prediction_window(drawn, index)))
    assert watch.breaches == 0
