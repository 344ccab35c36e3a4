"""How long windows live in Redis: those that lie ahead, as labels fall due in them, until they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis
from builders.version_events import MINUTE, NOON, plan, prediction

from consumers.columns import Records
from consumers.partition import Partition
from consumers.redis_gate import RedisGate
from consumers.redis_partitions import WINDOW_TTL_MS, RedisPartitions
from consumers.store import CommitStatus, Position
from schemas.finding import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers
DAY = 86_400_000


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.mark.parametrize("days", [14, 60])
def test_a_window_in_which_silence_falls_due_is_kept_until_it_can_be_read(
    redis_url: str, client: redis.Redis, days: int
) -> None:
    model = plan(label_horizon=f"{days}d", labels={"implicit": {"class": "ok", "after": f"{days}d"}})
    gate, app = RedisGate(redis_url), f"lives-{days}"
    store = RedisPartitions(gate, app)
    partition = Partition({"fraud": model}, 0, store.claim(0), start=Position(0, 0, 0))
    decoded = partition.decode(Records([prediction("p", NOON, "ok")[1][1]]), Records([]))
    assert store.commit(partition.apply(decoded, {}, to=(1, 0)).commit) is CommitStatus.COMMITTED
    lives = {
        stream: {
            int(name.rsplit(b":", 1)[1]): client.pttl(name)
            for name in client.scan_iter(f"{{{app}:0}}w:fraud:{stream.value}:*")
        }
        for stream in Stream
    }
    gate.close()
    [(start, life)] = lives[Stream.ERRORS].items()
    assert start - NOON >= days * DAY
    assert life > start - NOON + MINUTE + model.lateness_ms
    [life] = lives[Stream.PREDICTIONS].values()
    assert life <= WINDOW_TTL_MS
