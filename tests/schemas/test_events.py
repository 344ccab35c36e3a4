"""Which messages are predictions and ground truths; a fast decoder must decide the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from schemas.events import GroundTruth, Prediction
from schemas.export import json_schemas

PREDICTION = """\
{"prediction_id": "018f...", "model": "fraud", "version": "7", "time": "2026-11-01T12:00:00.123Z",
 "features": {"amount": 12.5, "country": "DE", "is_new": true, "age": null},
 "output": {"label": "fraud", "probabilities": {"fraud": 0.93, "ok": 0.07}},
 "segments": {"channel": "web"}, "latency_ms": 12.1, "status": "ok", "error": null, "trace_id": "..."}"""
GROUND_TRUTH = """\
{"prediction_id": "018f...", "model": "fraud", "time": "2026-11-08T09:00:00Z", "label": "ok", "revision": 0,
 "prediction_time": "2026-11-01T12:00:00.123Z"}"""

LEAST_PREDICTION = {"prediction_id": "a", "model": "m", "time": 0, "output": {"score": 0.5}}
LEAST_TRUTH = {"prediction_id": "a", "model": "m", "time": 0, "label": "ok"}
GONE = object()
BIG = 2**63


def wrong(field: str, *values: Any) -> list[tuple[dict[str, Any], str]]:
    """Return rows that put each value in a field, and name the field as the reason."""
    whole, _, part = field.partition(".")
    return [({whole: {part: value} if part else value}, field) for value in values]


def changed(least: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**least, **changes}.items() if value is not GONE}


def test_the_prediction_of_the_contract_is_read_as_it_says() -> None:
    event = Prediction.model_validate(json.loads(PREDICTION))
    assert (event.prediction_id, event.model, event.version) == ("018f...", "fraud", "7")
    assert event.time_ms == 1_793_534_400_123
    assert event.features == {"amount": 12.5, "country": "DE", "is_new": True, "age": None}
    assert event.output is not None
    assert (event.output.label, event.output.probabilities) == ("fraud", {"fraud": 0.93, "ok": 0.07})
    assert event.segments == {"channel": "web"}
    assert (event.latency_ms, event.status, event.error, event.trace_id) == (12.1, "ok", None, "...")


def test_the_ground_truth_of_the_contract_is_read_as_it_says() -> None:
    event = GroundTruth.model_validate(json.loads(GROUND_TRUTH))
    assert (event.prediction_id, event.model, event.label, event.value) == ("018f...", "fraud", "ok", None)
    assert (event.revision, event.prediction_time_ms) == (0, 1_793_534_400_123)
    assert event.time_ms - 1_793_534_400_123 == 593_999_877


def test_what_is_left_out_or_null_has_its_default() -> None:
    optional = (
        "version",
        "features",
        "segments",
        "weight",
        "latency_ms",
        "status",
        "shadow",
        "error",
        "trace_id",
        "received_at",
    )
    for changes in ({}, dict.fromkeys(optional)):
        event = Prediction.model_validate(changed(LEAST_PREDICTION, changes))
        assert (event.version, event.features, event.segments, event.weight) == ("0", {}, {}, 1.0)
        assert (event.latency_ms, event.status, event.shadow) == (None, "ok", False)
        assert (event.error, event.trace_id, event.received_at_ms) == (None, None, None)
    for changes in ({}, dict.fromkeys(("value", "revision", "prediction_time"))):
        truth = GroundTruth.model_validate(changed(LEAST_TRUTH, changes))
        assert (truth.value, truth.revision, truth.prediction_time_ms) == (None, 0, None)


GOOD_PREDICTIONS: list[dict[str, Any]] = [
    {},
    {"prediction_id": "x" * 128},
    {"prediction_id": "\U0001f600" * 128},
    {"prediction_id": " "},
    {"model": ""},
    {"version": ""},
    {"time": "2026-11-01T12:00:00+01:00"},
    {"time": 7_289_654_399_999},
    {"features": {}},
    {
        "features": {
            "a": float("nan"),
            "b": float("inf"),
            "c": [1, 2],
            "d": {"e": 1},
            "f": "x",
            "g": 10**400,
            "h": "\ud800",
        }
    },
    {"features": {"": 1, "a.b": [[None]]}},
    {"output": {"label": "a"}},
    {"output": {"label": ""}},
    {"output": {"label": 1}},
    {"output": {"label": BIG - 1}},
    {"output": {"label": -BIG}},
    {"output": {"label": False}},
    {"output": {"score": 0}},
    {"output": {"score": 1.0}},
    {"output": {"probabilities": {"a": 1}}},
    {"output": {"probabilities": {"a": 0.9, "b": 0.9}}},
    {"output": {"value": -1e308}},
    {"output": {"value": 10**30}},
    {"output": {"value": 3, "label": "a", "score": 0.1, "probabilities": {"a": 0.1}, "decision": "decline"}},
    {"output": {"label": None, "score": 0.5, "unknown": float("nan")}},
    {"output": {"score": 0.5, "decision": True}},
    {"status": "fallback"},
    {"status": "error", "output": GONE},
    {"status": "error", "output": None},
    {"status": "error", "output": {}},
    {"status": "error", "error": "timeout"},
    {"segments": {"a": "x", "b": 1, "c": 1.5, "d": True, "e": None}},
    {"latency_ms": 0},
    {"weight": 0},
    {"weight": 2.5},
    {"shadow": True},
    {"received_at": "2026-11-01T12:00:00Z"},
    {"unknown": {"deep": [float("nan"), 10**400]}},
    {"label": 3.5},
]

BAD_PREDICTIONS: list[tuple[dict[str, Any], str]] = [
    *[({key: GONE}, key) for key in ("prediction_id", "model", "time")],
    *[({key: None}, key) for key in ("prediction_id", "model", "time")],
    *wrong("prediction_id", "", "x" * 129, 7, True, ["a"], "\ud800"),
    *wrong("model", 7, {}, "\udfff"),
    *wrong("version", 7, 1.5, True, []),
    *wrong("time", "2026-11-01", "2026-11-01T12:00:00", 1.0, True, -1, 7_289_654_400_000, "1793534400000"),
    *wrong("features", [], "a", 1),
    *[(changes, "") for changes, _ in wrong("output", GONE, None, {}, {"label": None}, {"decision": "a"}, {"unknown": 1})],
    *wrong("output", [], "a", 1),
    ({"status": "fallback", "output": {}}, ""),
    *wrong("output.label", 1.5, [], {}, BIG, -BIG - 1, float("nan"), "\ud800"),
    *wrong("output.score", -0.1, 1.1, "0.5", True, float("nan"), float("inf"), 10**400),
    *wrong("output.probabilities", {}, [], 0.5, {"a": 1.5}, {"a": None}, {"a": "1"}, {"a": float("nan")}, {"a": True}, {"\ud800": 1}),
    *wrong("output.value", "1", True, float("nan"), float("-inf"), 10**400, []),
    *wrong("output.decision", 1.5, {}),
    ({"status": "error", "output": {"score": 2}}, "output.score"),
    *wrong("status", "OK", "", 1, True),
    *wrong("segments", [], "web", {"a": []}, {"a": {}}, {"a": float("nan")}, {"a": BIG}, {"a": "\ud800"}, {"\ud800": "a"}),
    *wrong("latency_ms", -1, "12", True, float("nan"), float("inf")),
    *wrong("weight", -0.5, "1", False, float("nan"), float("inf")),
    *wrong("shadow", 1, "true"),
    *wrong("error", 1, {}),
    *wrong("trace_id", 1, "\ud800"),
    *wrong("received_at", "now", 1.5),
]  # fmt: skip

GOOD_TRUTHS: list[dict[str, Any]] = [
    {},
    {"label": 1},
    {"label": True},
    {"label": None, "value": 3},
    {"label": GONE, "value": -1.5},
    {"value": 1},
    {"revision": 2**32 - 1},
    {"prediction_time": 1},
    {"version": 7, "unknown": float("nan")},
]

BAD_TRUTHS: list[tuple[dict[str, Any], str]] = [
    *[({key: GONE}, key) for key in ("prediction_id", "model", "time")],
    *wrong("prediction_id", "", "x" * 129, 7),
    ({"label": GONE}, ""),
    ({"label": None}, ""),
    ({"label": None, "value": None}, ""),
    *wrong("label", 1.5, [], BIG),
    *wrong("value", "1", True, float("nan"), 10**400),
    *wrong("revision", -1, 1.0, "1", True, BIG),
    *wrong("prediction_time", "2026-11-01", True),
]


@pytest.mark.parametrize("changes", GOOD_PREDICTIONS)
def test_a_prediction_within_the_contract_is_accepted(changes: dict[str, Any]) -> None:
    message = changed(LEAST_PREDICTION, changes)
    event = Prediction.model_validate(json.loads(json.dumps(message)))
    assert repr(event.features) == repr(message.get("features", {}))


@pytest.mark.parametrize(("changes", "field"), BAD_PREDICTIONS)
def test_a_prediction_outside_the_contract_is_rejected_for_that_field(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Prediction.model_validate(json.loads(json.dumps(changed(LEAST_PREDICTION, changes))))
    assert all(".".join(map(str, error["loc"])).startswith(field) for error in caught.value.errors())


@pytest.mark.parametrize("changes", GOOD_TRUTHS)
def test_a_ground_truth_within_the_contract_is_accepted(changes: dict[str, Any]) -> None:
    message = changed(LEAST_TRUTH, changes)
    event = GroundTruth.model_validate(json.loads(json.dumps(message)))
    assert (event.label, event.value) == (message.get("label"), message.get("value"))


@pytest.mark.parametrize(("changes", "field"), BAD_TRUTHS)
def test_a_ground_truth_outside_the_contract_is_rejected_for_that_field(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        GroundTruth.model_validate(json.loads(json.dumps(changed(LEAST_TRUTH, changes))))
    assert all(".".join(map(str, error["loc"])).startswith(field) for error in caught.value.errors())


@pytest.mark.parametrize("message", [None, [], "a", 1, True, b"{}"])
@pytest.mark.parametrize("contract", [Prediction, GroundTruth])
def test_a_message_that_is_not_an_object_is_rejected(
    contract: type[Prediction | GroundTruth], message: object
) -> None:
    with pytest.raises(ValidationError):
        contract.model_validate(message)


@pytest.mark.parametrize("key", ["prediction_id", "output", "features"])
def test_a_rejection_does_not_repeat_what_the_message_held(key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Prediction.model_validate({**LEAST_PREDICTION, key: ["personal data"]})
    assert "personal data" not in str(caught.value)


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.lists(st.floats(), max_size=3),
    )
)
def test_no_feature_value_rejects_an_event(features: dict[str, Any]) -> None:
    event = Prediction.model_validate({**LEAST_PREDICTION, "features": features})
    assert repr(event.features) == repr(features)


# What a JSON Schema cannot say: the year of a time, Unicode halves, the size of a double.
BEYOND_SCHEMA = ({"time"}, {"received_at"}, {"prediction_time"})


def is_sayable(message: dict[str, Any], changes: dict[str, Any]) -> bool:
    text = json.dumps(message)
    odd = ("NaN", "Infinity", "\\ud800", "\\udfff", "0" * 300)
    return not (
        set(changes) in BEYOND_SCHEMA
        or any(word in text for word in odd)
        or changes in ({"revision": 1.0}, {"segments": {"a": BIG}})
    )


@pytest.mark.parametrize(
    ("name", "least", "good", "bad"),
    [
        ("prediction.json", LEAST_PREDICTION, GOOD_PREDICTIONS, BAD_PREDICTIONS),
        ("ground-truth.json", LEAST_TRUTH, GOOD_TRUTHS, BAD_TRUTHS),
    ],
)
def test_the_exported_schema_decides_the_same_where_it_can(
    name: str, least: dict[str, Any], good: list[dict[str, Any]], bad: list[tuple[dict[str, Any], str]]
) -> None:
    validator = Draft202012Validator(json_schemas()[name])
    rows = [(changes, True) for changes in good] + [(changes, False) for changes, _ in bad]
    decided = [
        (changed(least, changes), expected)
        for changes, expected in rows
        if is_sayable(changed(least, changes), changes)
    ]
    assert len(decided) > len(rows) / 2
    assert [(m, e) for m, e in decided if validator.is_valid(m) is not e] == []
