"""The roll-out of a version with a profile of its own through a real Kafka and a real Redis: taken up by a restart, told as in a replay."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from builders.site import DEADLINE_S, PARTITIONS, PAUSE, Site, new_topics, stop_workers, wait_until_read
from builders.version_profiles import NEW, OLD, Data, Traffic, profile
from confluent_kafka import Producer
from independent.recount import read_topics

from watchkeeper.cli import main

pytestmark = [pytest.mark.servers, pytest.mark.slow]

SETTINGS: Final = """\
app: versions
kafka: {{bootstrap.servers: "{kafka}", predictions: {predictions}, ground_truth: {labels},
  alerts: {alerts}, dead_letters: {letters}, group: {predictions}}}
redis: {{url: "{redis}"}}
models:
  fraud:
    task: binary
    positive_class: fraud
    classes: {{fraud: [fraud], ok: [ok]}}
    segments: [channel]
    allowed_lateness: 30s
    label_horizon: 1h
    max_clock_skew: 3650d
    monitors: {{compare: false}}
    profile: fraud.json
"""
COMES_AT, DRIFTS_AT, ENDS_AT = 8, 30, 45
Told = tuple[str, str | None, str | None, str | None, str]
Minute = tuple[list[bytes], list[bytes], list[str]]


def data(minute: int, version: str) -> Data:
    if version == "7":
        return OLD
    return NEW if minute < DRIFTS_AT else NEW._replace(shift=NEW.shift + 0.6)


def versions(minute: int) -> Mapping[str, float]:
    if minute < COMES_AT:
        return {"7": 1.0}
    return {"7": 0.8, "8": 0.2} if minute < 20 else {"8": 1.0}


@pytest.fixture
def site(tmp_path: Path, kafka_server: Any, redis_url: str, topics: Callable[..., str]) -> Site:
    named = new_topics(topics, PARTITIONS)
    site = Site(tmp_path, kafka_server.address, redis_url, named)
    site.config.write_text(SETTINGS.format(kafka=site.kafka, redis=redis_url, **named))
    (tmp_path / "fraud.json").write_text(profile(OLD).to_json())
    (tmp_path / "fraud-8.json").write_text(profile(NEW, OLD).to_json())
    return site


def send(site: Site, minutes: Sequence[Minute]) -> int:
    """Send minutes in the order of their time; returns the number of messages."""
    producer = Producer({"bootstrap.servers": site.kafka, "linger.ms": 20})
    count = 0
    for predictions, labels, ids in minutes:
        for topic, values in (("predictions", predictions), ("labels", labels)):
            for name, value in zip(ids, values, strict=True):
                key = name.encode()
                producer.produce(site.topics[topic], value, key, zlib.crc32(key) % PARTITIONS)
                count += 1
    assert producer.flush(60) == 0
    return count


def told(lines: list[bytes]) -> set[Told]:
    """Return what has begun to fire: kind, feature, version, the profile it was compared with, and when."""
    found = [json.loads(line) for line in lines]
    alerts = [e["data"] for e in found if e["type"].endswith("alert.firing") and e["data"]["revision"] == 0]
    return {
        (a["kind"], a["feature"], a["version"], a["reproduce"]["profile_hash"], a["detected_at"])
        for a in alerts
    }


def published(site: Site) -> set[Told]:
    return told([value for *_, value in read_topics(site.kafka, [site.topics["alerts"]]) if value])


def test_a_profile_that_a_restart_takes_up_tells_what_a_replay_tells(site: Site) -> None:
    minutes = list(Traffic(versions, data, per_minute=120).minutes(ENDS_AT))
    before = site.config.read_text()
    site.config.write_text(before + '    profiles: {"8": fraud-8.json}\n')
    predictions, labels, _ = zip(*minutes, strict=True)
    for name, parts in (("predictions", predictions), ("labels", labels)):
        lines = b"".join(line + b"\n" for part in parts for line in part)
        (site.folder / f"{name}.jsonl").write_bytes(lines)
    options = [f"--{name}={site.folder / name}.jsonl" for name in ("predictions", "labels", "alerts")]
    assert main(["replay", "--config", str(site.config), *options]) == 0
    expected = told((site.folder / "alerts.jsonl").read_bytes().splitlines())
    assert ("data_drift", "x", "8") in {alert[:3] for alert in expected}
    assert {alert[2] for alert in expected} == {"8"}

    site.config.write_text(before)  # nothing of version 8 is known yet
    messages = send(site, minutes[:COMES_AT])
    workers = [site.start_worker()]
    try:
        wait_until_read(site, workers, messages=messages)
    finally:
        assert stop_workers(workers) == [0]
    site.config.write_text(before + '    profiles: {"8": fraud-8.json}\n')
    messages += send(site, minutes[COMES_AT:])
    workers = [site.start_worker()]
    try:
        wait_until_read(site, workers, messages=messages)
        for _ in range(int(DEADLINE_S / 0.5)):
            if len(published(site)) >= len(expected):
                break
            PAUSE.wait(0.5)
        status = site.status()["models"]["fraud"]
    finally:
        assert stop_workers(workers) == [0]
    assert published(site) == expected
    hashes = {version: found["profile"] for version, found in status["versions"].items()}
    assert hashes == {"7": profile(OLD).content_hash[:16], "8": profile(NEW, OLD).content_hash[:16]}
