"""A challenger is compared with its champion from events to alerts, with one partition and with twelve."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from consumers.plan import plan_model
from schemas.settings import Settings
from watchkeeper.event_files import EventBatch
from watchkeeper.policy import policies
from watchkeeper.replay import Replay, report
from watchkeeper.report.pairs import pair_statements
from watchkeeper.report.past import Past, past_from_json, past_to_json
from watchkeeper.version_pairs import pair_lines

NOON_MS = 1_793_534_400_000
MINUTE_MS = 60_000
MINUTES, PER_MINUTE = 20, 60
SETTINGS = Settings.model_validate(
    {
        "models": {
            "fraud": {
                "task": "binary",
                "positive_class": "fraud",
                "label_horizon": "1h",
                "learn": False,
                "owner": {"team": "Risk", "contact": "#risk"},
            }
        }
    }
)


def answer(name: str, at: int, said: bool, **more: Any) -> bytes:
    output = {"label": "fraud" if said else "ok"}
    return json.dumps(
        {"prediction_id": name, "model": "fraud", "time": at, "output": output, **more}
    ).encode()


def minute(
    rng: np.random.Generator, index: int, *, wrong: float, shadow: bool, split: bool = False
) -> tuple[list[bytes], list[bytes]]:
    """Return the answers of version 7, wrong on 15 of 100, and of version 8, and the labels half a minute later.

    With `split` version 8 answers every fifth id, from minute 3 on, and version 7 the others.
    """
    predictions, labels = [], []
    for i in range(PER_MINUTE):
        name, at = f"p{index}-{i}", NOON_MS + index * MINUTE_MS + i * 900
        true, mistakes = bool(rng.random() < 0.3), rng.random(2) < (0.15, wrong)
        own = ("8" if i % 5 == 0 and index >= 3 else "7") if split else "78"
        if "7" in own:
            predictions.append(answer(name, at, true ^ bool(mistakes[0]), version="7"))
        if "8" in own:
            predictions.append(answer(name, at + 5, true ^ bool(mistakes[1]), version="8", shadow=shadow))
        label = {
            "prediction_id": name,
            "model": "fraud",
            "time": at + 30_000,
            "label": "fraud" if true else "ok",
        }
        labels.append(json.dumps(label).encode())
    return predictions, labels


@cache
def replayed(
    wrong: float, *, shadow: bool, partitions: int = 1, split: bool = False
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the report and the alert events of a stream in which version 8 is so often wrong."""
    plans = {name: plan_model(model, None) for name, model in SETTINGS.models.items()}
    replay = Replay(plans, partitions=partitions, policies=policies(SETTINGS, plans))
    rng = np.random.default_rng(5)
    batches = []
    for index in range(MINUTES):
        predictions, labels = minute(rng, index, wrong=wrong, shadow=shadow, split=split)
        owners = [
            np.array([int(json.loads(e)["prediction_id"].split("-")[1]) % partitions for e in side])
            for side in (predictions, labels)
        ]
        latest_ms = NOON_MS + (index + 1) * MINUTE_MS
        batches.append(
            EventBatch(predictions, labels, owners[0], owners[1], latest_ms - MINUTE_MS, latest_ms)
        )
    result = replay.run(batches)
    events = [json.loads(event) for event in result.events]
    told = [e for e in events if e["data"].get("kind") == "version_regression"]
    return report(result), told


def test_a_shadow_that_is_better_is_told_with_the_figures_of_both() -> None:
    [event] = replayed(0.03, shadow=True)[1]
    data = event["data"]
    assert (data["severity"], data["version"], data["evidence"]["decision"]) == ("info", "8", "promote")
    assert data["title"].startswith(
        "fraud version 8: version 8 is better than 7 on the same cases, error rate 1"
    )
    assert "Promote version 8." in data["suggested_action"]
    assert data["evidence"]["gain_low"] > 0.005
    series = data["evidence"]["series"]
    assert (series["figure"], series["of"], series["reference"]) == ("gain", "8", 0.0)
    shown = sum(v * n for v, n in zip(series["values"], series["n"], strict=True) if v is not None)
    assert shown / sum(series["n"]) == pytest.approx(data["evidence"]["gain"], abs=0.02)


def test_a_live_version_that_is_worse_is_to_be_rolled_back_to_the_last_good_one() -> None:
    data = replayed(0.3, shadow=False)[1][0]["data"]
    assert (data["severity"], data["version"], data["evidence"]["decision"]) == ("error", "8", "roll_back")
    assert "Roll back to version 7" in data["suggested_action"]


def test_versions_that_are_alike_are_not_told_and_the_report_says_how_far_it_is() -> None:
    found, events = replayed(0.15, shadow=True)
    [pair] = found["models"]["fraud"]["pairs"]
    assert events == []
    assert (pair["champion"], pair["challenger"], pair["pairs"]) == ("7", "8", MINUTES * PER_MINUTE)
    assert pair["live"] == {"champion": True, "challenger": False}
    assert pair["verdict"] == "keep_watching"
    assert pair["further_pairs"] > 1_000
    assert pair["low"] < pair["gain"] < pair["high"]
    [line] = pair_lines([pair])
    assert line.startswith("8 against 7, 1,200 ids:  error 0.1")
    assert " more" in line


def test_the_figures_of_each_version_are_those_of_its_own_answers() -> None:
    model = replayed(0.03, shadow=True)[0]["models"]["fraud"]
    [pair] = model["pairs"]
    assert pair["verdict"] == "promote"
    for version, loss in (("7", pair["champion_loss"]), ("8", pair["challenger_loss"])):
        assert model["versions"][version]["metrics"]["accuracy"] == pytest.approx(1 - loss)


@pytest.mark.parametrize(("wrong", "shadow"), [(0.03, True), (0.3, False)])
def test_one_partition_and_twelve_tell_the_same(wrong: float, shadow: bool) -> None:
    assert replayed(wrong, shadow=shadow, partitions=12)[1] == replayed(wrong, shadow=shadow)[1]


def test_a_version_that_is_worse_on_a_fifth_of_the_traffic_is_told_by_what_the_others_answered_then() -> None:
    found, events = replayed(0.6, shadow=False, split=True)
    data = events[0]["data"]
    assert (data["severity"], data["version"], data["evidence"]["decision"]) == ("error", "8", "roll_back")
    assert (data["check"], data["evidence"]["ids"]) == ("compare_split", "different")
    assert data["title"].startswith(
        "fraud version 8: version 8 is worse than 7 at the same time, error rate 1"
    )
    [pair] = found["models"]["fraud"]["pairs"]
    assert (pair["ids"], pair["verdict"]) == ("different", "roll_back")
    assert pair["cases"] == {"champion": 17 * 48, "challenger": 17 * 12}
    [statement] = pair_statements([pair])
    assert statement.text.startswith(
        "At the same time: version 8 against 7, different ids, 204 and 816 labels:"
    )


def test_versions_that_share_the_traffic_and_are_alike_are_not_told() -> None:
    found, events = replayed(0.15, shadow=False, split=True)
    assert events == []
    assert found["models"]["fraud"]["pairs"][0]["verdict"] == "keep_watching"


def test_one_partition_and_twelve_tell_the_same_of_shared_traffic() -> None:
    one, twelve = (replayed(0.6, shadow=False, split=True, partitions=n) for n in (1, 12))
    assert one == twelve


def test_the_report_of_a_models_past_has_a_sentence_about_it_and_so_has_its_file() -> None:
    plan = plan_model(SETTINGS.models["fraud"], None)
    [pair] = replayed(0.03, shadow=True)[0]["models"]["fraud"]["pairs"]
    past = Past({}, (), NOON_MS, [pair])
    assert past_from_json(past_to_json({"fraud": past}, until_ms=NOON_MS), plan, source="x").pairs == [pair]
    [statement] = pair_statements(past.pairs)
    assert statement.tone == "good"
    assert statement.text.startswith("On the same ids: version 8 against 7, 1,200 ids:")
    assert statement.text.endswith("promote 8.")
