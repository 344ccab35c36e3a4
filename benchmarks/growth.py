"""What one model keeps as its events add up: `python -m benchmarks.growth --events 10000000`.

Feeds predictions and labels of one model, with two versions, ten segments and a learned reference, through the step of
one partition and the evaluator, as a worker does, over a Redis of its own; samples what this process and Redis hold.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from consumers.columns import Records
from consumers.evaluator import ModelEvaluator
from consumers.memory_store import MemoryModels, MemoryPartitions
from consumers.partition import Partition
from consumers.plan import plan_model
from consumers.redis_gate import RedisGate
from consumers.redis_models import RedisModels
from consumers.redis_partitions import RedisPartitions
from consumers.references import References
from consumers.store import CommitStatus, ModelStore, PartitionStore, Position
from schemas.finding import Stream
from schemas.settings_text import parse_settings
from watchkeeper.policy import policies

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from servers.redis import LocalRedis, store_binary

MODEL = "bench"
START_MS = 1_767_225_600_000
SETTINGS = """\
app: growth
models:
  bench:
    {{task: binary, positive_class: "yes", classes: {{"yes": ["yes"], "no": ["no"]}}, segments: [channel],
      window: {window}, cohort_window: {window}, label_horizon: 12h, labels: {{late_memory: 12h}}}}
"""
COUNTRIES = ("DE", "FR", "PL", "ES")


@dataclass(frozen=True)
class Growth:
    """A stream of one model.

    Parameters
    ----------
    batch
        Predictions, and labels, that are taken at once.
    pace_s
        Seconds from one prediction to the next.
    lag
        Batches that labels lag behind.
    switch
        Predictions of version 7, before 8 takes over.
    """

    batch: int = 4_000
    pace_s: float = 2.6
    lag: int = 2
    switch: int = 300_000
    window: str = "1h"


Stores = tuple[PartitionStore, ModelStore]


def fed(growth: Growth, stores: Stores) -> Iterator[int]:
    """Feed batch after batch without end; yields the number of events so far."""
    windows, states = stores
    settings = parse_settings(
        SETTINGS.format(window=growth.window), source="settings", env={}, read_secret=str
    )
    plans = {MODEL: plan_model(settings.models[MODEL], None)}
    partition = Partition(plans, 0, windows.claim(0), start=Position(0, 0, 0), guarded=True)
    references = References(plans, states)
    policy = policies(settings, plans)[MODEL]
    evaluator = ModelEvaluator(plans[MODEL], 1, windows=windows, states=states, policy=policy)
    batch = 0
    while True:
        predictions = _predictions(growth, batch)
        labels = _labels(growth, batch - growth.lag) if batch >= growth.lag else []
        _take(partition, windows, predictions, labels)
        while (done := evaluator.evaluate()).closed or done.passed_over:
            states.drop_events(MODEL, evaluator.token, len(done.events))
        references.tell(partition, references.look())
        for model, start in partition.crowded_cohorts():
            deltas = windows.cohorts(0, model, from_ms=start, until_ms=start).get(start, [])
            windows.compact_cohort(0, partition.token, partition.total_of(model, start, deltas))
        batch += 1
        yield growth.batch * (batch + max(0, batch - growth.lag))


def _take(partition: Partition, store: PartitionStore, predictions: list[bytes], labels: list[bytes]) -> None:
    decoded = partition.decode(Records(predictions), Records(labels))
    found = store.fetch(0, decoded.ids())
    at = partition.position
    to = (at.predictions + len(predictions), at.labels + len(labels))
    applied = partition.apply(decoded, found, to=to)
    assert not applied.prediction_rejects, applied.prediction_rejects[0]
    assert not applied.label_rejects, applied.label_rejects[0]
    assert store.commit(applied.commit) is CommitStatus.COMMITTED


def _predictions(growth: Growth, batch: int) -> list[bytes]:
    n, first, step_ms = growth.batch, growth.batch * batch, growth.pace_s * 1_000
    rng = np.random.default_rng((1, batch))
    amounts, scores = np.round(rng.lognormal(3, 1, n), 2).tolist(), np.round(rng.random(n), 3).tolist()
    countries, channels = rng.integers(0, len(COUNTRIES), n).tolist(), rng.integers(0, 10, n).tolist()
    version = "7" if first < growth.switch else "8"
    return [
        b'{"prediction_id":"%d","model":"%s","time":%d,"version":"%s","features":{"amount":%f,"country":"%s"},'
        b'"output":{"score":%f},"segments":{"channel":"c%d"},"latency_ms":12.5}'
        % (first + i, MODEL.encode(), START_MS + int((first + i) * step_ms), version.encode(),
           amounts[i], COUNTRIES[countries[i]].encode(), scores[i], channels[i])
        for i in range(n)
    ]  # fmt: skip


def _labels(growth: Growth, batch: int) -> list[bytes]:
    """Return the labels of a batch of predictions, true in as many cases as their scores say."""
    n, first, step_ms = growth.batch, growth.batch * batch, growth.pace_s * 1_000
    rng = np.random.default_rng((1, batch))
    rng.lognormal(3, 1, n)
    truths = (np.random.default_rng((2, batch)).random(n) < rng.random(n)).tolist()
    late = growth.lag * n
    return [
        b'{"prediction_id":"%d","model":"%s","time":%d,"label":"%s"}'
        % (first + i, MODEL.encode(), START_MS + int((first + i + late) * step_ms), b"yes" if truths[i] else b"no")
        for i in range(n)
    ]  # fmt: skip


def past_bytes(states: ModelStore) -> int:
    """Return what the model's past takes: hours of 90 days and days of three years, whatever the traffic."""
    return sum(len(name) + len(data) for name, data in states.past(MODEL).items())


def kept_bytes(windows: PartitionStore, states: ModelStore) -> int:
    """Return the bytes of everything else that is stored: pending ids, windows, open cohorts, totals, the evaluator's state."""
    pieces = [*windows.entries(0), *windows.totals(0).values(), states.state(MODEL) or b""]
    for stream in Stream:
        pieces += [blob.data for blob in windows.windows(0, MODEL, stream, from_ms=0)]
    for deltas in windows.cohorts(0, MODEL).values():
        pieces += deltas
    held = windows.peek(0)
    return sum(map(len, (*pieces, held.clocks or b"", held.tables or b"")))


def in_memory() -> tuple[MemoryPartitions, MemoryModels]:
    """Return new stores in memory."""
    return MemoryPartitions(), MemoryModels()


def resident_bytes() -> int:
    """Return the resident size of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


def main() -> None:
    """Feed, and print a row of Markdown whenever a mark is passed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    parser.add_argument("--events", type=int, default=10_000_000)
    events = parser.parse_args().events
    marks = [int(events * share) for share in (0.1, 0.2, 0.5, 1.0)]
    with tempfile.TemporaryDirectory() as folder:
        server = LocalRedis(binary=store_binary(), directory=Path(folder))
        server.start()
        try:
            gate = RedisGate(server.url)
            stores = RedisPartitions(gate, "growth"), RedisModels(gate, "growth")
            print(
                "| events | worker resident | Python objects | Redis | stored, without the past | the past |"
            )
            print("|---|---|---|---|---|---|", flush=True)
            for done in fed(Growth(), stores):
                if done < marks[0]:
                    continue
                gc.collect()
                print(
                    f"| {marks.pop(0):,} | {resident_bytes() / 1e6:.0f} MB | {len(gc.get_objects()):,} | "
                    f"{gate.used_memory_bytes() / 1e6:.1f} MB | {kept_bytes(*stores) / 1e6:.2f} MB | "
                    f"{past_bytes(stores[1]) / 1e6:.2f} MB |",
                    flush=True,
                )
                if not marks:
                    return
        finally:
            server.stop()


if __name__ == "__main__":
    main()
