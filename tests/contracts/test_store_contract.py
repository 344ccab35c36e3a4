"""One suite for both pairs of stores: the ones in memory, and the ones on a real Redis and a real cluster."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest
from builders.stores import NOON_MS, START, blob, commit, contents, entry, everything, key, plain, starts

from consumers.cohorts import CohortDelta, CohortTotal
from consumers.memory_store import MemoryModels, MemoryPartitions
from consumers.partition_time import SWEEP_WHOLE
from consumers.redis_gate import RedisGate
from consumers.redis_models import RedisModels
from consumers.redis_partitions import RedisPartitions
from consumers.store import (
    NO_PROFILE,
    Claimed,
    Commit,
    CommitStatus,
    LearnedReference,
    ModelCommit,
    ModelStore,
    PartitionStore,
    Position,
    Progress,
    Sweep,
    WentBack,
)
from schemas.finding import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

REAL: Final = [pytest.param(kind, marks=pytest.mark.servers) for kind in ("redis", "cluster")]
fresh_names = count()


@contextlib.contextmanager
def gate_of(request: pytest.FixtureRequest) -> Iterator[tuple[RedisGate, str]]:
    """Connect to the server that the parameter names; with an application's name that nobody else has."""
    cluster = request.param == "cluster"
    url = request.getfixturevalue("redis_cluster_url" if cluster else "redis_url")
    gate = RedisGate(url, cluster=cluster)
    yield gate, f"contract-{os.getpid()}-{next(fresh_names)}"
    gate.close()


@pytest.fixture(params=["memory", *REAL])
def partitions(request: pytest.FixtureRequest) -> Iterator[PartitionStore]:
    if request.param == "memory":
        yield MemoryPartitions()
        return
    with gate_of(request) as (gate, app):
        yield RedisPartitions(gate, app)


@pytest.fixture(params=["memory", *REAL])
def models(request: pytest.FixtureRequest) -> Iterator[ModelStore]:
    if request.param == "memory":
        yield MemoryModels()
        return
    with gate_of(request) as (gate, app):
        yield RedisModels(gate, app)


def refused(store: PartitionStore, attempt: Commit) -> CommitStatus:
    """Return the status of a commit that must leave no trace."""
    before = contents(store, attempt.partition)
    status = store.commit(attempt)
    assert contents(store, attempt.partition) == before
    return status


class TestPartitionOwnership:
    def test_a_partition_that_nobody_wrote_is_empty(self, partitions: PartitionStore) -> None:
        claimed = partitions.claim(0)
        assert claimed == Claimed(claimed.token, None)
        assert partitions.progress(0) == Progress(-1, None)
        assert partitions.windows(0, "fraud", Stream.PREDICTIONS, from_ms=0) == []
        assert partitions.totals(0) == {}
        assert list(partitions.entries(0)) == []

    def test_a_claim_finds_what_the_owner_before_it_stored(self, partitions: PartitionStore) -> None:
        first = partitions.claim(0)
        stored = commit(first.token, tables=b"tables", totals=[("model", b"1")])
        assert partitions.commit(stored) is CommitStatus.COMMITTED
        second = partitions.claim(0)
        assert second == Claimed(second.token, stored.new, b"clocks", b"tables", {"model": b"1"})
        assert second.token != first.token

    def test_a_claim_fences_every_owner_before_it_and_nothing_of_theirs_is_written(
        self, partitions: PartitionStore
    ) -> None:
        first, second, third = (partitions.claim(0).token for _ in range(3))
        for token in (first, second):
            assert refused(partitions, everything(token)) is CommitStatus.FENCED
        assert partitions.commit(everything(third)) is CommitStatus.COMMITTED

    def test_a_claim_of_one_partition_leaves_the_others_alone(self, partitions: PartitionStore) -> None:
        owner = partitions.claim(0).token
        partitions.claim(1)
        assert partitions.commit(commit(owner)) is CommitStatus.COMMITTED
        assert partitions.peek(1).position is None

    def test_a_peek_shows_what_a_claim_would_and_does_not_fence(self, partitions: PartitionStore) -> None:
        owner = partitions.claim(0).token
        first = commit(owner, tables=b"tables", totals=[("model", b"1")])
        partitions.commit(first)
        assert partitions.peek(0) == Claimed("", first.new, b"clocks", b"tables", {"model": b"1"})
        assert partitions.commit(commit(owner, first.new)) is CommitStatus.COMMITTED

    def test_a_peek_at_a_partition_that_nobody_claimed_leaves_no_trace(
        self, partitions: PartitionStore
    ) -> None:
        assert partitions.peek(5) == Claimed("", None)
        assert partitions.peek(5) == Claimed("", None)
        assert partitions.progress(5).sequence == -1


class TestVerify:
    """The heartbeat: is what is stored still what its owner has in memory?"""

    def test_what_an_owner_stored_itself_is_as_it_should_be(self, partitions: PartitionStore) -> None:
        new, old = partitions.claim(0).token, partitions.claim(1).token
        stored = commit(old, partition=1)
        partitions.commit(stored)
        assert partitions.verify([(0, new, START), (1, old, stored.new)]) == []
        assert partitions.verify([]) == []

    def test_another_owner_another_position_and_nothing_at_all_are_seen(
        self, partitions: PartitionStore
    ) -> None:
        token = partitions.claim(0).token
        stored = commit(token)
        partitions.commit(stored)
        at = stored.new
        assert partitions.verify([(0, "somebody else", at)]) == [0]
        for wrong in (
            replace(at, sequence=at.sequence + 1),
            replace(at, labels=at.labels - 1),
            replace(at, predictions=at.predictions + 1),
            START,
        ):
            assert partitions.verify([(0, token, wrong)]) == [0]
        assert partitions.verify([(5, token, at)]) == [5]

    def test_a_position_without_a_stored_one_is_right_only_before_the_first_commit(
        self, partitions: PartitionStore
    ) -> None:
        token = partitions.claim(0).token
        assert partitions.verify([(0, token, Position(7, 8, 0))]) == []
        assert partitions.verify([(0, token, Position(7, 8, 1))]) == [0]


class TestNotices:
    def test_what_is_noted_is_found_by_everybody_and_by_the_next_owner(
        self, partitions: PartitionStore
    ) -> None:
        token = partitions.claim(0).token
        assert partitions.note(0, token, topics="a/b", raised={"x\x1f*": b"1", "y\x1ffraud": b"2"})
        assert partitions.note(0, token, raised={"x\x1f*": b"3"}, cleared=["y\x1ffraud", "z"])
        assert partitions.notices([0, 1]) == [{"x\x1f*": b"3"}, {}]
        found = partitions.claim(0)
        assert (found.topics, dict(found.notices)) == ("a/b", {"x\x1f*": b"3"})
        assert partitions.progress(0).topics == "a/b"

    def test_a_fenced_owner_notes_nothing(self, partitions: PartitionStore) -> None:
        token = partitions.claim(0).token
        partitions.claim(0)
        assert not partitions.note(0, token, topics="a/b", raised={"x": b"1"})
        assert partitions.notices([0]) == [{}]
        assert partitions.peek(0).topics == ""


class TestPartitionCommit:
    def test_a_commit_moves_position_and_state_together(self, partitions: PartitionStore) -> None:
        stored = everything(partitions.claim(0).token)
        assert partitions.commit(replace(stored, sweep=None)) is CommitStatus.COMMITTED
        held = contents(partitions, 0)
        assert held.claimed == Claimed("", stored.new, b"other clocks", b"other tables", {"other": b"99"})
        assert held.entries == {key(99): entry(NOON_MS)}
        assert held.progress == Progress(1, b"other clocks", 15, 25)
        assert held.windows == [(990, "7", "", b"other")]
        assert held.letters == [b"other letter"]

    def test_the_same_commit_again_is_recognised_and_not_applied_twice(
        self, partitions: PartitionStore
    ) -> None:
        stored = everything(partitions.claim(0).token)
        partitions.commit(stored)
        assert refused(partitions, stored) is CommitStatus.ALREADY

    @pytest.mark.parametrize(
        "old",
        [START, Position(15, 25, 0), Position(15, 24, 1), Position(14, 25, 1), Position(15, 25, 2)],
        ids=["one commit ago", "other sequence", "other label offset", "other prediction offset", "ahead"],
    )
    def test_a_commit_on_another_position_than_the_stored_one_is_refused(
        self, partitions: PartitionStore, old: Position
    ) -> None:
        token = partitions.claim(0).token
        partitions.commit(commit(token))
        assert refused(partitions, replace(everything(token, old), new=Position(99, 99, 9))) is (
            CommitStatus.MISMATCH
        )

    def test_a_partition_that_lost_even_its_first_commit_takes_only_a_first_one(
        self, partitions: PartitionStore
    ) -> None:
        # What Redis holds when it goes back to between a claim and the first commit: the token and no position.
        token = partitions.claim(0).token
        for old in (Position(60, 70, 10), Position(10, 20, 1)):
            assert refused(partitions, everything(token, old)) is CommitStatus.MISMATCH
        assert partitions.commit(everything(token)) is CommitStatus.COMMITTED

    def test_a_commit_without_new_tables_keeps_the_old_ones(self, partitions: PartitionStore) -> None:
        token = partitions.claim(0).token
        first = commit(token, tables=b"tables")
        partitions.commit(first)
        partitions.commit(commit(token, first.new, tables=None))
        assert partitions.peek(0).tables == b"tables"

    def test_totals_are_replaced_field_by_field(self, partitions: PartitionStore) -> None:
        token = partitions.claim(0).token
        first = commit(token, totals=[("a\x1fx", b"1"), ("b\x1fx", b"1")])
        partitions.commit(first)
        partitions.commit(commit(token, first.new, totals=[("b\x1fx", b"2"), ("c\x1fx", b"2")]))
        assert partitions.totals(0) == {"a\x1fx": b"1", "b\x1fx": b"2", "c\x1fx": b"2"}

    def test_names_and_bytes_of_any_kind_come_back_as_they_were(self, partitions: PartitionStore) -> None:
        odd = blob(60_000, b"\x00\xff\n", version="v\u00fc \x00\x1f\x1e1", segment="channel=\u65e5:{}\x1f")
        stored = commit(
            partitions.claim(0).token, clocks=b"\x00", totals=[("m\x1f\u00fc", b"")], letters=[b"\xfe\x00"]
        )
        partitions.commit(replace(stored, windows=[odd]))
        assert partitions.windows(0, "fraud", Stream.PREDICTIONS, from_ms=0) == [odd]
        assert partitions.totals(0) == {"m\x1f\u00fc": b""}
        assert partitions.dead_letters(0, 1) == [b"\xfe\x00"]


class TestPendingEntries:
    def test_fetch_returns_what_was_put_and_only_that(self, partitions: PartitionStore) -> None:
        put = {key(i): entry(NOON_MS + i) for i in range(500)}
        partitions.commit(commit(partitions.claim(0).token, entries=put))
        wanted = [key(i) for i in (700, 3, 499, 800, 0)]
        assert partitions.fetch(0, wanted) == {key(i): put[key(i)] for i in (3, 499, 0)}
        assert partitions.fetch(0, []) == {}
        assert partitions.fetch(1, wanted) == {}
        assert sorted(partitions.entries(0)) == sorted(put.values())

    def test_an_entry_is_replaced_by_a_later_one_of_its_id(self, partitions: PartitionStore) -> None:
        token = partitions.claim(0).token
        first = commit(token, entries={key(1): entry(NOON_MS), key(2): entry(NOON_MS)})
        partitions.commit(first)
        longer = entry(NOON_MS + 1) + bytes(500)
        partitions.commit(commit(token, first.new, entries={key(1): longer}))
        assert partitions.fetch(0, [key(1), key(2)]) == {key(1): longer, key(2): entry(NOON_MS)}

    def test_a_whole_sweep_lets_go_exactly_the_entries_older_than_their_models_cutoff(
        self, partitions: PartitionStore
    ) -> None:
        ages = range(-3, 4)
        put = {key(100 * code + age): entry(NOON_MS + age, model=code) for code in (0, 1, 2) for age in ages}
        cutoff_ms = {0: NOON_MS, 1: NOON_MS + 2}
        kept = {
            key(100 * code + age)
            for code in (0, 1, 2)
            for age in ages
            if code == 2 or NOON_MS + age >= cutoff_ms[code]
        }
        token = partitions.claim(0).token
        first = commit(token, entries=put)
        partitions.commit(first)
        partitions.commit(commit(token, first.new, sweep=Sweep(0, SWEEP_WHOLE, cutoff_ms)))
        assert set(partitions.fetch(0, list(put))) == kept

    def test_a_sweep_goes_through_its_share_and_shares_that_make_a_whole_cover_everything_once(
        self, partitions: PartitionStore
    ) -> None:
        put = {key(i): entry(NOON_MS) for i in range(2000)}
        token = partitions.claim(0).token
        position = self._committed(partitions, commit(token, entries=put))
        gone: list[set[bytes]] = []
        left = set(put)
        for first in range(50_000, 50_000 + SWEEP_WHOLE, SWEEP_WHOLE // 4):  # the last shares begin anew
            sweep = Sweep(first % SWEEP_WHOLE, SWEEP_WHOLE // 4, {0: NOON_MS + 1})
            position = self._committed(partitions, commit(token, position, sweep=sweep))
            found = set(partitions.fetch(0, list(put)))
            gone.append(left - found)
            left = found
        assert not left
        assert all(300 < len(share) < 700 for share in gone), [len(share) for share in gone]

    @staticmethod
    def _committed(store: PartitionStore, attempt: Commit) -> Position:
        assert store.commit(attempt) is CommitStatus.COMMITTED
        return attempt.new

    def test_an_entry_put_by_the_commit_that_sweeps_is_judged_as_all_others(
        self, partitions: PartitionStore
    ) -> None:
        put = {key(1): entry(NOON_MS - 1), key(2): entry(NOON_MS)}
        sweep = Sweep(0, SWEEP_WHOLE, {0: NOON_MS})
        partitions.commit(commit(partitions.claim(0).token, entries=put, sweep=sweep))
        assert list(partitions.fetch(0, list(put))) == [key(2)]


class TestWindows:
    def test_windows_come_in_order_and_a_limit_counts_starts(self, partitions: PartitionStore) -> None:
        put = [blob(s, version=v) for s in (300_000, 60_000, 1_200_000, 0) for v in ("7", "8")]
        partitions.commit(commit(partitions.claim(0).token, windows=put))
        assert starts(partitions.windows(0, "fraud", Stream.PREDICTIONS, from_ms=60_000)) == [
            *(60_000, 60_000, 300_000, 300_000, 1_200_000, 1_200_000)
        ]
        assert partitions.progress(0) == Progress(1, b"clocks", 15, 25)

        def between(first: int, last: int | None, limit: int | None) -> list[int]:
            return starts(
                partitions.windows(0, "fraud", Stream.PREDICTIONS, from_ms=first, until_ms=last, limit=limit)
            )

        assert between(0, None, 2) == [0, 0, 60_000, 60_000]
        assert between(60_001, 1_199_999, None) == [300_000, 300_000]
        assert between(60_000, 300_000, 1) == [60_000, 60_000]

    def test_windows_of_a_partition_that_went_back_are_not_read(self, partitions: PartitionStore) -> None:
        stored = commit(partitions.claim(0).token, windows=[blob(0)])
        partitions.commit(stored)
        seen = partitions.progress(0)

        def read(at_least: Progress) -> int:
            found = partitions.windows(0, "fraud", Stream.PREDICTIONS, from_ms=0, at_least=at_least)
            return len(found)

        assert read(seen) == 1
        for further in (
            replace(seen, predictions=seen.predictions + 1),
            replace(seen, labels=seen.labels + 1),
        ):
            with pytest.raises(WentBack):
                read(further)
        with pytest.raises(WentBack):
            partitions.windows(3, "fraud", Stream.PREDICTIONS, from_ms=0, at_least=seen)

    def test_models_and_streams_have_windows_of_their_own(self, partitions: PartitionStore) -> None:
        errors, other = replace(blob(0), stream=Stream.ERRORS), replace(blob(0), model="fraud-2")
        partitions.commit(commit(partitions.claim(0).token, windows=[blob(0), errors, other]))
        assert partitions.windows(0, "fraud", Stream.PREDICTIONS, from_ms=0) == [blob(0)]
        assert partitions.windows(0, "fraud", Stream.ERRORS, from_ms=0) == [errors]
        assert partitions.windows(0, "fraud-2", Stream.PREDICTIONS, from_ms=0) == [other]

    def test_a_window_is_replaced_version_by_version_and_segment_by_segment(
        self, partitions: PartitionStore
    ) -> None:
        token = partitions.claim(0).token
        first = commit(token, windows=[blob(0, b"1"), blob(0, b"1", segment="channel=web")])
        partitions.commit(first)
        partitions.commit(commit(token, first.new, windows=[blob(0, b"2"), blob(0, b"2", version="8")]))
        assert plain(partitions.windows(0, "fraud", Stream.PREDICTIONS, from_ms=0)) == [
            (0, "7", "", b"2"),
            (0, "7", "channel=web", b"1"),
            (0, "8", "", b"2"),
        ]

    def test_trimmed_windows_are_gone_and_trimming_again_changes_nothing(
        self, partitions: PartitionStore
    ) -> None:
        put = [blob(s) for s in (0, 60_000, 120_000)]
        partitions.commit(commit(partitions.claim(0).token, windows=put))
        for _ in range(2):
            partitions.trim(0, "fraud", Stream.PREDICTIONS, 60_000)
            assert starts(partitions.windows(0, "fraud", Stream.PREDICTIONS, from_ms=0)) == [120_000]
        partitions.trim(0, "fraud", Stream.ERRORS, 120_000)
        assert starts(partitions.windows(0, "fraud", Stream.PREDICTIONS, from_ms=0)) == [120_000]


class TestCohorts:
    def test_differences_lie_in_the_order_of_their_commits(self, partitions: PartitionStore) -> None:
        token = partitions.claim(0).token
        first = replace(commit(token), cohorts=[delta(HOUR_MS, b"1"), delta(0, b"2")])
        partitions.commit(first)
        partitions.commit(first)  # a lost answer
        partitions.commit(replace(commit(token, first.new), cohorts=[delta(HOUR_MS, b"3")]))
        assert partitions.cohorts(0, "fraud") == {0: [b"2"], HOUR_MS: [b"1", b"3"]}
        assert partitions.cohorts(0, "fraud", from_ms=1, until_ms=HOUR_MS) == {HOUR_MS: [b"1", b"3"]}
        assert partitions.cohorts(0, "fraud", until_ms=HOUR_MS - 1) == {0: [b"2"]}
        assert partitions.cohorts(0, "churn") == partitions.cohorts(1, "fraud") == {}

    def test_a_fenced_owner_adds_nothing_and_adds_nothing_up(self, partitions: PartitionStore) -> None:
        token = partitions.claim(0).token
        partitions.commit(replace(commit(token), cohorts=[delta(0, b"1")]))
        partitions.claim(0)
        partitions.commit(replace(commit(token), cohorts=[delta(0, b"2")]))
        assert not partitions.compact_cohort(0, token, CohortTotal("fraud", 0, [b"1"], b"sum"))
        assert partitions.cohorts(0, "fraud") == {0: [b"1"]}

    def test_a_sum_takes_the_place_of_its_differences_once(self, partitions: PartitionStore) -> None:
        token = partitions.claim(0).token
        first = replace(commit(token), cohorts=[delta(0, b"1"), delta(0, b"2"), delta(0, b"3")])
        partitions.commit(first)
        total = CohortTotal("fraud", 0, [b"1", b"2"], b"sum")
        for _ in range(2):
            assert partitions.compact_cohort(0, token, total)
            assert partitions.cohorts(0, "fraud") == {0: [b"sum", b"3"]}
        assert partitions.compact_cohort(0, token, CohortTotal("fraud", 0, [b"sum", b"3"], b"all"))
        assert partitions.cohorts(0, "fraud") == {0: [b"all"]}

    def test_trimmed_cohorts_are_gone_and_windows_stay(self, partitions: PartitionStore) -> None:
        put = replace(
            commit(partitions.claim(0).token, windows=[blob(0)]),
            cohorts=[delta(0, b"1"), delta(HOUR_MS, b"2")],
        )
        partitions.commit(put)
        for _ in range(2):
            partitions.trim_cohorts(0, "fraud", HOUR_MS - 1)
            assert partitions.cohorts(0, "fraud") == {HOUR_MS: [b"2"]}
        assert partitions.windows(0, "fraud", Stream.PREDICTIONS, from_ms=0) == [blob(0)]


class TestDeadLetters:
    def test_letters_wait_in_order_until_their_owner_drops_them(self, partitions: PartitionStore) -> None:
        token = partitions.claim(0).token
        first = commit(token, letters=[b"1", b"2"])
        partitions.commit(first)
        partitions.commit(commit(token, first.new, letters=[b"3"]))
        assert partitions.dead_letters(0, 2) == [b"1", b"2"]
        assert partitions.drop_dead_letters(0, token, 2)
        assert partitions.dead_letters(0, 10) == [b"3"]
        assert partitions.drop_dead_letters(0, token, 10)
        assert partitions.dead_letters(0, 10) == []

    def test_a_fenced_owner_drops_nothing(self, partitions: PartitionStore) -> None:
        token = partitions.claim(0).token
        partitions.commit(commit(token, letters=[b"1"]))
        partitions.claim(0)
        assert not partitions.drop_dead_letters(0, token, 1)
        assert partitions.dead_letters(0, 10) == [b"1"]


HOUR_MS = 3_600_000


def delta(start_ms: int, data: bytes) -> CohortDelta:
    return CohortDelta("fraud", start_ms, data)


def evaluation(token: str, sequence: int = 0, *, state: bytes = b"state", tag: str = "a") -> ModelCommit:
    events, history = ([f"{kind} {tag}{i}".encode() for i in range(2)] for kind in ("event", "window"))
    return ModelCommit("fraud", token, sequence, state, events, history)


class TestModelStore:
    def test_a_learned_profile_is_stored_with_its_commit_and_stays(self, models: ModelStore) -> None:
        nothing = LearnedReference(-1, "")
        assert models.learned(["fraud", "churn"]) == [nothing, nothing]
        assert (models.profile("fraud"), models.learned([])) == (None, [])
        token = models.claim("fraud").token
        models.commit(replace(evaluation(token), closed_ms=60_000, profile=("abc", b"{}")))
        models.commit(replace(evaluation(token, 1, state=b"2"), closed_ms=120_000))
        assert models.learned(["churn", "fraud"]) == [nothing, LearnedReference(120_000, "abc")]
        assert models.profile("fraud") == models.claim("fraud").profile == b"{}"

    def test_the_past_changes_field_by_field_with_its_commit(self, models: ModelStore) -> None:
        token = models.claim("fraud").token
        models.commit(replace(evaluation(token), past={"c1": b"1", "d0": b"2"}))
        models.commit(replace(evaluation(token, 1, state=b"2"), past={"d0": b"3"}, forgotten=["c1", "c9"]))
        assert (models.past("fraud"), models.past("churn")) == ({"d0": b"3"}, {})
        assert models.history("fraud", 9) == [b"window a1", b"window a0"] * 2
        assert models.events("fraud", 9) == [b"event a0", b"event a1"] * 2
        models.claim("fraud")
        models.commit(replace(evaluation(token, 2), past={"d0": b"4"}))
        assert models.past("fraud") == {"d0": b"3"}

    def test_a_learned_profile_is_let_go_with_a_commit(self, models: ModelStore) -> None:
        token = models.claim("fraud").token
        models.commit(replace(evaluation(token), profile=("abc", b"{}")))
        models.commit(replace(evaluation(token), sequence=1, profile=NO_PROFILE))
        assert models.profile("fraud") is models.claim("fraud").profile is None
        assert models.learned(["fraud"])[0].content_hash == ""

    def test_a_fenced_evaluator_stores_no_profile(self, models: ModelStore) -> None:
        token = models.claim("fraud").token
        models.claim("fraud")
        models.commit(replace(evaluation(token), profile=("abc", b"{}")))
        assert models.profile("fraud") is None

    def test_a_model_that_nobody_evaluated_is_empty(self, models: ModelStore) -> None:
        claimed = models.claim("fraud")
        assert (claimed.sequence, claimed.state) == (0, None)
        assert models.state("fraud") is None
        assert (models.events("fraud", 9), models.history("fraud", 9)) == ([], [])

    def test_the_heartbeat_sees_another_owner_and_another_sequence(self, models: ModelStore) -> None:
        token = models.claim("fraud").token
        models.commit(evaluation(token))
        assert models.verify([("fraud", token, 1)]) == []
        assert models.verify([("fraud", token, 0), ("fraud", "other", 1), ("churn", token, 1)]) == [
            *("fraud", "fraud", "churn")
        ]
        assert models.verify([]) == []

    def test_each_commit_moves_state_events_history_and_sequence_together(self, models: ModelStore) -> None:
        token = models.claim("fraud").token
        assert models.commit(evaluation(token)) is CommitStatus.COMMITTED
        assert models.commit(evaluation(token, 1, state=b"later", tag="b")) is CommitStatus.COMMITTED
        assert models.state("fraud") == b"later"
        assert models.events("fraud", 9) == [b"event a0", b"event a1", b"event b0", b"event b1"]
        assert models.history("fraud", 3) == [b"window b1", b"window b0", b"window a1"]
        claimed = models.claim("fraud")
        assert (claimed.sequence, claimed.state) == (2, b"later")
        assert claimed.token != token

    @pytest.mark.parametrize(
        ("sequence", "state", "status"),
        [
            (0, b"state", CommitStatus.ALREADY),
            (0, b"other", CommitStatus.MISMATCH),
            (2, b"state", CommitStatus.MISMATCH),
        ],
        ids=["the same again", "another of the same number", "ahead"],
    )
    def test_a_commit_on_another_sequence_than_the_stored_one_leaves_no_trace(
        self, models: ModelStore, sequence: int, state: bytes, status: CommitStatus
    ) -> None:
        token = models.claim("fraud").token
        models.commit(evaluation(token))
        assert models.commit(evaluation(token, sequence, state=state, tag="b")) is status
        assert models.state("fraud") == b"state"
        assert models.events("fraud", 9) == [b"event a0", b"event a1"]
        assert models.history("fraud", 9) == [b"window a1", b"window a0"]

    def test_a_claim_fences_the_evaluator_before_it(self, models: ModelStore) -> None:
        first = models.claim("fraud").token
        models.commit(evaluation(first))
        second = models.claim("fraud").token
        assert models.commit(evaluation(first, 1, tag="b")) is CommitStatus.FENCED
        assert not models.drop_events("fraud", first, 2)
        assert models.events("fraud", 9) == [b"event a0", b"event a1"]
        assert models.drop_events("fraud", second, 1)
        assert models.events("fraud", 9) == [b"event a1"]

    def test_looking_on_does_not_fence(self, models: ModelStore) -> None:
        token = models.claim("fraud").token
        models.state("fraud")
        models.history("fraud", 1)
        models.events("fraud", 1)
        assert models.commit(evaluation(token)) is CommitStatus.COMMITTED

    def test_models_do_not_share_anything(self, models: ModelStore) -> None:
        token = models.claim("fraud").token
        models.claim("fraud-2")
        assert models.commit(evaluation(token)) is CommitStatus.COMMITTED
        assert models.history("fraud-2", 9) == []

    def test_history_keeps_the_newest_thousand(self, models: ModelStore) -> None:
        token = models.claim("fraud").token
        many = [str(i).encode() for i in range(1500)]
        models.commit(replace(evaluation(token), history=many))
        assert models.history("fraud", 2000) == many[:499:-1]
