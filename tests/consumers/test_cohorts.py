"""Cohorts: restated by whatever labels come, the same whatever the order, and added up where they are many."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from builders.pipeline import Pipeline, Round

from consumers.cohorts import COMPACT_AFTER, Cohort, Cohorts, read_cohorts
from consumers.fold import COLUMN
from consumers.incidents import episode_ms_of, incidents_of, read_incidents
from consumers.memory_store import MemoryModels
from consumers.plan import ModelPlan, plan_model
from consumers.rollup import DAY_MS, Rollup, read_days
from consumers.store import ModelCommit
from detectors.metrics import metrics_of
from schemas.errors import Stop
from schemas.model_settings import ModelSettings

HOUR = 3_600_000
NOON = 1_772_452_800_000


def plan(task: str = "binary", **more: Any) -> ModelPlan:
    raw: dict[str, Any] = {
        "name": "fraud",
        "task": task,
        "segments": ["channel"],
        "label_horizon": "40d",
        **more,
    }
    if task == "binary":
        raw["positive_class"] = "fraud"
    return plan_model(ModelSettings.model_validate(raw), None)


def prediction(name: str, at: int, *, label: str = "fraud", **more: Any) -> tuple[bytes, bytes]:
    event = {
        "prediction_id": name,
        "model": "fraud",
        "time": at,
        "output": {"label": label, "score": 0.75},
        **more,
    }
    return name.encode(), json.dumps(event).encode()


def truth(name: str, at: int, label: str, *, revision: int = 0) -> tuple[bytes, bytes]:
    event = {"prediction_id": name, "model": "fraud", "time": at, "label": label, "revision": revision}
    return name.encode(), json.dumps(event).encode()


def figures(cohort: Cohort) -> dict[str, float]:
    return metrics_of(cohort.figures, positive="fraud")


class TestByHand:
    def test_a_cohort_is_restated_by_labels_weeks_later_and_by_corrections(self) -> None:
        pipeline = Pipeline({"fraud": plan()})
        pipeline.feed([prediction(f"p{i}", NOON + i) for i in range(4)], [])
        before = pipeline.cohorts()[NOON]["0", ""]
        assert (before.predictions, before.labelled, before.coverage) == (4, 0, 0.0)
        later = NOON + 30 * DAY_MS
        pipeline.feed([], [truth("p0", later, "fraud"), truth("p1", later, "ok")])
        half = pipeline.cohorts()[NOON]["0", ""]
        assert (half.labelled, half.coverage, figures(half)["accuracy"]) == (2, 0.5, 0.5)
        pipeline.feed([], [truth("p1", later, "fraud", revision=1), truth("p2", later, "ok")])
        pipeline.feed([], [truth("p2", later, "fraud", revision=2), truth("p2", later, "ok", revision=3)])
        last = pipeline.cohorts()[NOON]["0", ""]
        assert last.labelled == 3
        assert figures(last)["accuracy"] == pytest.approx(2 / 3)

    def test_labels_that_came_first_are_counted_where_their_prediction_belongs(self) -> None:
        pipeline = Pipeline({"fraud": plan()})
        pipeline.feed([], [truth("p", NOON + 5 * HOUR, "fraud")])
        assert pipeline.cohorts() == {}
        pipeline.feed([prediction("p", NOON + HOUR)], [])
        assert list(pipeline.cohorts()) == [NOON + HOUR]
        assert pipeline.cohorts()[NOON + HOUR]["0", ""].coverage == 1.0

    def test_duplicates_and_conflicts_change_nothing(self) -> None:
        pipeline = Pipeline({"fraud": plan()})
        pipeline.feed([prediction("p", NOON)] * 2, [truth("p", NOON, "fraud")] * 3)
        pipeline.feed([], [truth("p", NOON, "ok")])
        cohort = pipeline.cohorts()[NOON]["0", ""]
        assert (cohort.predictions, cohort.labelled, figures(cohort)["accuracy"]) == (1, 1, 1.0)

    def test_versions_segments_and_answers_of_the_fallback_are_kept_apart(self) -> None:
        pipeline = Pipeline({"fraud": plan()})
        web: dict[str, Any] = {"segments": {"channel": "web"}}
        pipeline.feed(
            [
                prediction("a", NOON, version="1", **web),
                prediction("b", NOON, version="2", **web),
                prediction("c", NOON, version="2", status="fallback"),
                prediction("d", NOON, version="2", status="error"),
            ],
            [truth(name, NOON, "fraud") for name in "abcd"],
        )
        assert {key: (c.predictions, c.labelled) for key, c in pipeline.cohorts()[NOON].items()} == {
            ("1", ""): (1, 1),
            ("1", "channel=web"): (1, 1),
            ("2", ""): (1, 1),
            ("2", "channel=web"): (1, 1),
            ("2+fallback", ""): (1, 1),
            ("2+fallback", "channel=(none)"): (1, 1),
        }


def scrambled(seed: int, *, partitions: int, batch: int) -> Pipeline:
    """Feed the same events in another interleaving: only the order within an id and topic is kept."""
    rng = np.random.default_rng(7)
    count = 400
    at = NOON + rng.integers(0, 30 * HOUR, count)
    predictions = [
        prediction(f"p{i}", int(at[i]), label=str(rng.choice(["fraud", "ok"]))) for i in range(count)
    ]
    labels = []
    for i in range(count):
        for revision in range(int(rng.integers(0, 4))):
            label = str(rng.choice(["fraud", "ok"]))
            labels.append(
                truth(f"p{i}", int(at[i]) + int(rng.integers(0, 20 * DAY_MS)), label, revision=revision)
            )
    order = np.random.default_rng(seed)
    sides: Round = (predictions, labels)
    mixed = []
    for side in sides:
        keys: dict[bytes, list[float]] = {}
        for key, _ in side:
            keys.setdefault(key, []).append(float(order.random()))
        ranks = {key: sorted(own) for key, own in keys.items()}
        places = [(ranks[key].pop(0), key, value) for key, value in side]
        mixed.append([(key, value) for _, key, value in sorted(places)])
    pipeline = Pipeline({"fraud": plan(max_clock_skew="365d", allowed_lateness="60d")}, partitions=partitions)
    for first in range(0, max(len(mixed[0]), len(mixed[1])), batch):
        pipeline.feed(mixed[0][first : first + batch], mixed[1][first : first + batch])
    return pipeline


def comparable(cohorts: dict[int, Cohorts]) -> dict[Any, Any]:
    return {
        (start, *key): (c.predictions, c.figures.vector.tobytes(), c.figures.pairs)
        for start, own in cohorts.items()
        for key, c in own.items()
    }


@pytest.mark.parametrize(("seed", "partitions", "batch"), [(2, 1, 37), (3, 4, 400), (4, 7, 3)])
def test_any_interleaving_and_any_partitions_give_the_same_cohorts(
    seed: int, partitions: int, batch: int
) -> None:
    plain = comparable(scrambled(1, partitions=1, batch=400).cohorts())
    assert comparable(scrambled(seed, partitions=partitions, batch=batch).cohorts()) == plain
    assert len(plain) > 30


def test_the_cohorts_of_a_version_come_to_the_figures_of_its_life() -> None:
    pipeline = scrambled(5, partitions=3, batch=50)
    life = pipeline.lives()["fraud"]
    own = [cohorts["0", ""] for cohorts in pipeline.cohorts().values()]
    counters = life.counters["0"]
    assert sum(c.predictions for c in own) == counters[COLUMN["ok"]]
    assert sum(c.labelled for c in own) == counters[COLUMN["joined"]]
    pairs: dict[tuple[str, str], int] = {}
    for cohort in own:
        for pair, n in cohort.figures.pairs.items():
            pairs[pair] = pairs.get(pair, 0) + n
    assert pairs == life.figures["0"].pairs


class TestDifferences:
    def test_many_differences_are_added_up_and_come_to_the_same(self) -> None:
        pipeline = Pipeline({"fraud": plan()})
        for i in range(COMPACT_AFTER):
            pipeline.feed([prediction(f"p{i}", NOON)], [truth(f"p{i}", NOON, "fraud")])
        before = comparable(pipeline.cohorts())
        partition = pipeline.partitions[0]
        assert partition.crowded_cohorts() == [("fraud", NOON)]
        deltas = pipeline.store.cohorts(0, "fraud")[NOON]
        assert len(deltas) == COMPACT_AFTER
        total = partition.total_of("fraud", NOON, deltas)
        for _ in range(2):  # a lost answer is asked for again
            assert pipeline.store.compact_cohort(0, partition.token, total)
        assert len(pipeline.store.cohorts(0, "fraud")[NOON]) == 1
        assert comparable(pipeline.cohorts()) == before
        assert partition.crowded_cohorts() == []

    def test_damaged_bytes_stop_with_a_mend(self) -> None:
        with pytest.raises(Stop, match="stored cohort"):
            read_cohorts(plan(), [b"nothing"])


class TestPast:
    def test_what_no_label_can_change_any_more_becomes_the_past_and_days_are_sums(self) -> None:
        pipeline = Pipeline({"fraud": plan()}, partitions=2)
        events = [prediction(f"p{i}", NOON + i * HOUR) for i in range(40)]
        pipeline.feed(events, [truth(f"p{i}", NOON + i * HOUR, "fraud") for i in range(40)])
        states = MemoryModels()
        rollup = Rollup(pipeline.plans["fraud"], pipeline.store, states, 2)
        whole = read_days(pipeline.plans["fraud"], pipeline.store, states, 2, now_ms=0)
        length = pipeline.plans["fraud"].horizon_ms + pipeline.plans["fraud"].memory_ms
        assert rollup.final_ms(NOON + length) < NOON
        token = states.claim("fraud").token
        for sequence, hours in enumerate((10, 25)):
            until = rollup.final_ms(NOON + length + hours * HOUR + 60_000)
            assert until == NOON + (hours - 1) * HOUR
            after = -1 if sequence == 0 else NOON + 9 * HOUR
            rolled = rollup.take(after_ms=after, until_ms=until)
            assert rolled is not None
            assert rolled.until_ms == until
            states.commit(
                ModelCommit("fraud", token, sequence, b"", [], [], past=rolled.put, forgotten=rolled.gone)
            )
            again = read_days(pipeline.plans["fraud"], pipeline.store, states, 2, now_ms=0)
            assert {d: comparable({d: c}) for d, c in again.items()} == {
                d: comparable({d: c}) for d, c in whole.items()
            }
            rollup.trim(until)
        left = read_days(pipeline.plans["fraud"], pipeline.store, states, 2, now_ms=0)
        assert {d: comparable({d: c}) for d, c in left.items()} == {
            d: comparable({d: c}) for d, c in whole.items()
        }
        assert len(pipeline.cohorts()) == 15


class TestIncidents:
    def test_the_last_word_on_each_alert_is_kept_and_window_records_are_not(self) -> None:
        def event(kind: str, **data: Any) -> bytes:
            base = {
                "alert_id": "v1:ab:60000", "severity": "warning", "kind": "data_drift", "check": "drift",
                "title": "t", "since": "2026-03-02T00:00:00.000Z", "detected_at": "2026-03-02T00:05:00.000Z",
                "status": "firing", "until": None, "feature": "a", "window": {"n": 3},
            }  # fmt: skip
            return json.dumps({"type": f"io.watchkeeper.{kind}", "data": {**base, **data}}).encode()

        over = {"status": "resolved", "until": "2026-03-02T01:00:00.000Z"}
        past = incidents_of(
            [
                event("alert.firing"),
                event("window_complete"),
                event("alert.updated", severity="error"),
                event("alert.resolved", **over),
            ]
        )
        assert list(past) == ["av1:ab:60000"]
        (incident,) = read_incidents({**past, "c0": b"", "d0": b""})
        assert (incident.status, incident.until, incident.feature) == ("resolved", over["until"], "a")
        assert (episode_ms_of("av1:ab:60000"), episode_ms_of("c5")) == (60_000, None)
