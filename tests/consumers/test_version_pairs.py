"""Ids that two versions answered are counted once, whatever the order, the batches and the partitions."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from builders.pipeline import Keyed, Pipeline

from consumers.closing import merged
from consumers.plan import PAIRS, ModelPlan, plan_model
from detectors.codec import decode_summary, encode_summary
from detectors.pair_layout import PairCell, PairLayout
from detectors.summary import Summary
from schemas.finding import Stream
from schemas.model_settings import ModelSettings

NOON = 1_772_452_800_000
MINUTE = 60_000
Events = list[tuple[str, tuple[bytes, bytes]]]


def plan(task: str = "binary", **more: Any) -> ModelPlan:
    raw: dict[str, Any] = {"name": "fraud", "task": task, "label_horizon": "1h", **more}
    if task == "binary":
        raw["positive_class"] = "fraud"
    return plan_model(ModelSettings.model_validate(raw), None)


def prediction(name: str, at: int, said: object, **more: Any) -> tuple[str, tuple[bytes, bytes]]:
    output = {"label": said} if isinstance(said, str) else {"value": said}
    event = {"prediction_id": name, "model": "fraud", "time": at, "version": "A", "output": output, **more}
    return "prediction", (name.encode(), json.dumps(event).encode())


def truth(name: str, at: int, label: object, **more: Any) -> tuple[str, tuple[bytes, bytes]]:
    said = {"label": label} if isinstance(label, str) else {"value": label}
    event = {"prediction_id": name, "model": "fraud", "time": at, **said, **more}
    return "label", (name.encode(), json.dumps(event).encode())


def counted(
    events: Events, model: ModelPlan | None = None, *, partitions: int = 1, batch: int = 1
) -> dict[tuple[int, tuple[str, str]], Summary[PairLayout]]:
    """Return the pairs by window and versions, as the evaluator gets them, after the events came in that order."""
    model = plan() if model is None else model
    pipeline = Pipeline({"fraud": model}, partitions=partitions)
    for at in range(0, len(events), batch):
        taken = events[at : at + batch]
        sides: list[Keyed] = [
            [e for side, e in taken if side == wanted] for wanted in ("prediction", "label")
        ]
        pipeline.feed(sides[0], sides[1])
    found: dict[tuple[int, tuple[str, str]], Summary[PairLayout]] = {}
    blobs = [
        b for p in range(partitions) for b in pipeline.store.windows(p, "fraud", Stream.ERRORS, from_ms=0)
    ]
    for start in sorted({blob.start_ms for blob in blobs}):
        window = merged(model, Stream.ERRORS, start, [b for b in blobs if b.start_ms == start])
        found |= {(start, names): summary for names, summary in window.pairs.items()}
    return found


def told(summary: Summary[PairLayout]) -> tuple[list[int], dict[float, int]]:
    """Return the plain counts, and ids by gain."""
    gains = summary.vector[PairLayout.GAINS :]
    places = np.flatnonzero(gains)
    grid = summary.layout.gains[places].tolist()
    return summary.vector[: len(PairCell)].tolist(), dict(zip(grid, gains[places].tolist(), strict=True))


BY_HAND: Events = [
    prediction("p", NOON, "fraud"),
    prediction("p", NOON + 1, "ok", version="B", shadow=True),
    truth("p", NOON + MINUTE, "ok"),
]


def test_a_shadow_that_was_right_where_the_live_version_was_wrong_gains_one() -> None:
    [(key, summary)] = counted(BY_HAND).items()
    assert key == (NOON + MINUTE, ("A", "B"))
    assert told(summary) == ([1, 1, 0, 1, 0], {1.0: 1})


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_whichever_of_the_three_comes_last_the_pair_is_the_same(order: tuple[int, ...]) -> None:
    assert counted([BY_HAND[i] for i in order]) == counted(BY_HAND)


def test_a_second_prediction_after_the_label_counts_when_it_comes() -> None:
    late = prediction("p", NOON + 5 * MINUTE, "ok", version="B", shadow=True)
    assert list(counted([BY_HAND[0], BY_HAND[2], late])) == [(NOON + 5 * MINUTE, ("A", "B"))]


def test_a_pair_that_is_complete_only_after_its_window_has_closed_is_not_counted() -> None:
    in_time = [prediction("later", NOON + 2 * MINUTE, "ok"), truth("later", NOON + 2 * MINUTE, "ok")]
    assert len(counted([BY_HAND[0], BY_HAND[2], *in_time, BY_HAND[1]])) == 1
    much_later = [prediction("later", NOON + 9 * MINUTE, "ok"), truth("later", NOON + 9 * MINUTE, "ok")]
    assert counted([BY_HAND[0], BY_HAND[2], *much_later, BY_HAND[1]]) == {}


def test_repetitions_corrections_and_conflicts_do_not_count_a_pair_again() -> None:
    more = [
        BY_HAND[1],
        BY_HAND[2],
        truth("p", NOON + MINUTE, "fraud", revision=1),
        truth("p", NOON + MINUTE, "x"),
    ]
    assert counted(BY_HAND + more) == counted(BY_HAND)


@pytest.mark.parametrize(
    "other",
    [
        {"version": "B", "status": "fallback"},
        {"version": "B", "status": "error"},
        {"version": "A", "shadow": True},
    ],
    ids=str,
)
def test_answers_that_are_not_of_two_versions_own_are_no_pair(other: dict[str, Any]) -> None:
    assert counted([BY_HAND[0], prediction("p", NOON, "ok", **other), BY_HAND[2]]) == {}


def test_two_shadows_are_compared_with_the_live_version_and_not_with_each_other() -> None:
    events = [BY_HAND[0], BY_HAND[1], prediction("p", NOON, "ok", version="C", shadow=True), BY_HAND[2]]
    assert [names for _, names in counted(events)] == [("A", "B"), ("A", "C")]


def test_a_label_that_is_late_for_one_of_them_makes_no_pair() -> None:
    early = prediction("p", NOON - 2 * 60 * MINUTE, "ok", version="B", shadow=True)
    assert counted([early, BY_HAND[0], BY_HAND[2]]) == {}


def test_costs_are_what_is_compared_where_there_are_any() -> None:
    classes = {"fraud": ["fraud"], "ok": ["ok"]}
    costs = plan(classes=classes, costs={"fraud": {"ok": 100.0}, "ok": {"fraud": 20.0}})
    [summary] = counted(BY_HAND, costs).values()
    assert told(summary) == ([1, 1, 0, 200, 0], {0.2: 1})


def test_of_a_regression_the_gain_is_relative_to_both_errors() -> None:
    events = [
        prediction("p", NOON, 13.0),
        prediction("p", NOON, 11.0, version="B", shadow=True),
        truth("p", NOON + MINUTE, 10.0),
        prediction("q", NOON, 1e308),
        prediction("q", NOON, -1e308, version="B", shadow=True),
        truth("q", NOON + MINUTE, 1e308),
    ]
    [summary] = counted(events, plan("regression")).values()
    assert told(summary) == ([2, 2, 0, 16, 16], {-1.0: 1, 0.5: 1})


def test_without_a_second_version_or_with_the_monitor_off_nothing_is_counted() -> None:
    assert counted([BY_HAND[0], BY_HAND[2]]) == {}
    assert counted(BY_HAND, plan(monitors={"compare": False})) == {}
    silent = {"implicit": {"class": "ok", "after": "30m"}}
    assert counted(BY_HAND, plan(labels=silent)) == {}


def stream(seed: int) -> Events:
    """Three versions that answer half of the ids each, one in the shadow, and labels, in no order at all."""
    rng = np.random.default_rng(seed)
    events: Events = []
    for i in range(60):
        at = NOON + int(rng.integers(0, 3 * MINUTE))
        for version, shadow in (("A", False), ("B", True), ('"~,', False)):
            if rng.random() < 0.7:
                said = "fraud" if rng.random() < 0.5 else "ok"
                events.append(prediction(f"p{i}", at, said, version=version, shadow=shadow))
        if rng.random() < 0.8:
            events.append(
                truth(f"p{i}", at + int(rng.integers(0, MINUTE)), "fraud" if rng.random() < 0.5 else "ok")
            )
    return [events[place] for place in rng.permutation(len(events)).tolist()]


@pytest.mark.parametrize("seed", range(2))
def test_neither_order_nor_batches_nor_partitions_change_what_is_counted(seed: int) -> None:
    # One window holds everything, so that none closes while the events come in another order.
    model = plan(window="1h", allowed_lateness="1h")
    events = stream(seed)
    expected = counted(events, model, batch=5)
    assert sum(int(s.vector[PairCell.N]) for s in expected.values()) > 30
    rng = np.random.default_rng(seed + 100)
    for partitions, batch in ((1, 1_000), (3, 30), (12, 100)):
        shuffled = [events[place] for place in rng.permutation(len(events)).tolist()]
        assert counted(shuffled, model, partitions=partitions, batch=batch) == expected


def test_an_owner_who_takes_over_goes_on_with_the_pairs_of_the_one_before() -> None:
    model = plan()
    pipeline = Pipeline({"fraud": model})
    pipeline.feed([BY_HAND[0][1], BY_HAND[1][1]], [BY_HAND[2][1]])
    pipeline.partitions = [pipeline.claim(0)]
    second = [prediction("q", NOON, "ok")[1], prediction("q", NOON, "ok", version="B", shadow=True)[1]]
    pipeline.feed(second, [truth("q", NOON + MINUTE, "ok")[1]])
    [blob] = [b for b in pipeline.store.windows(0, "fraud", Stream.ERRORS, from_ms=0) if b.segment == PAIRS]
    assert told(decode_summary(model.pairs, blob.data)) == ([2, 2, 0, 1, 0], {0.0: 1, 1.0: 1})
    assert encode_summary(decode_summary(model.pairs, blob.data)) == blob.data


def test_a_segment_of_the_same_name_is_not_taken_for_pairs() -> None:
    model = plan(segments=["pairs@"])
    events = [prediction("p", NOON, "ok", segments={"pairs@": ""}), BY_HAND[2]]
    assert counted(events, model) == {}


def test_who_changes_the_costs_starts_over_and_stops_nothing() -> None:
    classes = {"fraud": ["fraud"], "ok": ["ok"]}
    pipeline = Pipeline({"fraud": plan(classes=classes, costs={"fraud": {"ok": 100.0}})})
    pipeline.feed([BY_HAND[0][1], BY_HAND[1][1]], [BY_HAND[2][1]])
    changed = plan(classes=classes, costs={"fraud": {"ok": 50.0}, "ok": {"fraud": 5.0}})
    [blob] = [b for b in pipeline.store.windows(0, "fraud", Stream.ERRORS, from_ms=0) if b.segment == PAIRS]
    assert not merged(changed, Stream.ERRORS, blob.start_ms, [blob]).pairs["A", "B"].vector.any()
    pipeline.plans = {"fraud": changed}
    pipeline.partitions = [pipeline.claim(0)]
    second = [prediction("q", NOON, "fraud")[1], prediction("q", NOON, "ok", version="B", shadow=True)[1]]
    pipeline.feed(second, [truth("q", NOON + MINUTE, "ok")[1]])
    [blob] = [b for b in pipeline.store.windows(0, "fraud", Stream.ERRORS, from_ms=0) if b.segment == PAIRS]
    assert told(decode_summary(changed.pairs, blob.data)) == ([1, 1, 0, 100, 0], {0.1: 1})
