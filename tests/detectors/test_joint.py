"""The figures of a row's numbers together: what they mean, and that nothing but the row decides them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from builders.joint_rows import Floats, together
from hypothesis import given
from hypothesis import strategies as st

from detectors.grid_products import on_grid, product, second_moments
from detectors.joint import FEATURES_MAX, FIGURE_MAX, VALUE_GRAIN, WEIGHT_GRAIN, Joint, JointScore, joint_from
from detectors.joint_fit import fit_joint


def joint_of(rows: Floats) -> Joint:
    found = fit_joint([f"f{i}" for i in range(rows.shape[1])], rows)
    assert found is not None
    return found


REFERENCE = together(4_000, 6, seed=1)
JOINT = joint_of(REFERENCE)
SCORE = JointScore(JOINT)
odd_numbers = st.one_of(
    st.floats(-5, 5), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([1e308, -1e308, 5e-324])
)
odd_rows = st.lists(st.lists(odd_numbers, min_size=6, max_size=6), min_size=1, max_size=20)


def figures(rows: Floats) -> tuple[Floats, Floats, Floats]:
    distance, residual, outside = SCORE.figures(rows).T
    return distance, residual, outside


def test_the_mean_square_of_the_distance_is_one_on_what_it_was_learned_from() -> None:
    distance, residual, outside = figures(REFERENCE)
    assert np.square(distance).mean() == pytest.approx(1.0, abs=1e-3)
    assert np.square(residual).mean() == pytest.approx(sum(JOINT.variances[JOINT.leading :]), rel=1e-3)
    assert 0 < outside.mean() < 0.003


def test_the_leading_components_explain_nine_tenths_and_one_less_does_not() -> None:
    share = np.cumsum(JOINT.variances) / sum(JOINT.variances)
    assert share[JOINT.leading - 1] >= 0.9 > share[JOINT.leading - 2]


def test_the_distance_is_that_of_mahalanobis() -> None:
    rows = together(50, 6, seed=2)
    standard = (rows - JOINT.mean) / np.array(JOINT.sd)
    reference = (REFERENCE - JOINT.mean) / np.array(JOINT.sd)
    inverse = np.linalg.inv(reference.T @ reference / len(reference))
    expected = np.sqrt(np.einsum("ni,ij,nj->n", standard, inverse, standard) / 6)
    assert figures(rows)[0] == pytest.approx(expected, rel=1e-3)


def test_an_unseen_combination_of_usual_values_is_far_away() -> None:
    usual, unseen = np.zeros((1, 6)), np.zeros((1, 6))
    usual[0, :2], unseen[0, :2] = (2.0, 2.0), (2.0, -2.0)
    (near, _, inside), (far, _, also_inside) = figures(usual), figures(unseen)
    assert far[0] > 3 * near[0]
    assert (inside[0], also_inside[0]) == (0.0, 0.0)


def test_a_correlation_that_turns_around_moves_figures_while_every_feature_stays_where_it_was() -> None:
    same, turned = (together(2_000, 6, seed=3, correlation=r) for r in (0.9, -0.9))
    before, now = figures(same), figures(turned)
    assert np.median(now[1]) > 2 * np.median(before[1])
    assert np.square(now[0]).mean() > 2 * np.square(before[0]).mean()
    assert np.abs(same.std(axis=0) - turned.std(axis=0)).max() < 0.05


@given(odd_rows, st.data())
def test_a_row_has_the_same_bits_whatever_rows_come_with_it(
    rows: list[list[float]], data: st.DataObject
) -> None:
    array = np.array(rows)
    whole = SCORE.figures(array)
    cut = data.draw(st.integers(0, len(rows)))
    parts = np.concatenate([SCORE.figures(array[:cut]), SCORE.figures(array[cut:])])
    assert parts.tobytes() == whole.tobytes()
    assert SCORE.figures(np.asfortranarray(array)[::-1]).tobytes() == whole[::-1].tobytes()


@pytest.mark.parametrize("features", [2, 7, 64])
def test_large_batches_have_the_bits_of_single_rows(features: int) -> None:
    rows = together(3_000, features, seed=4)
    score = JointScore(joint_of(rows))
    alone = np.concatenate([score.figures(rows[i : i + 1]) for i in range(0, 3_000, 50)])
    assert alone.tobytes() == score.figures(rows)[::50].tobytes()


@given(odd_rows)
def test_figures_are_bounded_numbers_or_missing_where_the_row_holds_no_number(
    rows: list[list[float]],
) -> None:
    array = np.array(rows)
    found = SCORE.figures(array)
    empty = ~np.isfinite(array).any(axis=1)
    assert np.array_equal(np.isnan(found), np.repeat(empty[:, None], 3, axis=1))
    there = found[~empty]
    assert ((there >= 0) & (there <= FIGURE_MAX)).all()
    assert (there[:, 2] <= 1).all()


def test_a_missing_value_counts_as_the_mean_and_infinity_as_missing() -> None:
    row = np.array([[1.0, 1.0, *JOINT.mean[2:]]])
    for hole in (math.nan, math.inf, -math.inf):
        holed = row.copy()
        holed[0, 2:] = hole
        assert SCORE.figures(holed)[0, :2].tolist() == SCORE.figures(row)[0, :2].tolist()


def test_the_share_outside_is_one_of_the_numbers_that_are_there() -> None:
    row = np.array([[100.0, 0.0, np.nan, -100.0, 0.0, np.nan]])
    assert SCORE.figures(row)[0, 2] == 0.5


@given(
    st.lists(st.integers(-20, 20), min_size=6, max_size=6),
    st.lists(st.floats(-1e3, 1e3), min_size=6, max_size=6),
)
def test_units_of_the_features_change_nothing(exponents: list[int], offsets: list[float]) -> None:
    scale = 2.0 ** np.array(exponents)
    rows = together(200, 6, seed=5)
    fresh = together(50, 6, seed=6)
    plain = JointScore(joint_of(rows)).figures(fresh)
    changed = JointScore(joint_of(rows * scale + np.array(offsets) * scale)).figures(
        fresh * scale + np.array(offsets) * scale
    )
    assert changed[:, :2] == pytest.approx(plain[:, :2], rel=1e-3, abs=1e-3)


def test_collinear_features_and_copies_are_fine_until_they_part() -> None:
    base = together(1_000, 3, seed=7)
    rows = np.column_stack([base, base[:, 0] * 2 + 1, base[:, 0] - base[:, 2]])
    score = JointScore(joint_of(rows))
    assert score.figures(rows)[:, 0].max() < 4
    parted = rows[:1].copy()
    parted[0, 3] += 1.0
    assert score.figures(parted)[0, 0] > 4


def test_features_that_never_vary_are_left_out_and_fewer_than_two_others_are_nothing() -> None:
    rows = np.column_stack([np.full(500, 0.1), together(500, 2, seed=8), np.full(500, np.nan)])
    assert joint_of(rows).features == ("f1", "f2")
    assert fit_joint(["a", "b"], rows[:, :2]) is None
    assert fit_joint([], np.zeros((500, 0))) is None


def test_huge_and_tiny_numbers_give_finite_tables() -> None:
    rows = together(500, 3, seed=9) * np.array([1e307, 5e-320, 1.0])
    joint = joint_of(rows)
    assert all(math.isfinite(v) for v in (*joint.mean, *joint.sd, *joint.variances))
    assert np.isfinite(JointScore(joint).figures(np.full((1, 3), 1.7e308))).all()


def test_few_rows_cover_few_features_and_none_covers_more_than_64() -> None:
    assert len(joint_of(together(50, 20, seed=1)).features) == 5
    assert len(joint_of(together(15, 20, seed=1)).features) == 2
    assert len(joint_of(together(2_000, 80, seed=1)).features) == FEATURES_MAX


def test_the_correlation_of_the_reference_can_be_read_back() -> None:
    expected = np.corrcoef(REFERENCE.T)
    assert JOINT.correlation() == pytest.approx(expected, abs=1e-3)


def test_it_comes_back_from_plain_values_and_odd_ones_are_refused() -> None:
    raw = dataclasses.asdict(JOINT)
    assert joint_from(raw) == JOINT
    assert joint_from(None) is None
    wrongs: list[dict[str, Any]] = [
        {"mean": [0.0]},
        {"leading": 6},
        {"leading": 0},
        {"sd": [0.0] * 6},
        {"mean": [math.nan] * 6},
    ]
    for wrong in [*wrongs, {"components": raw["components"][:5]}, {"features": ["f0"]}]:
        with pytest.raises(ValueError, match="joint"):
            joint_from(raw | wrong)


@given(st.integers(0, 2**32 - 1), st.integers(1, 400))
def test_products_on_a_grid_are_exact_in_any_order(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    left = on_grid(rng.uniform(-8, 8, (401, 64)), VALUE_GRAIN)
    right = on_grid(rng.uniform(-1, 1, (64, 64)), WEIGHT_GRAIN)
    expected = (left * 2**16).astype(np.int64) @ (right * 2**20).astype(np.int64)
    assert np.array_equal(product(left, right) * 2.0**36, expected)
    parts = second_moments(left[:cut]) + second_moments(left[cut:])
    assert np.array_equal(parts, second_moments(left))
