"""What must hold of a partition's step whatever the batches, the partitions and the interleaving."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from builders.pipeline import Keyed, Pipeline, Round, WindowKey
from hypothesis import given, settings
from hypothesis import strategies as st
from independent.recount import ModelRules, recount
from independent.stream import ModelStream, Stream, StreamSpec, generate

from consumers.plan import ModelPlan, plan_model
from detectors.layout import Layout
from detectors.metrics import metrics_of
from detectors.profile import CategoricalColumn, NumericColumn, ReferenceProfile
from detectors.summary import Summary
from schemas.finding import Stream as SideOf
from schemas.model_settings import ModelSettings

HOUR_MS = 3_600_000
HORIZON_S = 1800.0
TASKS = ("binary", "multiclass", "regression")


def profile(task: str) -> ReferenceProfile:
    """A coarse profile: what matters here is that cells are counted, not where their edges lie."""
    edges = tuple(float(e) for e in range(5, 100, 5))
    numbers = [
        NumericColumn(f"n{i}", edges, (1,) * (len(edges) + 1), 50.0, 15.0, 0.0, 100.0, 50.0) for i in range(3)
    ]
    words = [CategoricalColumn(f"c{i}", ("DE", "FR"), (2, 1)) for i in range(2)]
    return ReferenceProfile("fraud", task, 100, (*numbers, *words))


@lru_cache
def plan(task: str) -> ModelPlan:
    raw: dict[str, Any] = {
        "name": "fraud",
        "task": task,
        "segments": ["channel"],
        "label_horizon": f"{HORIZON_S:.0f}s",
        "labels": {"late_memory": f"{HORIZON_S:.0f}s"},
    }
    if task == "binary":
        raw["positive_class"] = "fraud"
    return plan_model(ModelSettings.model_validate(raw), profile(task))


@lru_cache
def stream(task: str, seed: int) -> Stream:
    return generate(
        StreamSpec(
            seed=seed,
            predictions=1500,
            models=(ModelStream(task=task),),  # type: ignore[arg-type]  # parametrised
            rate_per_s=5,
            label_horizon_s=HORIZON_S,
            late_memory_s=HORIZON_S,
            id_style="uuid7" if seed % 2 else "uuid4",
            partial_probabilities=0.1,
        )
    )


def rounds(events: Stream, *, seed: int, size: int) -> Iterator[Round]:
    """Cut both logs into rounds of random lengths, so that now one and now the other runs ahead."""
    rng = np.random.default_rng(seed)
    at = [0, 0]
    logs: tuple[Keyed, Keyed] = (events.predictions, events.labels)
    while any(position < len(log) for position, log in zip(at, logs, strict=True)):
        taken = []
        for side, log in enumerate(logs):
            step = int(rng.integers(0, size))
            taken.append(log[at[side] : at[side] + step])
            at[side] += step
        yield taken[0], taken[1]


def by_time(events: Stream, *, size: int) -> Iterator[Round]:
    """Cut both logs into rounds by arrival, as a consumer that keeps up sees them."""
    arrivals = np.sort(np.array([*events.prediction_arrivals_ms, *events.label_arrivals_ms]))
    starts = [0, 0]
    for until in [*arrivals[size::size], np.inf]:
        ends = [
            int(np.searchsorted(np.maximum.accumulate(a), until, side="right"))
            for a in (events.prediction_arrivals_ms, events.label_arrivals_ms)
        ]
        yield events.predictions[starts[0] : ends[0]], events.labels[starts[1] : ends[1]]
        starts = ends


def run(task: str, batches: Iterator[Round], *, partitions: int) -> Pipeline:
    pipeline = Pipeline({"fraud": plan(task)}, partitions=partitions)
    for predictions, labels in batches:
        pipeline.feed(predictions, labels)
    return pipeline


def windows(pipeline: Pipeline) -> dict[WindowKey, Summary[Layout]]:
    """Return the stored windows, but for labels of a time before the first prediction: nobody waits for labels yet then."""
    found = pipeline.windows()
    first_ms = min(key[2] for key in found if key[1] is SideOf.PREDICTIONS)
    return {
        key: held for key, held in found.items() if key[1] is not SideOf.LABELS or key[2] > first_ms - HOUR_MS
    }


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_counts_and_metrics_equal_an_independent_recount(task: str, seed: int) -> None:
    events = stream(task, seed)
    pipeline = run(task, rounds(events, seed=seed, size=300), partitions=3)
    rules = ModelRules(
        task=task,  # type: ignore[arg-type]  # parametrised
        positive_class="fraud" if task == "binary" else None,
        label_horizon_s=HORIZON_S,
        late_memory_s=HORIZON_S,
    )
    expected: Any = recount(
        [value for _, value in events.predictions], [value for _, value in events.labels], {"fraud": rules}
    )
    model = expected["models"]["fraud"]
    counts = pipeline.counts()
    for version, row in model["versions"].items():
        if "predictions" in row:
            actual = counts["fraud", version]
            for name in ("predictions", "labels", "joined", "corrections", "conflicts", "late"):
                assert actual[name] == row[name], (version, name)
            assert actual["duplicate_predictions"] == row["duplicates"]["predictions"]
            assert actual["duplicate_labels"] == row["duplicates"]["labels"]
            assert {s: actual[s] for s in ("ok", "fallback", "error")} == row["status"]
        figures = pipeline.lives()["fraud"].figures.get(version)
        metrics = {} if figures is None else metrics_of(figures, positive=plan(task).classes.positive)
        for name, value in row["metrics"].items():
            if name != "confusion":
                # Probabilities of more than two classes are kept in 16 bits.
                close = 1e-4 if task == "multiclass" and name in ("log_loss", "brier") else 1e-9
                assert metrics[name] == pytest.approx(value, rel=close), (version, name)
    assert pipeline.lives()["fraud"].orphans == model["orphan_labels"]
    assert pipeline.rejected.total() == expected["rejected"]["total"]


@pytest.mark.parametrize("task", TASKS)
def test_any_number_of_partitions_gives_the_same_windows(task: str) -> None:
    events = stream(task, 4)
    one = run(task, by_time(events, size=200), partitions=1)
    many = run(task, by_time(events, size=200), partitions=5)
    assert windows(one) == windows(many)
    assert one.counts() == many.counts()
    assert len(windows(one)) > 50


@pytest.mark.parametrize("task", TASKS)
def test_batches_may_be_cut_anywhere(task: str) -> None:
    events = stream(task, 5)
    coarse = run(task, by_time(events, size=500), partitions=2)
    fine = run(task, by_time(events, size=37), partitions=2)
    assert windows(coarse) == windows(fine)
    assert coarse.counts() == fine.counts()


@lru_cache
def in_order(task: str) -> Pipeline:
    return run(task, by_time(stream(task, 6), size=250), partitions=2)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(20, 900), task=st.sampled_from(TASKS))
def test_the_interleaving_of_the_topics_changes_no_count(seed: int, size: int, task: str) -> None:
    events = stream(task, 6)
    straight = in_order(task)
    mixed = run(task, rounds(events, seed=seed, size=size), partitions=2)
    assert mixed.counts() == straight.counts()
    for model, life in mixed.lives().items():
        assert life.orphans == straight.lives()[model].orphans
        assert life.figures == straight.lives()[model].figures


def test_a_new_owner_goes_on_where_the_old_one_stopped() -> None:
    events = stream("binary", 7)
    kept = run("binary", by_time(events, size=100), partitions=2)
    handed = Pipeline({"fraud": plan("binary")}, partitions=2)
    for place, (predictions, labels) in enumerate(by_time(events, size=100)):
        if place % 3 == 0:
            handed.partitions = [handed.claim(number) for number in range(2)]
        handed.feed(predictions, labels)
    assert windows(handed) == windows(kept)
    assert handed.counts() == kept.counts()
