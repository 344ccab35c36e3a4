from __future__ import annotations

import numpy as np
import pytest
from builders.summaries import Values, categorical_column, numeric_column, predictions, profile_of

from detectors.column_figures import largest_share_shift, moments_of, quantile, rank_shift
from detectors.layout import PredictionLayout, prediction_layout
from detectors.profile import NumericColumn


def test_a_quantile_is_off_by_less_than_its_bin() -> None:
    rng = np.random.default_rng(1)
    column = numeric_column("x", rng.normal(0, 1, 10_000))
    values = rng.normal(0.5, 1.2, 5_000)
    counts = np.bincount(np.searchsorted(column.edges, values), minlength=len(column.counts))
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        found, true = quantile(column, counts, share), float(np.quantile(values, share))
        place = int(np.searchsorted(column.edges, true))
        assert found is not None
        assert abs(found - true) <= column.edges[place] - column.edges[place - 1]


def test_a_quantile_in_an_end_bin_or_of_nothing_is_unknown() -> None:
    column = numeric_column("x", [float(i) for i in range(100)], bins=4)
    assert quantile(column, np.array([9, 1, 0, 0]), 0.5) is None
    assert quantile(column, np.array([0, 0, 0, 0]), 0.5) is None
    assert quantile(numeric_column("x", [5.0] * 9), np.array([9, 0]), 0.5) is None


def test_moments_are_those_of_the_values() -> None:
    rng = np.random.default_rng(2)
    columns: dict[str, Values] = {
        "a": rng.normal(50, 4, 1000),
        "c": ["x", "y"] * 500,
        "b": rng.lognormal(0, 1, 1000),
    }
    layout = prediction_layout(profile_of(columns))
    now: dict[str, Values] = {"a": rng.normal(55, 8, 400), "b": rng.lognormal(0.5, 1, 400), "c": ["x"] * 400}
    found = moments_of(layout, predictions(layout, now).vector, np.array([400, 400]))
    for place, cells in enumerate(layout.numeric):
        column = cells.column
        assert isinstance(column, NumericColumn)
        values = (np.array(now[column.name], dtype=np.float64) - column.mean) / column.sd
        assert found.mean[place] == pytest.approx(values.mean(), abs=2**-17)
        assert found.sd[place] == pytest.approx(values.std(), rel=1e-3)


def test_a_column_without_values_has_no_moments() -> None:
    layout = prediction_layout(profile_of({"a": [1.0, 2.0, 3.0]}))
    found = moments_of(layout, np.zeros(layout.size, dtype=np.int64), np.array([0]))
    assert np.isnan(found.mean[0])


def test_the_rank_shift_of_values_that_are_all_higher_is_a_half() -> None:
    assert rank_shift(np.array([0, 0, 9]), np.array([5, 4, 0])) == 0.5
    assert rank_shift(np.array([5, 4, 0]), np.array([5, 4, 0])) == pytest.approx(0)
    assert rank_shift(np.array([0, 0]), np.array([5, 4])) == 0.0


def test_the_category_that_changed_most_is_named() -> None:
    column = categorical_column("country", ["DE"] * 70 + ["FR"] * 30)
    found = largest_share_shift(column, np.array([60, 10, 30]))
    assert found is not None
    assert (found.category, found.before, found.now) == ("(unseen)", 0.0, 0.3)
    assert largest_share_shift(column, np.array([0, 0, 0])) is None


def test_the_cells_of_the_layout_are_where_the_figures_look() -> None:
    layout = prediction_layout(profile_of({"c": ["a", "b"], "x": [1.0, 2.0]}))
    assert [c.offset for c in layout.columns] == [0, 5]
    assert PredictionLayout.COLUMNS + sum(c.size for c in layout.columns) == layout.counts
