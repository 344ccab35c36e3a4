"""Log loss and Brier score of more than two classes, on what the hot path counts and keeps, against scikit-learn."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from builders.pipeline import Pipeline
from sklearn import metrics as sk

from consumers.class_probabilities import CLASSES_MAX, levels_of
from consumers.columns import Records
from consumers.decode import BatchDecoder
from consumers.event_rows import Truth, row_batch
from consumers.interning import Interner
from consumers.plan import ModelPlan, plan_model
from detectors.intervals import estimates_of
from detectors.metrics import metrics_of
from detectors.profile_quality import Quality
from detectors.summary import Summary
from schemas.model_settings import ModelSettings

Array = np.ndarray[Any, Any]
START_MS = 1_762_000_000_000


def plan(**settings: Any) -> ModelPlan:
    raw = {"name": "fraud", "task": "multiclass", "learn": False, **settings}
    return plan_model(ModelSettings.model_validate(raw), None)


def classes_of(count: int) -> list[str]:
    return [f"c{place:02}" for place in range(count)]


def a_stream(count: int, seed: int, n: int = 600) -> tuple[Array, Array]:
    """Return probabilities, shape (n, count), and true classes that happen by them."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(count, 0.3), n)
    return shares, np.array([rng.choice(count, p=row) for row in shares])


def prediction(row: int, shares: dict[str, float], **more: Any) -> tuple[bytes, bytes]:
    event = {"prediction_id": f"p{row}", "model": "fraud", "time": START_MS + row, "features": {}}
    event |= {"output": {"probabilities": shares}} | more
    return f"p{row}".encode(), json.dumps(event).encode()


def label(row: int, name: str, revision: int = 0) -> tuple[bytes, bytes]:
    event = {"prediction_id": f"p{row}", "model": "fraud", "time": START_MS + 60_000 + row}
    return f"p{row}".encode(), json.dumps(event | {"label": name, "revision": revision}).encode()


def figures(pipeline: Pipeline, version: str = "0") -> Summary[Any]:
    return pipeline.lives()["fraud"].figures[version]


def metrics(pipeline: Pipeline, version: str = "0") -> dict[str, float]:
    return metrics_of(figures(pipeline, version), positive=None)


def named(shares: Array) -> dict[str, float]:
    return dict(zip(classes_of(len(shares)), shares.tolist(), strict=True))


@pytest.mark.parametrize("count", [2, 3, 10, CLASSES_MAX])
def test_log_loss_and_brier_equal_scikit_learn(count: int) -> None:
    shares, truth = a_stream(count, seed=count)
    weight = np.random.default_rng(1).lognormal(0, 1, len(truth))
    pipeline = Pipeline({"fraud": plan()}, partitions=2)
    for first in range(0, len(truth), 150):
        rows = range(first, first + 150)
        pipeline.feed(
            [prediction(row, named(shares[row]), weight=float(weight[row])) for row in rows],
            [label(row, f"c{truth[row]:02}") for row in rows],
        )
    found, labels = metrics(pipeline), list(range(count))
    for prefix, given in (("", None), ("weighted.", weight)):
        expected = sk.log_loss(truth, np.maximum(shares, 1e-15), labels=labels, sample_weight=given)
        assert found[f"{prefix}log_loss"] == pytest.approx(expected, rel=1e-4)
        hits = np.eye(count)[truth]
        expected = np.average(np.square(shares - hits).sum(axis=1), weights=given)
        assert found[f"{prefix}brier"] == pytest.approx(expected, rel=1e-4)


def test_an_interval_is_that_of_the_mean() -> None:
    shares, truth = a_stream(4, seed=3, n=2000)
    pipeline = Pipeline({"fraud": plan()})
    pipeline.feed(
        [prediction(row, named(shares[row])) for row in range(2000)],
        [label(row, f"c{truth[row]:02}") for row in range(2000)],
    )
    losses = {
        "log_loss": -np.log(np.maximum(shares[np.arange(2000), truth], 1e-15)),
        "brier": np.square(shares - np.eye(4)[truth]).sum(axis=1),
    }
    for name, found in estimates_of(figures(pipeline), positive=None, names=losses).items():
        half = 1.96 * losses[name].std() / np.sqrt(2000)
        assert found.high is not None
        assert found.high - found.value == pytest.approx(half, rel=0.05)


def test_a_right_and_sure_answer_loses_what_it_says_and_not_what_is_left_by_rounding() -> None:
    pipeline = Pipeline({"fraud": plan()})
    sure = {"a": 1 - 2e-5, "b": 1e-5, "c": 1e-5}
    pipeline.feed([prediction(row, sure) for row in range(50)], [label(row, "a") for row in range(50)])
    found = metrics(pipeline)
    assert found["log_loss"] == pytest.approx(2e-5, rel=1e-3)
    assert found["brier"] == pytest.approx(4e-10 + 2e-10, rel=1e-3)


LOST = {
    "no probabilities at all": ({"label": "a"}, "a"),
    "a sum that is not 1": ({"probabilities": {"a": 0.5, "b": 0.2, "c": 0.1}}, "a"),
    "one class alone": ({"probabilities": {"a": 1.0}}, "a"),
    "two names of one class": ({"probabilities": {"a": 0.5, "A": 0.1, "b": 0.4}}, "a"),
    "too many classes": ({"probabilities": dict.fromkeys(classes_of(65), 1 / 65)}, "c01"),
    "a true class that they do not name": ({"probabilities": {"a": 0.6, "b": 0.4}}, "c"),
}


@pytest.mark.parametrize("case", LOST)
def test_what_is_not_given_of_all_classes_counts_in_neither(case: str) -> None:
    output, truth = LOST[case]
    model = plan(classes={"a": ["a", "A"], "b": ["b"], "c": ["c"]})
    pipeline = Pipeline({"fraud": model})
    pipeline.feed(
        [prediction(0, {"a": 0.5, "b": 0.25, "c": 0.25}), prediction(1, {}, output=output)],
        [label(0, "a"), label(1, truth)],
    )
    found = metrics(pipeline)
    assert pipeline.counts()["fraud", "0"]["joined"] == 2
    assert found["log_loss"] == pytest.approx(np.log(2))
    assert found["brier"] == pytest.approx(0.25 + 2 * 0.0625, rel=1e-3)


@pytest.mark.parametrize("versions", [1, 2])
def test_corrections_take_back_what_was_added_whatever_the_batches(versions: int) -> None:
    """Of several versions of an id each goes its own way through the join."""
    shares, truth = a_stream(5, seed=8, n=120)
    other = (truth + 1) % 5
    said = [
        prediction(row, named(shares[row]), version=str(version), weight=2.0 if row % 3 else 1.0)
        for row in range(120)
        for version in range(versions)
    ]
    right = [label(row, f"c{truth[row]:02}", revision=1) for row in range(120)]
    wrong = [label(row, f"c{other[row]:02}") for row in range(120)]
    corrected, early, straight = (Pipeline({"fraud": plan()}) for _ in range(3))
    corrected.feed(said, wrong)
    corrected.feed([], right)
    for row in range(120):  # labels first, one at a time
        early.feed([], [wrong[row]])
        early.feed(said[row * versions : (row + 1) * versions], [right[row]])
    straight.feed(said, right)
    for version in map(str, range(versions)):
        assert figures(corrected, version).vector.tolist() == figures(early, version).vector.tolist()
        assert figures(corrected, version).weights == figures(straight, version).weights
        found, expected = metrics(corrected, version), metrics(straight, version)
        assert found == expected
        assert "weighted.log_loss" in found


def test_silence_takes_back_what_it_assumed_of_probabilities_too() -> None:
    shares, truth = a_stream(3, seed=9, n=90)
    model = plan(labels={"implicit": {"class": "c00", "after": "1d"}})
    pipeline = Pipeline({"fraud": model})
    pipeline.feed([prediction(row, named(shares[row])) for row in range(90)], [])
    assumed = metrics_of(pipeline.lives()["fraud"].assumed["0"], positive=None)
    expected = -np.log(np.maximum(shares[:, 0], 1e-15)).mean()
    assert assumed["log_loss"] == pytest.approx(expected, rel=1e-3)
    pipeline.feed([], [label(row, f"c{truth[row]:02}") for row in range(90)])
    assert not pipeline.lives()["fraud"].assumed["0"].vector.any()
    expected = sk.log_loss(truth, np.maximum(shares, 1e-15), labels=[0, 1, 2])
    assert metrics(pipeline)["log_loss"] == pytest.approx(expected, rel=1e-3)


def test_an_entry_of_ten_classes_and_a_label_stays_within_what_redis_keeps_compact() -> None:
    shares, truth = a_stream(10, seed=2, n=20)
    pipeline = Pipeline({"fraud": plan()})
    pipeline.feed(
        [prediction(row, named(shares[row])) for row in range(20)],
        [label(row, f"c{truth[row]:02}") for row in range(20)],
    )
    assert {len(data) for data in pipeline.store.entries(0)} == {59}


def test_levels_are_close_to_what_they_stand_for() -> None:
    shares = np.geomspace(1e-15, 1, 5000)
    steps = -np.log(1e-15) / 65_535
    assert np.abs(np.exp(-steps * levels_of(shares)) / shares - 1).max() < 2.7e-4


def test_strangers_names_leave_room_for_classes_that_are_predicted() -> None:
    pipeline = Pipeline({"fraud": plan()})
    given = [{f"x{row}-{place}": 0.1 for place in range(10)} for row in range(80)]
    odd = [prediction(row, {}, output={"label": "a", "probabilities": own}) for row, own in enumerate(given)]
    pipeline.feed(odd, [])
    pipeline.feed([prediction(100 + row, {}, output={"label": f"true {row}"}) for row in range(300)], [])
    assert not pipeline.rejected


def test_a_profile_of_events_has_the_figures_of_a_stream() -> None:
    shares, truth = a_stream(4, seed=11, n=300)
    said = [prediction(row, named(shares[row])) for row in range(300)]
    model, interner = plan(), Interner()
    decoded = BatchDecoder({"fraud": model}, interner).decode(Records([v for _, v in said]), Records([]))
    names = Truth(names=[f"c{place:02}" for place in truth])
    lines = [value for _, value in said]
    batch = row_batch(model, interner.tables, decoded.predictions["fraud"], lines, names)
    quality = Quality("multiclass", model.classes)
    quality.add(batch.answers)
    pipeline = Pipeline({"fraud": model})
    pipeline.feed(said, [label(row, f"c{truth[row]:02}") for row in range(300)])
    expected = metrics(pipeline)
    found = quality.metrics()
    assert {name: found[name] for name in ("log_loss", "brier", "accuracy")} == pytest.approx(
        {name: expected[name] for name in ("log_loss", "brier", "accuracy")}, rel=1e-12
    )
