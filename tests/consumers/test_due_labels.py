"""Labels of versions that share the traffic count in the window in which they fall due, whatever the order and the partitions."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from builders.pipeline import Keyed, Pipeline
from builders.profile_rows import batch, build
from builders.version_events import MINUTE, NOON, SILENT, Events, plan, prediction, stream, truth

from consumers.closing import is_only_due, merged
from consumers.plan import ModelPlan, plan_model
from detectors.profile_values import Answers
from detectors.split_layout import SplitCell
from schemas.finding import Stream

Counted = dict[tuple[int, str, int], list[int]]
"""By minute since noon, version and class of delays: labels, their losses and squares, in steps."""


def pipeline_of(events: Events, model: ModelPlan, *, partitions: int, batch: int) -> Pipeline:
    pipeline = Pipeline({"fraud": model}, partitions=partitions)
    for at in range(0, len(events), batch):
        taken = events[at : at + batch]
        sides: list[Keyed] = [
            [e for side, e in taken if side == wanted] for wanted in ("prediction", "label")
        ]
        pipeline.feed(sides[0], sides[1])
    return pipeline


def counted(
    events: Events, model: ModelPlan | None = None, *, partitions: int = 1, batch: int = 1
) -> Counted:
    """Return what falls due, as the evaluator gets it."""
    model = plan() if model is None else model
    return due_in(pipeline_of(events, model, partitions=partitions, batch=batch), model)


def due_in(pipeline: Pipeline, model: ModelPlan) -> Counted:
    numbers = range(len(pipeline.partitions))
    blobs = [b for p in numbers for b in pipeline.store.windows(p, "fraud", Stream.ERRORS, from_ms=0)]
    found: Counted = {}
    for start in sorted({blob.start_ms for blob in blobs}):
        for version, summary in merged(
            model, Stream.ERRORS, start, [b for b in blobs if b.start_ms == start]
        ).due.items():
            cells = summary.vector.reshape(-1, len(SplitCell))
            for group in np.flatnonzero(cells.any(axis=1)).tolist():
                found[(start - NOON) // MINUTE, version, group] = cells[group].tolist()
    return found


BY_HAND: Events = [
    prediction("p", NOON, "fraud"),
    truth("p", NOON + 20_000, "ok"),
    prediction("q", NOON + 1, "ok", version="B"),
    truth("q", NOON + 5 * MINUTE, "ok"),
]


@pytest.mark.parametrize("order", list(permutations(range(4)))[::5], ids=str)
def test_a_label_falls_due_once_no_other_of_its_delay_and_minute_can_come(order: tuple[int, ...]) -> None:
    """One of up to a minute in the minute after; one of up to eight is read with those of four minutes, after eight more."""
    assert counted([BY_HAND[i] for i in order]) == {(1, "A", 0): [1, 1, 1], (11, "B", 3): [1, 0, 0]}


@pytest.mark.parametrize("more", [{"shadow": True}, {"status": "fallback"}, {"status": "error"}], ids=str)
def test_answers_that_are_not_a_versions_own_and_live_do_not_count(more: dict[str, Any]) -> None:
    assert counted([prediction("p", NOON, "fraud", **more), BY_HAND[1]]) == {}


def test_repetitions_and_corrections_change_nothing() -> None:
    more = [BY_HAND[1], truth("p", NOON + 30_000, "fraud", revision=1), BY_HAND[0]]
    assert counted(BY_HAND + more) == counted(BY_HAND)


def test_a_label_that_is_read_after_its_cell_has_closed_is_not_counted() -> None:
    later = [prediction("z", NOON + 9 * MINUTE, "ok"), truth("z", NOON + 9 * MINUTE, "ok")]
    assert (1, "A", 0) not in counted([BY_HAND[0], *later, BY_HAND[1]])


def test_what_falls_due_later_than_labels_come_is_no_window_of_labels() -> None:
    model = plan()
    store = pipeline_of(BY_HAND[2:], model, partitions=1, batch=4).store
    blobs = store.windows(0, "fraud", Stream.ERRORS, from_ms=0)
    assert [
        is_only_due([b for b in blobs if b.start_ms == start])
        for start in sorted({b.start_ms for b in blobs})
    ] == [False, True]


def test_costs_are_what_is_lost_where_there_are_any() -> None:
    costs = plan(
        classes={"fraud": ["fraud"], "ok": ["ok"]}, costs={"fraud": {"ok": 100.0}, "ok": {"fraud": 20.0}}
    )
    assert counted(BY_HAND[:2], costs) == {(1, "A", 0): [1, 200, 40_000]}


def test_silence_is_a_label_that_comes_when_it_speaks_and_a_real_one_before_that_takes_its_place() -> None:
    model = plan(labels=SILENT)
    silent = {(47, "A", 5): [1, 1, 1]}
    assert counted(BY_HAND[:1], model) == silent
    assert counted(BY_HAND[:2], model) == counted(BY_HAND[:2])
    assert counted([BY_HAND[0], truth("p", NOON + 31 * MINUTE, "fraud")], model) == silent


def test_of_a_regression_no_error_counts_for_more_than_nearly_all_of_the_reference() -> None:
    assert plan("regression").split is None
    model = numeric_model()
    assert model.split is not None
    most = model.split.span
    events = [
        prediction("p", NOON, most / 2),
        truth("p", NOON + 1, 0.0),
        prediction("q", NOON, 1e308, version="B"),
        truth("q", NOON + 1, -1e308),
    ]
    assert counted(events, model) == {(1, "A", 0): [1, 500, 250_000], (1, "B", 0): [1, 1_000, 1_000_000]}


def numeric_model() -> ModelPlan:
    values = np.arange(1_000.0)
    reference, _ = build([batch(1_000, Answers(value=values, true_value=values + values % 50))])
    return plan_model(plan("regression").settings, replace(reference, model="fraud"))


@pytest.mark.parametrize("seed", range(2))
def test_neither_order_nor_batches_nor_partitions_change_what_is_counted(seed: int) -> None:
    model, events = plan(window="1h", allowed_lateness="1h"), stream(seed)
    expected = counted(events, model, batch=5)
    assert sum(n for n, *_ in expected.values()) > 50
    rng = np.random.default_rng(seed + 100)
    for partitions, size in ((1, 1_000), (3, 30), (12, 100)):
        shuffled = [events[place] for place in rng.permutation(len(events)).tolist()]
        assert counted(shuffled, model, partitions=partitions, batch=size) == expected


def test_an_owner_who_takes_over_goes_on_with_what_has_not_fallen_due() -> None:
    model = plan()
    pipeline = pipeline_of(BY_HAND, model, partitions=1, batch=4)
    pipeline.partitions = [pipeline.claim(0)]
    pipeline.feed([prediction("r", NOON, "fraud", version="B")[1]], [truth("r", NOON + 6 * MINUTE, "ok")[1]])
    assert due_in(pipeline, model)[11, "B", 3] == [2, 1, 1]


def test_with_the_monitor_off_nothing_is_counted_and_what_was_is_passed_over() -> None:
    off = plan(monitors={"compare": False})
    assert counted(BY_HAND, off) == {}
    pipeline = pipeline_of(BY_HAND, plan(), partitions=1, batch=4)
    pipeline.plans = {"fraud": off}
    pipeline.partitions = [pipeline.claim(0)]
    assert due_in(pipeline, off) == {}
