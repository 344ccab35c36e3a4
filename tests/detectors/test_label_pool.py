from __future__ import annotations

import itertools

import numpy as np
import pytest
from builders.summaries import MINUTE_MS, NOON_MS, error_counts, error_window
from hypothesis import given
from hypothesis import strategies as st

from detectors.confusion import PAIRS_MAX, UsualConfusion
from detectors.label_pool import PIECES, LabelPool
from detectors.layout import ErrorLayout

LAYOUT = ErrorLayout("binary")


def pool_of(sizes: list[int], labels: int) -> LabelPool:
    pool = LabelPool(LAYOUT, labels=labels)
    for index, n in enumerate(sizes):
        pool.add(error_window(error_counts(n, n // 2), index))
    return pool


@given(st.lists(st.integers(1, 300), max_size=80), st.integers(1, 400))
def test_the_pool_is_bounded_and_keeps_what_it_must(sizes: list[int], labels: int) -> None:
    pieces = list(pool_of(sizes, labels))
    held = sum(piece.n for piece in pieces)
    assert len(pieces) <= PIECES + 2
    assert held >= min(labels, sum(sizes))
    assert held <= sum(sizes)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.integers(1, 400))
def test_what_is_kept_are_the_newest_windows_as_they_were(sizes: list[int], labels: int) -> None:
    pool = pool_of(sizes, labels)
    pooled = pool.newest(min(labels, sum(sizes)))
    assert pooled is not None
    first = (pooled.start_ms - NOON_MS) // MINUTE_MS
    assert pooled.n == sum(sizes[first:])
    assert int(pooled.summary.vector[1]) == sum(n // 2 for n in sizes[first:])


@given(st.lists(st.integers(1, 300), min_size=1, max_size=120), st.integers(1, 400), st.integers(0, 120))
def test_a_pool_with_a_reach_keeps_what_lies_behind_in_few_pieces(
    sizes: list[int], labels: int, first: int
) -> None:
    pool = LabelPool(LAYOUT, labels=labels, reach=30 * labels)
    for index, n in enumerate(sizes):
        pool.add(error_window(error_counts(n, n // 2), index))
    pieces = list(pool)
    assert sum(piece.n for piece in pieces) >= min(30 * labels, sum(sizes))
    assert len(pieces) <= PIECES + 2 + 2 * np.log(30) / np.log(1.5)
    bounds = [(piece.start_ms - NOON_MS) // MINUTE_MS for piece in pieces] + [len(sizes)]
    assert [p.n for p in pieces] == [sum(sizes[a:b]) for a, b in itertools.pairwise(bounds)]
    for piece, newer in zip(pieces, bounds[1:], strict=False):
        assert piece.n <= max(sum(sizes[newer:]) / 2, labels / PIECES + max(sizes))
    asked = min(labels, sum(sizes))
    since = pool.newest(asked, since_ms=NOON_MS + first * MINUTE_MS)
    assert since is not None
    start = (since.start_ms - NOON_MS) // MINUTE_MS
    assert since.n == sum(sizes[start:]) >= asked
    assert start >= min(first, len(sizes)) or sum(sizes[start:]) - pieces[bounds.index(start)].n < asked


def test_a_thousand_windows_of_one_label_are_few_pieces() -> None:
    assert len(list(pool_of([1] * 1000, 500))) <= PIECES + 2


def test_fewer_labels_than_asked_for_are_no_pool() -> None:
    assert pool_of([10, 20], 100).newest(31) is None
    assert LabelPool(LAYOUT, labels=5).newest(1) is None


@given(st.lists(st.integers(1, 300), max_size=30))
def test_a_pool_comes_back_from_its_bytes(sizes: list[int]) -> None:
    pool, again = pool_of(sizes, 100), LabelPool(LAYOUT, labels=100)
    again.restore(pool.to_bytes())
    assert list(again) == list(pool)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\x01\x02\x03", b"\x91\x92\x01\xc4\x01x"])
def test_bytes_that_are_no_pool_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="expected pooled error windows"):
        LabelPool(LAYOUT, labels=5).restore(data)


def test_a_pool_of_another_task_is_refused() -> None:
    other = LabelPool(ErrorLayout("multiclass"), labels=5)
    with pytest.raises(ValueError, match="expected pooled error windows"):
        other.restore(pool_of([5], 5).to_bytes())


def test_a_usual_confusion_is_bounded_whatever_the_number_of_classes() -> None:
    usual = UsualConfusion()
    for i in range(200):
        usual.add({(f"p{j}", f"t{i}"): 1000 for j in range(40)})
    assert len(usual.to_bytes()) < PAIRS_MAX * 30
    again = UsualConfusion()
    again.restore(usual.to_bytes())
    assert again.to_bytes() == usual.to_bytes()


def test_the_unnamed_negative_class_is_no_mistake_unless_the_truth_is_positive() -> None:
    shift = UsualConfusion().shift({("(negative)", "ok"): 5, ("(negative)", "fraud"): 5}, positive="fraud")
    assert shift["confusion_shift"] == [
        {"predicted": "(negative)", "true": "fraud", "share_before": None, "share_now": 0.5}
    ]
    assert UsualConfusion().shift({}, positive="fraud") == {}


def test_bytes_that_are_no_confusion_are_refused() -> None:
    with pytest.raises(ValueError, match="expected confusion counts"):
        UsualConfusion().restore(b"\x05")
