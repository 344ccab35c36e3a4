"""Cohorts and counts are the same for any split into partitions, any batches, and any order that keeps that of each id."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
from builders.pipeline import Keyed, Pipeline, Round
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from consumers.cohorts import Cohort
from consumers.plan import ModelPlan, plan_model
from detectors.summary import Summary
from schemas.model_settings import ModelSettings

HOUR = 3_600_000
DAY = 24 * HOUR
NOON = 1_772_452_800_000
IDS = 150


@cache
def plan() -> ModelPlan:
    raw: dict[str, Any] = {
        "name": "fraud", "task": "binary", "positive_class": "fraud", "segments": ["channel"], "learn": False,
        "label_horizon": "10d", "max_clock_skew": "365d", "allowed_lateness": "60d",
        "labels": {
            "implicit": {"class": "ok", "after": "5d"}, "late_memory": "5d",
            "unlabelled_when": {"decision": ["decline"]},
        },
    }  # fmt: skip
    return plan_model(ModelSettings.model_validate(raw), None)


@cache
def events() -> Round:
    """Return predictions of up to three versions an id, and up to five labels of each, in no order but that of an id."""
    rng = np.random.default_rng(11)
    predictions: list[tuple[bytes, bytes]] = []
    labels: list[tuple[bytes, bytes]] = []

    def add(side: list[tuple[bytes, bytes]], name: str, **fields: Any) -> None:
        event = {"prediction_id": name, "model": "fraud", **fields}
        side.append((name.encode(), json.dumps(event).encode()))

    for i in range(IDS):
        name, at = f"p{i}", NOON + int(rng.integers(0, 30 * HOUR))
        for version in rng.choice(["7", "8", "9"], int(rng.integers(0, 4))).tolist():
            said = {"label": str(rng.choice(["fraud", "ok"])), "score": 0.75}
            said |= {"decision": "decline"} if rng.random() < 0.1 else {}
            more: dict[str, Any] = {"shadow": True} if version == "9" or rng.random() < 0.1 else {}
            more |= {"weight": 2.5} if rng.random() < 0.3 else {}
            more |= {"segments": {"channel": "web"}} if rng.random() < 0.5 else {}
            more |= {"status": str(rng.choice(["ok", "ok", "ok", "fallback", "error"]))}
            add(predictions, name, time=at + int(rng.integers(0, HOUR)), version=version, output=said, **more)
        for _ in range(int(rng.integers(0, 6))):
            truth, revision = str(rng.choice(["fraud", "ok"])), int(rng.integers(0, 3))
            late = int(rng.choice([-HOUR, HOUR, 4 * DAY, 8 * DAY, 12 * DAY, 20 * DAY]))
            add(labels, name, time=at + late, label=truth, revision=revision)
    return predictions, labels


def shuffled(side: Keyed, rng: np.random.Generator) -> list[tuple[bytes, bytes]]:
    """Return events in another order, those of an id in their own."""
    keys = [key for key, _ in side]
    queues: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for one in side:
        queues.setdefault(one[0], []).append(one)
    return [queues[keys[place]].pop(0) for place in rng.permutation(len(keys)).tolist()]


def fed(order: int | None, *, partitions: int, size: int) -> Pipeline:
    """Feed the events, shuffled, in rounds of random lengths, so that now one topic and now the other is ahead."""
    rng = np.random.default_rng(order)
    sides = [list(side) if order is None else shuffled(side, rng) for side in events()]
    pipeline = Pipeline({"fraud": plan()}, partitions=partitions)
    while any(sides):
        cuts = [int(rng.integers(0, size + 1)) for _ in sides]
        pipeline.feed(sides[0][: cuts[0]], sides[1][: cuts[1]])
        sides = [side[cut:] for side, cut in zip(sides, cuts, strict=True)]
    return pipeline


def figures(summary: Summary[Any] | None) -> Any:
    """Return all of a summary's numbers; nothing where there are none."""
    if summary is None or not summary.vector.any():
        return None
    return summary.vector.tobytes(), {k: n for k, n in summary.pairs.items() if n}, summary.weights


def whole(cohort: Cohort) -> tuple[Any, ...]:
    parts = (cohort.figures, cohort.assumed, cohort.overtaken, cohort.answers)
    counts = (cohort.predictions, cohort.labelled, cohort.unobservable, cohort.implicit)
    return (*counts, *map(figures, parts))


def outcome(pipeline: Pipeline) -> tuple[Any, ...]:
    """Return everything that must not depend on the order."""
    cohorts = {
        (start, *key): whole(cohort)
        for start, own in pipeline.cohorts().items()
        for key, cohort in own.items()
    }
    life = pipeline.lives()["fraud"]
    lives = {name: figures(own) for name, own in life.figures.items()}
    assumed = {name: figures(own) for name, own in life.assumed.items()}
    return cohorts, pipeline.counts(), life.orphans, lives, assumed, dict(pipeline.rejected)


@cache
def plain() -> tuple[Any, ...]:
    return outcome(fed(None, partitions=1, size=10_000))


def test_the_events_hold_every_kind_of_trouble() -> None:
    cohorts, counts, orphans, _, assumed, rejected = plain()
    total = {name: sum(row[name] for row in counts.values()) for name in counts["fraud", "7"]}
    assert all(n > 0 for name, n in total.items() if name != "late_events"), total
    assert orphans > 0
    assert not rejected
    assert len(cohorts) > 80
    assert {version for _, version, _ in cohorts} >= {"7", "8", "7+fallback", "9+shadow"}
    assert any(one[4] for one in cohorts.values())
    assert any(one[5] for one in cohorts.values())
    assert any(one[6] for one in cohorts.values()), "labels that came after silence had spoken"
    assert any(assumed.values())


@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(order=st.integers(0, 2**32 - 1), partitions=st.integers(1, 5), size=st.integers(15, 600))
def test_any_order_partitions_and_batches_give_the_same_cohorts_and_counts(
    order: int, partitions: int, size: int
) -> None:
    assert outcome(fed(order, partitions=partitions, size=size)) == plain()
