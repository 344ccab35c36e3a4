"""Buckets of pending entries grow by splitting, and nothing is lost or doubled by that."""

from __future__ import annotations

from itertools import count, pairwise
from typing import TYPE_CHECKING, Any, Final

import pytest
import redis
from builders.stores import NOON_MS, START, commit, entry, key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.partition_time import SWEEP_WHOLE
from consumers.redis_buckets import ENTRY_TTL_MS, LOAD
from consumers.redis_gate import RedisGate
from consumers.redis_partitions import RedisPartitions
from consumers.store import CommitStatus, Position, Sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers
OLD, NEW = NOON_MS - 1, NOON_MS
CUTOFF: Final = {0: NOON_MS}
Steps = list[tuple[str, tuple[int, int]]]
SPANS = st.tuples(st.integers(0, 120), st.integers(1, 60))
SHARES = st.tuples(st.integers(0, SWEEP_WHOLE - 1), st.integers(1, SWEEP_WHOLE))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["put old", "put new"]), SPANS),
        st.tuples(st.just("sweep"), SHARES),
        st.tuples(st.just("claim"), st.just((0, 0))),
    ),
    max_size=10,
)
fresh_names = count()


@pytest.fixture
def gate(redis_url: str) -> Iterator[RedisGate]:
    gate = RedisGate(redis_url)
    yield gate
    gate.close()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


class Owner:
    """Commits to partition 0 one after the other."""

    def __init__(self, store: RedisPartitions) -> None:
        self.store = store
        self.position = START
        self.claim()

    def claim(self) -> None:
        claimed = self.store.claim(0)
        self.token, self.position = claimed.token, claimed.position or self.position

    def put(self, numbers: range, time_ms: int = NEW) -> dict[bytes, bytes]:
        put = {key(number): entry(time_ms) for number in numbers}
        self._done(put, None)
        return put

    def sweep(self, first: int, parts: int) -> None:
        self._done({}, Sweep(first, parts, CUTOFF))

    def _done(self, entries: dict[bytes, bytes], sweep: Sweep | None) -> None:
        attempt = commit(self.token, self.position, entries=entries, sweep=sweep)
        assert self.store.commit(attempt) is CommitStatus.COMMITTED
        self.position = attempt.new


def buckets(client: Any, app: str) -> dict[int, dict[bytes, bytes]]:
    """Read all buckets as they lie there, whatever the scripts think."""
    keys = list(client.scan_iter(f"{{{app}:0}}e:*", count=10_000))
    return {int(name.rsplit(b":", 1)[1]): client.hgetall(name) for name in keys}


def layout(client: Any, app: str) -> tuple[int, int, int]:
    base, split, entries = client.hmget(f"{{{app}:0}}m", "buckets", "split", "n")
    return int(base), int(split or 0), int(entries)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, start=st.sampled_from([1, 2, 8]), load=st.integers(1, 3))
def test_any_sequence_of_puts_sweeps_and_claims_keeps_what_a_dict_would(
    gate: RedisGate, client: redis.Redis, steps: Steps, start: int, load: int
) -> None:
    app = f"growth-{next(fresh_names)}"
    owner = Owner(RedisPartitions(gate, app, buckets=start, load=load))
    model: dict[bytes, bytes] = {}
    for name, (first, size) in steps:
        if name == "claim":
            owner.claim()
        elif name == "sweep":
            owner.sweep(first, size)
            left = owner.store.fetch(0, list(model))
            assert {k for k, v in model.items() if v == entry(NEW)} <= left.keys()
            assert size < SWEEP_WHOLE or entry(OLD) not in left.values()
            model = left
        else:
            model |= owner.put(range(first, first + size), OLD if name == "put old" else NEW)
        assert owner.store.fetch(0, [key(number) for number in range(200)]) == model
        assert sorted(owner.store.entries(0)) == sorted(model.values())
        found = buckets(client, app)
        assert sorted(k for held in found.values() for k in held) == sorted(model)
        base, split, entries = layout(client, app)
        assert entries == len(model)
        assert entries <= load * (base + split)
        assert all(number < base + split for number in found)


@pytest.mark.parametrize("shares", [3, 16, 1000])
def test_a_round_of_sweeps_meets_every_entry_although_the_buckets_grow_meanwhile(
    gate: RedisGate, shares: int
) -> None:
    owner = Owner(RedisPartitions(gate, "round", buckets=2, load=2))
    old = owner.put(range(200), OLD)
    edges = [SWEEP_WHOLE * i // shares for i in range(shares + 1)]
    for i, (first, last) in enumerate(pairwise(edges)):
        owner.sweep(first, last - first)
        owner.put(range(1000 + 1500 * i // shares, 1000 + 1500 * (i + 1) // shares))
    assert owner.store.fetch(0, list(old)) == {}
    assert len(list(owner.store.entries(0))) == 1500


def test_whoever_reads_all_entries_while_buckets_are_split_sees_each_once(gate: RedisGate) -> None:
    owner = Owner(RedisPartitions(gate, "reader", buckets=1024, load=1))
    before = owner.put(range(1000), OLD)
    reading = owner.store.entries(0)
    seen = [next(reading)]
    owner.put(range(5000, 8000))
    seen += reading
    assert seen.count(entry(OLD)) == len(before)


def test_a_partition_of_the_form_before_buckets_grew_is_counted_and_grows_little_by_little(
    gate: RedisGate, client: redis.Redis
) -> None:
    put = {key(number): entry(NEW) for number in range(30_000)}
    with client.pipeline(transaction=False) as pipeline:
        pipeline.hset("{older:0}m", mapping={"buckets": 8, "po": 10, "lo": 20, "seq": 3, "clocks": b"c"})
        for id_, value in put.items():
            pipeline.hset(f"{{older:0}}e:{int.from_bytes(id_[:4], 'little') % 8}", id_, value)
        pipeline.execute()
    owner = Owner(RedisPartitions(gate, "older"))
    assert owner.position == Position(10, 20, 3)
    assert layout(client, "older") == (8, 0, 30_000)
    assert owner.store.fetch(0, list(put)) == put
    splits = []
    for number in range(40_000, 40_300):
        put |= owner.put(range(number, number + 1))
        base, split, entries = layout(client, "older")
        splits.append(base + split)
        if entries <= LOAD * (base + split):
            break
    assert len(splits) > 10
    assert entries <= LOAD * (base + split)
    assert owner.store.fetch(0, list(put)) == put
    assert sum(map(len, buckets(client, "older").values())) == len(put)


def test_buckets_stay_compact_and_a_split_one_leaves_when_nobody_comes_any_more(
    gate: RedisGate, client: redis.Redis
) -> None:
    owner = Owner(RedisPartitions(gate, "compact"))
    for first in range(0, 20_000, 1000):
        owner.put(range(first, first + 1000))
        sizes = [len(held) for held in buckets(client, "compact").values()]
        assert max(sizes) <= 3 * LOAD
    keys = [f"{{compact:0}}e:{number}" for number in buckets(client, "compact")]
    kinds = [client.object("encoding", name) for name in keys]
    assert set(kinds) == {b"listpack"}
    assert sum(size > 128 for size in sizes) <= len(sizes) // 50, "128 is what many servers are set to"
    lives = [client.pttl(name) for name in keys]
    assert all(ENTRY_TTL_MS - 60_000 < life <= ENTRY_TTL_MS for life in lives)
