from __future__ import annotations

import numpy as np
import pytest
from builders.streams import Watch, reality
from builders.summaries import INVALID, Values, prediction_window, predictions, profile_of

from detectors.detector import Detector
from detectors.layout import PredictionLayout, prediction_layout
from detectors.quality import BadValue, BadValueRate
from schemas.finding import Finding, Hysteresis, Kind, Severity, Verdict

RATES: tuple[BadValue, ...] = ("missing_rate", "invalid_rate", "unseen_rate")
TRAINING: dict[str, Values] = {
    "age": [None] * 50 + [float(i % 60) for i in range(950)],
    "country": ["DE"] * 600 + ["FR"] * 400,
    "output.label": ["ok"] * 1000,
}
LAYOUT = prediction_layout(profile_of(TRAINING))


def judged(rate: BadValue, columns: dict[str, Values], **tuning: object) -> dict[str | None, Finding]:
    window = prediction_window(predictions(LAYOUT, {"country": ["DE"] * 400} | columns))
    return {f.feature: f for f in BadValueRate(LAYOUT, rate=rate, **tuning).update(window)}  # type: ignore[arg-type]


def ages(missing: int, invalid: int = 0, n: int = 400) -> dict[str, Values]:
    return {"age": [None] * missing + [INVALID] * invalid + [30.0] * (n - missing - invalid)}


CASES = {
    "as in the profile": ("missing_rate", "age", ages(20), Verdict.CLEAR),
    "fewer than in the profile": ("missing_rate", "age", ages(0), Verdict.CLEAR),
    "a change too small to matter": ("missing_rate", "age", ages(30), Verdict.CLEAR),
    "three times as many": ("missing_rate", "age", ages(80), Verdict.BREACH),
    "every value": ("missing_rate", "age", ages(400), Verdict.BREACH),
    "no invalid value": ("invalid_rate", "age", ages(0), Verdict.CLEAR),
    "a single invalid value": ("invalid_rate", "age", ages(0, 1), Verdict.CLEAR),
    "a tenth is invalid": ("invalid_rate", "age", ages(0, 40), Verdict.BREACH),
    "known categories": ("unseen_rate", "country", {}, Verdict.CLEAR),
    "new categories": ("unseen_rate", "country", {"country": ["XX"] * 60 + ["DE"] * 340}, Verdict.BREACH),
}


@pytest.mark.parametrize("case", CASES)
def test_more_bad_values_than_the_profile_explains_breach(case: str) -> None:
    rate, feature, columns, verdict = CASES[case]
    assert judged(rate, columns)[feature].verdict is verdict  # type: ignore[arg-type]


def test_a_feature_that_is_gone_is_an_error_and_fewer_losses_are_a_warning() -> None:
    assert judged("missing_rate", ages(400))["age"].severity is Severity.ERROR
    assert judged("missing_rate", ages(100))["age"].severity is Severity.WARNING


def test_the_evidence_says_from_which_rate_to_which() -> None:
    found = judged("missing_rate", ages(100))["age"]
    assert (found.kind, found.check) == (Kind.DATA_QUALITY, "missing_rate")
    assert found.evidence["rate_before"] == 0.05
    assert found.evidence["rate_now"] == 0.25
    assert found.evidence["direction"] == "up"
    assert (found.evidence["n"], found.evidence["n_reference"]) == (400, 1000)


def test_outputs_are_not_watched_and_numbers_have_no_categories() -> None:
    assert set(judged("missing_rate", {})) == {"age", "country"}
    assert set(judged("unseen_rate", {})) == {"country"}


def test_unseen_categories_are_a_share_of_the_values_that_are_there() -> None:
    found = judged("unseen_rate", {"country": [None] * 300 + ["XX"] * 25 + ["DE"] * 75})["country"]
    assert found.score == 0.25


def test_categories_that_the_profile_saw_once_make_unseen_ones_likely() -> None:
    names = [f"zip-{i}" for i in range(100)] + ["common"] * 900
    layout = prediction_layout(profile_of({"zip": names}))
    summary = predictions(layout, {"zip": ["new"] * 45 + ["common"] * 355})
    [found] = BadValueRate(layout, rate="unseen_rate").update(prediction_window(summary))
    assert found.verdict is Verdict.CLEAR


def test_a_threshold_of_a_user_takes_the_place_of_the_profile() -> None:
    assert judged("missing_rate", ages(100), threshold=0.5)["age"].verdict is Verdict.CLEAR
    assert judged("missing_rate", ages(30), threshold=0.01)["age"].verdict is Verdict.BREACH
    assert judged("missing_rate", ages(400), threshold=1.0)["age"].verdict is Verdict.CLEAR


def test_missing_and_invalid_values_fire_faster_than_unknown_categories() -> None:
    fast, slow = Hysteresis(2, 3, 3), Hysteresis(3, 5, 3)
    assert [judged(rate, {})["country"].hysteresis for rate in RATES] == [fast, fast, slow]


def test_even_a_profile_of_three_rows_notices_a_feature_that_is_gone() -> None:
    layout = prediction_layout(profile_of({"age": [1.0, 2.0, 3.0]}))
    calm = prediction_window(predictions(layout, {"age": [2.0] * 200}), 0)
    gone = prediction_window(predictions(layout, {"age": [None] * 200}), 1)
    detector = BadValueRate(layout)
    assert [f.verdict for window in (calm, gone) for f in detector.update(window)] == [
        Verdict.CLEAR,
        Verdict.BREACH,
    ]


def test_few_events_are_added_up() -> None:
    detector = BadValueRate(LAYOUT)
    found = []
    for index in range(4):
        window = prediction_window(predictions(LAYOUT, ages(30, n=30)), index)
        found.append({f.feature: f for f in detector.update(window)}["age"])
    assert [f.verdict for f in found] == [Verdict.UNKNOWN] * 3 + [Verdict.BREACH]
    assert found[-1].window.n == 120


@pytest.mark.parametrize("rate", RATES)
def test_two_thousand_unchanged_windows_raise_no_alert(rate: BadValue) -> None:
    rng = np.random.default_rng(5)
    world = reality(rng, columns=30, rows=1000, missing=0.05)
    detector: Detector[PredictionLayout] = BadValueRate(world.layout, rate=rate)
    watch = Watch()
    for index in range(2000):
        watch.take(detector.update(world.window(rng, int(rng.integers(100, 5000)), index)))
    assert watch.alerts == []
    assert watch.breaches <= 2
