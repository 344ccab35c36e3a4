"""A regression that learned its profile is estimated without labels: by the errors that such predictions had."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from builders.learning import START_MS, STEP_MS, Event, Events, learning_settings, run_with_pasts

from consumers.plan import plan_model
from detectors.estimation.calibration import rates_of
from detectors.estimation.reality import middles_of
from detectors.layout import error_layout, prediction_layout
from detectors.number_cells import OUTCOME_PREDICTIONS, OUTCOME_SIZES
from detectors.profile import ReferenceProfile, from_json
from detectors.profile_learned import with_calibration
from schemas.model_parts import Loss
from watchkeeper.replay import ReplayResult
from watchkeeper.report.build import build_report
from watchkeeper.report.past import Past, past_from_json, past_to_json

SETTINGS = learning_settings("    cohort_window: 10m\n", events=1_000, task="regression")
PER_MINUTE, MINUTES, MOVES = 60_000 // STEP_MS, 130, 100


def events(*, high: bool, noise: float, seed: int = 3) -> Events:
    """Predictions from 0 to 100, further off where more is predicted; from minute `MOVES` on larger ones, or other errors."""
    rng = np.random.default_rng(seed)
    predictions: list[Event] = []
    labels: list[Event] = []
    for place in range(MINUTES * PER_MINUTE):
        changed = place >= MOVES * PER_MINUTE
        value = 100 * (rng.beta(4, 1) if high and changed else rng.random())
        truth = value + rng.normal() * (noise if changed else 1.0) * (1 + value / 10)
        at, base = START_MS + STEP_MS * place, {"prediction_id": f"p{place}", "model": "m"}
        answer = {"version": "1", "features": {"x": rng.normal()}, "output": {"value": value}}
        predictions.append({**base, "time": at, **answer})
        labels.append({**base, "time": at + 120_000, "value": truth})
    return Events(predictions, labels)


@cache
def replayed(
    *, high: bool = False, noise: float = 1.0, partitions: int = 1, batch_ms: int = 600_000
) -> tuple[ReplayResult, Past]:
    found, pasts = run_with_pasts(
        SETTINGS, events(high=high, noise=noise), partitions=partitions, batch_ms=batch_ms
    )
    return found, pasts["m"]


def told(found: ReplayResult) -> list[dict[str, Any]]:
    alerts = [json.loads(event)["data"] for event in found.events]
    return [alert for alert in alerts if alert.get("kind") == "estimated_performance"]


def learned() -> ReferenceProfile:
    profile = replayed(high=True)[1].learned
    assert profile is not None
    return profile


def test_more_answers_of_the_kind_that_was_always_further_off_raise_the_expected_error() -> None:
    found, past = replayed(high=True)
    [alert] = told(found)
    evidence = alert["evidence"]
    assert evidence["learned_events"] >= 1_000
    assert evidence["rests_on_labels"] >= 1_000
    assert evidence["mae_before"] == pytest.approx(4.8, rel=0.1)
    assert evidence["low"] < evidence["mae_now"] < evidence["high"]
    version = found.models["m"]["versions"]["1"]
    assert version["estimated"]["reliable"] is True
    assert version["estimated"]["mae"]["value"] == pytest.approx(version["metrics"]["mae"], rel=0.06)
    report = build_report(plan_model(SETTINGS.models["m"], None), past, since_ms=30 * 86_400_000)
    assert report.estimates[0].row.estimated["mae"].value == version["estimated"]["mae"]["value"]


@pytest.mark.parametrize("noise", [2.0, 0.3])
def test_errors_that_are_not_what_such_predictions_had_refute_the_estimate(noise: float) -> None:
    found, _ = replayed(high=True, noise=noise)
    assert [alert["evidence"]["reason"] for alert in told(found)] == ["first", "estimate_refuted"]


def test_without_a_change_nothing_is_told_and_labels_bear_the_estimate_out() -> None:
    found, _ = replayed()
    assert told(found) == []
    assert found.models["m"]["versions"]["1"]["estimated"]["reliable"] is True


def test_partitions_and_batches_change_nothing() -> None:
    for more in ({"partitions": 3}, {"batch_ms": 60_000}):
        found, past = replayed(high=True, **more)
        assert found.models == replayed(high=True)[0].models
        assert told(found) == told(replayed(high=True)[0])
        assert past.learned == learned()


def test_what_was_learned_comes_back_from_its_file_and_leaves_the_cells_as_they_were() -> None:
    profile, plan = learned(), plan_model(SETTINGS.models["m"], None)
    assert from_json(profile.to_json(), source="p") == profile
    assert prediction_layout(profile).answers == plan.answers
    for loss in (Loss(), Loss(name="gamma")):
        assert error_layout("regression", profile, loss) == error_layout("regression", None, loss)
    past = replayed(high=True)[1]
    assert past_from_json(past_to_json({"m": past}, until_ms=past.now_ms), plan, source="x") == past


def test_the_expected_error_by_prediction_is_near_what_it_is() -> None:
    """Errors are normal, so of size 0.8 times their standard deviation, 1 + prediction / 10."""
    calibration = learned().calibration
    assert calibration is not None
    expected, labelled = rates_of(calibration).expected, np.array(calibration.labelled)
    for value in (10.0, 20.0, 40.0, 80.0):
        place = int(np.searchsorted(OUTCOME_PREDICTIONS, value))
        middle = (OUTCOME_PREDICTIONS[place - 1] + min(OUTCOME_PREDICTIONS[place], 100.0)) / 2
        truth = 0.8 * (1 + middle / 10)
        assert abs(expected[place] - truth) < truth * (0.1 + 3 / np.sqrt(labelled[place]))


@pytest.mark.parametrize("shape", ["normal", "exponential", "standard_t", "lognormal"])
def test_middles_of_sizes_share_sums_out_fairly_whatever_the_scale_of_the_errors(shape: str) -> None:
    rng = np.random.default_rng(0)
    drawn = rng.standard_t(5, 100_000) if shape == "standard_t" else getattr(rng, shape)(size=100_000)
    middles = middles_of(OUTCOME_SIZES)
    found = []
    for scale in 4.0 ** np.linspace(2, 3, 9):
        errors = scale * np.abs(drawn)
        found.append(middles[np.searchsorted(OUTCOME_SIZES, errors)].mean() / errors.mean())
    assert max(found) / min(found) < 1.1


def test_errors_that_are_all_nothing_or_beyond_numbers_calibrate_nothing() -> None:
    profile = learned()
    assert profile.calibration is not None
    outcomes = profile.calibration.outcomes
    for absolute, squared in ((0.0, 0.0), (float("inf"), float("inf")), (1.0, float("nan"))):
        assert with_calibration(profile, outcomes, at_ms=5, absolute=absolute, squared=squared) is None
