"""One deployment under test: topics, settings and profile of its own, and workers that are real processes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import pytest
import redis
from independent.recount import ModelRules, compare, read_topics, recount
from independent.stream import ModelStream, Stream, StreamSpec, generate, produce, write_jsonl

from consumers.redis_gate import RedisGate
from consumers.redis_partitions import RedisPartitions
from watchkeeper.loading import load_settings
from watchkeeper.status_command import partition_numbers

PARTITIONS = 6
HORIZON_S = 3600.0
TRAFFIC_S = 2400
"""Forty minutes of traffic, whatever the number of events."""
DEADLINE_S = 300.0
PAUSE = threading.Event()
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


def traffic(predictions: int, *, seed: int = 0, **changes: Any) -> StreamSpec:
    """Return the shape of the traffic: every kind of disorder that the generator knows."""
    spec = StreamSpec(
        seed=seed,
        predictions=predictions,
        models=(ModelStream(),),
        segments=(("channel", tuple(f"c{i}" for i in range(10))),),
        numeric_features=20,
        categorical_features=5,
        rate_per_s=predictions / TRAFFIC_S,
        label_horizon_s=HORIZON_S,
        late_memory_s=HORIZON_S,
    )
    return replace(spec, **changes)


@dataclass(frozen=True)
class Site:
    """One deployment under test: a folder with settings, and where its topics are."""

    folder: Path
    kafka: str
    redis: str
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

    def start_worker(
        self, roles: str = "join,evaluate", *, metrics: str = "off", output: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        options = ("--config", str(self.config), "--roles", roles, "--metrics-address", metrics)
        return subprocess.Popen(self.command("run", *options), stdout=output, stderr=output)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "--config", str(self.config), "--json"))
        return found

    def produce(self, events: Stream) -> None:
        produce(events, self.kafka, self.topics["predictions"], self.topics["labels"], PARTITIONS)

    @contextmanager
    def _store(self) -> Iterator[tuple[RedisPartitions, list[int]]]:
        """Open what `status` reads: to wait by running the command would take the workers' time from them."""
        settings = load_settings(self.config)
        gate = RedisGate(str(settings.redis.url), cluster=settings.redis.cluster)
        try:
            store = RedisPartitions(gate, settings.app)
            numbers, _ = partition_numbers(settings.kafka, store)
            yield store, numbers
        finally:
            gate.close()

    def taken(self) -> int:
        """Return how many messages the stored offsets have passed."""
        with self._store() as (store, numbers):
            positions = [store.peek(number).position for number in numbers]
        return sum(p.predictions + p.labels for p in positions if p is not None)

    def letters_wait(self) -> bool:
        """Return whether Redis holds dead letters that are not published yet."""
        with self._store() as (store, numbers):
            return any(store.dead_letters(number, 1) for number in numbers)


_PROFILES: dict[int, bytes] = {}
"""Profiles by number of calm events: the same for every site of this process."""


def new_topics(topics: Callable[..., str], partitions: int) -> dict[str, str]:
    """Create the topics of a site; `partitions` are those of predictions and labels."""
    return {
        "predictions": topics("predictions", partitions=partitions),
        "labels": topics("ground-truth", partitions=partitions),
        "alerts": topics("alerts", partitions=3),
        "letters": topics("dead-letters", partitions=2),
    }


def make_site(
    folder: Path, kafka: str, redis_url: str, topics: Callable[..., str], *, calm: int = 20_000
) -> Site:
    """Create the topics and the settings, and build the profile by the command that a user would."""
    named = new_topics(topics, PARTITIONS)
    text = SETTINGS.format(kafka=kafka, redis=redis_url, group=named["predictions"], **named)
    (folder / "watchkeeper.yaml").write_text(text)
    site = Site(folder, kafka, redis_url, named)
    if calm not in _PROFILES:
        _PROFILES[calm] = _profile(site, calm)
    (folder / "fraud.json").write_bytes(_PROFILES[calm])
    return site


def _profile(site: Site, calm: int) -> bytes:
    predictions, labels, out = (
        site.folder / name for name in ("calm.jsonl", "calm-labels.jsonl", "calm.json")
    )
    write_jsonl(generate(traffic(calm, seed=99, poison=0.0, unknown_models=0.0)), predictions, labels)
    site.run(
        "profile", "--config", str(site.config), "--model", "fraud", "--input", str(predictions),
        "--labels", str(labels), "--out", str(out),
    )  # fmt: skip
    return out.read_bytes()


def wait_until_read(
    site: Site, workers: list[subprocess.Popen[bytes]], *, messages: int, deadline_s: float = DEADLINE_S
) -> None:
    """Wait until so many messages have been taken in, with all these workers alive."""
    deadline = time.monotonic() + deadline_s
    taken = 0
    while time.monotonic() < deadline:
        assert all(worker.poll() is None for worker in workers), "a worker has died"
        taken = site.taken()
        if taken >= messages:
            return
        PAUSE.wait(0.2)
    pytest.fail(f"read {taken} of {messages} messages in {deadline_s} s")


def wait_until_published(site: Site, workers: list[subprocess.Popen[bytes]]) -> None:
    """Wait until no dead letter waits in Redis."""
    while site.letters_wait():
        wait_until_read(site, workers, messages=0)
        PAUSE.wait(0.2)


def unbounded_keys(site: Site) -> list[str]:
    """Return the Redis keys that neither expire nor belong to a kind that is bounded by itself."""
    bounded = re.compile(
        r"\{e2e:\d+\}([mnto]|e:\d+|[id]:[^:]+(:(predictions|errors|labels))?)|\{e2e:m:(fraud|\*)\}[mohc]"
    )
    expiring = re.compile(r"\{e2e:\d+\}(w:[^:]+:(predictions|errors|labels)|c:[^:]+):\d+")
    with redis.Redis.from_url(site.redis, decode_responses=True) as client:
        return [
            key
            for key in client.scan_iter(count=1000)
            if not bounded.fullmatch(key) and not (expiring.fullmatch(key) and client.pttl(key) > 0)
        ]


def stop_workers(workers: list[subprocess.Popen[bytes]]) -> list[int]:
    """Ask workers to drain and stop; returns their exit codes."""
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
    return [worker.wait(timeout=60) for worker in workers]


def recount_topics(site: Site) -> Any:
    """Recount the raw topics by the independent reading of the contract."""
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
                for k, v in row.get("metrics", {}).items()
                if k in ("accuracy", "precision", "recall", "f1", "log_loss", "brier")
            }
            versions[version] = {**{n: row[n] for n in names if n in row}, "metrics": metrics}
        return {"versions": versions, "orphan_labels": model["orphan_labels"]}

    return compare(picked(expected), picked(actual))
