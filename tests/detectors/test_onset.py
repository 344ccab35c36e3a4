from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.onset import change_point, stands_out


@given(st.integers(1, 20), st.integers(1, 20), st.floats(-5, 5), st.floats(0.1, 9))
def test_a_clean_step_is_found_exactly(before: int, after: int, level: float, height: float) -> None:
    values = [level] * before + [level + height] * after
    assert change_point(values, [1.0] * len(values)) == before


@pytest.mark.parametrize("seed", range(10))
def test_a_noisy_step_of_three_spreads_is_found_within_two_readings(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [*rng.normal(0, 1, 30), *rng.normal(3, 1, 10)]
    place = change_point(values, [1.0] * 40)
    assert place is not None
    assert abs(place - 30) <= 2
    assert stands_out(values, place)


def test_heavy_readings_count_for_more() -> None:
    assert change_point([0.0, 9.0, 0.0, 5.0], [100, 1, 100, 100]) == 3


def test_fewer_than_two_readings_have_no_change_point() -> None:
    assert change_point([], []) is None
    assert change_point([1.0], [5.0]) is None


def test_a_step_of_one_side_or_of_scattered_readings_does_not_stand_out() -> None:
    assert not stands_out([1.0, 2.0, 3.0], 0)
    assert not stands_out([1.0, 2.0], 1)
    assert not stands_out([5.0] * 9, 4)
