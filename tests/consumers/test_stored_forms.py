"""What is stored must load for ever: one golden file per stored form and version.

A form that changes on purpose gets a new version and a new golden file; the old ones stay and must load.
Write new ones with `UPDATE_GOLDEN=1 pytest tests/consumers/test_stored_forms.py`.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from consumers.clocks import ModelClock, PartitionClocks, TopicClock
from consumers.evaluation import StoredEvaluation
from consumers.interning import Tables
from consumers.learner import StoredLearning
from consumers.partition_time import StoredTime
from consumers.pending import Entry, PendingLabel, PendingPrediction, decode_entry, encode_entry
from detectors.codec import decode_summary, encode_summary
from detectors.layout import ErrorLayout
from detectors.number_cells import NumberCells
from detectors.pair_layout import PairLayout
from detectors.split_layout import SplitLayout
from detectors.summary import Summary, Weights
from detectors.version_history import VersionHistory, VersionLife
from schemas.errors import Stop

GOLDEN = Path(__file__).parents[1] / "golden" / "stored"
ENTRY = Entry(
    3,
    (
        PendingPrediction(1_762_000_000_123, 1, 2, 0, False, 0, 0.25),
        PendingPrediction(1_762_000_000_000, 0, 2, 1, True, 1, 1e-9),
    ),
    (PendingLabel(1_762_000_500_000, 0, 1.0, 2), PendingLabel(1_762_000_600_000, 7, 0.0)),
)
BLOCK = bytes([2, 1, 0x34, 0x12, 0xFF, 0xFF])
WEIGHTED = replace(ENTRY, predictions=(replace(ENTRY.predictions[0], weight=0.25), ENTRY.predictions[1]))
PROBABLE = replace(
    WEIGHTED, predictions=(WEIGHTED.predictions[0], replace(ENTRY.predictions[1], probabilities=BLOCK))
)
TABLES = Tables(
    models=["fraud"],
    versions=[("fraud", "7")],
    segments={"fraud": [("channel=web",)]},
    classes={"fraud": ["ok", "1"]},
    unlisted={"fraud": ["neu"]},
    class_lists={"fraud": [[1, 0]]},
)
TIME = StoredTime(
    clocks=PartitionClocks(
        predictions=TopicClock(now_ms=5, models={"fraud": ModelClock(4, 5, 1, 9)}, idle=True),
        labels=TopicClock(),
    ),
    frozen_ms={"fraud": 3},
    frontier_ms={"fraud": 4},
    swept=17,
    swept_ms={"fraud": 2},
)
EVALUATION = StoredEvaluation(
    closed_ms={"predictions": 60_000},
    seen={"predictions": [("a/b", 30, 40), ("a/b", 31, 41)]},
    detectors=b"d",
    book=b"b",
    trimmed_ms={"predictions": 0},
    rolled_ms=11,
    first_ms=12,
    versions={"errors": VersionHistory([VersionLife("8", 60_000, 120_000, "7")], "8")},
    learning=StoredLearning(
        after_ms=5,
        from_ms=60_000,
        events=7,
        incidents=[6],
        labels=b"l",
        segments={"channel=web": b"s"},
        labels_from_ms=9,
        has_labels=True,
        again_ms=50,
        scores=[1, 2],
        scores_from_ms=8,
        first_ms=4,
        absolute=2.5,
        squared=6.5,
    ),
)


def summary() -> Summary[ErrorLayout]:
    made = Summary.empty(ErrorLayout("binary"))
    made.vector[:4] = (300, 20, 300, 0)
    made.vector[100] = 70_000
    made.vector[-1] = -(2**40)
    made.pairs.update({("ok", "fraud"): 20, ("ok", "ok"): 280})
    made.worst = ((9.125, "c-é"), (7.5, "a"))
    return made


def numbers() -> Summary[ErrorLayout]:
    """Return a summary with everything that only some summaries have."""
    made = Summary.empty(NUMBERS)
    made.vector[:4] = (3, 0, 3, 3)
    made.vector[NUMBERS.known :] = np.arange(NUMBERS.size - NUMBERS.known) - 2**33
    weights = np.arange(NUMBERS.weights.size, dtype=np.int64) * -(2**34)
    made.weights = Weights(weights, {("a", "b"): 2**70, ("a", "a"): -(2**70) - 1})
    return made


def classes() -> Summary[ErrorLayout]:
    made = Summary.empty(CLASSES)
    made.vector[:4] = (3, 1, 3, 0)
    made.vector[CLASSES.known :] = np.arange(CLASSES.size - CLASSES.known) + 1
    made.weights = Weights(np.arange(CLASSES.weights.size, dtype=np.int64) + 1, {("a", "b"): 2**30})
    return made


CLASSES = ErrorLayout("multiclass")
DUE_LAYOUT = SplitLayout(60_000, (60_000, 120_000), (60_000, 60_000))
DUE = Summary(DUE_LAYOUT, np.array([80, 8, 8, -1, 0, 0], dtype=np.int64))
PAIRS = Summary(PairLayout(), np.array([400, 400, 3, 40, 8, 8, 352, 40], dtype=np.int64))
NUMBERS = ErrorLayout("regression", edges=(0.0,), numbers=NumberCells((0.0,), (0.5,), (0, 1), unit=2.0))
FORMS = {
    "entry-weighted-v1": encode_entry(WEIGHTED, regression=True),
    "summary-v3": encode_summary(numbers()),
    "entry-v1": encode_entry(ENTRY, regression=False),
    "entry-number-v1": encode_entry(ENTRY, regression=True),
    "entry-probabilities-v1": encode_entry(PROBABLE, regression=False),
    "summary-classes-v1": encode_summary(classes()),
    "tables-v2": msgspec.msgpack.encode(TABLES),
    "time-v1": msgspec.msgpack.encode(TIME),
    "evaluation-v7": msgspec.msgpack.encode(EVALUATION),
    "summary-v2": encode_summary(summary()),
    "summary-pairs-v1": encode_summary(PAIRS),
    "summary-due-v1": encode_summary(DUE),
}


@pytest.mark.parametrize("name", FORMS)
def test_what_is_written_now_is_what_was_written_then(name: str) -> None:
    path = GOLDEN / f"{name}.bin"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(FORMS[name])
    assert FORMS[name] == path.read_bytes()


def test_what_was_written_then_loads() -> None:
    stored = {name: (GOLDEN / f"{name}.bin").read_bytes() for name in FORMS}
    assert decode_entry(stored["entry-v1"], regression=False) == ENTRY
    assert decode_entry(stored["entry-number-v1"], regression=True) == ENTRY
    assert decode_entry(stored["entry-weighted-v1"], regression=True) == WEIGHTED
    assert decode_summary(NUMBERS, stored["summary-v3"]) == numbers()
    assert decode_entry(stored["entry-probabilities-v1"], regression=False) == PROBABLE
    assert decode_summary(CLASSES, stored["summary-classes-v1"]) == classes()
    assert msgspec.msgpack.decode(stored["tables-v2"], type=Tables) == TABLES
    older = (GOLDEN / "tables-v1.bin").read_bytes()
    assert msgspec.msgpack.decode(older, type=Tables) == msgspec.structs.replace(TABLES, class_lists={})
    assert msgspec.msgpack.decode(stored["time-v1"], type=StoredTime) == TIME
    assert msgspec.msgpack.decode(stored["evaluation-v7"], type=StoredEvaluation) == EVALUATION
    assert decode_summary(ErrorLayout("binary"), stored["summary-v2"]) == summary()
    assert decode_summary(PairLayout(), stored["summary-pairs-v1"]) == PAIRS
    assert decode_summary(DUE_LAYOUT, stored["summary-due-v1"]) == DUE


def test_an_evaluation_of_an_older_release_loads_without_what_it_did_not_know() -> None:
    first, second, third, fourth, fifth, sixth = (
        msgspec.msgpack.decode((GOLDEN / f"evaluation-{v}.bin").read_bytes(), type=StoredEvaluation)
        for v in ("v1", "v2", "v3", "v4", "v5", "v6")
    )
    learning = EVALUATION.learning
    assert learning is not None
    older = msgspec.structs.replace(learning, absolute=0.0, squared=0.0)
    assert sixth == msgspec.structs.replace(EVALUATION, learning=older)
    older = msgspec.structs.replace(older, again_ms=-1, scores=[], scores_from_ms=-1, first_ms=-1)
    assert fifth == msgspec.structs.replace(EVALUATION, learning=older)
    assert fourth == msgspec.structs.replace(fifth, versions={})
    known = msgspec.structs.replace(fourth, first_ms=None)
    assert first == msgspec.structs.replace(known, seen={}, learning=None, rolled_ms=-1)
    assert second == msgspec.structs.replace(known, learning=None, rolled_ms=-1)
    assert third == known


def test_a_summary_of_the_release_before_loads_and_has_no_unfamiliar_events() -> None:
    old = decode_summary(ErrorLayout("binary"), (GOLDEN / "summary-v1.bin").read_bytes())
    expected = summary()
    expected.worst = ()
    assert old == expected


def test_a_summary_of_before_there_were_cells_of_numbers_loads_and_has_none() -> None:
    older = Summary.empty(replace(NUMBERS, numbers=None))
    older.vector[:] = np.arange(older.layout.size)
    found = decode_summary(NUMBERS, encode_summary(older))
    assert found.vector[: older.layout.size].tolist() == older.vector.tolist()
    assert not found.vector[older.layout.size :].any()
    assert found.weights is None


def test_a_summary_of_before_errors_were_learned_from_by_prediction_loads_and_has_none() -> None:
    known = replace(NUMBERS, numbers=NUMBERS.numbers and NUMBERS.numbers.with_outcomes())
    found = decode_summary(known, FORMS["summary-v3"])
    older = numbers().vector
    assert found.vector[: NUMBERS.further].tolist() == older[: NUMBERS.further].tolist()
    assert found.vector[known.further :].tolist() == older[NUMBERS.further :].tolist()
    assert not found.vector[known.outcome_cells].any()
    assert decode_summary(known, encode_summary(found)) == found


def test_what_has_no_weights_and_no_cells_of_numbers_is_stored_as_it_always_was() -> None:
    plain = Summary.empty(NUMBERS)
    plain.vector[: NUMBERS.known] = 7
    older = Summary(replace(NUMBERS, numbers=None), plain.vector[: NUMBERS.known])
    assert encode_summary(plain) == encode_summary(older)
    assert (
        encode_entry(replace(WEIGHTED, predictions=ENTRY.predictions), regression=True)
        == FORMS["entry-number-v1"]
    )


def test_a_summary_on_other_bins_of_the_prediction_is_refused() -> None:
    other = replace(NUMBERS, numbers=NumberCells((0.0,), (0.75,), (0, 1), unit=2.0))
    with pytest.raises(Stop, match="counted on cells"):
        decode_summary(other, FORMS["summary-v3"])
    with pytest.raises(ValueError, match="different binnings"):
        numbers().merge(Summary.empty(other))


def test_two_versions_and_a_label_stay_within_what_redis_keeps_compact() -> None:
    pair = Entry(1, ENTRY.predictions, ENTRY.labels[:1])
    assert len(encode_entry(pair, regression=False)) <= 64
    assert len(encode_entry(pair, regression=True)) <= 64


@pytest.mark.parametrize("damaged", [b"", b"\x00", FORMS["summary-v2"][:20], b"\x95\x02\xa1x\xc0\xc0\x90"])
def test_a_summary_that_is_not_one_stops_with_a_mend(damaged: bytes) -> None:
    with pytest.raises(Stop, match="stored summary"):
        decode_summary(ErrorLayout("binary"), damaged)


def test_a_summary_counted_on_other_cells_is_never_mixed_in() -> None:
    with pytest.raises(Stop, match="counted on cells"):
        decode_summary(ErrorLayout("regression"), FORMS["summary-v2"])
    with pytest.raises(ValueError, match="different binnings"):
        summary().merge(Summary(ErrorLayout("multiclass"), np.zeros(1, dtype=np.int64)))
