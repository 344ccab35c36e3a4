from __future__ import annotations

from itertools import accumulate

import msgspec
import numpy as np
import pytest
from builders.summaries import predictions, profile_of
from hypothesis import given
from hypothesis import strategies as st

from detectors.codec import (
    EncodedSums,
    decode_summary,
    encode_summary,
    layout_hash_of,
    take_all,
    take_encoded,
)
from detectors.layout import ErrorLayout, PredictionLayout, prediction_layout
from detectors.sparse import FEW
from detectors.summary import Summary, SummaryTable
from detectors.worst import WORST_MAX, merge_worst
from schemas.errors import Stop

LAYOUT = ErrorLayout("binary")
PREDICTIONS = prediction_layout(profile_of({"x": [1.0, 2.0, 3.0], "c": ["a", "b", "b"]}))

names = st.sampled_from(["fraud", "ok", "(negative)", "é\x00"])
events = st.tuples(st.sampled_from([0.5, 1.25, 9.0]), st.text("ab", min_size=1, max_size=2))
int64 = st.integers(-(2**60), 2**60)


@st.composite
def error_summaries(draw: st.DrawFn) -> Summary[ErrorLayout]:
    summary = Summary.empty(LAYOUT)
    cells = draw(st.dictionaries(st.integers(0, LAYOUT.size - 1), int64, max_size=20))
    for cell, value in cells.items():
        summary.vector[cell] = value
    pairs = draw(st.dictionaries(st.tuples(names, names), st.integers(-5, 10**9), max_size=6))
    summary.pairs |= {pair: count for pair, count in pairs.items() if count}
    summary.worst = merge_worst(draw(st.lists(events, max_size=7)), ())
    return summary


@given(error_summaries(), error_summaries(), error_summaries())
def test_merging_is_associative(
    a: Summary[ErrorLayout], b: Summary[ErrorLayout], c: Summary[ErrorLayout]
) -> None:
    assert a.merge(b).merge(c) == a.merge(b.merge(c))


@given(error_summaries(), error_summaries())
def test_merging_is_commutative(a: Summary[ErrorLayout], b: Summary[ErrorLayout]) -> None:
    assert a.merge(b) == b.merge(a)


@given(error_summaries())
def test_the_empty_summary_changes_nothing(a: Summary[ErrorLayout]) -> None:
    assert a.merge(Summary.empty(LAYOUT)) == a == Summary.empty(LAYOUT).merge(a)


@given(error_summaries(), error_summaries())
def test_merging_leaves_both_sides_as_they_were(a: Summary[ErrorLayout], b: Summary[ErrorLayout]) -> None:
    vector, pairs = a.vector.copy(), dict(a.pairs)
    merged = a.merge(b)
    merged.vector += 1
    merged.pairs["x", "y"] = 1
    assert np.array_equal(a.vector, vector)
    assert a.pairs == pairs


def test_summaries_of_different_cells_do_not_merge() -> None:
    with pytest.raises(ValueError, match="different binnings"):
        Summary.empty(LAYOUT).merge(Summary.empty(ErrorLayout("multiclass")))


@given(st.lists(st.lists(st.sampled_from([1.0, 2.5, None, 9.0]), max_size=5), max_size=5))
def test_it_does_not_matter_how_events_are_split_over_partitions(parts: list[list[float | None]]) -> None:
    whole = predictions(PREDICTIONS, {"x": [value for part in parts for value in part]})
    pieces = [predictions(PREDICTIONS, {"x": part}) for part in parts]
    *_, merged = accumulate(pieces, Summary.merge, initial=Summary.empty(PREDICTIONS))
    assert merged == whole


@given(error_summaries())
def test_a_summary_comes_back_from_its_bytes(summary: Summary[ErrorLayout]) -> None:
    data = encode_summary(summary)
    assert decode_summary(LAYOUT, data) == summary
    assert layout_hash_of(data) == LAYOUT.hash


@given(error_summaries())
def test_equal_summaries_are_equal_bytes(summary: Summary[ErrorLayout]) -> None:
    pairs = dict(reversed(list(summary.pairs.items())))
    again = Summary(LAYOUT, summary.vector.copy(), pairs, merge_worst(reversed(summary.worst), ()))
    assert encode_summary(again) == encode_summary(summary)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), error_summaries()), max_size=4),
    st.sampled_from([1, 1 + FEW // 2]),
)
def test_stored_summaries_read_together_come_to_what_merging_them_one_by_one_does(
    some: list[tuple[str, Summary[ErrorLayout]]], times: int
) -> None:
    stored = some * times
    sums, merged = EncodedSums[str, ErrorLayout](LAYOUT), dict[str, Summary[ErrorLayout]]()
    for key, summary in stored:
        sums.add(key, encode_summary(summary))
        merged[key] = merged[key].merge(summary) if key in merged else summary
    assert sums.read() == merged


@given(error_summaries(), error_summaries(), st.data())
def test_a_damaged_one_among_many_is_refused_or_read_and_nothing_else(
    one: Summary[ErrorLayout], other: Summary[ErrorLayout], data: st.DataObject
) -> None:
    damaged = bytearray(encode_summary(one))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    sums = EncodedSums[int, ErrorLayout](LAYOUT)
    for stored in (bytes(damaged), *[encode_summary(other)] * data.draw(st.sampled_from([1, FEW]))):
        sums.add(0, stored)
    try:
        found = sums.read()
    except Stop:
        return
    assert found[0].vector.shape == (LAYOUT.size,)


def test_damage_to_one_of_many_is_not_made_up_for_by_damage_to_another() -> None:
    summary = Summary.empty(LAYOUT)
    summary.vector[:3] = 1
    longer, shorter = (msgspec.msgpack.decode(encode_summary(summary)) for _ in range(2))
    longer[2][1] += longer[2][1][:1]
    shorter[2][1] = shorter[2][1][:-1]
    sums = EncodedSums[int, ErrorLayout](LAYOUT)
    for stored in (longer, shorter, *[msgspec.msgpack.decode(encode_summary(summary))] * FEW):
        sums.add(0, msgspec.msgpack.encode(stored))
    with pytest.raises(Stop, match="stored summary"):
        sums.read()


@given(st.lists(error_summaries(), max_size=4))
def test_a_table_that_is_taken_whole_gives_what_says_something_and_is_empty(
    summaries: list[Summary[ErrorLayout]],
) -> None:
    table = SummaryTable[int, ErrorLayout](LAYOUT)
    for key, summary in enumerate([*summaries, Summary.empty(LAYOUT)]):
        table.put(key, summary)
    told = {
        key: encode_summary(summary)
        for key, summary in enumerate(summaries)
        if summary.vector.any() or summary.pairs
    }
    assert take_all(table) == told
    assert not len(table)
    assert take_all(table) == {}
    table.row(7)
    assert table.get(7) == Summary.empty(LAYOUT)


@given(st.lists(error_summaries(), min_size=1, max_size=4))
def test_rows_of_a_table_are_encoded_like_single_summaries(summaries: list[Summary[ErrorLayout]]) -> None:
    table: SummaryTable[int, ErrorLayout] = SummaryTable(LAYOUT)
    for key, summary in enumerate(summaries):
        table.put(key, summary)
        table.row(key)
    encoded = dict(take_encoded(table))
    assert {key: decode_summary(LAYOUT, data) for key, data in encoded.items()} == dict(enumerate(summaries))
    assert take_encoded(table) == []


def test_bytes_of_other_cells_or_another_version_are_refused_with_the_mend() -> None:
    data = encode_summary(Summary.empty(LAYOUT))
    with pytest.raises(Stop, match="put the old profile back"):
        decode_summary(PREDICTIONS, data)
    newer = msgspec.msgpack.decode(data)
    newer[0] = 4
    with pytest.raises(Stop, match="codec version 4 is none of 1 to 3"):
        decode_summary(LAYOUT, msgspec.msgpack.encode(newer))


@given(error_summaries(), error_summaries())
def test_the_worst_events_of_both_sides_are_kept_and_no_more(
    a: Summary[ErrorLayout], b: Summary[ErrorLayout]
) -> None:
    merged = a.merge(b).worst
    assert merge_worst(merged, a.worst) == merge_worst(merged, merged) == merged
    assert len(merged) <= WORST_MAX
    left_out = {*a.worst, *b.worst} - {*merged}
    assert all((-score, name) > (-merged[-1][0], merged[-1][1]) for score, name in left_out)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_summary_are_refused(data: bytes) -> None:
    with pytest.raises(Stop):
        decode_summary(LAYOUT, data)


@given(error_summaries(), st.data())
def test_damaged_bytes_are_refused_or_read_as_a_summary_and_nothing_else(
    summary: Summary[ErrorLayout], data: st.DataObject
) -> None:
    damaged = bytearray(encode_summary(summary))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode_summary(LAYOUT, bytes(damaged))
    except Stop:
        return
    assert found.vector.shape == summary.vector.shape


def test_a_row_that_was_dropped_leaves_nothing_behind() -> None:
    table: SummaryTable[str, PredictionLayout] = SummaryTable(PREDICTIONS)
    table.matrix[table.row("old")] = 7
    table.add_pair(table.row("old"), ("a", "b"), 1)
    table.add_worst(table.row("old"), [(9.0, "a")])
    table.drop("old")
    table.row("new")
    assert table.get("new") == Summary.empty(PREDICTIONS)
    assert list(table.keys()) == ["new"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, PREDICTIONS.size - 1), st.integers(-3, 3))))
def test_a_table_counts_like_one_summary_per_key(added: list[tuple[str, int, int]]) -> None:
    table: SummaryTable[str, PredictionLayout] = SummaryTable(PREDICTIONS)
    expected = {key: Summary.empty(PREDICTIONS) for key, _, _ in added}
    rows = [table.row(key) for key, _, _ in added]
    for key, cell, weight in added:
        expected[key].vector[cell] += weight
    columns = [
        np.array(column, dtype=np.int64)
        for column in (rows, [c for _, c, _ in added], [w for *_, w in added])
    ]
    table.add_counts(*columns)
    assert {key: table.get(key) for key in expected} == expected
