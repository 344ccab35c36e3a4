"""Alerts on performance, estimated or measured, say what is expected of which segment and version."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from builders.part_traffic import MINUTE_MS, NOON_MS
from builders.scored_traffic import CHANGED, SETTINGS, UNSURE, USUAL, World, drawn, reference

from alerts.figures import how_bad
from consumers.plan import ModelPlan, plan_model
from schemas.alert import AlertEvent, parse_alerts_record
from schemas.estimated_parts import EstimatedPart, EstimatedParts, estimated_parts_in
from watchkeeper.event_files import EventBatch
from watchkeeper.policy import policies
from watchkeeper.replay import Replay

SINCE, MINUTES, PER_MINUTE, LAG = 15, 45, 60, 4
CHANNELS = ("web", "shop", "agent")


def plan() -> ModelPlan:
    settings = SETTINGS.models["fraud"].model_copy(update={"segments": ("channel",)})
    return plan_model(settings, reference())


def batches(other: World, where: str, partitions: int, size: int) -> Iterator[EventBatch]:
    """Yield `size` minutes at a time of three channels alike, until a channel or a version is another world from `SINCE` on."""
    rng, lines = np.random.default_rng(4), list[tuple[int, int, bytes]]()
    for minute in range(MINUTES):
        for channel in CHANNELS:
            rows = [list(zip(*drawn(rng, PER_MINUTE, world), strict=True)) for world in (USUAL, other)]
            for n in range(PER_MINUTE):
                version = "8" if n % 4 == 0 else "7"
                x, score, truth = rows[minute >= SINCE and where in (channel, version)][n]
                at, name = NOON_MS + minute * MINUTE_MS + n * 1_000, f"{channel}-{minute}-{n}"
                base: dict[str, Any] = {"prediction_id": name, "model": "fraud", "time": at}
                event = {
                    "version": version,
                    "features": {"x": x},
                    "output": {"label": "fraud" if score >= 0.5 else "ok", "score": score},
                    "segments": {"channel": channel},
                }
                owner = zlib.crc32(name.encode()) % partitions
                lines.append((at, owner, json.dumps(base | event).encode()))
                label = base | {"time": at + LAG * MINUTE_MS, "label": "fraud" if truth else "ok"}
                lines.append((at + LAG * MINUTE_MS, -owner - 1, json.dumps(label).encode()))
    for first in range(0, MINUTES, size):
        until_ms = NOON_MS + (first + size) * MINUTE_MS
        now = [one for one in lines if until_ms - size * MINUTE_MS <= one[0] < until_ms]
        sides = [[one for one in now if (one[1] < 0) is labels] for labels in (False, True)]
        owners = [np.array([max(o, -o - 1) for _, o, _ in side], dtype=np.int64) for side in sides]
        texts = [[line for *_, line in side] for side in sides]
        yield EventBatch(texts[0], texts[1], owners[0], owners[1], until_ms - MINUTE_MS)


@cache
def alerts(other: World, where: str = "shop", partitions: int = 1, size: int = 1) -> list[AlertEvent]:
    plans = {"fraud": plan()}
    replay = Replay(plans, partitions=partitions, policies=policies(SETTINGS, plans))
    events = replay.run(batches(other, where, partitions, size)).events
    return [event for event in map(parse_alerts_record, events) if isinstance(event, AlertEvent)]


def of_all(other: World, kind: str) -> AlertEvent:
    """Return the first alert of a kind on all traffic."""
    found = [event for event in alerts(other) if event.data.kind == kind]
    return next(e for e in found if e.data.segment is None and e.data.version is None)


def parts_of(other: World, kind: str) -> EstimatedParts:
    found = estimated_parts_in(of_all(other, kind).data.evidence)
    assert found is not None
    return found


def rows(found: EstimatedParts, kind: str) -> dict[str, EstimatedPart]:
    return {name: row for row in found.rows if (name := getattr(row, kind)) is not None}


def test_an_estimate_that_fell_names_the_segment_that_it_fell_in_with_intervals() -> None:
    found = parts_of(UNSURE, "estimated_performance")
    segments = rows(found, "segment")
    assert next(iter(segments)) == "channel=shop"
    assert set(segments) == {f"channel={name}" for name in CHANNELS}
    shop, change = segments["channel=shop"], found.value - found.usual
    assert shop.high < found.usual
    assert shop.contribution / change > 0.7
    assert sum(row.contribution for row in segments.values()) == pytest.approx(change, abs=1e-5)
    assert sum(row.n for row in segments.values()) == found.n
    for row in found.rows:
        assert row.low < row.value < row.high


def test_versions_are_told_of_too_where_there_are_several() -> None:
    found = parts_of(UNSURE, "estimated_performance")
    versions = rows(found, "version")
    assert list(versions) == ["7", "8"]
    assert versions["7"].n == pytest.approx(3 * versions["8"].n, rel=0.05)


def test_an_alert_on_labels_has_them_and_says_where_labels_refute_them() -> None:
    segments = rows(parts_of(CHANGED, "performance"), "segment")
    assert segments["channel=shop"].reliable is False
    assert segments["channel=web"].reliable is True


def test_the_message_says_in_one_line_where_it_is_mostly() -> None:
    event = of_all(UNSURE, "estimated_performance")
    [line] = [line for line in how_bad(event.data) if line.startswith("mostly in")]
    assert line.startswith("mostly in channel=shop, 33")
    assert "of the answers: accuracy estimated at 7" in line
    refuted = of_all(CHANGED, "performance")
    assert not any(line.startswith("mostly in") for line in how_bad(refuted.data))


def test_partitions_and_batches_change_no_byte_of_them() -> None:
    expected = sorted(event.to_json_bytes() for event in alerts(UNSURE))
    for partitions, size in ((3, 1), (1, 5)):
        assert sorted(event.to_json_bytes() for event in alerts(UNSURE, "shop", partitions, size)) == expected


def test_an_alert_stays_small() -> None:
    for event in alerts(UNSURE):
        found = event.data.evidence.get("estimated_parts", {})
        assert len(json.dumps(found)) < 2_500


def test_a_version_of_which_worse_is_expected_is_told_by_itself_and_closed_by_its_own_labels() -> None:
    sharper = World(UNSURE.spread, CHANGED.steepness)
    found = [e for e in alerts(sharper, "8") if e.data.kind == "estimated_performance" and e.data.version]
    fired, closed = found
    assert fired.data.title.startswith("fraud version 8: estimated accuracy fell from 83.7% to 7")
    assert "which those of a new version need not" in fired.data.impact
    assert fired.data.since.minute - SINCE <= 2
    assert "estimated_parts" not in fired.data.evidence
    assert closed.data.evidence["reason"] == "estimate_refuted"
    again = alerts(sharper, "8", partitions=3, size=5)
    assert sorted(e.to_json_bytes() for e in again) == sorted(e.to_json_bytes() for e in alerts(sharper, "8"))
