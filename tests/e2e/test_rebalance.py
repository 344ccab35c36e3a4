"""A worker that comes or goes does not stop the others, and nothing is lost or counted twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders.rebalance import choose_protocol, rebalance
from builders.site import PARTITIONS, make_site

pytestmark = [pytest.mark.servers, pytest.mark.slow]

PAUSE_MAX_S = 5.0
"""Generous: tests run beside others. `make bench ARGS="--rebalance"` measures it."""


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_the_group_goes_on_while_a_worker_joins_and_leaves(
    tmp_path: Path, kafka_server: Any, redis_url: str, topics: Callable[..., str], protocol: str
) -> None:
    site = make_site(tmp_path, kafka_server.address, redis_url, topics, calm=5_000)
    choose_protocol(site, protocol)
    seen = rebalance(site, steady_s=2.0, rate_per_s=600.0)
    print(protocol, seen)  # noqa: T201 - `pytest -rP` shows the figures of docs/performance.md
    assert seen.moved == PARTITIONS // 2
    assert seen.went_back == []
    assert seen.miscounts == []
    assert max(seen.joined.group_s, seen.left.group_s) < PAUSE_MAX_S, seen
