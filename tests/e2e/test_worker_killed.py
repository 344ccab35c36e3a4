"""A worker dies in the middle, another joins: nothing is lost and nothing is counted twice."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders.site import (
    compare_counts,
    make_site,
    recount_topics,
    stop_workers,
    traffic,
    wait_until_read,
)
from independent.stream import generate

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.chaos]

SEED = int(os.environ.get("SEED", "1"))
RUNS = int(os.environ.get("RUNS", "1"))
PREDICTIONS = int(os.environ.get("WATCHKEEPER_CHAOS_PREDICTIONS", "30000"))


@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
def test_sigkill_of_a_worker_changes_no_count(
    seed: int, tmp_path: Path, kafka_server: Any, redis_url: str, topics: Callable[..., str]
) -> None:
    draw = random.Random(seed)
    events = generate(traffic(PREDICTIONS, seed=seed))
    total = len(events.predictions) + len(events.labels)
    site = make_site(tmp_path, kafka_server.address, redis_url, topics, calm=2_000)
    site.produce(events)
    workers = [site.start_worker(), site.start_worker()]
    try:
        wait_until_read(site, workers, messages=int(total * draw.uniform(0.05, 0.5)))
        victim = workers.pop(draw.randrange(2))
        victim.send_signal(signal.SIGKILL)
        victim.wait(timeout=10)
        workers.append(site.start_worker())
        wait_until_read(site, workers, messages=total)
    finally:
        codes = stop_workers(workers)
    assert codes == [0, 0]
    assert compare_counts(recount_topics(site), site.status()["models"]["fraud"]) == []
