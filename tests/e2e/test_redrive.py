"""A model was forgotten in the settings: after a redrive its counts are those of having had it from the start."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders.site import (
    HORIZON_S,
    PARTITIONS,
    SETTINGS,
    Site,
    compare_counts,
    stop_workers,
    traffic,
    wait_until_published,
    wait_until_read,
)
from confluent_kafka import Producer
from independent.recount import ModelRules, read_topics, recount
from independent.stream import ModelStream, generate

pytestmark = [pytest.mark.servers, pytest.mark.slow]

PREDICTIONS = 3_000
RULES = {
    name: ModelRules(
        task="binary", positive_class="fraud", label_horizon_s=HORIZON_S, late_memory_s=HORIZON_S
    )
    for name in ("fraud", "fraud2")
}
MODEL = """\
  {name}:
    task: binary
    positive_class: fraud
    label_horizon: 1h
    labels: {{late_memory: 1h}}
    segments: [channel]
"""
BIG_ID = "big"


def write_settings(site: Site, *models: str, bytes_max: int) -> None:
    text = SETTINGS.format(
        kafka=site.kafka, redis=site.redis, group=site.topics["predictions"], **site.topics
    )
    head = text[: text.index("  fraud:")].replace("kafka: {", f"kafka: {{max_message_bytes: {bytes_max}, ")
    site.config.write_text(head + "".join(MODEL.format(name=name) for name in models))


def run_worker(site: Site, messages: int) -> None:
    """Let a worker read this far, publish its dead letters, and stop."""
    workers = [site.start_worker("join")]
    try:
        wait_until_read(site, workers, messages=messages)
        wait_until_published(site, workers)
    finally:
        assert stop_workers(workers) == [0]


def produce_big(site: Site) -> None:
    event: dict[str, object] = {
        "prediction_id": BIG_ID,
        "model": "fraud",
        "version": "7",
        "time": "2025-01-06T00:10:00Z",
    }
    event |= {"output": {"label": "fraud", "score": 0.9}, "error": "x" * 1_500_000}
    producer = Producer({"bootstrap.servers": site.kafka, "message.max.bytes": 2_000_000})
    producer.produce(site.topics["predictions"], json.dumps(event), BIG_ID)
    assert producer.flush(30) == 0


def letters(site: Site) -> list[dict[str, Any]]:
    return [json.loads(value or b"{}") for *_, value in read_topics(site.kafka, [site.topics["letters"]])]


def test_redriven_events_count_as_if_they_had_been_accepted_at_once(
    tmp_path: Path, kafka_server: Any, redis_url: str, topics: Callable[..., str]
) -> None:
    large = {"max.message.bytes": "2000000"}
    named = {name: topics(name, partitions=PARTITIONS, config=large) for name in ("predictions", "labels")}
    named |= {"alerts": topics("alerts"), "letters": topics("dead-letters", partitions=4)}
    site = Site(tmp_path, kafka_server.address, redis_url, named)
    models = (ModelStream(), ModelStream("fraud2"))
    events = generate(traffic(PREDICTIONS, models=models, conflicts=0.2, duplicate_predictions=0.1))
    expected: Any = recount(
        [value for _, value in events.predictions], [value for _, value in events.labels], RULES
    )
    total = len(events.predictions) + len(events.labels) + 1

    write_settings(site, "fraud", bytes_max=1_000_000)
    site.produce(events)
    produce_big(site)
    run_worker(site, total)
    first = letters(site)
    forgotten = sum(letter["model"] == "fraud2" for letter in first)
    assert {letter["reason"] for letter in first if letter["model"] == "fraud2"} == {"unknown_model"}
    assert [letter["truncated"] for letter in first if letter["reason"] == "oversize"] == [True]

    write_settings(site, "fraud", "fraud2", bytes_max=1_600_000)
    command = ["redrive", "--config", str(site.config), "--json"]
    back = json.loads(site.run(*command, "--model", "fraud2"))
    assert (back["redriven"], back["filtered"]) == (forgotten, len(first) - forgotten)
    assert json.loads(site.run(*command, "--reason", "oversize"))["redriven"] == 1
    again = json.loads(site.run(*command, "--reason", "oversize,unknown_model", "--model", "fraud2"))
    assert (again["redriven"], again["already"]) == (0, forgotten)

    run_worker(site, total + forgotten + 1)
    found = site.status()["models"]
    assert compare_counts(expected["models"]["fraud2"], found["fraud2"]) == []
    counted = expected["models"]["fraud"]["versions"]["7"]["predictions"]
    assert found["fraud"]["versions"]["7"]["predictions"] == counted + 1
