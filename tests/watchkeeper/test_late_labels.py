"""Labels whose delay depends on the class, and a fortnight of them at once: no alarm about a model that has not changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from builders.learning import Event, Events, batches, firing

from consumers.plan import plan_model
from detectors.profile import ReferenceProfile
from schemas.settings import Settings
from schemas.settings_text import parse_settings
from watchkeeper.policy import policies
from watchkeeper.profile_command import build_profile
from watchkeeper.replay import Replay, ReplayResult

START_MS = 1_767_225_600_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
PER_DAY = 500
QUIET = (
    "performance",
    "label_drift",
    "calibration",
    "data_drift",
    "prediction_drift",
    "estimated_performance",
)

Delay = Callable[[np.random.Generator, int, bool], int]


def settings(labels: str = "{}") -> Settings:
    text = f"""
models:
  m:
    {{task: binary, positive_class: fraud, classes: {{fraud: [fraud], ok: [ok]}}, threshold: 0.3, window: 2h, labels: {labels}}}
"""
    return parse_settings(text, source="settings", env={}, read_secret=str)


def within_a_week(rng: np.random.Generator, made_ms: int, _fraud: bool) -> int:
    return made_ms + int(min(rng.lognormal(np.log(60), 0.6), 330) * HOUR_MS)


def frauds_at_once(rng: np.random.Generator, made_ms: int, fraud: bool) -> int:
    """Frauds within three hours, everything else on the fourteenth day."""
    return made_ms + int(
        rng.uniform(0.2, 3) * HOUR_MS if fraud else 14 * DAY_MS - rng.uniform(0, 2) * HOUR_MS
    )


def events(first_day: int, days: int, *, seed: int, delay: Delay) -> Events:
    """Return the events of a calibrated model whose inputs and quality stay as they are; labels in order of arrival."""
    rng = np.random.default_rng(seed)
    predictions: list[Event] = []
    labels: list[Event] = []
    for day in range(first_day, first_day + days):
        n = int(rng.poisson(PER_DAY * (0.7 if day % 7 >= 5 else 1.0)))
        for place, share in enumerate(np.sort(rng.random(n)).tolist()):
            risk = float(np.clip(rng.beta(1, 8) * 1.6, 0.001, 0.99))
            fraud, made_ms = bool(rng.random() < risk), START_MS + day * DAY_MS + int(share * DAY_MS)
            event = {"prediction_id": f"{day}-{place}", "model": "m", "time": made_ms}
            features = {"amount": float(rng.lognormal(3, 1)) + 50 * risk}
            predictions.append({**event, "features": features, "output": {"score": risk}})
            came_ms = delay(rng, made_ms, fraud)
            labels.append({**event, "time": came_ms, "label": "fraud" if fraud else "ok"})
    return Events(predictions, sorted(labels, key=lambda label: label["time"]))


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> ReferenceProfile:
    past = events(-28, 28, seed=1, delay=within_a_week)
    folder = tmp_path_factory.mktemp("past")
    for name, lines in (("p", past.predictions), ("l", past.labels)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found, _ = build_profile(settings().models["m"], folder / "p.jsonl", labels_path=folder / "l.jsonl")
    return found


def replayed(found: Events, profile: ReferenceProfile, *, labels: str = "{}") -> ReplayResult:
    chosen = settings(labels)
    plans = {"m": plan_model(chosen.models["m"], profile)}
    replay = Replay(plans, partitions=1, policies=policies(chosen, plans))
    until_ms = max(event["time"] for event in found.predictions)
    known = [label for label in found.labels if label["time"] <= until_ms]
    return replay.run(batches(found.predictions, known, partitions=1, batch_ms=6 * HOUR_MS))


def version(result: ReplayResult) -> Mapping[str, Any]:
    found: Mapping[str, Any] = result.models["m"]["versions"]["0"]
    return found


def test_frauds_at_once_and_the_rest_after_a_fortnight_raise_no_alarm(profile: ReferenceProfile) -> None:
    result = replayed(events(0, 24, seed=2, delay=frauds_at_once), profile)
    assert firing(result) == []
    assert version(result)["joined"] > 4_000
    assert version(result)["estimated"]["reliable"] is True, "frauds alone refute nothing"


def test_nor_do_frauds_alone_where_silence_means_that_all_was_well(profile: ReferenceProfile) -> None:
    found = events(0, 24, seed=2, delay=frauds_at_once)
    frauds = Events(found.predictions, [label for label in found.labels if label["label"] == "fraud"])
    result = replayed(frauds, profile, labels="{implicit: {class: ok, after: 10d}}")
    assert firing(result) == []
    counts = version(result)
    assert counts["implicit"] > 2 * counts["joined"] > 0
    errors = [record for record in result.windows if record.stream == "errors" and record.metrics.get("0")]
    told = sum(record.n for record in errors)
    assert told >= counts["implicit"], "silence reaches the detectors of errors too"


def test_a_fortnight_of_labels_at_once_is_a_story_about_labels_alone(profile: ReferenceProfile) -> None:
    held = events(0, 40, seed=3, delay=within_a_week)
    first_ms, last_ms = START_MS + 20 * DAY_MS, START_MS + 34 * DAY_MS
    for label in held.labels:
        if first_ms <= label["time"] < last_ms:
            label["time"] = last_ms + label["time"] % HOUR_MS
    result = replayed(Events(held.predictions, sorted(held.labels, key=lambda label: label["time"])), profile)
    kinds = [alert["kind"] for alert in firing(result)]
    assert not set(kinds) & set(QUIET)
    (stopped,) = [alert for alert in firing(result) if alert["check"] == "label_coverage"]
    assert stopped["title"].startswith("m: fewer labels come than usual, ")
    told_ms = np.datetime64(stopped["at"].removesuffix("Z"), "ms").astype(np.int64)
    assert first_ms < told_ms <= first_ms + 2 * DAY_MS
