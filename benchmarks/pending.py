"""How much millions of pending predictions cost: `make bench ARGS="--pending 10000000"`.

Fills a Redis of its own by real commits of encoded entries; then a worker process that knows nothing of
them claims every partition and commits a batch of new predictions and of labels for stored ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import peak_bytes
from benchmarks.workload import START_MS
from consumers.columns import PredictionColumns, Records
from consumers.decode import id_digest
from consumers.partition import Partition
from consumers.pending import encode_predictions
from consumers.plan import ModelPlan
from consumers.redis_gate import RedisGate
from consumers.redis_partitions import RedisPartitions
from consumers.store import Commit, CommitStatus, Position
from schemas.finding import Stream
from watchkeeper.loading import load_plans, load_settings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from servers.redis import LocalRedis, store_binary

PARTITIONS = 8
BATCH = 2000
SETTINGS = """\
app: bench
kafka: {bootstrap.servers: "127.0.0.1:1"}
models:
  bench: {task: binary, positive_class: "yes", classes: {"yes": ["yes"], "no": ["no"]}}
"""
NOWHERE = Position(0, 0, 0)


def main(pending: int) -> None:
    """Fill, claim, and print what it took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "watchkeeper.yaml"
        config.write_text(SETTINGS)
        (folder / "redis").mkdir()
        server = LocalRedis(binary=store_binary(), directory=folder / "redis")
        server.start()
        try:
            print(f"{server.taken}: {pending:,} pending predictions in {PARTITIONS} partitions", flush=True)
            _report_filling(config, server.url, pending)
            command = [sys.executable, "-m", "benchmarks.pending", str(config), server.url]
            print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="")
        finally:
            server.stop()


def _report_filling(config: Path, url: str, pending: int) -> None:
    gate = RedisGate(url)
    before = gate.used_memory_bytes()
    begun = time.monotonic()
    took: list[float] = []
    for partition in range(PARTITIONS):
        took += _fill(gate, _plans(config), partition, pending // PARTITIONS)
    stored = gate.used_memory_bytes() - before
    ordered = sorted(took)
    print(f"filled in {time.monotonic() - begun:.0f} s")
    print(f"commit of {BATCH} new entries: median {ordered[len(ordered) // 2] * 1000:.1f} ms, "
          f"99 % under {ordered[len(ordered) * 99 // 100] * 1000:.1f} ms")  # fmt: skip
    print(f"Redis bytes per pending prediction: {stored / pending:.1f}", flush=True)
    gate.close()


def _fill(gate: RedisGate, plans: dict[str, ModelPlan], number: int, count: int) -> Iterator[float]:
    """Commit `count` predictions of a partition; yields how long each commit took, seconds."""
    store = RedisPartitions(gate, "bench")
    partition = Partition(plans, number, store.claim(number), start=NOWHERE)
    _take(store, partition, [_prediction(f"{number}-0")], [])
    clocks, position = partition.time.encode(), partition.position
    for first in range(1, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        to = Position(position.predictions + len(numbers), position.labels, position.sequence + 1)
        entries = _entries(number, numbers)
        commit = Commit(number, partition.token, position, to, clocks, None, entries, [], [], [])
        begun = time.perf_counter()
        assert store.commit(commit) is CommitStatus.COMMITTED
        yield time.perf_counter() - begun
        position = to


def _entries(partition: int, numbers: range) -> dict[bytes, bytes]:
    """Return new entries as the join encodes them."""
    n = len(numbers)
    rng = np.random.default_rng((partition, numbers.start))
    ids = [id_digest("bench", f"{partition}-{i}") for i in numbers]
    zeros = np.zeros(n, dtype=np.int64)
    columns = PredictionColumns(
        index=np.arange(n),
        ids=ids,
        time_ms=START_MS + np.arange(numbers.start, numbers.stop, dtype=np.int64),
        version=zeros,
        segment=zeros,
        status=zeros,
        shadow=np.zeros(n, dtype=np.bool_),
        unobservable=np.zeros(n, dtype=np.bool_),
        assumed=np.zeros(n, dtype=np.bool_),
        predicted=rng.integers(0, 2, n),
        value=rng.random(n),
        latency_ms=rng.random(n),
        cells=np.zeros((n, 0), dtype=np.int64),
        moments=np.zeros((n, 0), dtype=np.int64),
    )
    return dict(zip(ids, encode_predictions(0, columns, np.arange(n)), strict=True))


def claim_all(config: Path, url: str) -> None:
    """Claim every partition as a new worker does, commit a first batch in each, and print what it took."""
    plans = _plans(config)
    gate = RedisGate(url)
    store = RedisPartitions(gate, "bench")
    before = peak_bytes(os.getpid())
    took: list[float] = []
    held: list[Partition] = []
    for number in range(PARTITIONS):
        begun = time.perf_counter()
        partition = Partition(plans, number, store.claim(number), start=NOWHERE)
        for stream in Stream:
            since = partition.time.open_from_ms("bench", errors=stream is Stream.ERRORS)
            partition.load(store.windows(number, "bench", stream, from_ms=since))
        known = [_label(f"{number}-{i}") for i in range(1, BATCH // 2)]
        _take(store, partition, [_prediction(f"new-{number}-{i}") for i in range(BATCH // 2)], known)
        took.append(time.perf_counter() - begun)
        held.append(partition)
    memory = peak_bytes(os.getpid())
    print(f"claim and first commit: one partition {max(took):.3f} s at most, all {sum(took):.3f} s")
    print(
        f"worker's peak memory: {memory / 1e6:.0f} MB, of it {(memory - before) / 1e6:.0f} MB by the claims"
    )


def _take(
    store: RedisPartitions, partition: Partition, predictions: list[bytes], labels: list[bytes]
) -> None:
    """Take one batch as the worker does."""
    decoded = partition.decode(Records(predictions), Records(labels))
    found = store.fetch(partition.number, decoded.ids())
    assert len(found) == len(labels), f"expected {len(labels)} stored ids, found {len(found)}"
    at = partition.position
    applied = partition.apply(decoded, found, to=(at.predictions + len(predictions), at.labels + len(labels)))
    assert not applied.prediction_rejects, applied.prediction_rejects[0]
    assert not applied.label_rejects, applied.label_rejects[0]
    assert store.commit(applied.commit) is CommitStatus.COMMITTED


def _prediction(prediction_id: str) -> bytes:
    return _event(prediction_id, version="7", output={"score": 0.25})


def _label(prediction_id: str) -> bytes:
    return _event(prediction_id, label="yes")


def _event(prediction_id: str, **fields: Any) -> bytes:
    time_text = f"{np.datetime64(START_MS, 'ms')}Z"
    return json.dumps(
        {"prediction_id": prediction_id, "model": "bench", "time": time_text, **fields}
    ).encode()


def _plans(config: Path) -> dict[str, ModelPlan]:
    return load_plans(load_settings(config), config.parent)


if __name__ == "__main__":
    claim_all(Path(sys.argv[1]), sys.argv[2])
