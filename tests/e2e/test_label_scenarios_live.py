"""The stories of labels through a real Kafka and a real Redis, all at once: one worker, one pair of topics."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders.label_scenarios import (
    DAY,
    START,
    ZEROS,
    flat,
    merged,
    models_yaml,
    stories,
)
from builders.site import DEADLINE_S, PARTITIONS, PAUSE, Site, new_topics, stop_workers, wait_until_read
from confluent_kafka import Producer
from independent.recount import read_topics

from consumers.redis_gate import RedisGate
from consumers.redis_models import RedisModels
from consumers.redis_partitions import RedisPartitions
from watchkeeper.loading import load_plans, load_settings
from watchkeeper.report.past import read_past

pytestmark = [pytest.mark.servers, pytest.mark.slow]

SETTINGS = """\
app: stories
kafka: {{bootstrap.servers: "{kafka}", predictions: {predictions}, ground_truth: {labels},
  alerts: {alerts}, dead_letters: {letters}, group: {predictions}}}
redis: {{url: "{redis}"}}
models:
"""


@pytest.fixture
def site(tmp_path: Path, kafka_server: Any, redis_url: str, topics: Callable[..., str]) -> Site:
    named = new_topics(topics, PARTITIONS)
    site = Site(tmp_path, kafka_server.address, redis_url, named)
    text = SETTINGS.format(kafka=site.kafka, redis=redis_url, **named)
    site.config.write_text(text + models_yaml(stories()))
    for story in stories():
        if story.reference is not None:
            (tmp_path / f"{story.model}.json").write_text(story.reference.to_json())
    return site


def send(site: Site) -> int:
    """Send everything in the order of its time; returns the number of messages."""
    predictions, labels = merged(stories())
    both = [(*one, site.topics["predictions"]) for one in predictions]
    both += [(*one, site.topics["labels"]) for one in labels]
    producer = Producer({"bootstrap.servers": site.kafka, "linger.ms": 20})
    for _, key, value, topic in sorted(both, key=lambda one: one[0]):
        producer.produce(topic, value, key, zlib.crc32(key) % PARTITIONS)
    assert producer.flush(60) == 0
    return len(both)


def firing(site: Site) -> list[tuple[str, str, str | None, str | None]]:
    """Return (model, kind, version, segment) of the alerts that have fired."""
    events = [json.loads(value) for *_, value in read_topics(site.kafka, [site.topics["alerts"]]) if value]
    alerts = [e["data"] for e in events if e["type"].endswith("alert.firing")]
    return sorted(((a["model"], a["kind"], a["version"], a["segment"]) for a in alerts), key=str)


def wait_for_alerts(site: Site, count: int) -> None:
    for _ in range(int(DEADLINE_S / 0.5)):
        if len(firing(site)) >= count:
            return
        PAUSE.wait(0.5)
    pytest.fail(f"found the alerts {firing(site)}, expected {count}")


def days_of(site: Site, model: str, *, now_ms: int) -> dict[int, tuple[int, int]]:
    settings = load_settings(site.config)
    plan = load_plans(settings, site.folder)[model]
    gate = RedisGate(site.redis)
    try:
        stores = RedisPartitions(gate, settings.app), RedisModels(gate, settings.app)
        past = read_past(plan, *stores, PARTITIONS, now_ms=now_ms)
    finally:
        gate.close()
    found = {}
    for day, cohorts in past.days.items():
        own = [cohort for (_, segment), cohort in cohorts.items() if not segment]
        found[(day - START) // DAY] = sum(c.predictions for c in own), sum(c.labelled for c in own)
    return found


def test_all_stories_come_to_what_was_worked_out_by_hand(site: Site) -> None:
    messages, told = send(site), stories()
    fires = sorted(((story.model, *alert) for story in told for alert in story.fires), key=str)
    workers = [site.start_worker()]
    try:
        wait_until_read(site, workers, messages=messages)
        wait_for_alerts(site, len(fires))
        models = site.status()["models"]
    finally:
        assert stop_workers(workers) == [0]
    assert firing(site) == fires
    for story in told:
        found = models[story.model]
        assert found["orphan_labels"] == story.orphans, story.model
        assert set(found["versions"]) == set(story.versions)
        for version, expected in story.versions.items():
            row = flat(found["versions"][version], iter(expected.keys() - ZEROS.keys()))
            assert row == pytest.approx({**ZEROS, **expected}, abs=1e-12), (story.model, version)
        days = days_of(site, story.model, now_ms=START + 50 * DAY)
        assert {day: days[day] for day in story.days} == story.days, story.model
