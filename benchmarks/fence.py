"""What the fence costs: the same backlog worked off with it and without it, in turns, in one run.

Without it the scripts compare nothing before they write and nothing is verified afterwards; what is taken out is
said in `tests/chaos/unfenced.py`, where the same worker is shown to miscount.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Final

import redis

from benchmarks import measure, stage
from benchmarks.workload import Workload

MODULES: Final = {"with the fence": "watchkeeper", "without": "chaos.unfenced"}


def main(predictions: int, *, rounds: int) -> None:
    """Measure and print; each round is one worker with the fence and one without."""
    load = Workload("burst", predictions, rate_per_s=1000.0, horizon_s=3600.0)
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in MODULES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "fence"
        events = stage.write_events(folder, load)
        with stage.servers(folder) as (kafka, store):
            config = stage.set_up(folder, kafka.address, store.url, name=load.name, window="1h")
            stage.produce(kafka.address, load.name, *events)
            client = redis.Redis.from_url(store.url)
            for number in range(rounds + 1):
                for what, module in MODULES.items():
                    client.flushall()
                    before = measure.cpu_s(store.pid)
                    # A group of its own: without one, an emptied Redis would have to be told of.
                    text = config.read_text().replace(f"group: {load.name}", f"group: {module}-{number}")
                    ours = folder / f"{module}-{number}.yaml"
                    ours.write_text(text)
                    cost = stage.run_worker(ours, client, sum(map(len, events)), module=module)
                    per_100k = (measure.cpu_s(store.pid) - before) / cost.events * 100_000
                    if number:  # the first round warms caches
                        costs[what].append((cost.per_100k, per_100k))
                    print(
                        f"{what}: worker {cost.per_100k:.2f}, Redis {per_100k:.2f} CPU s per 100k", flush=True
                    )
    _print(costs)


def _print(costs: dict[str, list[tuple[float, float]]]) -> None:
    with_it, without = costs.values()
    for place, who in enumerate(("worker", "Redis")):
        ratios = [a[place] / b[place] for a, b in zip(with_it, without, strict=True)]
        shown = ", ".join(f"{ratio:.3f}" for ratio in ratios)
        print(f"{who}, with the fence / without: median {statistics.median(ratios):.3f} of {shown}")
