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
from dataclasses import dataclass
from pathlib import Path

import redis

from benchmarks import fence, measure, pending, rebalance, stage
from benchmarks.measure import Cost
from benchmarks.workload import Workload


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
    parser.add_argument("--fence", type=int, metavar="ROUNDS", help="measure what the fence costs")
    parser.add_argument("--rebalance", action="store_true", help="measure what joining and leaving costs")
    parsed = parser.parse_args()
    if parsed.rebalance:
        rebalance.main()
        return
    if parsed.fence:
        fence.main(parsed.predictions, rounds=parsed.fence)
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
    predictions, labels = stage.write_events(folder, load)
    total = len(predictions) + len(labels)
    with stage.servers(folder) as (kafka, store):
        config = stage.set_up(folder, kafka.address, store.url, name=load.name, window=window)
        stage.produce(kafka.address, load.name, predictions, labels)
        limit = _limit(config, total)
        client = redis.Redis.from_url(store.url)
        before = int(client.info("memory")["used_memory"])
        run = stage.run_worker(config, client, total)
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


def _limit(config: Path, total: int) -> Cost:
    command = [sys.executable, "-m", "benchmarks.decode_only", str(config), str(stage.PARTITIONS), str(total)]
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
