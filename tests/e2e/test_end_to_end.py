"""The whole path on real Kafka and real Redis: two workers, every kind of disorder, counted by somebody else.

What is counted is checked against `independent.recount`, which reads the raw topics and imports nothing of
the product; what is alerted is read by a plain subscriber and parsed by the cloudevents package; and `replay`
over the same events in files must come to the same windows and alerts. WATCHKEEPER_E2E_PREDICTIONS=200000 is
the long form.
"""

from __future__ import annotations

import copy
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders.site import (
    DEADLINE_S,
    PARTITIONS,
    PAUSE,
    Site,
    compare_counts,
    make_site,
    recount_topics,
    stop_workers,
    traffic,
    unbounded_keys,
    wait_until_read,
)
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from independent.recount import read_topics
from independent.stream import Stream, generate, write_jsonl

pytestmark = [pytest.mark.servers, pytest.mark.slow]

PREDICTIONS = int(os.environ.get("WATCHKEEPER_E2E_PREDICTIONS", "40000"))
BROKEN_FEATURE = "n0"


def with_unit_change(events: Stream, *, from_ms: float) -> Stream:
    """Report one feature in another unit from a moment on, as an upstream release does."""
    pattern = re.compile(rb'"%s":(-?[0-9.]+)' % BROKEN_FEATURE.encode())

    def change(value: bytes, arrival_ms: float) -> bytes:
        if arrival_ms < from_ms:
            return value
        return pattern.sub(lambda m: b'"%s":%.6f' % (BROKEN_FEATURE.encode(), float(m[1]) / 100), value)

    changed = [
        (key, change(value, arrival_ms))
        for (key, value), arrival_ms in zip(events.predictions, events.prediction_arrivals_ms, strict=True)
    ]
    return Stream(changed, events.labels, events.prediction_arrivals_ms, events.label_arrivals_ms)


@pytest.fixture(scope="module")
def events() -> Stream:
    spec = traffic(PREDICTIONS)
    return with_unit_change(generate(spec), from_ms=spec.start_ms + 1_500_000)


@pytest.fixture
def site(tmp_path: Path, kafka_server: Any, redis_url: str, topics: Callable[..., str]) -> Site:
    return make_site(tmp_path, kafka_server.address, redis_url, topics)


def subscribe(site: Site, *, until: Callable[[list[BaseCloudEvent]], bool]) -> list[BaseCloudEvent]:
    """Read the alerts topic as anybody would, until satisfied."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        found = [
            from_structured(
                KafkaMessage({"content-type": b"application/cloudevents+json"}, key, value), JSONFormat()
            )
            for _, _, _, key, value in read_topics(site.kafka, [site.topics["alerts"]])
            if value is not None
        ]
        if until(found):
            return found
        PAUSE.wait(1.0)
    pytest.fail("the alerts topic never held what was expected")


def alerts_in(found: list[BaseCloudEvent]) -> dict[str, dict[str, Any]]:
    """Return the alert events by id; one that came twice must be the same both times."""
    alerts: dict[str, dict[str, Any]] = {}
    for event in found:
        if event.get_type().startswith("io.watchkeeper.alert."):
            data: Any = event.get_data()
            assert alerts.setdefault(event.get_id(), data) == data
    return alerts


def windows_in(found: list[BaseCloudEvent]) -> dict[tuple[str, str], int]:
    records: dict[tuple[str, str], int] = {}
    for event in found:
        if event.get_type() == "io.watchkeeper.window_complete":
            data: Any = event.get_data()
            records[data["stream"], data["window"]["start"]] = data["window"]["n"]
    return records


def test_counts_alerts_and_replay_agree(site: Site, events: Stream) -> None:
    site.produce(events)
    workers = [site.start_worker() for _ in range(2)]
    try:
        wait_until_read(site, workers, messages=len(events.predictions) + len(events.labels))
        ends = {
            "predictions": max(events.prediction_arrivals_ms) - 180_000,
            "errors": max(events.prediction_arrivals_ms) + 2_400_000,  # labels come for an hour after
        }
        found = subscribe(site, until=lambda seen: all(_reached(seen, *end) for end in ends.items()))
    finally:
        codes = stop_workers(workers)
    assert codes == [0, 0]

    expected = recount_topics(site)
    actual = site.status()["models"]["fraud"]
    assert compare_counts(expected, actual) == []
    tampered = copy.deepcopy(actual)
    tampered["versions"]["7"]["joined"] += 1
    assert len(compare_counts(expected, tampered)) == 1, "the comparison must see one miscount"

    assert unbounded_keys(site) == []

    alerts = alerts_in(found)
    drift = [a for a in alerts.values() if a["feature"] == BROKEN_FEATURE and a["status"] == "firing"]
    assert any("series" in a["evidence"] for a in drift)
    assert {a["kind"] for a in drift} >= {"data_drift"}
    flagged = {(a["kind"], a["feature"]) for a in alerts.values()}
    together = {("ood_rate", None), ("data_drift", "joint.residual")}
    assert flagged - together == {("data_drift", BROKEN_FEATURE)}, "something else was flagged"
    assert_replay_agrees(site, events, expected, alerts, windows_in(found))


def _reached(found: list[BaseCloudEvent], stream: str, until_ms: float) -> bool:
    """Tell whether a stream's windows have been closed up to a moment."""
    for event in found:
        data: Any = event.get_data()
        time_ = event.get_time()
        if event.get_type() == "io.watchkeeper.window_complete" and data["stream"] == stream:
            assert time_ is not None
            if time_.timestamp() * 1000 >= until_ms:
                return True
    return False


def assert_replay_agrees(
    site: Site,
    events: Stream,
    expected: Any,
    alerts: dict[str, dict[str, Any]],
    windows: dict[tuple[str, str], int],
) -> None:
    predictions, labels = site.folder / "p.jsonl", site.folder / "l.jsonl"
    write_jsonl(events, predictions, labels)
    outputs = []
    for attempt in ("first", "second"):
        out, report = site.folder / f"{attempt}.alerts.jsonl", site.folder / f"{attempt}.report.json"
        site.run(
            "replay", "--config", str(site.config), "--predictions", str(predictions), "--labels", str(labels),
            "--alerts", str(out), "--report", str(report), "--partitions", str(PARTITIONS if attempt == "first" else 1),
        )  # fmt: skip
        outputs.append((out.read_bytes(), report.read_bytes()))
    assert outputs[0] == outputs[1], "the number of partitions changed a byte"
    replayed = {e["id"]: e["data"] for e in map(json.loads, outputs[0][0].splitlines())}
    report = json.loads(outputs[0][1])
    replayed_windows = {(w["stream"], w["start"]): w["n"] for w in report["windows"]}
    assert windows.items() <= replayed_windows.items()
    assert len(windows) >= len(replayed_windows) - 4, "only the last windows may still be open on the servers"
    closed_until = max(start for _, start in windows)
    assert {k: v for k, v in replayed.items() if v["window"]["start"] <= closed_until} == alerts
    assert compare_counts(expected, report["models"]["fraud"]) == []
