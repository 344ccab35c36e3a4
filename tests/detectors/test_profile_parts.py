"""The parts that a reference profile is built with: sample, frequent names, ranks, cells of text, distances."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from detectors.frequent_names import FrequentNames
from detectors.profile import CategoricalColumn, NumericColumn, ReferenceProfile
from detectors.profile_compare import compare
from detectors.profile_count import NumericCount
from detectors.profile_sample import Sample
from detectors.rank_counts import RankCounts
from detectors.text_types import TextColumn, cell_categories, cell_numbers, cell_values


@given(st.lists(st.integers(1, 50), min_size=1, max_size=10), st.integers(1, 40))
def test_a_sample_holds_the_rows_with_the_smallest_keys_however_they_come(
    sizes: list[int], kept: int
) -> None:
    n = sum(sizes)
    keys = np.random.default_rng(7).random(n)
    values = np.arange(float(n))
    sample = Sample(kept)
    for start, size in zip(np.cumsum([0, *sizes[:-1]]).tolist(), sizes, strict=True):
        sample.add(values[start : start + size], keys[start : start + size])
    assert sample.ordered().tolist() == sorted(np.argsort(keys)[:kept].tolist())
    sample.limit(max(kept // 2, 1))
    assert sample.ordered().tolist() == sorted(np.argsort(keys)[: max(kept // 2, 1)].tolist())


@given(st.lists(st.sampled_from("aabbbcdefghijklmnop"), max_size=300), st.integers(1, 30))
def test_no_name_with_more_than_its_share_is_lost(names: list[str], cut: int) -> None:
    counter = FrequentNames(capacity=5, block=8)
    for start in range(0, len(names), cut):
        counter.add(names[start : start + cut])
    candidates = counter.candidates()
    assert len(candidates) <= 5
    assert {name for name, n in Counter(names).items() if n > len(names) / 6} <= set(candidates)
    whole = FrequentNames(capacity=5, block=8)
    whole.add(names)
    assert whole.candidates() == candidates


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=2, max_size=200), st.integers(1, 50))
def test_the_area_under_the_roc_curve_is_exact(rows: list[tuple[int, bool]], cut: int) -> None:
    score = np.array([row[0] / 40 for row in rows])
    true = np.array([row[1] for row in rows])
    ranks = RankCounts()
    for start in range(0, len(rows), cut):
        ranks.add(score[start : start + cut], true[start : start + cut])
    if true.all() or not true.any():
        assert ranks.area() is None
    else:
        assert ranks.area() == pytest.approx(roc_auc_score(true, score), rel=1e-12)


def test_too_many_distinct_scores_are_rounded_and_the_area_hardly_moves() -> None:
    random = np.random.default_rng(8)
    score = random.random(600_000)
    true = random.random(600_000) < score
    areas = []
    for cut in (600_000, 100_001):
        ranks = RankCounts(distinct_max=1 << 16)
        for start in range(0, len(score), cut):
            ranks.add(score[start : start + cut], true[start : start + cut])
        areas.append(ranks.area())
        assert len(ranks._scores) <= (1 << 16) + 1
    assert areas[0] == areas[1]
    assert areas[0] == pytest.approx(roc_auc_score(true, score), abs=1e-7)


CELLS: list[tuple[list[str], str, list[object]]] = [
    (["1", "-2", "+3.5", ".5", "1e3", ""], "number", [1, -2, 3.5, 0.5, 1000.0, None]),
    (["1", "NA", "null", " 2 "], "number", [1, None, None, 2]),
    (["9007199254740993"], "number", [9007199254740993]),
    (["True", "false", ""], "boolean", [True, False, None]),
    (["TRUE", "NA"], "boolean", [True, None]),
    (["true", "1"], "text", ["true", "1"]),
    (["007", "12"], "text", ["007", "12"]),
    (["1.10", "2.0", "1.2-beta"], "text", ["1.10", "2.0", "1.2-beta"]),
    (["NA", "DE", " "], "text", ["NA", "DE", None]),
    (["1_000"], "text", ["1_000"]),
    (["", ""], "number", [None, None]),
]


@pytest.mark.parametrize(("cells", "kind", "values"), CELLS)
def test_cells_of_a_text_table_have_the_type_of_their_column(
    cells: list[str], kind: Any, values: list[object]
) -> None:
    column = TextColumn()
    for cell in cells:
        column.add([cell])
    assert column.type == kind
    found = cell_categories(cells, kind)
    assert [(type(v), v) for v in found] == [(type(v), v) for v in values]


MOSTLY = [
    (["1"] * 95 + ["?"] * 5, True),
    (["1"] * 94 + ["?"] * 6, False),
    (["1"] * 99 + ["true"], True),
    (["12"] * 99 + ["007"], False),
    (["1"] * 99 + ["NA"], False),
]


@pytest.mark.parametrize(("cells", "expected"), MOSTLY)
def test_a_few_odd_cells_among_numbers_make_no_column_of_text_but_codes_do(
    cells: list[str], *, expected: bool
) -> None:
    column = TextColumn()
    column.add(cells)
    assert column.is_mostly_numbers is expected


def test_cells_read_as_values_keep_what_is_no_number() -> None:
    assert cell_values(["1.5", "?", "", "NA", "1e3"]) == [1.5, "?", None, None, 1000.0]


def test_cells_read_as_numbers_tell_missing_from_invalid() -> None:
    found = cell_numbers(["1", "", "NA", "nan", "inf", "x", "007", "1_0"])
    assert found.missing.tolist() == [False, True, True, False, False, False, False, False]
    assert found.finite.tolist() == [True, False, False, False, False, False, True, False]


def numeric(values: np.ndarray[Any, Any], name: str = "x") -> NumericColumn:
    count = NumericCount(name, np.sort(values), float(np.abs(values).max()))
    count.add(values.tolist())
    return count.column()


def profile(*columns: NumericColumn | CategoricalColumn, **options: Any) -> ReferenceProfile:
    return ReferenceProfile("m", "regression", sum(columns[0].counts), columns, **options)


def psi_of(a: NumericColumn | CategoricalColumn, b: NumericColumn | CategoricalColumn) -> float:
    (change,) = compare(profile(a), profile(b)).columns
    assert change.psi is not None
    return change.psi


def test_equal_profiles_do_not_differ() -> None:
    column = numeric(np.random.default_rng(9).normal(size=5_000))
    change = compare(profile(column), profile(column))
    assert (change.columns, change.equal_columns, change.metrics) == ((), 1, {})


def test_the_distance_of_numbers_is_small_for_two_samples_and_known_for_a_shift() -> None:
    random = np.random.default_rng(10)
    a = numeric(random.normal(size=50_000))
    assert psi_of(a, numeric(random.normal(size=50_000))) < 0.002
    # Deciles of a normal that moves by half a standard deviation: 0.2424 by integration.
    assert psi_of(a, numeric(random.normal(0.5, 1, size=50_000))) == pytest.approx(0.2424, abs=0.02)


def test_the_distance_of_discrete_numbers_is_exact() -> None:
    a = numeric(np.repeat([0.0, 1.0, 2.0], [500, 300, 200]))
    b = numeric(np.repeat([0.0, 1.0, 2.0], [300, 300, 400]))
    shares = np.array([[500, 300, 200], [300, 300, 400]]) + 0.5
    p, q = shares / shares.sum(axis=1, keepdims=True)
    assert psi_of(a, b) == pytest.approx(((q - p) * np.log(q / p)).sum(), rel=1e-12)


def test_the_distance_of_numbers_far_apart_is_large_and_finite() -> None:
    a, b = numeric(np.arange(1000.0)), numeric(np.arange(1000.0) + 1e9)
    assert 5 < psi_of(a, b) < 50
    assert 5 < psi_of(b, a) < 50


def test_categories_of_one_profile_alone_count_in_the_distance() -> None:
    a = CategoricalColumn("x", ("DE", "FR"), (600, 400))
    b = CategoricalColumn("x", ("DE", "IT"), (600, 400))
    change = compare(profile(a), profile(b)).columns[0]
    assert (change.category, change.shares) == ("FR", (0.4, 0.0))
    assert change.psi is not None
    assert change.psi > 1


def test_a_column_that_changed_its_type_has_no_distance() -> None:
    change = compare(
        profile(numeric(np.arange(10.0))), profile(CategoricalColumn("x", ("a",), (10,)))
    ).columns[0]
    assert (change.types, change.psi) == (("numeric", "categorical"), None)


def test_a_column_without_values_has_no_distance() -> None:
    empty = NumericColumn("x", (), (0,), 0.0, 0.0, 0.0, 0.0, 0.0, missing=10)
    change = compare(profile(numeric(np.arange(10.0))), profile(empty)).columns[0]
    assert (change.psi, change.missing) == (None, (0.0, 1.0))
