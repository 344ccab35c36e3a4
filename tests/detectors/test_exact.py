from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.exact import limbs, to_float

finite = st.floats(allow_nan=False, allow_infinity=False)
moderate = st.floats(-1e300, 1e300)


def one_sum(values: list[float]) -> float:
    column = np.array(values, dtype=np.float64)[:, None]
    return to_float(limbs(column, np.zeros(len(values), dtype=np.intp), 1)[0, 0])


@given(st.lists(moderate, max_size=50))
def test_a_sum_is_the_correctly_rounded_one(values: list[float]) -> None:
    assert one_sum(values) == math.fsum(values)


@given(finite)
def test_a_single_value_comes_back_to_the_last_bit(value: float) -> None:
    assert one_sum([value]) == value


@given(st.lists(st.floats(-1e-300, 1e-300), max_size=30))
def test_sums_of_subnormals_are_exact_too(values: list[float]) -> None:
    assert one_sum(values) == math.fsum(values)


@given(st.lists(moderate, min_size=1, max_size=30), st.randoms(use_true_random=False), st.integers(1, 5))
def test_neither_order_nor_grouping_matters(values: list[float], random: object, parts: int) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis' random.Random
    whole = limbs(np.array(values)[:, None], np.zeros(len(values), dtype=np.intp), 1)
    pieces = [shuffled[i::parts] for i in range(parts)]
    added = sum(
        limbs(np.array(piece, dtype=np.float64)[:, None], np.zeros(len(piece), dtype=np.intp), 1)
        for piece in pieces
    )
    assert to_float(np.asarray(added)[0, 0]) == to_float(whole[0, 0])


@given(st.lists(st.tuples(moderate, st.integers(0, 3)), min_size=1, max_size=40))
def test_every_group_gets_its_own_rows(rows: list[tuple[float, int]]) -> None:
    values = np.array([[v, -v] for v, _ in rows])
    found = limbs(values, np.array([g for _, g in rows], dtype=np.intp), 4)
    for group in range(4):
        mine = [v for v, g in rows if g == group]
        assert to_float(found[group, 0]) == math.fsum(mine)
        assert to_float(found[group, 1]) == -math.fsum(mine)


def test_taking_a_value_back_leaves_nothing() -> None:
    assert one_sum([0.1, 1e300, -0.1, -1e300]) == 0.0


def test_a_sum_beyond_a_double_is_infinite() -> None:
    assert one_sum([1.7e308, 1.7e308]) == math.inf
    assert one_sum([-1.7e308, -1.7e308]) == -math.inf
