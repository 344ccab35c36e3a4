"""Chapter 2, the join: predictions meet their labels, in any order, and every id is counted once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consumers.columns import Records
from consumers.fold import COLUMN
from consumers.memory_store import MemoryPartitions
from consumers.partition import Applied, Partition
from consumers.plan import plan_model
from consumers.store import CommitStatus, Position
from consumers.totals import read_totals
from schemas.model_settings import ModelSettings

PLANS = {
    "fraud": plan_model(
        ModelSettings.model_validate(
            {"name": "fraud", "task": "binary", "positive_class": "fraud", "label_horizon": "1d"}
        ),
        None,
    )
}
NOON_MS = 1_793_534_400_000
HOUR_MS = 3_600_000


def prediction(number: int) -> bytes:
    event = {"prediction_id": str(number), "model": "fraud", "time": NOON_MS, "output": {"label": "fraud"}}
    return json.dumps(event).encode()


def label(number: int, value: str, *, hours: int = 2, revision: int = 0) -> bytes:
    event: dict[str, Any] = {"prediction_id": str(number), "model": "fraud", "label": value}
    return json.dumps({**event, "time": NOON_MS + hours * HOUR_MS, "revision": revision}).encode()


class Worker:
    """One owner of one partition, from its claim on."""

    def __init__(self, store: MemoryPartitions) -> None:
        self.store = store
        self.partition = Partition(PLANS, 0, store.claim(0), start=Position(0, 0, 0))

    def step(self, predictions: list[bytes], labels: list[bytes]) -> Applied:
        decoded = self.partition.decode(Records(predictions), Records(labels))
        found = self.store.fetch(0, decoded.ids())
        at = self.partition.position
        return self.partition.apply(
            decoded, found, to=(at.predictions + len(predictions), at.labels + len(labels))
        )

    def take(self, predictions: list[bytes], labels: list[bytes]) -> CommitStatus:
        return self.store.commit(self.step(predictions, labels).commit)


@pytest.fixture
def store() -> MemoryPartitions:
    return MemoryPartitions()


def counts(store: MemoryPartitions) -> dict[str, int]:
    row = read_totals(store.totals(0), PLANS)["fraud"].counters["0"]
    return {name: int(row[place]) for name, place in COLUMN.items() if row[place]}


def test_a_label_joins_its_prediction(store: MemoryPartitions) -> None:
    Worker(store).take([prediction(1), prediction(2)], [label(1, "ok")])
    assert counts(store) == {"predictions": 2, "labels": 1, "joined": 1, "ok": 2}


def test_a_label_may_come_first(store: MemoryPartitions) -> None:
    worker = Worker(store)
    worker.take([], [label(1, "ok")])
    worker.take([prediction(1)], [])
    assert counts(store) == {"predictions": 1, "labels": 1, "joined": 1, "ok": 1}


@pytest.mark.parametrize(
    ("labels", "counted"),
    [
        ([label(1, "ok"), label(1, "ok")], {"labels": 2, "joined": 1, "duplicate_labels": 1}),
        ([label(1, "ok"), label(1, "fraud")], {"labels": 2, "joined": 1, "conflicts": 1}),
        ([label(1, "ok"), label(1, "fraud", revision=1)], {"labels": 2, "joined": 1, "corrections": 1}),
        ([label(1, "ok", hours=30)], {"labels": 1, "late": 1}),
    ],
    ids=["twice the same", "an argument", "a correction", "after the horizon"],
)
def test_what_several_labels_come_to(
    store: MemoryPartitions, labels: list[bytes], counted: dict[str, int]
) -> None:
    Worker(store).take([prediction(1)], labels)
    assert counts(store) == {"predictions": 1, "ok": 1, **counted}


def test_a_crash_between_two_commits_loses_nothing_and_doubles_nothing(store: MemoryPartitions) -> None:
    first = Worker(store)
    first.take([prediction(1)], [])
    first.step([prediction(2)], [])  # it dies before this is committed ...
    second = Worker(store)
    assert second.partition.position == Position(1, 0, 1)  # ... so its successor reads on from there,
    second.take([prediction(2)], [label(1, "ok"), label(2, "ok")])
    assert counts(store) == {"predictions": 2, "labels": 2, "joined": 2, "ok": 2}


def test_a_worker_that_was_thought_dead_can_write_nothing_any_more(store: MemoryPartitions) -> None:
    zombie = Worker(store)
    Worker(store).take([prediction(1)], [])
    assert zombie.take([prediction(1)], []) is CommitStatus.FENCED
    assert counts(store) == {"predictions": 1, "ok": 1}


def test_a_lost_answer_is_asked_for_again(store: MemoryPartitions) -> None:
    commit = Worker(store).step([prediction(1)], []).commit
    assert [store.commit(commit), store.commit(commit)] == [CommitStatus.COMMITTED, CommitStatus.ALREADY]
    assert counts(store) == {"predictions": 1, "ok": 1}
