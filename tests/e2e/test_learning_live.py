"""A model without a profile on real servers: it learns while workers die, and comes to what a replay comes to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders.site import (
    DEADLINE_S,
    PAUSE,
    compare_counts,
    make_site,
    recount_topics,
    stop_workers,
    traffic,
    unbounded_keys,
    wait_until_read,
)
from independent.recount import read_topics
from independent.stream import Stream, generate, write_jsonl

from detectors.profile import from_json

pytestmark = [pytest.mark.servers, pytest.mark.slow]

PREDICTIONS = 24_000
LEARNED = 6_000
BROKEN = b'"n0":'


def test_it_learns_under_two_workers_and_a_crash_as_in_a_replay(
    tmp_path: Path, kafka_server: Any, redis_url: str, topics: Callable[..., str]
) -> None:
    site = make_site(tmp_path, kafka_server.address, redis_url, topics, calm=2_000)
    settings = site.config.read_text().replace("profile: fraud.json", f"learn: {{events: {LEARNED}}}")
    site.config.write_text(settings)
    spec = traffic(PREDICTIONS)
    events = generate(spec)
    changed = [
        (key, value.replace(BROKEN, b'"n0":1000') if arrival > spec.start_ms + 1_500_000 else value)
        for (key, value), arrival in zip(events.predictions, events.prediction_arrivals_ms, strict=True)
    ]
    events.predictions[:] = changed
    site.produce(events)
    workers = [site.start_worker() for _ in range(2)]
    try:
        wait_until_read(site, workers, messages=2_000)
        workers[0].kill()
        workers[0].wait()
        workers[0] = site.start_worker()
        wait_until_read(site, workers, messages=len(events.predictions) + len(events.labels))
        live = alerts_until(site, max(events.prediction_arrivals_ms) - 180_000)
    finally:
        codes = stop_workers(workers)
    assert codes == [0, 0]
    assert compare_counts(recount_topics(site), site.status()["models"]["fraud"]) == []
    assert unbounded_keys(site) == []

    out = tmp_path / "learned.json"
    command = ("profile", "--config", str(site.config), "--model", "fraud", "--out", str(out))
    told = site.run(*command, "--learned")
    profile = from_json(out.read_bytes(), source="learned")
    assert profile.learned is not None
    assert f"learned from {profile.learned.events:,} events" in told
    assert profile.learned.events >= LEARNED
    assert sum(not c.name.startswith(("joint.", "output.")) for c in profile.columns) == 25

    predictions, labels = tmp_path / "p.jsonl", tmp_path / "l.jsonl"
    write_jsonl(events, predictions, labels)
    replayed = tmp_path / "replayed.jsonl"
    site.run(
        "replay", "--config", str(site.config), "--predictions", str(predictions), "--labels", str(labels),
        "--alerts", str(replayed),
    )  # fmt: skip
    again = {e["id"]: e["data"] for e in map(json.loads, replayed.read_text().splitlines())}
    assert any(alert["feature"] == "n0" for alert in live.values())
    ends = max(alert["window"]["end"] for alert in live.values())
    assert {key: data for key, data in again.items() if data["window"]["end"] <= ends} == live


def test_what_the_owner_accepts_is_learned_anew_by_workers_that_are_at_work(
    tmp_path: Path, kafka_server: Any, redis_url: str, topics: Callable[..., str]
) -> None:
    site = make_site(tmp_path, kafka_server.address, redis_url, topics, calm=2_000)
    control = topics("control", partitions=1)
    text = site.config.read_text().replace("profile: fraud.json", "learn: {events: 2000}")
    site.config.write_text(text.replace("kafka: {", f"kafka: {{control: {control}, "))
    spec = traffic(12_000)
    events = generate(spec)
    half_ms = spec.start_ms + 1_500_000
    events.predictions[:] = [
        (key, value.replace(BROKEN, b'"n0":1000') if arrival > spec.start_ms + 900_000 else value)
        for (key, value), arrival in zip(events.predictions, events.prediction_arrivals_ms, strict=True)
    ]
    parts = [part_of(events, after_ms, until_ms) for after_ms, until_ms in ((0, half_ms), (half_ms, 1 << 62))]
    workers = [site.start_worker() for _ in range(2)]
    accept = ("accept", "--config", str(site.config), "--model", "fraud", "--by", "ada", "--new-normal")
    try:
        site.produce(parts[0])
        wait_until_read(site, workers, messages=len(parts[0].predictions) + len(parts[0].labels))
        before = alerts_until(site, half_ms - 180_000)
        assert "data_drift drift n0" in site.run(*accept, "--dry-run")
        assert "learned anew from" in site.run(*accept)
        PAUSE.wait(3.0)
        site.produce(parts[1])
        wait_until_read(site, workers, messages=len(events.predictions) + len(events.labels))
        after = alerts_until(site, max(events.prediction_arrivals_ms) - 180_000)
    finally:
        codes = stop_workers(workers)
    assert codes == [0, 0]
    assert compare_counts(recount_topics(site), site.status()["models"]["fraud"]) == []
    opened = {a["alert_id"] for a in before.values() if a["feature"] == "n0" and a["status"] == "firing"}
    closed = {a["alert_id"] for a in after.values() if a["evidence"]["reason"] == "accepted"}
    assert opened
    assert opened <= closed
    out = tmp_path / "learned.json"
    site.run("profile", "--config", str(site.config), "--model", "fraud", "--out", str(out), "--learned")
    profile = from_json(out.read_bytes(), source="learned")
    assert profile.learned is not None
    assert profile.learned.from_ms >= half_ms - 240_000


def part_of(events: Stream, after_ms: float, until_ms: float) -> Stream:
    """Return the events that arrive from one time up to another."""
    sides = (
        (events.predictions, events.prediction_arrivals_ms),
        (events.labels, events.label_arrivals_ms),
    )
    kept = [[pair for pair in zip(*side, strict=True) if after_ms <= pair[1] < until_ms] for side in sides]
    (predictions, labels) = ([event for event, _ in side] for side in kept)
    (first, second) = ([arrival for _, arrival in side] for side in kept)
    return Stream(predictions, labels, first, second)


def alerts_until(site: Any, until_ms: float) -> dict[str, dict[str, Any]]:
    """Return the published alerts by id once windows by prediction time have been closed up to a moment."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        events = [
            json.loads(value)
            for _, _, _, _, value in read_topics(site.kafka, [site.topics["alerts"]])
            if value is not None
        ]
        closed = [
            e["time"]
            for e in events
            if e["type"].endswith("window_complete") and e["data"]["stream"] == "predictions"
        ]
        if closed and max(closed) >= time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(until_ms / 1_000)):
            return {e["id"]: e["data"] for e in events if ".alert." in e["type"]}
        PAUSE.wait(1.0)
    pytest.fail("the windows were never closed")
