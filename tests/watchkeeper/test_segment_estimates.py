"""Estimates of segments: what is expected of each, and whether its own labels bear that out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from builders.part_traffic import MINUTE_MS, NOON_MS
from builders.scored_traffic import CHANGED, SETTINGS, UNSURE, USUAL, drawn, names, reference

from consumers.plan import ModelPlan, plan_model
from watchkeeper.event_files import EventBatch
from watchkeeper.policy import policies
from watchkeeper.replay import Replay, ReplayResult
from watchkeeper.report.build import build_report
from watchkeeper.report.past import Past
from watchkeeper.report.text import report_text
from watchkeeper.status_command import status_lines

WORLDS = {"web": USUAL, "shop": UNSURE, "agent": CHANGED}
"""The model is unsure in the shop, and what its scores say of the agents' cases is wrong."""
PER_MINUTE = 30


def plan() -> ModelPlan:
    settings = SETTINGS.models["fraud"].model_copy(update={"segments": ("channel",)})
    return plan_model(settings, reference())


def batches(minutes: int, partitions: int) -> Iterator[EventBatch]:
    """Yield minutes of three channels, each labelled half a minute later."""
    rng = np.random.default_rng(4)
    for minute in range(minutes):
        predictions, labels, owners = [], [], []
        for channel, world in WORLDS.items():
            features, scores, truth = drawn(rng, PER_MINUTE, world)
            rows = zip(features.tolist(), scores.tolist(), names(truth), strict=True)
            for n, (x, score, true) in enumerate(rows):
                at, name = NOON_MS + minute * MINUTE_MS + n * 1_000, f"{channel}-{minute}-{n}"
                base: dict[str, Any] = {"prediction_id": name, "model": "fraud", "time": at}
                output = {"label": "fraud" if score >= 0.5 else "ok", "score": score}
                event = {
                    "version": "7",
                    "features": {"x": x},
                    "output": output,
                    "segments": {"channel": channel},
                }
                predictions.append(json.dumps(base | event).encode())
                labels.append(json.dumps(base | {"time": at + 30_000, "label": true}).encode())
                owners.append(n % partitions)
        parts = np.array(owners, dtype=np.int64)
        yield EventBatch(predictions, labels, parts, parts, NOON_MS + minute * MINUTE_MS)


@cache
def replayed(partitions: int = 1) -> tuple[ReplayResult, Past]:
    plans = {"fraud": plan()}
    replay = Replay(plans, partitions=partitions, policies=policies(SETTINGS, plans))
    return replay.run(batches(25, partitions)), replay.pasts()["fraud"]


def segments() -> dict[str, Any]:
    found: dict[str, Any] = replayed()[0].models["fraud"]["segments"]
    return {name.removeprefix("channel="): one["estimated"] for name, one in found.items()}


def test_each_segment_has_an_estimate_of_its_own_with_an_interval() -> None:
    found = segments()
    assert set(found) == set(WORLDS)
    assert found["shop"]["accuracy"]["high"] < found["web"]["accuracy"]["low"]
    for figures in found.values():
        assert figures["accuracy"]["low"] < figures["accuracy"]["value"] < figures["accuracy"]["high"]


@pytest.mark.parametrize(("channel", "reliable"), [("web", True), ("shop", True), ("agent", False)])
def test_it_is_unreliable_where_the_segments_own_labels_refute_it(channel: str, reliable: bool) -> None:
    assert segments()[channel]["reliable"] is reliable


def test_partitions_change_nothing() -> None:
    assert replayed(3)[0].models == replayed()[0].models


def test_segments_are_shown_in_status_and_in_the_report_the_worst_first() -> None:
    models = {
        "fraud": {
            **replayed()[0].models["fraud"],
            "alerts": [],
            "closed_until": {},
            "windows": [],
            "events_waiting": 0,
        }
    }
    status = {
        "app": "a",
        "partitions": [],
        "partitions_known_from": "redis",
        "moving": False,
        "models": models,
    }
    lines = [line.strip() for line in status_lines(status) if "channel=" in line]
    assert len(lines) == 3
    assert lines[0].startswith("estimated of channel=shop, all answers:  accuracy 0.7085 (")
    assert "unreliable" in next(line for line in lines if "channel=agent" in line)
    text = report_text(build_report(plan(), replayed()[1], since_ms=30 * 86_400_000))
    table = text[text.index("Segments, estimated as labels are not all in") :]
    assert table.index("channel=shop") < table.index("channel=web")
