"""Estimates of a regression: the expected error by the prediction, found before labels and refuted by them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from builders.part_traffic import MINUTE_MS, NOON_MS, Outcome

from consumers.plan import plan_model
from detectors.profile import ReferenceProfile, from_json
from detectors.profile_build import ProfileBuilder
from detectors.profile_values import Answers, RowBatch
from schemas.settings import Settings
from watchkeeper.event_files import EventBatch
from watchkeeper.policy import policies
from watchkeeper.replay import Replay

SETTINGS = Settings.model_validate(
    {
        "models": {
            "price": {
                "task": "regression",
                "allowed_lateness": "30s",
                "label_horizon": "3h",
                "cohort_window": "10m",
            }
        }
    }
)
PER_MINUTE, SINCE, LAG = 150, 15, 5
Floats = npt.NDArray[np.float64]


def drawn(rng: np.random.Generator, n: int, *, high: bool, noise: float) -> tuple[Floats, Floats]:
    """Return predictions from 0 to 100, and truths that are further off where more is predicted."""
    predicted = 100 * (rng.beta(4, 1, n) if high else rng.random(n))
    return predicted, predicted + rng.normal(0, 1, n) * noise * (1 + predicted / 10)


@cache
def reference() -> ReferenceProfile:
    rng = np.random.default_rng(7)
    predicted, truth = drawn(rng, 20_000, high=False, noise=1.0)
    times = NOON_MS - np.sort(rng.integers(1, 2 * 1440 * MINUTE_MS, 20_000))[::-1]
    rows = RowBatch(20_000, {"x": predicted.tolist()}, Answers(true_value=truth, value=predicted), times)
    builder = ProfileBuilder.of(SETTINGS.models["price"])
    builder.sample(rows)
    builder.count(rows)
    return builder.finish()


def batches(minutes: int, *, high: bool, noise: float) -> Iterator[EventBatch]:
    rng, waiting = np.random.default_rng(1), []
    for minute in range(minutes):
        changed = minute >= SINCE
        predicted, truth = drawn(rng, PER_MINUTE, high=high and changed, noise=noise if changed else 1.0)
        predictions, labels = [], []
        for n, (value, true) in enumerate(zip(predicted.tolist(), truth.tolist(), strict=True)):
            at = NOON_MS + minute * MINUTE_MS + n * MINUTE_MS // PER_MINUTE
            base: dict[str, Any] = {"prediction_id": f"{minute}-{n}", "model": "price"}
            event = {"time": at, "version": "7", "features": {"x": value}, "output": {"value": value}}
            predictions.append(json.dumps(base | event).encode())
            labels.append(json.dumps(base | {"time": at + LAG * MINUTE_MS, "value": true}).encode())
        waiting.append(labels)
        due = waiting[minute - LAG] if minute >= LAG else []
        parts = [np.zeros(len(lines), dtype=np.int64) for lines in (predictions, due)]
        yield EventBatch(predictions, due, parts[0], parts[1], NOON_MS + minute * MINUTE_MS)


@cache
def replayed(*, high: bool, noise: float, minutes: int = 60) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the alerts about the estimate, and the figures of the version."""
    plans = {"price": plan_model(SETTINGS.models["price"], reference())}
    result = Replay(plans, partitions=1, policies=policies(SETTINGS, plans)).run(
        batches(minutes, high=high, noise=noise)
    )
    alerts = Outcome(result.events, result.windows).alerts
    version: dict[str, Any] = result.models["price"]["versions"]["7"]
    return [alert for alert in alerts if alert["kind"] == "estimated_performance"], version


def test_the_profile_keeps_predictions_by_the_size_of_their_errors() -> None:
    known = reference().calibration
    assert known is not None
    assert sum(known.outcomes) == known.n == 20_000
    assert from_json(reference().to_json(), source="p").calibration == known


def test_more_answers_of_the_kind_that_was_always_further_off_raise_the_expected_error() -> None:
    [alert], version = replayed(high=True, noise=1.0)
    assert SINCE < alert["minute"] <= SINCE + 4
    assert alert["title"].startswith("price: estimated mae rose from 4.8")
    assert version["estimated"]["reliable"] is True
    assert version["estimated"]["mae"]["value"] == pytest.approx(version["metrics"]["mae"], rel=0.05)


@pytest.mark.parametrize("noise", [2.0, 0.4])
def test_errors_that_are_not_what_such_predictions_had_refute_the_estimate(noise: float) -> None:
    alerts, version = replayed(high=True, noise=noise)
    assert [alert["evidence"]["reason"] for alert in alerts] == ["first", "estimate_refuted"]
    assert version["estimated"]["reliable"] is False


def test_without_a_change_nothing_is_told_and_labels_bear_the_estimate_out() -> None:
    alerts, version = replayed(high=False, noise=1.0)
    assert alerts == []
    assert version["estimated"]["reliable"] is True
