"""Array arithmetic and the fold, id by id, come to the same of any labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers import join
from consumers.columns import LabelColumns
from consumers.fold import COLUMN
from consumers.join import Join
from consumers.joined import JoinResult
from consumers.pending import Entry, PendingLabel, PendingPrediction, decode_entry, encode_entry
from consumers.plan import ModelPlan, plan_model
from schemas.model_settings import ModelSettings

HOUR_MS = 3_600_000
NOON = 1_772_452_800_000
TASKS = ("binary", "regression")


def plan(task: str) -> ModelPlan:
    raw: dict[str, Any] = {"name": "m", "task": task, "label_horizon": "2h", "labels": {"late_memory": "2h"}}
    return plan_model(
        ModelSettings.model_validate(raw | ({"positive_class": "1"} if task == "binary" else {})), None
    )


predictions = st.builds(
    PendingPrediction,
    time_ms=st.just(NOON),
    version=st.integers(0, 2),
    segment=st.integers(0, 1),
    status=st.integers(0, 2),
    shadow=st.booleans(),
    predicted=st.integers(0, 1),
    value=st.sampled_from([0.25, 0.75]),
    unobservable=st.booleans(),
    weight=st.sampled_from([1.0, 1.0, 2.5]),
    assumed=st.booleans(),
)
labels = st.builds(
    PendingLabel,
    time_ms=st.sampled_from([NOON - HOUR_MS, NOON + HOUR_MS, NOON + 3 * HOUR_MS, NOON + 5 * HOUR_MS]),
    revision=st.integers(0, 2),
    truth=st.sampled_from([0.0, 1.0]),
)
many_labels = st.lists(labels, max_size=6)
ids = st.tuples(st.lists(predictions, max_size=2, unique_by=lambda p: p.version), many_labels, many_labels)


def entry_of(made: list[PendingPrediction], known: list[PendingLabel]) -> Entry:
    entry = Entry(0)
    for prediction in made:
        entry = entry.with_prediction(prediction)
    for label in known:
        entry = entry.with_label(label)
    return entry


def joined(task: str, cases: list[Any], *, array_min: int) -> JoinResult:
    """Take the last labels of every case in as one batch, those of an id in order, the ids in turns."""
    found = {}
    rows: list[tuple[bytes, PendingLabel]] = []
    for place, (made, known, new) in enumerate(cases):
        key = str(place).encode()
        if made or known:
            found[key] = encode_entry(entry_of(made, known), regression=task == "regression")
        rows += [(key, label) for label in new]
    columns = LabelColumns(
        index=np.arange(len(rows)),
        ids=[key for key, _ in rows],
        time_ms=np.array([label.time_ms for _, label in rows], dtype=np.int64),
        revision=np.array([label.revision for _, label in rows], dtype=np.int64),
        truth=np.array([label.truth for _, label in rows]),
        mark_ms=np.arange(len(rows), dtype=np.int64),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(join, "ARRAY_MIN", array_min)
        return Join(plan(task), 0, found, 3).run(None, columns)


def totals(result: JoinResult) -> tuple[Any, ...]:
    """Return what a result comes to, whatever the order of its rows."""
    rows: Counter[tuple[Any, ...]] = Counter()
    for row in result.joined.tolist():
        rows[row[1:11] + row[13:]] += row[0] * row[12]
        rows["first", *row[1:11]] += row[0] * row[11]
    events: Counter[tuple[int, ...]] = Counter()
    for time_ms, cell, n, mark in result.events.rows().tolist():
        events[time_ms, cell, mark] += n
    nothing_left = [{key: n for key, n in found.items() if n} for found in (rows, events)]
    return result.counters.tolist(), result.orphans, result.entries, *nothing_left, len(result.label_rejects)


@settings(max_examples=150, deadline=None)
@given(cases=st.lists(ids, min_size=1, max_size=12), task=st.sampled_from(TASKS))
def test_both_ways_come_to_the_same(cases: list[Any], task: str) -> None:
    assert totals(joined(task, cases, array_min=1)) == totals(joined(task, cases, array_min=1000))


def prediction(**more: Any) -> PendingPrediction:
    return PendingPrediction(**{"time_ms": NOON, "version": 0, "segment": 0, "status": 0, "shadow": False,
                                "predicted": 1, "value": 0.75} | more)  # fmt: skip


def revisions(*truths: float) -> Iterator[PendingLabel]:
    for revision, truth in enumerate(truths):
        yield PendingLabel(NOON + HOUR_MS, revision, truth)


def test_a_label_corrected_twice_in_one_batch_counts_two_corrections_and_its_last_truth() -> None:
    cases: list[Any] = [([prediction()], [], list(revisions(1.0, 0.0, 1.0))) for _ in range(10)]
    result = joined("binary", cases, array_min=1)
    counted = result.counters[0]
    assert (counted[COLUMN["labels"]], counted[COLUMN["joined"]], counted[COLUMN["corrections"]]) == (
        30,
        10,
        20,
    )
    assert int((result.joined["sign"] * result.joined["standing"]).sum()) == 10
    standing = result.joined[result.joined["standing"]]
    assert int((standing["sign"] * standing["truth"]).sum()) == 10


def test_the_sixteenth_label_of_an_id_is_refused() -> None:
    cases = [([prediction()], list(revisions(*[0.0, 1.0] * 7, 0.0)), [PendingLabel(NOON, 99, 1.0)])] * 5
    result = joined("binary", cases, array_min=1)
    assert len(result.label_rejects) == 5
    assert result.counters.sum() == 0


def test_exact_repetitions_are_counted_in_place_up_to_255() -> None:
    label = PendingLabel(NOON + HOUR_MS, 0, 1.0)
    cases = [([prediction(weight=2.5)], [label], [label] * 300) for _ in range(5)]
    result = joined("binary", cases, array_min=1)
    assert result.counters[0, COLUMN["duplicate_labels"]] == 5 * 300
    kept = {decode_entry(data, regression=False).labels for data in result.entries.values()}
    assert kept == {(PendingLabel(label.time_ms, 0, 1.0, 255), PendingLabel(label.time_ms, 0, 1.0, 44))}
