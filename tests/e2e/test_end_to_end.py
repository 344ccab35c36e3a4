"""The whole path on real Kafka and real Redis: two workers, every kind of disorder, counted by somebody else.

What is counted is checked against `independent.recount`, which reads the raw topics and imports nothing of
the product; what is alerted is read by a plain subscriber and parsed by the cloudevents package; and `replay`
over the same events in files must come to the same windows and alerts.
"""

from __future__ import annotations

import copy
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from independent.recount import ModelRules, compare, read_topics, recount
from independent.stream import ModelStream, Stream, StreamSpec, generate, produce, write_jsonl

pytestmark = [pytest.mark.servers, pytest.mark.slow]

PREDICTIONS = int(os.environ.get("WATCHKEEPER_E2E_PREDICTIONS", "200000"))
PARTITIONS = 6
HORIZON_S = 3600.0
RATE_PER_S = PREDICTIONS / 2400  # forty minutes of traffic, whatever the size
DEADLINE_S = 240.0
PAUSE = threading.Event()
BROKEN_FEATURE = "n0"
SHAPE = StreamSpec(
    predictions=PREDICTIONS,
    models=(ModelStream(),),
    segments=(("channel", tuple(f"c{i}" for i in range(10))),),
    numeric_features=20,
    categorical_features=5,
    rate_per_s=RATE_PER_S,
    label_horizon_s=HORIZON_S,
    late_memory_s=HORIZON_S,
)
SETTINGS = """\
app: e2e
kafka: {{bootstrap.servers: "{kafka}", predictions: {predictions}, ground_truth: {labels},
  alerts: {alerts}, dead_letters: {letters}, group: {group}}}
redis: {{url: "{redis}"}}
models:
  fraud:
    task: binary
    positive_class: fraud
    profile: fraud.json
    label_horizon: 1h
    labels: {{late_memory: 1h}}
    segments: [channel]
"""
RULES = {
    "fraud": ModelRules(
        task="binary", positive_class="fraud", label_horizon_s=HORIZON_S, late_memory_s=HORIZON_S
    )
}


@dataclass(frozen=True)
class Site:
    """One deployment under test: a folder with settings, and where its topics are."""

    folder: Path
    kafka: str
    topics: dict[str, str]

    @property
    def config(self) -> Path:
        return self.folder / "watchkeeper.yaml"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "watchkeeper", *arguments]

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


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
    made = generate(SHAPE)
    return with_unit_change(made, from_ms=SHAPE.start_ms + 1_500_000)


@pytest.fixture
def site(tmp_path: Path, kafka_server: Any, redis_url: str, topics: Callable[..., str]) -> Site:
    named = {
        "predictions": topics("predictions", partitions=PARTITIONS),
        "labels": topics("ground-truth", partitions=PARTITIONS),
        "alerts": topics("alerts", partitions=3),
        "letters": topics("dead-letters", partitions=2),
    }
    text = SETTINGS.format(kafka=kafka_server.address, redis=redis_url, group=named["predictions"], **named)
    (tmp_path / "watchkeeper.yaml").write_text(text)
    site = Site(tmp_path, kafka_server.address, named)
    build_profile(site)
    return site


def build_profile(site: Site) -> None:
    """Build the reference profile by the command a user would, from another sample of the same traffic."""
    calm = generate(
        StreamSpec(
            **{**_fields(SHAPE), "seed": 99, "predictions": 20_000, "poison": 0.0, "unknown_models": 0.0}
        )
    )
    write_jsonl(calm, site.folder / "calm.jsonl", site.folder / "calm-labels.jsonl")
    site.run(
        "profile", "--config", str(site.config), "--model", "fraud", "--input", str(site.folder / "calm.jsonl"),
        "--labels", str(site.folder / "calm-labels.jsonl"), "--out", str(site.folder / "fraud.json"),
    )  # fmt: skip


def _fields(spec: StreamSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in spec.__dataclass_fields__}


def status(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(site.run("status", "--config", str(site.config), "--json"))
    return found


def wait_until_read(site: Site, workers: list[subprocess.Popen[bytes]], events: Stream) -> None:
    """Wait until every message has been taken in: the stored offsets add up to what was produced."""
    wanted = len(events.predictions) + len(events.labels)
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        assert all(worker.poll() is None for worker in workers), "a worker has died"
        offsets = [p["next_offsets"] for p in status(site)["partitions"]]
        taken = sum(o["predictions"] + o["labels"] for o in offsets if o is not None)
        if taken == wanted:
            return
        PAUSE.wait(2.0)  # `status` reads everything that is stored: let the workers work
    pytest.fail(f"read {taken} of {wanted} messages in {DEADLINE_S} s")


def subscribe(site: Site, *, until: Callable[[list[CloudEvent]], bool]) -> list[CloudEvent]:
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


def alerts_in(found: list[CloudEvent]) -> dict[str, dict[str, Any]]:
    """Return the alert events by id; one that came twice must be the same both times."""
    alerts: dict[str, dict[str, Any]] = {}
    for event in found:
        if event.get_type().startswith("io.watchkeeper.alert."):
            data: Any = event.get_data()
            assert alerts.setdefault(event.get_id(), data) == data
    return alerts


def windows_in(found: list[CloudEvent]) -> dict[tuple[str, str], int]:
    records: dict[tuple[str, str], int] = {}
    for event in found:
        if event.get_type() == "io.watchkeeper.window_complete":
            data: Any = event.get_data()
            records[data["stream"], data["window"]["start"]] = data["window"]["n"]
    return records


def test_counts_alerts_and_replay_agree(site: Site, events: Stream) -> None:
    produce(events, site.kafka, site.topics["predictions"], site.topics["labels"], PARTITIONS)
    run = site.command(
        "run", "--config", str(site.config), "--roles", "join,evaluate", "--metrics-address", "off"
    )
    workers = [subprocess.Popen(run) for _ in range(2)]
    try:
        wait_until_read(site, workers, events)
        ends = {
            "predictions": max(events.prediction_arrivals_ms) - 180_000,
            "errors": max(events.label_arrivals_ms) - 600_000,
        }
        found = subscribe(site, until=lambda seen: all(_reached(seen, *end) for end in ends.items()))
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        codes = [worker.wait(timeout=30) for worker in workers]
    assert codes == [0, 0]

    expected = recount_topics(site)
    actual = status(site)["models"]["fraud"]
    assert compare_counts(expected, actual) == []
    tampered = copy.deepcopy(actual)
    tampered["versions"]["7"]["joined"] += 1
    assert len(compare_counts(expected, tampered)) == 1, "the comparison must see one miscount"

    alerts = alerts_in(found)
    drift = [a for a in alerts.values() if a["feature"] == BROKEN_FEATURE and a["status"] == "firing"]
    assert {a["kind"] for a in drift} >= {"data_drift"}
    assert {a["feature"] for a in alerts.values()} == {BROKEN_FEATURE}, "something else was flagged"
    assert_replay_agrees(site, events, alerts, windows_in(found))


def _reached(found: list[CloudEvent], stream: str, until_ms: float) -> bool:
    """Tell whether a stream's windows have been closed up to a moment."""
    for event in found:
        data: Any = event.get_data()
        time_ = event.get_time()
        if event.get_type() == "io.watchkeeper.window_complete" and data["stream"] == stream:
            assert time_ is not None
            if time_.timestamp() * 1000 >= until_ms:
                return True
    return False


def recount_topics(site: Site) -> Any:
    raw: dict[str, list[bytes | None]] = {site.topics["predictions"]: [], site.topics["labels"]: []}
    for topic, _, _, _, value in read_topics(site.kafka, list(raw)):
        raw[topic].append(value)
    counted: Any = recount(raw[site.topics["predictions"]], raw[site.topics["labels"]], RULES)
    return counted["models"]["fraud"]


def compare_counts(expected: Any, actual: Any) -> list[str]:
    """Compare what the contract names; both sides may know more than that."""

    def picked(model: Any) -> Any:
        names = ("predictions", "labels", "joined", "corrections", "conflicts", "late", "expired", "pending",
                 "duplicates", "status")  # fmt: skip
        versions = {}
        for version, row in model["versions"].items():
            metrics = {
                k: v
                for k, v in row["metrics"].items()
                if k in ("accuracy", "precision", "recall", "f1", "log_loss", "brier")
            }
            versions[version] = {**{n: row[n] for n in names if n in row}, "metrics": metrics}
        return {"versions": versions, "orphan_labels": model["orphan_labels"]}

    return compare(picked(expected), picked(actual))


def assert_replay_agrees(
    site: Site, events: Stream, alerts: dict[str, dict[str, Any]], windows: dict[tuple[str, str], int]
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
    assert compare_counts(report["models"]["fraud"], report["models"]["fraud"]) == []
