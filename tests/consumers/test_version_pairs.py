"""Ids that two versions answered are counted once, whatever the order, the batches and the partitions."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from builders.pipeline import Keyed, Pipeline
from builders.version_events import MINUTE, NOON, SILENT, Events, plan, prediction, stream, truth

from consumers.closing import merged
from consumers.plan import PAIRS, ModelPlan
from detectors.codec import decode_summary, encode_summary
from detectors.pair_layout import PairCell, PairLayout
from detectors.summary import Summary
from schemas.finding import Stream


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


@pytest.mark.parametrize("order", list(permutations(range(2))), ids=str)
def test_where_silence_is_a_label_a_pair_without_one_counts_when_silence_has_spoken(
    order: tuple[int, ...],
) -> None:
    [(key, summary)] = counted([BY_HAND[i] for i in order], plan(labels=SILENT)).items()
    assert key == (NOON + 90 * MINUTE, ("A", "B"))
    assert told(summary) == ([1, 1, 0, 1, 0], {1.0: 1})


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_a_label_before_silence_speaks_takes_its_place(order: tuple[int, ...]) -> None:
    events = [*BY_HAND[:2], truth("p", NOON + MINUTE, "fraud")]
    found = counted([events[i] for i in order], plan(labels=SILENT))
    some = {key: told(summary) for key, summary in found.items() if summary.vector.any()}
    assert some == {(NOON + MINUTE, ("A", "B")): ([1, 1, 0, 0, 1], {-1.0: 1})}


def test_a_label_after_silence_has_spoken_comes_too_late() -> None:
    late = truth("p", NOON + 31 * MINUTE, "fraud")
    assert counted([*BY_HAND[:2], late], plan(labels=SILENT)) == counted(BY_HAND[:2], plan(labels=SILENT))


def test_an_id_that_never_gets_a_label_is_no_pair_of_silence() -> None:
    rules = {**SILENT, "unlabelled_when": {"decision": ["decline"]}}
    declined = prediction("p", NOON, "fraud", output={"label": "fraud", "decision": "decline"})
    assert counted([declined, BY_HAND[1]], plan(labels=rules)) == {}


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
