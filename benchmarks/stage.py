"""The stage that benchmarks play on: servers of their own, topics, settings, a profile, and a worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks import measure, workload
from benchmarks.measure import Cost
from benchmarks.workload import Message, Workload

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from servers.kafka import LocalKafka
from servers.kafka_jars import cache_directory, kafka_jars
from servers.redis import LocalRedis, store_binary

TESTS = Path(__file__).parents[1] / "tests"
PARTITIONS = 4
SETTINGS = """\
app: bench
kafka: {{bootstrap.servers: "{kafka}", predictions: {name}-p, ground_truth: {name}-l, alerts: {name}-a,
  dead_letters: {name}-d, group: {name}}}
redis: {{url: "{redis}"}}
models:
  bench:
    task: binary
    positive_class: "yes"
    profile: bench.json
    window: {window}
    segments: [channel]
    classes: {{"yes": ["yes"], "no": ["no"]}}
"""


@contextmanager
def servers(folder: Path) -> Iterator[tuple[LocalKafka, LocalRedis]]:
    """Start a Kafka and a Redis for the length of a `with` block."""
    for name in ("kafka", "redis"):
        (folder / name).mkdir()
    kafka = LocalKafka(jars=kafka_jars(cache=cache_directory()), directory=folder / "kafka", jvm_options=())
    store = LocalRedis(binary=store_binary(), directory=folder / "redis")
    kafka.start()
    try:
        store.start()
        yield kafka, store
    finally:
        store.stop()
        kafka.close()


def produce(address: str, name: str, predictions: list[Message], labels: list[Message]) -> None:
    """Produce both topics interleaved by event time, as they would have come."""
    admin = AdminClient({"bootstrap.servers": address})
    topics = [NewTopic(f"{name}-{kind}", PARTITIONS, 1) for kind in "plad"]
    for created in admin.create_topics(topics).values():
        created.result()
    producer = Producer(
        {"bootstrap.servers": address, "linger.ms": 20, "queue.buffering.max.messages": 500_000}
    )
    both = [(*m, f"{name}-p") for m in predictions] + [(*m, f"{name}-l") for m in labels]
    for _, key, value, topic in sorted(both, key=lambda message: message[0]):
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


def run_worker(config: Path, client: redis.Redis, total: int, *, module: str = "watchkeeper") -> Cost:
    """Run a worker until it has taken everything in; `module` is what `python -m` runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, "run", "--config", str(config), "--roles", "join,evaluate",
         "--metrics-address", "off"],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip

    def done() -> int:
        found = 0
        for partition in range(PARTITIONS):
            offsets = client.hmget(f"{{bench:{partition}}}m", "po", "lo")
            found += sum(int(o) for o in offsets if o is not None)
        return found

    try:
        return measure.watch(process, done, total=total, limit_s=600)
    finally:
        process.terminate()
        process.wait(timeout=60)


def command(*arguments: str) -> None:
    """Run one of the product's commands."""
    subprocess.run([sys.executable, "-m", "watchkeeper", *arguments], check=True, stdout=subprocess.DEVNULL)


def write_events(folder: Path, load: Workload) -> tuple[list[Message], list[Message]]:
    """Write a workload, and a calm one for its profile; returns predictions and labels."""
    folder.mkdir(parents=True)
    predictions, labels = workload.make(load)
    calm, calm_labels = workload.make(Workload("profile", 20_000), seed=2)
    for name, messages in (("p", predictions), ("l", labels), ("calm", calm), ("calm-l", calm_labels)):
        workload.write(messages, folder / f"{name}.jsonl")
    return predictions, labels


def set_up(folder: Path, kafka: str, store: str, *, name: str, window: str) -> Path:
    """Write settings and build the profile; returns the settings' path."""
    config = folder / "watchkeeper.yaml"
    config.write_text(SETTINGS.format(kafka=kafka, redis=store, name=name, window=window))
    command("profile", "--config", str(config), "--model", "bench", "--input", str(folder / "calm.jsonl"),
            "--labels", str(folder / "calm-l.jsonl"), "--out", str(folder / "bench.json"))  # fmt: skip
    return config
