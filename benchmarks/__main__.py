"""`python -m benchmarks`: the table of docs/performance.md, on servers of its own.

Every row is measured in one go: the limit (consume and decode only), `run` on real Kafka and real Redis,
and `replay` over the same events in files. Trust the ratios; the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks import measure, pending, rebalance, workload
from benchmarks.measure import Cost
from benchmarks.workload import Message, Workload

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from servers.kafka import LocalKafka
from servers.kafka_jars import cache_directory, kafka_jars
from servers.redis import LocalRedis, store_binary

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


@dataclass(frozen=True)
class Row:
    """The results of one workload."""

    name: str
    limit: Cost
    run: Cost
    replay: Cost
    store_bytes: int
    store_peak_bytes: int


def main() -> None:
    """Measure every row and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--predictions", type=int, default=200_000, help="per row (default 200,000)")
    parser.add_argument("--window", default="1h", help="detection window (default 1h)")
    parser.add_argument("--pending", type=int, metavar="N", help="measure N pending predictions instead")
    parser.add_argument("--rebalance", action="store_true", help="measure what joining and leaving costs")
    parsed = parser.parse_args()
    if parsed.rebalance:
        rebalance.main()
        return
    if parsed.pending:
        pending.main(parsed.pending)
        return
    n = parsed.predictions
    loads = [
        Workload("uuid7", n),
        Workload("uuid4", n, time_ordered_ids=False),
        Workload("nan5", n, nan_share=0.05),
        Workload("burst", n, rate_per_s=1000.0, horizon_s=3600.0),
    ]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for load in loads:
            rows.append(_measure(load, Path(folder) / load.name, parsed.window))
            print(_line(rows[-1]), flush=True)
    print()
    print(table(rows))


def _measure(load: Workload, folder: Path, window: str) -> Row:
    folder.mkdir(parents=True)
    predictions, labels = workload.make(load)
    workload.write(predictions, folder / "p.jsonl")
    workload.write(labels, folder / "l.jsonl")
    calm, calm_labels = workload.make(Workload("profile", 20_000), seed=2)
    workload.write(calm, folder / "calm.jsonl")
    workload.write(calm_labels, folder / "calm-l.jsonl")
    total = len(predictions) + len(labels)
    with _servers(folder) as (kafka, store):
        config = folder / "watchkeeper.yaml"
        config.write_text(
            SETTINGS.format(kafka=kafka.address, redis=store.url, name=load.name, window=window)
        )
        _command("profile", "--config", str(config), "--model", "bench", "--input", str(folder / "calm.jsonl"),
                 "--labels", str(folder / "calm-l.jsonl"), "--out", str(folder / "bench.json"))  # fmt: skip
        _produce(kafka.address, load.name, predictions, labels)
        limit = _limit(config, total)
        client = redis.Redis.from_url(store.url)
        before = int(client.info("memory")["used_memory"])
        run = _run(config, client, total)
        memory = client.info("memory")
        replay = measure.whole(
            [sys.executable, "-m", "watchkeeper", "replay", "--config", str(config), "--predictions",
             str(folder / "p.jsonl"), "--labels", str(folder / "l.jsonl"), "--alerts", str(folder / "a.jsonl"),
             "--report", str(folder / "r.json")],
            events=total,
        )  # fmt: skip
    return Row(
        load.name, limit, run, replay, int(memory["used_memory"]) - before, int(memory["used_memory_peak"])
    )


@contextmanager
def _servers(folder: Path) -> Iterator[tuple[LocalKafka, LocalRedis]]:
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


def _produce(address: str, name: str, predictions: list[Message], labels: list[Message]) -> None:
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


def _limit(config: Path, total: int) -> Cost:
    command = [sys.executable, "-m", "benchmarks.decode_only", str(config), str(PARTITIONS), str(total)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    done = [0]

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            done[0] = int(line)

    threading.Thread(target=read, daemon=True).start()
    cost = measure.watch(process, lambda: done[0], total=total, limit_s=300)
    process.communicate(b"", timeout=30)
    return cost


def _run(config: Path, client: redis.Redis, total: int) -> Cost:
    process = subprocess.Popen(
        [sys.executable, "-m", "watchkeeper", "run", "--config", str(config), "--roles", "join,evaluate",
         "--metrics-address", "off"]
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


def _command(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "watchkeeper", *arguments], check=True, stdout=subprocess.DEVNULL)


HEADER = """\
| workload | | events/s | CPU s per 100k events | share of the limit | peak memory | Redis bytes |
|---|---|---|---|---|---|---|"""


def table(rows: list[Row]) -> str:
    """Return the results as Markdown; an event is a prediction or a label, so a pair is two."""
    lines = [HEADER]
    for row in rows:
        for name, cost in (("consume and decode only", row.limit), ("run", row.run), ("replay", row.replay)):
            share = row.limit.per_100k / cost.per_100k
            stored = f"{row.store_bytes / 1e6:.0f} MB" if name == "run" else ""
            lines.append(
                f"| {row.name} | {name} | {cost.per_s:,.0f} | {cost.per_100k:.2f} | {share:.0%} "
                f"| {cost.peak_bytes / 1e6:.0f} MB | {stored} |"
            )
    return "\n".join(lines)


def _line(row: Row) -> str:
    return (
        f"{row.name}: limit {row.limit.per_100k:.2f}, run {row.run.per_100k:.2f}, replay "
        f"{row.replay.per_100k:.2f} CPU s per 100k events; run {row.run.per_s:,.0f} events/s"
    )


if __name__ == "__main__":
    main()
