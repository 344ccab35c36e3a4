"""Whatever owners, lost answers, late packets and roll-backs of Redis do: one lineage of batches, each once."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import pytest
import redis
from builders.stores import ALL, NOON_MS, blob, commit, entry, key
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from consumers.redis_gate import RedisGate
from consumers.redis_partitions import RedisPartitions
from consumers.store import Commit, CommitStatus, Position
from schemas.errors import Stop
from schemas.finding import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers
OWNERS: Final = st.integers(0, 1)
FIRST: Final = Position(10, 20, 0)
Lineage = tuple[int, ...]
fresh_names = count()


class ScriptsWithout(RedisGate):
    """A gate whose commit script lacks one of its checks."""

    def __init__(self, url: str, taken_out: str, put_in: str) -> None:
        super().__init__(url)
        self._change = taken_out, put_in

    def source(self, name: str) -> str:
        text = super().source(name)
        if name == "partition_commit":
            assert self._change[0] in text, "the check has another text now: correct the control"
            text = text.replace(*self._change)
        return text


@dataclass
class Owner:
    """What one process believes; `sent` is the commit that it has had no answer to."""

    token: str | None = None
    position: Position = FIRST
    lineage: Lineage = ()
    sent: tuple[Commit, Lineage] | None = None


@dataclass
class Snapshot:
    keys: dict[bytes, tuple[bytes, int]]
    lineage: Lineage
    token: str | None


@dataclass
class Batches:
    """How many records each batch has taken of either topic."""

    taken: list[int] = field(default_factory=list)

    def position(self, lineage: Lineage) -> Position:
        total = sum(self.taken[batch] for batch in lineage)
        return Position(FIRST.predictions + total, FIRST.labels + total, len(lineage))


class CommitMachine(RuleBasedStateMachine):
    """Two owners of one partition and a Redis that goes back in time; `stored` is what must be there."""

    def __init__(self, gate: RedisGate, client: Any) -> None:
        super().__init__()
        self._app = f"machine-{next(fresh_names)}"
        self._store = RedisPartitions(gate, self._app, buckets=1, load=1)
        self._client = client
        self._owners = (Owner(), Owner())
        self._batches = Batches()
        self._packets: list[tuple[Commit, Lineage]] = []
        self._snapshots: list[Snapshot] = []
        self._stored: Lineage = ()
        self._token: str | None = None

    @initialize()
    def begin(self) -> None:
        self._claim(0)
        self._take_snapshot()

    @precondition(lambda self: any(owner.token is None for owner in self._owners))
    @rule(number=OWNERS)
    def claim(self, number: int) -> None:
        self._claim(number if self._owners[number].token is None else 1 - number)

    def _claim(self, number: int) -> None:
        claimed = self._store.claim(0)
        assert claimed.position == (self._batches.position(self._stored) if self._stored else None)
        self._token = claimed.token
        owner = self._owners[number]
        owner.token, owner.position, owner.lineage = claimed.token, claimed.position or FIRST, self._stored
        owner.sent = None

    @rule(number=OWNERS, taken=st.integers(1, 2), is_answered=st.booleans())
    def commit(self, number: int, taken: int, *, is_answered: bool) -> None:
        owner = self._owners[number]
        if owner.token is None or owner.sent is not None:
            owner = self._owners[1 - number]
        if owner.token is None or owner.sent is not None:
            return
        batch = len(self._batches.taken)
        self._batches.taken.append(taken)
        owner.sent = self._batch(owner, batch, taken), (*owner.lineage, batch)
        self._packets.append(owner.sent)
        status = self._send(*owner.sent)
        if is_answered:
            self._hear(owner, status)

    @staticmethod
    def _batch(owner: Owner, batch: int, taken: int) -> Commit:
        return commit(
            owner.token or "",
            owner.position,
            taken=taken,
            entries={key(batch): entry(NOON_MS + batch)},
            windows=[blob(batch * 60_000, b"%d" % batch)],
            totals=[("batches", b"%d" % (len(owner.lineage) + 1))],
            letters=[b"%d" % batch],
        )

    @precondition(lambda self: any(owner.sent is not None for owner in self._owners))
    @rule(number=OWNERS, times=st.integers(1, 3))
    def retry(self, number: int, times: int) -> None:
        owner = self._owners[number]
        if owner.sent is not None:
            status = [self._send(*owner.sent) for _ in range(times)][-1]
            self._hear(owner, status)

    @precondition(lambda self: self._packets)
    @rule(data=st.data())
    def deliver_an_old_packet_once_more(self, data: st.DataObject) -> None:
        self._send(*data.draw(st.sampled_from(self._packets)))

    @rule(number=OWNERS)
    def verify(self, number: int) -> None:
        owner = self._owners[number]
        if owner.sent is None and (self._store.peek(0).position or FIRST) != owner.position:
            owner.token = None

    @precondition(lambda self: all(owner.token is not None for owner in self._owners))
    @rule(number=OWNERS)
    def forget(self, number: int) -> None:
        self._owners[number].token = self._owners[number].sent = None

    @precondition(lambda self: len(self._snapshots) < 3)
    @rule()
    def snapshot(self) -> None:
        self._take_snapshot()

    def _take_snapshot(self) -> None:
        names = self._client.keys(f"{{{self._app}:0}}*")
        with self._client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.dump(name).pttl(name)
            found = pipeline.execute()
        keys = {name: (found[2 * i], max(found[2 * i + 1], 0)) for i, name in enumerate(names)}
        self._snapshots.append(Snapshot(keys, self._stored, self._token))

    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        snapshot = data.draw(st.sampled_from(self._snapshots))
        names = self._client.keys(f"{{{self._app}:0}}*")
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.delete("nothing", *names)
            for name, (value, ttl_ms) in snapshot.keys.items():
                pipeline.restore(name, ttl_ms, value)
            pipeline.execute()
        self._stored, self._token = snapshot.lineage, snapshot.token

    def _send(self, attempt: Commit, lineage: Lineage) -> CommitStatus:
        """Send a commit, and say what may have become of it."""
        status = self._store.commit(attempt)
        assert (status is CommitStatus.FENCED) == (attempt.token != self._token), "only the last may write"
        if status is CommitStatus.COMMITTED:
            assert lineage[:-1] == self._stored, "it was built on something else"
            self._stored = lineage
        if status is CommitStatus.ALREADY:
            assert lineage == self._stored, "what was applied is something else"
        return status

    @staticmethod
    def _hear(owner: Owner, status: CommitStatus) -> None:
        assert owner.sent is not None
        attempt, lineage = owner.sent
        owner.sent = None
        if status in {CommitStatus.FENCED, CommitStatus.MISMATCH}:
            owner.token = None
        else:
            owner.position, owner.lineage = attempt.new, lineage

    @invariant()
    def what_is_stored_is_each_batch_of_the_lineage_once(self) -> None:
        store, lineage = self._store, self._stored
        held = store.peek(0)
        assert held.position == (self._batches.position(lineage) if lineage else None)
        assert store.dead_letters(0, ALL) == [b"%d" % batch for batch in lineage]
        assert held.totals == ({"batches": b"%d" % len(lineage)} if lineage else {})
        windows = store.windows(0, "fraud", Stream.PREDICTIONS, from_ms=0)
        assert [window.data for window in windows] == [b"%d" % batch for batch in sorted(lineage)]
        assert sorted(store.entries(0)) == sorted(entry(NOON_MS + batch) for batch in lineage)
        ids = [key(batch) for batch in range(len(self._batches.taken))]
        assert store.fetch(0, ids).keys() == {key(batch) for batch in lineage}


def machine_on(gate: RedisGate, client: redis.Redis) -> type[CommitMachine]:
    class Machine(CommitMachine):
        def __init__(self) -> None:
            super().__init__(gate, client)

    return Machine


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def test_one_lineage_each_batch_once(redis_url: str, client: redis.Redis) -> None:
    gate = RedisGate(redis_url)
    try:
        run_state_machine_as_test(
            machine_on(gate, client),
            settings=settings(max_examples=30, stateful_step_count=40, deadline=None),
        )
    finally:
        gate.close()


@pytest.mark.parametrize(
    ("taken_out", "put_in"),
    [
        ("if state[1] ~= ARGV[1] then return 'fenced' end", ""),
        ("if po ~= ARGV[2] or lo ~= ARGV[3] or seq ~= ARGV[4] then return 'mismatch' end", ""),
        ("state[4] or '0'", "state[4] or ARGV[4]"),
    ],
    ids=["no token check", "no check of the old position", "any position where none is stored"],
)
def test_the_machine_finds_a_script_that_lacks_a_check(
    redis_url: str, client: redis.Redis, taken_out: str, put_in: str
) -> None:
    gate = ScriptsWithout(redis_url, taken_out, put_in)
    try:
        with pytest.raises((AssertionError, Stop)):
            run_state_machine_as_test(
                machine_on(gate, client),
                settings=settings(
                    max_examples=300,
                    stateful_step_count=40,
                    deadline=None,
                    derandomize=True,
                    database=None,
                    phases=[Phase.generate],
                    report_multiple_bugs=False,
                ),
            )
    finally:
        gate.close()
