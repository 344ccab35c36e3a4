from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import distance  # type: ignore[import-untyped]  # it ships no types

from detectors.distances import (
    SMOOTHING,
    effective_n,
    expected_psi,
    jensen_shannon,
    jensen_shannon_by_chance,
    psi,
    psi_by_chance,
    shares,
)

ONE = np.array([0])
counts_pairs = st.integers(1, 20).flatmap(
    lambda size: st.tuples(*[st.lists(st.integers(0, 10_000), min_size=size, max_size=size)] * 2)
)


def smoothed(counts: list[int]) -> npt.NDArray[np.float64]:
    filled = np.array(counts) + SMOOTHING
    return np.asarray(filled / filled.sum(), dtype=np.float64)


@given(counts_pairs)
def test_the_distances_are_those_of_the_textbooks(pair: tuple[list[int], list[int]]) -> None:
    now, before = (smoothed(counts) for counts in pair)
    assert psi(*pair, ONE)[0] == pytest.approx(np.sum((now - before) * np.log(now / before)), abs=1e-12)
    divergence = distance.jensenshannon(now, before, base=2) ** 2
    assert jensen_shannon(*pair, ONE)[0] ** 2 == pytest.approx(divergence, abs=1e-12)


@given(counts_pairs)
def test_distances_are_symmetric_finite_and_zero_between_equals(pair: tuple[list[int], list[int]]) -> None:
    now, before = pair
    for measure in (psi, jensen_shannon):
        assert measure(now, before, ONE)[0] == pytest.approx(measure(before, now, ONE)[0])
        assert np.isfinite(measure(now, before, ONE)[0])
        assert measure(now, now, ONE)[0] == pytest.approx(0, abs=1e-7)


def test_many_columns_at_once_are_the_same_as_one_by_one() -> None:
    now, before = [10, 20, 5, 5, 5, 30, 1], [15, 15, 1, 9, 0, 3, 40]
    starts = np.array([0, 2, 5])
    ends = [2, 5, 7]
    for measure in (psi, jensen_shannon):
        single = [measure(now[s:e], before[s:e], ONE)[0] for s, e in zip(starts, ends, strict=True)]
        assert measure(now, before, starts).tolist() == pytest.approx(single)


def test_shares_of_every_column_add_up_to_one() -> None:
    assert np.add.reduceat(shares([0, 0, 3, 0], np.array([0, 2])), [0, 2]).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("n", [200, 1000, 5000])
def test_without_a_change_the_index_has_the_expected_mean_and_bound(n: int) -> None:
    rng = np.random.default_rng(n)
    true = np.full(10, 0.1)
    found = np.array(
        [psi(rng.multinomial(n, true), rng.multinomial(1000, true), ONE)[0] for _ in range(3000)]
    )
    assert found.mean() == pytest.approx(float(expected_psi(10, n, 1000)), rel=0.05)
    assert (found > float(psi_by_chance(10, n, 1000, alpha=0.01))).mean() < 0.02


def test_without_a_change_the_distance_stays_inside_its_bound() -> None:
    rng = np.random.default_rng(3)
    true = np.full(10, 0.1)
    found = [
        jensen_shannon(rng.multinomial(300, true), rng.multinomial(1000, true), ONE)[0] for _ in range(3000)
    ]
    assert np.mean(np.array(found) > float(jensen_shannon_by_chance(10, 300, 1000, alpha=0.01))) < 0.02


def test_the_effective_size_is_that_of_the_smaller_sample() -> None:
    assert effective_n([200, 0, 0], [10**9, 1000, 0]).tolist() == [pytest.approx(200, rel=1e-6), 0.0, 0.0]


def test_chance_can_do_anything_where_nothing_was_counted() -> None:
    assert np.isinf(psi_by_chance(10, 0, 1000, alpha=0.01))
    assert float(jensen_shannon_by_chance(10, 0, 1000, alpha=0.01)) == pytest.approx(
        1 / np.sqrt(8 * np.log(2)), rel=2
    )
