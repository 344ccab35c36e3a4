from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest
from alert_builders import MINUTE_MS, NOON_MS, fired, resolved, span
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.alert import (
    RECORD_BYTES_MAX,
    AlertData,
    AlertEvent,
    AlertType,
    AlertWindow,
    WindowComplete,
    WindowCompleteData,
    parse_alert_event,
    parse_alerts_record,
    source_of,
)
from schemas.alert_wire import JSON_DEPTH_MAX, NAME_CHARS_MAX, clean_name, rfc3339, utc_of_ms, wire_json
from schemas.errors import Reject
from schemas.finding import Stream


def complete(model: str = "fraud", **changes: object) -> WindowComplete:
    fields = {
        "app": "prod",
        "model": model,
        "stream": Stream.PREDICTIONS,
        "window": AlertWindow.of(span(0)),
        "versions": ("7", "8"),
        "findings": 12,
        "firing": 1,
        **changes,
    }
    return WindowComplete.of(WindowCompleteData.model_validate(fields))


def test_an_event_comes_back_from_its_bytes_as_it_was() -> None:
    for event in (fired(), resolved()):
        assert parse_alert_event(event.to_json_bytes()) == event


def test_attributes_follow_from_the_data() -> None:
    event = fired(model="fraud/eu west")
    assert event.id == f"{event.data.alert_id}:0"
    assert event.source == "/models/fraud%2Feu%20west"
    assert event.time == event.data.detected_at == datetime(2026, 11, 1, 12, 1, tzinfo=UTC)
    assert event.type is AlertType.FIRING
    assert event.subject == "data_drift/rank/amount"


def test_data_has_the_fields_of_the_contract_in_their_order_and_then_its_place_among_others() -> None:
    data = json.loads(fired().to_json_bytes())["data"]
    contract = (
        "alert_id fingerprint episode revision status severity kind check model version feature segment title since "
        "detected_at until window evidence impact likely_causes suggested_action suppressed owner runbook links "
        "reproduce"
    )
    assert list(data) == [*contract.split(), "incident", "cause", "muted_by"]
    assert list(data["window"]) == ["start", "end", "n"]
    assert list(data["owner"]) == ["team", "contact", "escalation"]
    assert list(data["reproduce"]) == ["command", "config_hash", "profile_hash", "offsets", "versions"]
    assert {"statistic", "value", "threshold", "reference", "effect", "direction", "budgeted"} <= set(
        data["evidence"]
    )


def test_times_are_utc_with_milliseconds() -> None:
    data = json.loads(fired(onset_ms=NOON_MS - 1).to_json_bytes())["data"]
    assert data["since"] == "2026-11-01T11:59:59.999Z"
    assert data["window"]["start"] == "2026-11-01T12:00:00.000Z"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (51_234.567, 51_234.6),
        (0.000123456789, 0.000123457),
        (-0.0, 0.0),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (1_234_567, 1_234_567),
        (10**400, None),
        (2**60 + 1, 1.15292e18),
        (True, True),
        ("\ud800", "\ufffd"),
        ([1.23456789, math.nan], [1.23457, None]),
        ({"b": 1, "a": math.inf}, {"a": None, "b": 1}),
    ],
)
def test_values_are_written_rounded_and_finite(value: object, written: object) -> None:
    assert wire_json(value) == written
    assert repr(wire_json(value)) == repr(written)


def test_what_is_not_json_is_no_evidence() -> None:
    with pytest.raises(ValueError, match="expected a JSON value, got object"):
        wire_json(object())


def test_nesting_ends_at_its_limit() -> None:
    deep: object = "bottom"
    for _ in range(JSON_DEPTH_MAX + 5):
        deep = [deep]
    assert "bottom" not in json.dumps(wire_json(deep))
    assert json.dumps(wire_json(deep)).count("[") == JSON_DEPTH_MAX


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec=None)), inner, max_size=4)
    ),
    max_leaves=12,
)


def refuse(constant: str) -> object:
    raise AssertionError(f"{constant} was written")


@settings(deadline=None)
@given(evidence=st.dictionaries(st.text(st.characters(codec=None)), json_values, max_size=5))
def test_no_evidence_whatever_makes_invalid_json(evidence: dict[str, object]) -> None:
    raw = fired(evidence=evidence).to_json_bytes()
    json.loads(raw.decode("utf-8", "strict"), parse_constant=refuse)
    assert parse_alert_event(raw).to_json_bytes() == raw


@settings(deadline=None)
@given(name=st.text(st.characters(codec=None), max_size=2000))
def test_any_name_fits_an_event(name: str) -> None:
    event = fired(model=name, feature=name, check=name, segment=name, version=name)
    assert parse_alert_event(event.to_json_bytes()) == event
    assert len(event.data.model) <= NAME_CHARS_MAX
    assert event.source == source_of(name)
    assert event.source.isascii()
    assert " " not in event.source


def test_the_order_of_evidence_keys_does_not_show() -> None:
    forward, backward = {"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}
    assert fired(evidence=forward).to_json_bytes() == fired(evidence=backward).to_json_bytes()


def changed(event: AlertEvent, path: str, value: object) -> bytes:
    fields = json.loads(event.to_json_bytes())
    place = fields
    *parents, last = path.split(".")
    for parent in parents:
        place = place[parent]
    place[last] = value
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("specversion", "0.3"),
        ("id", "other"),
        ("source", "/models/other"),
        ("time", "yesterday"),
        ("time", "2026-11-01T12:00:00"),
        ("data.alert_id", "other"),
        ("data.fingerprint", "v1:xyz"),
        ("data.revision", -1),
        ("data.severity", "dire"),
        ("data.kind", "mood"),
        ("data.title", "x" * 131),
        ("data.until", "2026-11-01T12:00:00Z"),
        ("data.status", "resolved"),
        ("data.window", None),
        ("data", None),
    ],
)
def test_an_event_that_breaks_the_contract_is_rejected(path: str, value: object) -> None:
    with pytest.raises(Reject) as rejected:
        parse_alert_event(changed(fired(), path, value))
    assert rejected.value.reason == "alert_invalid"
    assert "\n" not in str(rejected.value)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "alert_not_json"),
        (b"\xff\xfe\xfd", "alert_not_json"),
        (b'{"type": NaN}', "alert_not_json"),
        (b"[" * 100_000, "alert_not_json"),
        (b"9" * 5_000, "alert_not_json"),
        (b"[]", "alert_unknown_type"),
        (b'"text"', "alert_unknown_type"),
        (b'{"type": "com.example.other"}', "alert_unknown_type"),
        (b'{"type": ["io.watchkeeper.alert.firing"]}', "alert_unknown_type"),
        (b'{"type": "io.watchkeeper.alert.firing"}', "alert_invalid"),
        (b'{"type": "io.watchkeeper.window_complete"}', "alert_invalid"),
        (b" " * (RECORD_BYTES_MAX + 1), "alert_too_large"),
    ],
)
def test_bytes_that_are_no_record_are_rejected_with_a_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(Reject) as rejected:
        parse_alerts_record(raw)
    assert rejected.value.reason == reason


@settings(deadline=None)
@given(raw=st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_make_the_parser_fail_otherwise(raw: bytes) -> None:
    with pytest.raises(Reject):
        parse_alerts_record(raw)


def test_fields_of_a_newer_release_are_ignored() -> None:
    event = fired()
    assert parse_alert_event(changed(event, "data.mood", "grim")) == event


def test_a_window_complete_record_comes_back_and_is_no_alert_event() -> None:
    record = complete()
    assert parse_alerts_record(record.to_json_bytes()) == record
    with pytest.raises(Reject) as rejected:
        parse_alert_event(record.to_json_bytes())
    assert rejected.value.reason == "alert_unknown_type"


def test_the_sequence_of_a_window_depends_on_app_model_stream_and_window_alone() -> None:
    first = complete()
    assert first.id == first.data.sequence == complete(findings=0, firing=0, versions=()).id
    others = [
        complete(app="test"),
        complete(model="credit"),
        complete(stream=Stream.ERRORS),
        complete(window=AlertWindow.of(span(1))),
        complete(app="prod:fraud", model=""),
    ]
    assert len({first.id, *(other.id for other in others)}) == 6


def test_a_time_beyond_the_calendar_is_rejected() -> None:
    with pytest.raises(Reject) as rejected:
        utc_of_ms(10**18)
    assert rejected.value.reason == "time_out_of_range"


def test_epoch_milliseconds_are_written_as_utc() -> None:
    assert rfc3339(utc_of_ms(NOON_MS + MINUTE_MS + 7)) == "2026-11-01T12:01:00.007Z"


def test_names_are_cut_with_an_ellipsis() -> None:
    assert clean_name("x" * NAME_CHARS_MAX) == "x" * NAME_CHARS_MAX
    assert clean_name("x" * (NAME_CHARS_MAX + 1)) == "x" * (NAME_CHARS_MAX - 1) + "…"


def test_schemas_can_be_exported() -> None:
    schema = AlertEvent.model_json_schema(mode="serialization")
    assert set(schema["required"]) >= {"id", "source", "type", "time", "data"}
    assert "AlertData" in schema["$defs"]
    assert WindowComplete.model_json_schema()["$defs"]["WindowCompleteData"]


def test_data_cannot_be_changed_afterwards() -> None:
    event = fired()
    with pytest.raises(ValidationError):
        event.data.title = "other"


def test_a_resolved_event_says_until_when() -> None:
    data: AlertData = resolved().data
    assert data.until == utc_of_ms(NOON_MS + MINUTE_MS)
    assert data.detected_at == utc_of_ms(NOON_MS + 3 * MINUTE_MS)
