"""A refusal says which model it is about, wherever that can be known; what is too long is not looked at."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from builders.watched import SETTINGS, profile

from consumers.columns import Records
from consumers.decode import BatchDecoder
from consumers.interning import CLASSES_MAX, VERSIONS_MAX, Interner
from consumers.memory_store import MemoryPartitions
from consumers.partition import Partition
from consumers.plan import plan_model
from consumers.rejects import Rejected, clean_model
from consumers.store import Position
from schemas.kafka_settings import MESSAGE_BYTES_MAX
from schemas.model_settings import ModelSettings

PLANS = {
    name: plan_model(
        ModelSettings.model_validate({"name": name, "task": "multiclass", "label_horizon": "1h"}), None
    )
    for name in ("one", "two")
}
PREDICTION: dict[str, Any] = {
    "prediction_id": "a", "model": "two", "time": 1_762_000_000_000, "output": {"label": "x"}
}  # fmt: skip
LABEL: dict[str, Any] = {"prediction_id": "a", "model": "two", "time": 1_762_000_000_000, "label": "x"}
SLOW = {"features": {"x": float("nan")}}
"""Makes the fast decoder refuse a prediction, so that the lenient one decides."""

Told = tuple[str, str | None]


def encoded(event: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({**event, **changes}).encode()


def told(rejects: list[Rejected]) -> list[Told]:
    return [(rejected.reason.value, rejected.model) for rejected in rejects]


def decoded(predictions: list[bytes | None], labels: list[bytes | None], **options: Any) -> Any:
    sides = [Records(side, np.full(len(side), 1_762_000_000_000)) for side in (predictions, labels)]
    return BatchDecoder(PLANS, Interner(), **options).decode(*sides)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"prediction_id": 7}, ("contract", "two")),
        ({"prediction_id": 7, **SLOW}, ("contract", "two")),
        ({"features": []}, ("contract", "two")),
        ({"output": {"score": float("inf")}}, ("contract", "two")),
        ({"output": None}, ("contract", "two")),
        ({"time": "noon"}, ("contract", "two")),
        ({"received_at": "noon"}, ("contract", "two")),
        ({"time": 1_862_000_000_000}, ("time_in_future", "two")),
        ({"time": 1_862_000_000_000, **SLOW}, ("time_in_future", "two")),
        ({"model": "three"}, ("unknown_model", "three")),
        ({"model": "three", **SLOW}, ("unknown_model", "three")),
        ({"model": "three\n" + "x" * 200}, ("unknown_model", "three\ufffd" + "x" * 122)),
        ({"model": "three", "prediction_id": 7}, ("contract", None)),
        ({"model": 3}, ("contract", None)),
        ({"model": None}, ("contract", None)),
        ({"model": ["two"]}, ("contract", None)),
    ],
)
def test_a_refused_prediction_says_its_model(changes: dict[str, Any], expected: Told) -> None:
    assert told(decoded([encoded(PREDICTION, **changes)], []).prediction_rejects) == [expected]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"prediction_id": 7}, ("contract", "two")),
        ({"label": None}, ("contract", "two")),
        ({"value": float("nan")}, ("contract", "two")),
        ({"prediction_time": "noon"}, ("contract", "two")),
        ({"time": 1_862_000_000_000}, ("time_in_future", "two")),
        ({"model": "three"}, ("unknown_model", "three")),
        ({"model": 3}, ("contract", None)),
    ],
)
def test_a_refused_label_says_its_model(changes: dict[str, Any], expected: Told) -> None:
    assert told(decoded([], [encoded(LABEL, **changes)]).label_rejects) == [expected]


@pytest.mark.parametrize(
    ("value", "reason"), [(None, "empty"), (b"", "empty"), (b"{", "decode"), (b"[]", "decode")]
)
def test_what_nobody_can_read_is_of_no_model(value: bytes | None, reason: str) -> None:
    batch = decoded([value], [value])
    assert told(batch.prediction_rejects) == told(batch.label_rejects) == [(reason, None)]


def test_limits_of_the_partition_say_the_model() -> None:
    versions = [encoded(PREDICTION, prediction_id=str(i), version=str(i)) for i in range(VERSIONS_MAX + 2)]
    assert told(decoded([*versions], []).prediction_rejects) == [("too_many_versions", "two")]
    classes = [encoded(LABEL, prediction_id=str(i), label=f"c{i}") for i in range(CLASSES_MAX + 1)]
    assert told(decoded([], [*classes]).label_rejects) == [("too_many_classes", "two")]


def test_refusals_of_the_step_say_the_model_and_come_in_log_order() -> None:
    partition = Partition(PLANS, 0, MemoryPartitions().claim(0), start=Position(0, 0, 0), guarded=True)
    late = encoded(PREDICTION, prediction_id="late", time=0)
    flood = [encoded(LABEL, time=0, revision=i, label=f"c{i % 2}") for i in range(20)]

    def take(predictions: list[bytes], truths: list[bytes], frontier_ms: int | None = None) -> Any:
        batch = partition.decode(Records(predictions), Records(truths))
        return partition.apply(batch, {}, to=(0, 0), frontier_ms=frontier_ms)

    flooded = take([], [*flood[:-1], b"", flood[-1]])
    reasons = {rejected.reason.value: rejected.model for rejected in flooded.label_rejects}
    assert reasons == {"label_flood": "two", "empty": None}
    places = [rejected.index for rejected in flooded.label_rejects]
    assert places == sorted(places)
    take([encoded(PREDICTION)], [encoded(LABEL)])
    refused = take([late, b"{", late], [], frontier_ms=1_762_000_000_000)
    assert [(r.index, *told([r])[0]) for r in refused.prediction_rejects] == [
        (0, "too_old", "two"),
        (1, "decode", None),
        (2, "too_old", "two"),
    ]


@pytest.mark.parametrize("event", [encoded(PREDICTION), encoded(LABEL), b"\xff" * 50])
def test_a_value_beyond_the_limit_is_refused_whatever_it_holds(event: bytes) -> None:
    beyond = decoded([event], [event], message_bytes_max=len(event) - 1)
    assert told(beyond.prediction_rejects) == told(beyond.label_rejects) == [("oversize", None)]
    within = decoded([event], [event], message_bytes_max=len(event))
    assert ("oversize", None) not in told(within.prediction_rejects + within.label_rejects)


def test_the_limit_is_a_million_bytes_unless_somebody_sets_it() -> None:
    for size_bytes, expected in ((MESSAGE_BYTES_MAX, []), (MESSAGE_BYTES_MAX + 1, [("oversize", None)])):
        event = encoded(PREDICTION).ljust(size_bytes)
        assert told(decoded([event], []).prediction_rejects) == expected


def test_a_long_event_under_a_raised_limit_is_accepted_by_both_decoders() -> None:
    events = [encoded(PREDICTION, error="x" * 2_000_000), encoded(PREDICTION, error="x" * 2_000_000, **SLOW)]
    batch = decoded([*events], [], message_bytes_max=3_000_000)
    assert len(batch.predictions["two"]) == 2


def test_a_model_name_of_a_stranger_is_made_fit_to_be_shown() -> None:
    assert clean_model("fraud\x1b[31m") == "fraud\ufffd[31m"
    assert clean_model("ü" * 500) == "ü" * 128


def test_a_batch_in_which_every_prediction_is_refused_is_only_refused() -> None:
    """A worker died of this: without a single event there were no columns to look cells up in."""
    plans = {"fraud": plan_model(SETTINGS["binary"], profile("binary"))}
    event = {**PREDICTION, "model": "fraud", "time": "noon"}
    batch = BatchDecoder(plans, Interner()).decode(Records([encoded(event)] * 3), Records([]))
    assert told(batch.prediction_rejects) == [("contract", "fraud")] * 3
    assert batch.predictions == {}
