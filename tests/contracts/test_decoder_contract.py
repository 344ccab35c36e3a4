"""The fast decoder and the published contract accept and reject the same messages."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from consumers.columns import Records
from consumers.decode import BatchDecoder
from consumers.interning import Interner
from consumers.plan import plan_model
from schemas.events import GroundTruth, Prediction
from schemas.model_settings import ModelSettings

MODEL = ModelSettings.model_validate({"name": "m", "task": "binary", "positive_class": "yes"})
NOTHING = Records([])
PREDICTION: dict[str, Any] = {
    "prediction_id": "a",
    "model": "m",
    "time": "2026-11-01T12:00:00.123Z",
    "features": {"x": 1.5},
    "output": {"label": "yes", "score": 0.9},
    "segments": {"channel": "web"},
    "latency_ms": 3,
    "status": "ok",
}
LABEL: dict[str, Any] = {
    "prediction_id": "a",
    "model": "m",
    "time": 1_762_000_000_000,
    "label": "no",
    "revision": 0,
    "prediction_time": "2026-11-01T12:00:00Z",
}
ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**400, 0, 1, -1, 2**32 - 1, 2**32]),
    st.floats(),
    st.sampled_from([1.0, 0.5, -0.0, 1e308, 1e-320]),
    st.text(max_size=5),
    st.sampled_from(
        ["", "ok", "error", "yes", "\ud800", "x" * 128, "x" * 129, "2026-11-01T12:00:00+02:00", "2026-13-01"]
    ),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(
        st.sampled_from(["a", "yes", "\udfff"]), st.one_of(st.floats(), st.none(), st.text()), max_size=2
    ),
)


def accepted_by_contract(kind: type[BaseModel], data: bytes) -> BaseModel | None:
    try:
        return kind.model_validate(json.loads(data.decode("utf-8")))
    except (ValidationError, ValueError, RecursionError):
        return None


def decoded(predictions: Records, labels: Records) -> int:
    """Return how many of the two batches' events were accepted."""
    batch = BatchDecoder({"m": plan_model(MODEL, None)}, Interner()).decode(predictions, labels)
    accepted = sum(len(c) for c in batch.predictions.values()) + sum(len(c) for c in batch.labels.values())
    rejected = len(batch.prediction_rejects) + len(batch.label_rejects)
    assert accepted + rejected == len(predictions.values) + len(labels.values), "an event was lost"
    return accepted


def encoded(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode("utf-8")


def changed(event: dict[str, Any], path: list[str], value: object) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(event))
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return copy


PREDICTION_PATHS = (
    [
        [name]
        for name in (*PREDICTION, "version", "weight", "shadow", "error", "trace_id", "received_at", "extra")
    ]
    + [["output", name] for name in ("label", "score", "probabilities", "value", "decision", "extra")]
    + [
        ["features", "x"],
        ["features", "y"],
        ["segments", "channel"],
    ]
)


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from([p for p in PREDICTION_PATHS if p != ["model"]]), ODD_VALUES)
@example(["version"], None)
@example(["output"], {})
@example(["features", "x"], "\ud800")
@example(["output", "probabilities"], {})
def test_one_odd_value_in_a_prediction_is_judged_alike(path: list[str], value: object) -> None:
    data = encoded(changed(PREDICTION, path, value))
    event = accepted_by_contract(Prediction, data)
    expected = event is not None and has_binary_answer(event)
    assert decoded(Records([data]), NOTHING) == int(expected), data


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from([[name] for name in (*LABEL, "value", "extra") if name != "model"]), ODD_VALUES)
@example(["revision"], 2**32)
def test_one_odd_value_in_a_label_is_judged_alike(path: list[str], value: object) -> None:
    data = encoded(changed(LABEL, path, value))
    event = accepted_by_contract(GroundTruth, data)
    expected = isinstance(event, GroundTruth) and event.label is not None
    assert decoded(NOTHING, Records([data])) == int(expected), data


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60) | st.integers(0, 300).map(lambda n: encoded(PREDICTION)[:n]))
@example(b"[" * 100_000)
@example(b'{"prediction_id":"a","model":"m","time":0,"features":' + b"[" * 100_000)
@example(b"\xff\xfe{}")
@example(b'{"prediction_id":"a","model":"m","time":0,"output":{"score":1e400}}')
@example(
    b'{"prediction_id":"a","model":"m","time":0,"output":{"score":1},"features":{"a":1e400,"b":-Infinity}}'
)
@example(b'{"prediction_id":"a","model":"m","time":0,"output":{"score":1},"features":{"\\ud800":1}}')
@example(b'{"prediction_id":"a","model":"m","time":0,"output":{"score":1},"features":{"a":"\\ud800"}}')
@example(b'{"prediction_id":"a","prediction_id":"b","model":"m","time":0,"output":{"score":1}}')
@example(b'{"prediction_id":"a","model":"m","time":0,"output":{"score":1},"extra":"\xff"}')
@example(b'{"prediction_id":"a","model":"m","time":0,"output":{"score":1},"features":{"a":"\xff"}}')
@example(b'{"prediction_id":"a","model":"m","time":0,"output":{"score":1},"\\ud800":1}')
@example(b'{"prediction_id":"a","model":"m","time":0,"output":{"score":1,"\\ud800":1}}')
@example(b'{"prediction_id":"a","model":"m","time":' + b"9" * 5000 + b"}")
def test_broken_bytes_are_judged_alike_and_never_raise(data: bytes) -> None:
    event = accepted_by_contract(Prediction, data)
    expected = event is not None and has_binary_answer(event)
    assert decoded(Records([data]), NOTHING) == int(expected)


def test_a_removed_field_is_judged_alike() -> None:
    for name in PREDICTION:
        data = encoded({key: value for key, value in PREDICTION.items() if key != name})
        event = accepted_by_contract(Prediction, data)
        expected = event is not None and has_binary_answer(event) and name != "model"
        assert decoded(Records([data]), NOTHING) == int(expected), name


def test_a_tombstone_and_an_empty_message_are_rejected_not_lost() -> None:
    assert decoded(Records([None, b""]), Records([None, b""])) == 0


def has_binary_answer(event: BaseModel) -> bool:
    """Return what the settings of a binary model ask for on top of the contract."""
    assert isinstance(event, Prediction)
    output = event.output
    if event.status == "error":
        return True
    if output is None:
        return False
    scored = output.score is not None or "yes" in (output.probabilities or {})
    return output.label is not None or scored
