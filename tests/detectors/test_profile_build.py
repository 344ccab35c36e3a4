"""Reference profiles from rows: types, bins, counts, metrics, and that batches change nothing."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from builders.profile_rows import batch, batches_of, build, mixed_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.profile import JOINT_PREFIX, CategoricalColumn, Column, NumericColumn
from detectors.profile_build import COLUMNS_MAX, ProfileBuilder
from detectors.profile_values import INVALID, MISSING, Answers, Numbers, RowBatch, category_name
from schemas.errors import Stop
from schemas.model_parts import FeatureRule

CATEGORICAL = FeatureRule(type="categorical")
NUMERIC = FeatureRule(type="numeric")
IGNORED = FeatureRule(ignore=True)


def column_of(values: Sequence[object], rule: FeatureRule | None = None, **options: Any) -> Column:
    rules = {} if rule is None else {"x": rule}
    profile, _ = build([batch(len(values), x=values)], feature_rules=rules, **options)
    return profile.columns[0]


def numeric_of(values: Sequence[object], rule: FeatureRule | None = None, **options: Any) -> NumericColumn:
    column = column_of(values, rule, **options)
    assert isinstance(column, NumericColumn)
    return column


def categorical_of(values: Sequence[object], rule: FeatureRule | None = None) -> CategoricalColumn:
    column = column_of(values, rule)
    assert isinstance(column, CategoricalColumn)
    return column


TYPES = [
    # values, rule, type, categories, missing, invalid
    ([1, 2.5, None], None, "numeric", None, 1, 0),
    ([None, None], None, "numeric", None, 2, 0),
    ([1, math.nan, math.inf, 10**400], None, "numeric", None, 0, 3),
    (["DE", "FR", "DE", None], None, "categorical", ("DE", "FR"), 1, 0),
    ([True, False, True, None], None, "categorical", ("true", "false"), 1, 0),
    ([1, 2, "x", 2], None, "categorical", ("2", "1", "x"), 0, 0),
    ([1.0, 1, "1", 1.5], None, "categorical", ("1", "1.5"), 0, 0),
    ([True, 1], None, "categorical", ("1", "true"), 0, 0),
    ([[1, 2], [3], None], None, "categorical", (), 1, 2),
    ([[1, 2], 3], None, "categorical", ("3",), 0, 1),
    ([1] * 19 + ["x"], None, "numeric", None, 0, 1),
    ([1] * 18 + ["x"], None, "categorical", ("1", "x"), 0, 0),
    ([""], None, "categorical", ("(empty)",), 0, 0),
    ([10115, 10115, 80331.0, math.nan], CATEGORICAL, "categorical", ("10115", "80331"), 0, 1),
    ([1, "many", True, None, 3], NUMERIC, "numeric", None, 1, 2),
]


@pytest.mark.parametrize(("values", "rule", "kind", "categories", "missing", "invalid"), TYPES)
def test_a_column_is_numeric_unless_more_than_a_few_values_or_the_settings_say_otherwise(
    *,
    values: list[object],
    rule: FeatureRule | None,
    kind: str,
    categories: tuple[str, ...] | None,
    missing: int,
    invalid: int,
) -> None:
    column = column_of(values, rule)
    assert (column.type, column.missing, column.invalid) == (kind, missing, invalid)
    assert column.n == len(values)
    if isinstance(column, CategoricalColumn):
        assert column.categories == categories


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, MISSING),
        ("", "(empty)"),
        ("DE", "DE"),
        ("\ud800", INVALID),
        (True, "true"),
        (7, "7"),
        (7.0, "7"),
        (7.5, "7.5"),
        (math.nan, INVALID),
        (-math.inf, INVALID),
        ([1], INVALID),
    ],
)
def test_a_value_has_one_category_name_here_and_in_events(value: object, name: str) -> None:
    assert category_name(value) == name


numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-3, 3).map(float),
    st.sampled_from([0.1, 0.2, 1e308, -1e308, 5e-324]),
)


@given(st.lists(numbers, min_size=1, max_size=300))
def test_every_finite_number_is_counted_in_the_bin_that_events_would_fall_into(values: list[float]) -> None:
    column = numeric_of(values)
    finite = np.array([value for value in values if math.isfinite(value)])
    assert list(column.edges) == sorted(set(column.edges))
    assert len(column.edges) <= 63
    expected = np.bincount(
        np.array(column.edges).searchsorted(finite, side="left"), minlength=len(column.counts)
    )
    assert list(column.counts) == expected.tolist()
    assert column.invalid == len(values) - len(finite)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_moments_and_quantiles_are_those_of_the_finite_values(values: list[float]) -> None:
    column = numeric_of(values)
    assert column.mean == pytest.approx(statistics.fmean(values), rel=1e-12, abs=1e-9)
    assert column.sd == pytest.approx(statistics.pstdev(values), rel=1e-9, abs=1e-9)
    ordered = sorted(values)
    assert column.median == ordered[math.ceil(len(values) / 2) - 1]
    assert column.low in ordered
    assert column.low <= column.median <= column.high


def test_bins_of_a_continuous_number_hold_about_the_same_number_of_rows() -> None:
    values = np.random.default_rng(1).lognormal(size=64_000)
    column = numeric_of(values.tolist())
    assert column.counts == (1000,) * 64
    assert column.low == np.sort(values)[63]
    assert column.high == np.sort(values)[63_935]


def test_a_discrete_number_gets_a_bin_per_value_and_one_below_them_all() -> None:
    below_0, below_constant = math.nextafter(0.0, -math.inf), math.nextafter(7.3, -math.inf)
    assert numeric_of([0] * 50 + [1] * 30 + [2] * 20).edges == (below_0, 0.0, 1.0, 2.0)
    assert numeric_of([0] * 50 + [1] * 30 + [2] * 20).counts == (0, 50, 30, 20, 0)
    constant = numeric_of([7.3] * 1000)
    assert (constant.edges, constant.counts) == ((below_constant, 7.3), (0, 1000, 0))
    assert (constant.mean, constant.sd) == (7.3, 0.0)


def test_huge_and_tiny_numbers_have_finite_moments() -> None:
    huge = numeric_of([1e308, -1e308, 1e308, -1e308])
    assert (huge.mean, huge.sd) == (0.0, 1e308)
    tiny = numeric_of([5e-324, 5e-324])
    assert (tiny.mean, tiny.sd) == (5e-324, 0.0)
    shifted = numeric_of([1e15 + i for i in range(3)])
    assert shifted.sd == pytest.approx(math.sqrt(2 / 3), rel=1e-12)


def test_a_column_without_a_number_has_no_bins_but_counts_its_rows() -> None:
    column = numeric_of([None, None])
    assert (column.edges, column.counts, column.mean, column.low, column.n) == ((), (0,), 0.0, 0.0, 2)


def test_quantiles_of_a_large_column_come_from_a_seeded_sample_and_counts_from_all_rows() -> None:
    values = np.random.default_rng(2).normal(size=50_000).tolist()
    sampled = numeric_of(values, sample_max=5_000)
    assert sum(sampled.counts) == 50_000
    assert sampled.median == pytest.approx(0.0, abs=0.06)
    assert sampled == numeric_of(values, sample_max=5_000)
    assert sampled != numeric_of(values, sample_max=5_000, seed=1)
    assert sampled.mean == numeric_of(values).mean


def test_many_columns_share_the_memory_of_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detectors.profile_build.SAMPLE_VALUES_MAX", 1_000)
    values = np.arange(10_000.0)
    rows = {f"x{i}": Numbers(values, np.zeros(10_000, dtype=np.bool_)) for i in range(9)}
    builder = ProfileBuilder("m", "regression", positive=None, feature_rules={})
    builder.sample(RowBatch(10_000, rows, Answers()))
    assert {len(scan.sample.ordered()) for scan in builder._scans.values()} == {100}


def test_the_256_most_frequent_categories_are_kept_and_the_others_counted_together() -> None:
    values = [f"c{i:04}" for i in range(700) for _ in range(700 - i)]
    column = categorical_of(values)
    assert column.categories == tuple(f"c{i:04}" for i in range(256))
    assert column.counts == tuple(700 - i for i in range(256))
    assert column.other == sum(700 - i for i in range(256, 700))


def test_a_frequent_category_is_found_among_endless_others_even_when_it_comes_last() -> None:
    values = [f"id{i}" for i in range(60_000)] + ["late"] * 200
    column = categorical_of(values)
    assert column.categories[0] == "late"
    assert column.counts[0] == 200
    assert sum(column.counts) + column.other == len(values)


def test_very_long_text_is_no_category() -> None:
    column = categorical_of(["x" * 600] * 5 + ["y"])
    assert (column.categories, column.other) == (("y",), 5)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 4_000), min_size=1, max_size=4))
def test_how_rows_come_in_batches_changes_no_byte_of_the_profile(sizes: list[int]) -> None:
    rows = mixed_rows(6_000)
    options: dict[str, Any] = {"task": "binary", "positive": "fraud", "sample_max": 700}
    whole, warnings = build(batches_of(rows, [len(rows)]), **options)
    parts, same_warnings = build(batches_of(rows, [max(size, 300) for size in sizes]), **options)
    assert parts.to_json() == whole.to_json()
    assert same_warnings == warnings


def test_features_come_in_the_order_of_the_data_then_the_figures_of_all_together_then_outputs() -> None:
    profile, _ = build(batches_of(mixed_rows(500), [100]), task="binary", positive="fraud")
    assert [column.name for column in profile.columns] == [
        "amount",
        "count",
        "country",
        "id",
        "mixed",
        "late",
        "joint.distance",
        "joint.residual",
        "joint.outside",
        "output.score",
        "output.label",
    ]
    rows = {column.name: column.n for column in profile.columns}
    assert {n for name, n in rows.items() if not name.startswith(JOINT_PREFIX)} == {500}
    assert {n for name, n in rows.items() if name.startswith(JOINT_PREFIX)} == {250}


def test_features_that_the_settings_ignore_are_left_out() -> None:
    profile, warnings = build([batch(2, x=[1, 2], id=["a", "b"])], feature_rules={"id": IGNORED})
    assert [column.name for column in profile.columns] == ["x"]
    assert not any("id" in text for text in warnings if "feature" in text)


ODDITIES: list[tuple[list[object], FeatureRule | None, str | None]] = [
    (
        [f"u{i}" for i in range(1000)],
        None,
        "column x looks like an id: 1,000 of its first 1,000 values are distinct; say features: {x: {ignore: true}}",
    ),
    (
        list(range(1000)),
        None,
        (
            "column x rises with every row, as row numbers and times do: it will drift by itself; say features: "
            "{x: {ignore: true}}"
        ),
    ),
    ([None] * 1000, None, "column x never holds a number: declare its type, or ignore it"),
    (
        [[0.1, 0.2]] * 1000,
        None,
        "column x never holds a number, text or boolean: it cannot be watched; ignore it",
    ),
    (
        [1.5] * 990 + ["unknown"] * 10,
        None,
        (
            'column x holds 990 numbers and 10 other values, such as "unknown": those count as invalid; declare '
            "type: categorical if they are meant"
        ),
    ),
    (
        [1.5] * 900 + ["unknown"] * 100,
        None,
        (
            'column x holds 900 numbers and 100 other values, such as "unknown": it counts as categorical; '
            "declare type: numeric to count those as invalid"
        ),
    ),
    ([1.5] * 990 + ["unknown"] * 10, NUMERIC, None),
    ([f"u{i % 50}" for i in range(1000)], None, None),
    ([1000 - i for i in range(1000)], None, None),
    ([i % 7 for i in range(1000)], CATEGORICAL, None),
]


@pytest.mark.parametrize(("values", "rule", "expected"), ODDITIES)
def test_a_suspicious_column_is_kept_with_a_warning(
    values: list[object], rule: FeatureRule | None, expected: str | None
) -> None:
    rules = {} if rule is None else {"x": rule}
    profile, warnings = build([batch(len(values), x=values)], feature_rules=rules)
    assert [column.name for column in profile.columns] == ["x"]
    assert warnings == [
        *([expected] if expected else []),
        "no row has ground truth: the profile has no metrics",
    ]


def test_other_warnings_say_what_does_not_fit_the_settings() -> None:
    answers = Answers(truth=["yes", "no", "maybe"])
    _, warnings = build(
        [batch(3, answers, amount=[3, 1, 2])],
        task="binary",
        positive="fraud",
        classes={"fraud": ["fraud"], "no": ["no"]},
        feature_rules={"amuont": NUMERIC, "gone": IGNORED},
    )
    assert warnings == [
        'the settings have a rule for a feature amuont that the reference lacks; did you mean "amount"?',
        "the reference has 3 rows: expect wide limits below 1,000",
        "found classes that the settings do not list: maybe, yes; add them to `classes`",
        "no label is of the positive class fraud, they are maybe, no, yes: mend `positive_class` or `classes`",
    ]


def test_a_second_pass_with_other_rows_stops() -> None:
    builder = ProfileBuilder("m", "regression", positive=None, feature_rules={})
    builder.sample(batch(3, x=[1, 2, 3]))
    builder.count(batch(2, x=[1, 2]))
    with pytest.raises(
        Stop, match="expected the same 3 rows in both passes, found 2 in the second"
    ) as caught:
        builder.finish()
    assert caught.value.exit_code == 2


def test_too_many_features_or_classes_stop() -> None:
    builder = ProfileBuilder("m", "multiclass", positive=None, feature_rules={})
    with pytest.raises(
        Stop, match=r"expected at most 4,096 features, found more, such as 'x4096': are ids used as names"
    ):
        builder.sample(RowBatch(1, {f"x{i}": [1] for i in range(COLUMNS_MAX + 1)}, Answers()))
    with pytest.raises(Stop, match="expected at most 1,000 classes"):
        builder.sample(batch(1001, Answers(truth=[str(i) for i in range(1001)])))
