"""What a storm of corrections costs: `python -m benchmarks.storm`.

The same predictions and labels twice, in turns: plainly, and with every label revised once some time after. Both go through
the partition's step as a worker runs it, over a store in memory and over a real Redis.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import redis

from benchmarks.workload import Message, Workload, make
from consumers.columns import Records
from consumers.memory_store import MemoryPartitions
from consumers.partition import Partition
from consumers.plan import ModelPlan, plan_model
from consumers.redis_gate import RedisGate
from consumers.redis_partitions import RedisPartitions
from consumers.store import CommitStatus, PartitionStore, Position
from schemas.model_settings import ModelSettings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from servers.redis import LocalRedis, store_binary

BATCH = 8_000
"""Messages of both topics together, as a worker takes them."""

REVISED_AFTER_MS = 600_000
WORKLOAD = Workload("storm", 60_000, rate_per_s=100.0, horizon_s=1_800.0)

Batch = tuple[list[bytes], list[bytes]]
"""Values of predictions and of labels."""


def bench_plan() -> ModelPlan:
    """Return the model of `benchmarks.workload`, without a profile."""
    raw = {
        "name": "bench", "task": "binary", "positive_class": "yes", "segments": ["channel"], "learn": False,
        "window": "1m", "classes": {"yes": ["yes"], "no": ["no"]},
    }  # fmt: skip
    return plan_model(ModelSettings.model_validate(raw), None)


def revised(labels: Sequence[Message]) -> list[Message]:
    """Return labels and, some time after each, another one of a higher revision that says the opposite."""
    again: list[Message] = []
    for time_ms, key, value in labels:
        event = json.loads(value)
        label_ms = time_ms + REVISED_AFTER_MS
        other = "no" if event["label"] == "yes" else "yes"
        event |= {"time": label_ms, "label": other, "revision": 1}
        again.append((label_ms, key, json.dumps(event, separators=(",", ":")).encode()))
    return sorted([*labels, *again], key=lambda message: message[0])


def batches(predictions: Sequence[Message], labels: Sequence[Message]) -> list[Batch]:
    """Return both topics cut by event time into batches of a worker."""
    both = [(*m, 0) for m in predictions] + [(*m, 1) for m in labels]
    both.sort(key=lambda message: message[0])
    cut: list[Batch] = []
    for first in range(0, len(both), BATCH):
        sides: Batch = ([], [])
        for _, _, value, side in both[first : first + BATCH]:
            sides[side].append(value)
        cut.append(sides)
    return cut


def run(plan: ModelPlan, store: PartitionStore, some: Sequence[Batch]) -> float:
    """Take batches through the step of one partition; returns processor seconds of this process."""
    begun = time.process_time()
    partition = Partition({plan.name: plan}, 0, store.claim(0), start=Position(0, 0, 0))
    for predictions, labels in some:
        decoded = partition.decode(Records(predictions), Records(labels))
        found = store.fetch(0, decoded.ids())
        at = partition.position
        to = (at.predictions + len(predictions), at.labels + len(labels))
        applied = partition.apply(decoded, found, to=to)
        assert not applied.prediction_rejects
        assert not applied.label_rejects
        assert store.commit(applied.commit) is CommitStatus.COMMITTED
    return time.process_time() - begun


def ratios(plain: Sequence[Batch], storm: Sequence[Batch], *, rounds: int) -> Iterator[tuple[float, float]]:
    """Yield the seconds of both in turns, over a store in memory."""
    plan = bench_plan()
    for _ in range(rounds):
        yield run(plan, MemoryPartitions(), plain), run(plan, MemoryPartitions(), storm)


def redis_ratios(
    plain: Sequence[Batch], storm: Sequence[Batch], *, rounds: int
) -> Iterator[tuple[float, float]]:
    """Yield the same over a Redis of its own; its processor time is added."""
    plan = bench_plan()
    with tempfile.TemporaryDirectory() as folder:
        server = LocalRedis(binary=store_binary(), directory=Path(folder))
        server.start()
        try:
            client = redis.Redis.from_url(server.url)
            for _ in range(rounds):
                took = []
                for some in (plain, storm):
                    client.flushall()
                    gate = RedisGate(server.url)
                    before = _server_s(client)
                    took.append(run(plan, RedisPartitions(gate, "bench"), some) + _server_s(client) - before)
                    gate.close()
                yield took[0], took[1]
        finally:
            server.stop()


def _server_s(client: redis.Redis) -> float:
    used = client.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


def main() -> None:
    """Measure both stores and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storm")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    predictions, labels = make(WORKLOAD)
    plain, storm = batches(predictions, labels), batches(predictions, revised(labels))
    for name, measure in (("memory", ratios), ("Redis", redis_ratios)):
        both = list(measure(plain, storm, rounds=rounds))
        found = sorted(stormy / calm for calm, stormy in both)
        print(
            f"{name}: plain {median(c for c, _ in both):.2f} s, storm {median(s for _, s in both):.2f} s, "
            f"ratio {median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
