"""Names of features that the profile does not list: counted per version and window, whoever reads what when."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders.pipeline import Keyed, Pipeline
from builders.summaries import profile_of

from consumers.interning import UNLISTED_MAX
from consumers.plan import ModelPlan, plan_model
from detectors.profile import ReferenceProfile
from schemas.finding import Stream
from schemas.model_settings import ModelSettings

START_MS = 1_762_000_020_000
PROFILE = profile_of({"amount": [1.0, 2.0, 3.0], "country": ["DE", "FR", "DE"]}, model="fraud")


def plan(profile: ReferenceProfile | None = PROFILE, **settings: Any) -> ModelPlan:
    raw = {"name": "fraud", "task": "binary", "positive_class": "yes", **settings}
    return plan_model(ModelSettings.model_validate(raw), profile)


def events(features: list[dict[str, Any]], *, version: str = "7") -> Keyed:
    return [
        (
            f"{version}-{row}".encode(),
            json.dumps(
                {
                    "prediction_id": f"{version}-{row}",
                    "model": "fraud",
                    "version": version,
                    "time": START_MS + row,
                    "features": own,
                    "output": {"score": 0.5},
                }
            ).encode(),
        )
        for row, own in enumerate(features)
    ]


def counted(pipeline: Pipeline) -> dict[str, dict[str, int]]:
    """Return per version how many events of the one window carry each name."""
    return {
        version: {name: n for (name, _), n in sorted(summary.pairs.items())}
        for (_, stream, _, version, segment), summary in pipeline.windows().items()
        if stream is Stream.PREDICTIONS and not segment
    }


MIXED = [
    {"amount": 1.0, "country": "DE"}
    | ({"zip": 1} if row % 2 else {})
    | ({"age": None if row % 4 else "x"} if row % 3 == 0 else {})
    | ({"amount": float("nan")} if row % 5 == 0 else {})  # the slow path reads it
    for row in range(120)
]
EXPECTED = {
    "age": sum(row % 3 == 0 and row % 4 == 0 for row in range(120)),
    "zip": 60,
}


@pytest.mark.parametrize(("partitions", "size"), [(1, 120), (1, 7), (3, 120), (5, 11)])
def test_counts_are_those_of_the_events_whatever_the_batches_and_partitions(
    partitions: int, size: int
) -> None:
    pipeline = Pipeline({"fraud": plan()}, partitions=partitions)
    old, new = events([{"amount": 1.0}] * 120, version="6"), events(MIXED)
    for first in range(0, 120, size):
        pipeline.feed([*old[first : first + size], *new[first : first + size]], [])
    assert counted(pipeline) == {"6": {}, "7": EXPECTED}


def test_a_new_owner_goes_on_counting() -> None:
    pipeline = Pipeline({"fraud": plan()})
    said = events(MIXED)
    pipeline.feed(said[:60], [])
    pipeline.partitions = [pipeline.claim(0)]
    pipeline.feed(said[60:], [])
    assert counted(pipeline) == {"7": EXPECTED}


def test_duplicates_and_names_that_the_settings_know_count_for_nothing() -> None:
    known = {"zip": {"ignore": True}, "age": {"type": "categorical"}}
    pipeline = Pipeline({"fraud": plan(features=known)})
    said = events(MIXED)
    pipeline.feed(said, [])
    pipeline.feed(said, [])
    assert counted(pipeline) == {"7": {}}


def test_without_a_profile_no_name_is_unlisted_and_a_learned_one_has_all_the_room() -> None:
    pipeline = Pipeline({"fraud": plan(None)})
    wide = [{f"f{i}": 1.0 for i in range(UNLISTED_MAX + 5)} | {"amount": 1.0, "country": "DE"}] * 20
    pipeline.feed(events(wide, version="6"), [])
    pipeline.partitions[0].adopt(plan())
    pipeline.feed(events(MIXED), [])
    [partition] = pipeline.partitions
    names = partition._interner.unlisted("fraud")
    assert sorted(names) == ["age", "zip"]


def test_no_more_than_so_many_names_are_remembered_and_long_ones_by_their_beginning() -> None:
    pipeline = Pipeline({"fraud": plan()})
    odd = [{"amount": 1.0, f"n{row:03}": 1, "x" * 500: 1} for row in range(100)]
    pipeline.feed(events(odd), [])
    [found] = counted(pipeline).values()
    assert len(found) == UNLISTED_MAX
    assert found["x" * 128] == 100
    assert not pipeline.rejected
