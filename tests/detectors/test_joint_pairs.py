"""Which two features no longer go together as they did, from sums that merge exactly."""

from __future__ import annotations

import numpy as np
import pytest
from builders.joint_rows import Floats, profile_of_rows, together
from builders.summaries import prediction_window
from hypothesis import given
from hypothesis import strategies as st

from detectors.column_pool import ColumnPool
from detectors.joint import FOLLOWED_MAX, JointScore
from detectors.joint_evidence import joint_evidence
from detectors.joint_pairs import EVENTS_MIN, changed_pair, correlations, followed_values, pair_sums
from detectors.layout import PredictionLayout, prediction_layout
from detectors.profile import ReferenceProfile
from detectors.summary import Summary

PROFILE = profile_of_rows(together(2_000, 5, seed=1))


def summary_of(profile: ReferenceProfile, rows: Floats) -> Summary[PredictionLayout]:
    layout = prediction_layout(profile)
    assert profile.joint is not None
    summary = Summary.empty(layout)
    standard = JointScore(profile.joint).standard(rows)[:, : len(profile.joint.followed)]
    summary.vector[layout.pairs :] = pair_sums(followed_values(standard))
    return summary


def test_the_pair_whose_correlation_changed_is_named_with_before_and_now() -> None:
    rows = together(500, 5, seed=2, correlation=0.1)
    summary = summary_of(PROFILE, rows)
    found = changed_pair(summary.layout, summary.vector)
    assert found is not None
    assert found.features == ("f0", "f1")
    assert found.before == pytest.approx(0.9, abs=0.03)
    assert found.now == pytest.approx(np.corrcoef(rows[:, 0], rows[:, 1])[0, 1], abs=0.01)


def test_a_shift_of_the_means_is_no_change_of_correlation() -> None:
    rows = together(500, 5, seed=3)
    summary = summary_of(PROFILE, rows + 2.0)
    found = correlations(summary.layout, summary.vector)
    assert found == pytest.approx(np.corrcoef(rows.T), abs=0.02)


@given(st.lists(st.integers(0, 200), max_size=3))
def test_sums_of_parts_are_the_sum_of_the_whole_to_the_last_bit(cuts: list[int]) -> None:
    rows = together(200, 5, seed=4)
    parts = [summary_of(PROFILE, part).vector for part in np.split(rows, sorted(cuts))]
    assert np.array_equal(np.sum(parts, axis=0), summary_of(PROFILE, rows).vector)


def test_few_events_or_a_feature_that_stands_still_say_nothing() -> None:
    few = summary_of(PROFILE, together(EVENTS_MIN - 1, 5, seed=5))
    assert changed_pair(few.layout, few.vector) is None
    still = together(500, 5, seed=5)
    still[:, 2] = 1.0
    found = summary_of(PROFILE, still)
    named = changed_pair(found.layout, found.vector)
    assert named is not None
    assert "f2" not in named.features
    nothing = summary_of(PROFILE, np.full((500, 5), np.nan))
    assert changed_pair(nothing.layout, nothing.vector) is None


def test_so_many_features_are_followed_and_no_more_and_the_layout_says_so() -> None:
    wide = profile_of_rows(together(2_000, 40, seed=6))
    layout = prediction_layout(wide)
    assert layout.size - layout.pairs == (FOLLOWED_MAX + 1) * (FOLLOWED_MAX + 2) // 2
    narrow = prediction_layout(PROFILE)
    assert narrow.size - narrow.pairs == 6 * 7 // 2
    assert prediction_layout(None).size == prediction_layout(None).pairs


def test_evidence_names_the_worst_events_and_the_pair_and_stays_small() -> None:
    summary = summary_of(PROFILE, together(500, 5, seed=7, correlation=-0.5))
    summary.worst = ((9.5, "b"), (7.25, "a"))
    evidence = joint_evidence(PROFILE, summary)
    assert evidence["worst_ids"] == ["b", "a"]
    assert evidence["pair"] == "f0 ~ f1"
    assert evidence["correlation_before"] == pytest.approx(0.9, abs=0.03)
    assert evidence["correlation_now"] == pytest.approx(-0.5, abs=0.1)
    assert joint_evidence(PROFILE, Summary.empty(summary.layout)) == {"worst_ids": []}


def test_without_joint_figures_there_is_no_evidence() -> None:
    profile = profile_of_rows(together(2_000, 5, seed=1)[:, :1])
    layout = prediction_layout(profile)
    assert joint_evidence(profile, Summary.empty(layout)) == {}
    assert correlations(layout, Summary.empty(layout).vector) is None


def test_a_pool_gathers_pairs_and_worst_events_until_a_joint_figure_is_judged() -> None:
    layout = prediction_layout(PROFILE)
    pool, again = (ColumnPool(layout, values_min=1, present_only=True) for _ in range(2))
    parts = [summary_of(PROFILE, together(200, 5, seed=seed)) for seed in (8, 9)]
    for number, part in enumerate(parts):
        part.worst = ((5.0 + number, str(number)),)
        pool.add(prediction_window(part, number))
    assert pool.worst == ((6.0, "1"), (5.0, "0"))
    assert np.array_equal(pool.vector[layout.pairs :], (parts[0].vector + parts[1].vector)[layout.pairs :])
    again.restore(pool.state())
    assert (again.worst, again.vector.tolist()) == (pool.worst, pool.vector.tolist())
    names = [cells.column.name for cells in layout.columns]
    pool.clear(np.array([name == "f0" for name in names]))
    assert pool.worst
    pool.clear(np.array([name == "joint.distance" for name in names]))
    assert not pool.worst
    assert not pool.vector[layout.pairs :].any()
