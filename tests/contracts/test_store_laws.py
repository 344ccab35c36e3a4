"""The two partition stores cannot be told apart by any sequence of steps."""

from __future__ import annotations

from itertools import count

import pytest
from builders.stores import NOON_MS, START, blob, commit, contents, entry, key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.memory_store import MemoryPartitions
from consumers.partition_time import SWEEP_WHOLE
from consumers.redis_gate import RedisGate
from consumers.redis_partitions import RedisPartitions
from consumers.store import Commit, CommitStatus, PartitionStore, Sweep
from schemas.finding import Stream

# Few ids and starts, so that commits meet; cutoffs around their times, so that sweeps part them.
ENTRIES = st.dictionaries(
    st.integers(0, 15).map(key),
    st.builds(entry, st.integers(NOON_MS - 3, NOON_MS + 3), model=st.integers(0, 1)),
    max_size=6,
)
BLOBS = st.lists(
    st.builds(
        blob,
        st.integers(0, 4).map(lambda i: i * 60_000),
        st.binary(min_size=1, max_size=6),
        version=st.sampled_from(["7", "8"]),
        segment=st.sampled_from(["", "channel=web"]),
    ),
    max_size=4,
)
SWEEPS = st.none() | st.dictionaries(st.integers(0, 1), st.integers(NOON_MS - 3, NOON_MS + 3)).map(
    lambda cutoffs: Sweep(0, SWEEP_WHOLE, cutoffs)
)
CHANGES = st.fixed_dictionaries(
    {
        "taken": st.integers(0, 3),
        "clocks": st.binary(max_size=4),
        "tables": st.none() | st.binary(min_size=1, max_size=4),
        "entries": ENTRIES,
        "windows": BLOBS,
        "totals": st.lists(st.tuples(st.sampled_from(["a", "b"]), st.binary(max_size=3)), max_size=3),
        "letters": st.lists(st.binary(max_size=3), max_size=3),
        "sweep": SWEEPS,
    }
)
STEPS = st.one_of(
    st.tuples(st.just("commit"), CHANGES),
    st.tuples(st.just("commit as an earlier owner"), CHANGES),
    st.tuples(st.just("commit on an earlier position"), CHANGES),
    st.tuples(st.just("the last commit again"), st.just({})),
    st.tuples(st.just("claim"), st.just({})),
    st.tuples(st.just("trim"), st.integers(0, 4).map(lambda i: {"until_ms": i * 60_000})),
    st.tuples(st.just("drop"), st.integers(0, 3).map(lambda n: {"count": n})),
)
Step = tuple[str, dict[str, object]]
fresh_names = count()


class Driver:
    """Takes the same steps in one store; what the steps did is its `seen`."""

    def __init__(self, store: PartitionStore) -> None:
        self.store = store
        self.seen: list[object] = []
        self._tokens = [store.claim(0).token]
        self._positions = [START]
        self._last: Commit | None = None

    def take(self, step: Step) -> None:
        name, change = step
        token, position = self._tokens[-1], self._positions[-1]
        if name == "claim":
            self._tokens.append(self.store.claim(0).token)
        elif name == "trim":
            self.store.trim(0, "fraud", Stream.PREDICTIONS, int(str(change["until_ms"])))
        elif name == "drop":
            self.seen.append(self.store.drop_dead_letters(0, token, int(str(change["count"]))))
        elif name == "the last commit again":
            self._commit(self._last)
        elif name == "commit as an earlier owner":
            self._commit(commit(self._tokens[0], position, **change))  # type: ignore[arg-type] # drawn to fit
        elif name == "commit on an earlier position":
            self._commit(commit(token, self._positions[0], **change))  # type: ignore[arg-type] # drawn to fit
        else:
            self._last = commit(token, position, **change)  # type: ignore[arg-type] # drawn to fit
            self._commit(self._last)

    def _commit(self, attempt: Commit | None) -> None:
        if attempt is None:
            return
        status = self.store.commit(attempt)
        self.seen.append(status)
        if status is CommitStatus.COMMITTED:
            self._positions.append(attempt.new)


@pytest.mark.servers
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=12))
def test_both_stores_answer_alike_and_hold_alike_after_any_sequence_of_steps(
    redis_url: str, steps: list[Step]
) -> None:
    gate = RedisGate(redis_url)
    try:
        real, twin = (
            Driver(store) for store in (RedisPartitions(gate, f"law-{next(fresh_names)}"), MemoryPartitions())
        )
        for step in steps:
            for driver in (real, twin):
                driver.take(step)
        assert real.seen == twin.seen
        assert contents(real.store, 0) == contents(twin.store, 0)
    finally:
        gate.close()
