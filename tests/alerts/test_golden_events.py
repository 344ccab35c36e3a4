from __future__ import annotations

from pathlib import Path

import pytest
from alert_builders import CONTEXT, NOON_MS, ONE_OF_ONE, finding, run_letters, span
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured
from cloudevents.core.formats.json import JSONFormat

from alerts.policy import AlertBook, step
from schemas.alert import (
    CONTENT_TYPE,
    AlertEvent,
    AlertsRecord,
    AlertWindow,
    WindowComplete,
    WindowCompleteData,
    parse_alerts_record,
)
from schemas.finding import Kind, Severity, Stream, Verdict

GOLDEN = Path(__file__).parents[1] / "golden" / "alerts"


def a_retired_event() -> AlertsRecord:
    trouble = {"version": "7", "kind": Kind.PERFORMANCE, "check": "accuracy", "feature": None}
    reading = finding(
        severity=Severity.CRITICAL,
        onset_ms=NOON_MS - 90_000,
        evidence={"metric": "accuracy", "accuracy_before": 0.91, "accuracy_now": 0.842, "direction": "down"},
        **trouble,  # type: ignore[arg-type] # keyword arguments
    )
    book, _ = step(AlertBook(), [reading], context=CONTEXT)
    gone = finding(30, Verdict.GONE, **trouble)  # type: ignore[arg-type] # keyword arguments
    return step(book, [gone], context=CONTEXT)[1][0]


def a_window_complete_record() -> AlertsRecord:
    data = WindowCompleteData(
        app="prod",
        model="fraud",
        stream=Stream.PREDICTIONS,
        window=AlertWindow.of(span(0)),
        versions=("7", "8"),
        findings=12,
        firing=1,
    )
    return WindowComplete.of(data)


def records() -> dict[str, AlertsRecord]:
    life = run_letters("BBCC", hysteresis=ONE_OF_ONE, severities="weww")[1]
    return {
        "alert-firing.json": life[0],
        "alert-updated.json": life[1],
        "alert-resolved.json": life[2],
        "alert-version-retired.json": a_retired_event(),
        "window-complete.json": a_window_complete_record(),
    }


@pytest.mark.parametrize("name", sorted(records()))
def test_a_record_is_written_byte_for_byte_as_published(name: str) -> None:
    assert records()[name].to_json_bytes() == (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("name", sorted(records()))
def test_a_published_record_can_still_be_read(name: str) -> None:
    assert parse_alerts_record((GOLDEN / name).read_bytes()) == records()[name]


def test_an_alert_from_before_there_were_incidents_can_still_be_read() -> None:
    event = parse_alerts_record((GOLDEN / "alert-firing-0.1.json").read_bytes())
    assert isinstance(event, AlertEvent)
    assert (event.data.incident, event.data.cause, event.data.muted_by) == ("", "", None)


@pytest.mark.parametrize("name", sorted(records()))
def test_the_cloudevents_package_reads_a_record_in_structured_mode(name: str) -> None:
    raw = (GOLDEN / name).read_bytes()
    message = KafkaMessage(headers={"content-type": CONTENT_TYPE.encode()}, key=None, value=raw)
    event = from_structured(message, JSONFormat())
    ours = records()[name]
    assert event.get_specversion() == "1.0"
    assert event.get_id() == ours.id
    assert event.get_source() == ours.source
    assert event.get_type() == ours.type
    assert event.get_time() == ours.time
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == ours.model_dump(mode="json")["data"]
