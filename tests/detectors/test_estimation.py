"""Performance without labels: expected metrics against hand-made ones, intervals that hold, and the lookup in the profile."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from builders.profile_rows import batch, build
from builders.scored_traffic import UNSURE, USUAL, World, drawn, names, reference
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.estimation.calibration import Calibration, rates_of
from detectors.estimation.cells import AnswerLayout
from detectors.estimation.figures import estimated
from detectors.estimation.reality import borne_out
from detectors.layout import ErrorLayout, calibrated_answers, prediction_layout
from detectors.profile import ReferenceProfile, from_json
from detectors.profile_values import Answers
from detectors.summary import Summary
from schemas.errors import Stop
from schemas.model_parts import MinEffect

HALVES = AnswerLayout("binary", (0.5,))
TENTHS = Calibration(edges=(0.5,), counts=(50, 0, 0, 50), labelled=(50, 50), hits=(5, 45))
"""Of scores up to a half a tenth comes true, of higher ones nine tenths."""


def values(calibration: Calibration, layout: AnswerLayout, counts: list[int]) -> dict[str, float]:
    return {name: found.value for name, found in estimated(calibration, layout, np.array(counts)).items()}


def test_expected_confusions_give_the_metrics_that_a_hand_computes() -> None:
    # 80 say no with 8 frauds among them, 20 say fraud with 18.
    found = values(TENTHS, HALVES, [80, 0, 0, 20])
    assert found["accuracy"] == pytest.approx(90 / 100)
    assert found["precision"] == pytest.approx(18 / 20)
    assert found["recall"] == pytest.approx(18 / 26)
    assert found["f1"] == pytest.approx(2 * 18 / (20 + 26))
    # 26 x 74 pairs: the 18 high frauds beat the 72 low others, and ties count half.
    assert found["roc_auc"] == pytest.approx((18 * 72 + 18 * 2 / 2 + 8 * 72 / 2) / (26 * 74))


def test_answers_against_the_score_count_as_what_they_say() -> None:
    found = values(TENTHS, HALVES, [0, 100, 0, 0])
    assert found["accuracy"] == pytest.approx(0.1)
    assert found["recall"] == 0.0
    assert "precision" not in found, "nobody was called positive"


def test_an_interval_has_the_chance_of_outcomes_and_the_error_of_the_lookup() -> None:
    found = estimated(TENTHS, HALVES, np.array([80, 0, 0, 20]))["accuracy"]
    share = 6 / 52  # two more labels, one of each kind
    lookup = share * (1 - share) / 52
    half = 1.959963984540054 * np.sqrt(0.09 / 100 + (0.8**2 + 0.2**2) * lookup)
    assert found.low == pytest.approx(0.9 - half)
    assert found.high == pytest.approx(0.9 + half)


def test_more_classes_have_an_expected_accuracy_and_numbers_an_expected_error() -> None:
    right = Calibration(edges=(0.5,), counts=(50, 50), labelled=(50, 50), hits=(30, 45))
    assert values(right, AnswerLayout("multiclass", (0.5,)), [50, 50]) == {"accuracy": pytest.approx(0.75)}
    sizes = Calibration((10.0,), (50, 50), (50, 50), absolute=(50.0, 200.0), squared=(60.0, 900.0))
    assert values(sizes, AnswerLayout("regression", (10.0,)), [25, 75]) == {"mae": pytest.approx(3.25)}


def test_of_a_few_answers_nothing_is_expected() -> None:
    assert estimated(TENTHS, HALVES, np.array([20, 0, 0, 9])) == {}


def test_a_calibration_never_falls_and_a_bin_without_labels_takes_its_neighbours_share() -> None:
    rates = rates_of(Calibration((0.2, 0.4, 0.6), (0,) * 8, labelled=(10, 10, 10, 0), hits=(1, 3, 2, 0)))
    assert rates.expected.tolist() == [0.1, 0.25, 0.25, 0.25]
    assert rates.blocks.tolist() == [0, 1, 1, 1]


def test_95_percent_intervals_hold_where_inputs_have_moved() -> None:
    rng, layout = np.random.default_rng(5), AnswerLayout("binary", tuple(np.arange(1, 50) / 50))
    inside: dict[str, list[bool]] = {"accuracy": [], "precision": [], "recall": []}
    for _ in range(400):
        _, score, truth = drawn(rng, 2_000)
        cells = layout.cells(score, score >= 0.5)
        bins = cells % layout.bins
        known = Calibration(
            layout.edges,
            tuple(np.bincount(cells, minlength=layout.counts).tolist()),
            tuple(np.bincount(bins, minlength=layout.bins).tolist()),
            tuple(np.bincount(bins[truth], minlength=layout.bins).tolist()),
        )
        _, score, truth = drawn(rng, 1_000, UNSURE)
        said = score >= 0.5
        found = estimated(known, layout, np.bincount(layout.cells(score, said), minlength=layout.counts))
        came = {
            "accuracy": float((said == truth).mean()),
            "precision": float(truth[said].mean()),
            "recall": float(said[truth].mean()),
        }
        for metric, value in came.items():
            inside[metric].append((found[metric].low or 0) <= value <= (found[metric].high or 0))
    assert all(0.92 <= np.mean(shares) <= 0.98 for shares in inside.values()), inside


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.integers(0, 60))
def test_cells_of_parts_add_up_to_those_of_the_whole(rows: list[tuple[float, bool]], cut: int) -> None:
    layout = AnswerLayout("binary", (0.1, 0.5, 0.9))
    score, said = (np.array(column) for column in zip(*rows, strict=True))

    def summary(part: slice) -> Summary[AnswerLayout]:
        cells = layout.cells(score[part], said[part].astype(np.bool_))
        return Summary(layout, np.bincount(cells, minlength=layout.counts))

    assert summary(slice(cut)).merge(summary(slice(cut, None))) == summary(slice(None))


def test_a_profile_counts_the_same_however_its_rows_are_cut() -> None:
    rng = np.random.default_rng(1)
    _, score, truth = drawn(rng, 2_000)

    def built(size: int) -> ReferenceProfile:
        parts = [slice(start, start + size) for start in range(0, 2_000, size)]
        answers = [
            Answers(truth=list(names(truth[p])), predicted=list(names(score[p] >= 0.5)), value=score[p])
            for p in parts
        ]
        found, _ = build(
            [batch(len(a.value), a) for a in answers if a.value is not None], task="binary", positive="fraud"
        )
        return found

    whole = built(2_000)
    assert whole.calibration == built(333).calibration
    assert whole.calibration is not None
    assert sum(whole.calibration.counts) == whole.calibration.n == 2_000
    assert sum(whole.calibration.hits) == int(truth.sum())


def test_a_profile_keeps_its_calibration_and_older_ones_have_none() -> None:
    profile = reference()
    assert profile.calibration is not None
    assert from_json(profile.to_json(), source="p") == profile
    assert prediction_layout(profile).answers == calibrated_answers(profile)
    older = replace(profile, calibration=None)
    assert "calibration" not in json.loads(older.to_json())
    assert prediction_layout(from_json(older.to_json(), source="p")).answers is None


def test_a_calibration_whose_counts_do_not_fit_is_told() -> None:
    profile = reference()
    assert profile.calibration is not None
    cut = replace(profile, calibration=replace(profile.calibration, hits=profile.calibration.hits[1:]))
    with pytest.raises(Stop, match="one count per cell"):
        from_json(cut.to_json(), source="p")


@pytest.mark.parametrize("labels", [0, 150])
def test_without_labels_enough_there_is_no_calibration(labels: int) -> None:
    _, score, truth = drawn(np.random.default_rng(2), 500)
    known = [name if place < labels else None for place, name in enumerate(names(truth))]
    answers = Answers(truth=known, predicted=list(names(score >= 0.5)), value=score)
    assert build([batch(500, answers)], task="binary", positive="fraud")[0].calibration is None


def test_numbers_and_more_classes_are_calibrated_too() -> None:
    rng = np.random.default_rng(3)
    value = rng.uniform(0, 100, 3_000)
    answers = Answers(true_value=value + rng.normal(0, 1, 3_000) * value / 50, value=value)
    numbers, _ = build([batch(3_000, answers)])
    assert numbers.calibration is not None
    layout = calibrated_answers(numbers)
    assert layout is not None
    high = np.bincount(layout.cells(np.full(100, 95.0), np.zeros(100, np.bool_)), minlength=layout.counts)
    assert values(numbers.calibration, layout, high.tolist())["mae"] == pytest.approx(1.9 * 0.798, rel=0.25)
    said, right = rng.choice(["a", "b", "c"], 3_000), rng.random(3_000) < 0.8
    truth = [name if ok else "d" for name, ok in zip(said.tolist(), right.tolist(), strict=True)]
    score = np.where(right, 0.9, 0.6)
    classes, _ = build(
        [batch(3_000, Answers(truth=list(truth), predicted=said.tolist(), value=score))], task="multiclass"
    )
    assert classes.calibration is not None
    assert classes.column("output.score") is None, "scores of different classes are no column"
    assert (
        classes.calibration.hits[-3:] == (0, int(right.sum()), 0)
        or sum(classes.calibration.hits) == right.sum()
    )


@pytest.mark.parametrize(
    ("world", "held"),
    [(USUAL, True), (UNSURE, True), (World(steepness=0.5), False), (World(steepness=9.0), False)],
)
def test_labels_bear_estimates_out_unless_scores_mean_something_else(world: World, held: bool) -> None:
    profile = reference()
    _, score, truth = drawn(np.random.default_rng(8), 3_000, world)
    labelled = Summary.empty(ErrorLayout("binary"))
    cells = np.minimum((score * 128).astype(np.int64), 127) + ErrorLayout.SCORES + 128 * truth
    np.add.at(labelled.vector, cells, 1)
    assert borne_out(profile, labelled, least=MinEffect()) is held
    assert borne_out(profile, Summary.empty(ErrorLayout("binary")), least=MinEffect()) is None
