"""A worker that takes a partition over publishes the dead letters that its predecessor left in the outbox."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from builders.pipeline import Pipeline
from builders.worker import PLANS, QuietSource, Topic, worker_over

from consumers.columns import DecodedBatch
from consumers.memory_store import MemoryPartitions
from consumers.store import CommitStatus

LETTERS: Final = [b'{"id":"one"}', b'{"id":"two"}']


def left_behind(store: MemoryPartitions) -> None:
    """Let an owner store dead letters and end before it has published them."""
    owner = Pipeline(PLANS, store=store).partitions[0]
    here = (owner.position.predictions, owner.position.labels)
    commit = owner.apply(DecodedBatch(), {}, to=here).commit
    assert store.commit(replace(commit, dead_letters=LETTERS)) is CommitStatus.COMMITTED


def test_a_new_owner_publishes_the_letters_that_the_one_before_it_left() -> None:
    store, topic = MemoryPartitions(), Topic()
    left_behind(store)
    worker = worker_over(QuietSource(), store, topic)
    worker.tend()
    assert topic.values == LETTERS
    assert store.dead_letters(0, 10) == []
    worker.tend()
    assert topic.values == LETTERS
