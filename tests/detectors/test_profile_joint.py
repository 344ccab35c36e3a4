"""The joint figures of a reference: their columns, what they are learned from, and who is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np
import pytest
from builders.joint_rows import NOON_MS, Floats, batch_of, profile_of_rows, together
from builders.profile_rows import batch, build
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import profile_joint
from detectors.joint import JointScore
from detectors.profile import JOINT_COLUMNS, NumericColumn, ReferenceProfile, from_json
from detectors.profile_build import ProfileBuilder
from detectors.profile_compare import compare
from detectors.profile_values import Answers, RowBatch
from schemas.errors import Stop

ROWS = together(3_000, 5, seed=1)


def column(profile: ReferenceProfile, name: str) -> NumericColumn:
    found = profile.column(name)
    assert isinstance(found, NumericColumn)
    return found


def figures(profile: ReferenceProfile, rows: Floats) -> Floats:
    assert profile.joint is not None
    return JointScore(profile.joint).figures(rows)


def test_every_row_is_either_learned_from_or_counted() -> None:
    profile = profile_of_rows(ROWS)
    assert profile.joint is not None
    assert profile.joint.n == 1_500
    assert [column(profile, name).n for name in JOINT_COLUMNS] == [1_500] * 3


def test_a_large_reference_is_counted_whole_but_for_the_rows_learned_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(profile_joint, "ROWS_MAX", 1_000)
    profile = profile_of_rows(ROWS)
    assert profile.joint is not None
    assert profile.joint.n == 500
    assert column(profile, "joint.distance").n == 2_500


def test_new_rows_of_the_same_kind_have_the_figures_of_the_reference_even_with_many_features() -> None:
    profile = profile_of_rows(together(1_300, 60, seed=2))
    fresh = figures(profile, together(4_000, 60, seed=3))
    for place, name in enumerate(JOINT_COLUMNS[:2]):
        known = column(profile, name)
        assert fresh[:, place].mean() == pytest.approx(known.mean, abs=5 * known.sd / np.sqrt(650))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 1_500), max_size=5))
def test_how_rows_come_in_batches_changes_no_byte(sizes: list[int]) -> None:
    rows = ROWS.copy()
    rows[::7, 2] = np.nan
    options: dict[str, Any] = {"importances": {"f3": 2.0, "f1": 1.0}}
    assert profile_of_rows(rows, sizes, **options).to_json() == profile_of_rows(rows, **options).to_json()


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(1, 1_500), max_size=5))
def test_nor_does_it_when_the_sample_is_smaller_than_the_rows(sizes: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(profile_joint, "CELLS_MAX", 2_000)
        assert profile_of_rows(ROWS, sizes).to_json() == profile_of_rows(ROWS).to_json()


def test_the_most_important_features_come_first() -> None:
    profile = profile_of_rows(ROWS, importances={"f3": 2.0, "f1": 1.0})
    assert profile.joint is not None
    assert profile.joint.features == ("f3", "f1", "f0", "f2", "f4")
    assert [c.name for c in profile.columns] == ["f0", "f1", "f2", "f3", "f4", *JOINT_COLUMNS]


def test_without_two_numeric_features_or_a_hundred_rows_there_are_no_joint_figures() -> None:
    for rows in (ROWS[:99], ROWS[:, :1], np.ones((500, 3))):
        profile = profile_of_rows(rows)
        assert profile.joint is None
        assert not [c for c in profile.columns if c.name in JOINT_COLUMNS]
    words, _ = build([batch(200, a=["x", "y"] * 100, b=[1, 2] * 100)])
    assert words.joint is None


def test_rows_with_times_give_the_figures_rhythms() -> None:
    hours = np.arange(20_000) // 60
    rows = together(20_000, 3, seed=4)
    rows[(hours % 24) < 6] *= 2  # restless nights
    midnight_ms = NOON_MS - 43_200_000
    time_ms = midnight_ms + np.arange(20_000, dtype=np.int64) * 60_000
    builder = ProfileBuilder("m", "regression", positive=None, feature_rules={})
    for take in (builder.sample, builder.count):
        take(batch_of(rows, time_ms))
    rhythm = column(builder.finish(), "joint.distance").rhythms["location"]
    assert len(rhythm.season) == 24
    assert min(rhythm.season[:6]) > max(rhythm.season[7:23])


def test_a_profile_with_joint_figures_comes_back_and_its_binning_covers_them() -> None:
    profile = profile_of_rows(ROWS)
    assert from_json(profile.to_json(), source="p.json") == profile
    assert profile.joint is not None
    other = dataclasses.replace(profile.joint, leading=1)
    assert dataclasses.replace(profile, joint=other).binning_hash != profile.binning_hash


def test_a_profile_without_joint_figures_has_the_text_and_the_hashes_that_it_always_had() -> None:
    profile = profile_of_rows(ROWS[:, :1])
    assert "joint" not in json.loads(profile.to_json())
    assert from_json(profile.to_json(), source="p.json") == profile


def test_columns_with_the_names_of_figures_and_no_joint_are_refused() -> None:
    profile = profile_of_rows(ROWS)
    for odd in (dataclasses.replace(profile, joint=None), dataclasses.replace(profile, columns=())):
        with pytest.raises(Stop, match=r"the profile is damaged \(columns .* joint\."):
            from_json(odd.to_json(), source="p.json")


@pytest.mark.parametrize("name", ["joint.distance", "joint.x", "output.score"])
def test_a_feature_with_the_name_of_a_figure_is_refused(name: str) -> None:
    rows: dict[str, Any] = {name: [1.0]}
    builder = ProfileBuilder("m", "regression", positive=None, feature_rules={})
    with pytest.raises(Stop, match="has the name of a column that is not a feature; rename it"):
        builder.sample(RowBatch(1, rows, Answers()))


def test_figures_of_two_profiles_are_not_compared() -> None:
    a, b = profile_of_rows(ROWS), profile_of_rows(ROWS[:, :4] + 1)
    change = compare(a, b)
    assert not {c.name for c in change.columns} & {*JOINT_COLUMNS}
    assert change.removed == ("f4",)


def test_profiles_of_the_first_form_load_without_joint_figures() -> None:
    raw = json.loads(profile_of_rows(ROWS[:, :1]).to_json())
    for newer in ("hash", "timezone", "span_ms", "confusion", "error_rhythms", "error", "score_cells"):
        del raw[newer]
    raw["format"] = "watchkeeper.profile/1"
    canonical = json.dumps(raw, sort_keys=True, separators=(",", ":"))
    raw["hash"] = hashlib.sha256(canonical.encode()).hexdigest()
    assert from_json(json.dumps(raw), source="p.json").joint is None
