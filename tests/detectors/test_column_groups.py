from __future__ import annotations

import numpy as np
import pytest
from builders.summaries import predictions, profile_of
from hypothesis import given
from hypothesis import strategies as st

from detectors.column_groups import ColumnGroups, category_groups, unseen_rows
from detectors.equal_groups import equal_groups
from detectors.layout import prediction_layout
from detectors.profile import CategoricalColumn


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=80), st.integers(1, 20))
def test_groups_are_neighbours_numbered_from_0_without_gaps(counts: list[int], groups: int) -> None:
    found = equal_groups(counts, groups=groups)
    steps = np.diff(found)
    assert found[0] == 0
    assert set(steps.tolist()) <= {0, 1}
    assert found[-1] < groups


@given(st.lists(st.integers(1, 50), min_size=40, max_size=80))
def test_no_group_outweighs_two_fair_ones_and_its_heaviest_cell(counts: list[int]) -> None:
    found = equal_groups(counts, groups=10)
    weights = np.bincount(found, counts) / sum(counts)
    assert weights.max() <= 0.1 + 2 * max(counts) / sum(counts)


def test_sixty_four_equal_bins_become_ten_groups() -> None:
    assert np.bincount(equal_groups([100] * 64, groups=10)).tolist() == [6, 7, 6, 7, 6, 6, 7, 6, 7, 6]


def test_an_empty_reference_is_one_group() -> None:
    assert equal_groups([0, 0, 0], groups=10).tolist() == [0, 0, 0]


def test_frequent_categories_stand_alone_and_rare_ones_go_together_by_name() -> None:
    column = CategoricalColumn("country", ("DE", "FR", "b", "d", "a", "c"), (500, 400, 30, 30, 20, 20))
    found = category_groups(column).tolist()
    assert found[:2] == [0, 1]
    assert found[4] <= found[2] <= found[5] <= found[3]


def test_a_category_seen_once_stands_for_one_never_seen() -> None:
    assert unseen_rows(CategoricalColumn("c", ("a", "b", "c"), (5, 1, 1), other=3)) == 5


def test_missing_and_invalid_values_are_in_no_group() -> None:
    layout = prediction_layout(profile_of({"x": [float(i) for i in range(200)], "c": ["a", "b"] * 100}))
    groups = ColumnGroups(layout.columns)
    summary = predictions(layout, {"x": [1.0, None, object(), 150.0], "c": ["a", None, 7, "new"]})
    assert groups.totals(groups.counts(summary.vector)).tolist() == [2, 2]
    assert int(groups.counts(summary.vector).sum()) == 4


@pytest.mark.parametrize("columns", [{}, {"x": []}, {"x": [1.0]}, {"c": ["a"]}, {"x": [None, None]}])
def test_profiles_of_next_to_nothing_have_groups_too(columns: dict[str, list[object]]) -> None:
    layout = prediction_layout(profile_of(columns))
    groups = ColumnGroups(layout.columns)
    vector = predictions(layout, {}).vector
    assert groups.totals(groups.counts(vector)).tolist() == [0] * len(columns)
