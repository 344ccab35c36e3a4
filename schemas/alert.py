"""What the alerts topic carries: alert events and window-complete records, as CloudEvents 1.0 JSON.

Both are written with a fixed key order and without free whitespace, so that equal alerts are equal bytes.
Everything a stranger may have named (features, models, categories) is cleaned and bounded on the way in.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Final, Literal, Self, TypeAlias
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError, computed_field, model_validator

from schemas.alert_wire import JsonObject, Links, Name, Text, UtcTime, clean_name, rfc3339, utc_of_ms
from schemas.errors import Reject
from schemas.estimated_parts import PARTS_SCHEMA
from schemas.finding import Kind, Severity, Stream, WindowSpan
from schemas.series import SERIES_SCHEMA

CONTENT_TYPE: Final = "application/cloudevents+json"
"""Value of the `content-type` header of every record (structured mode)."""

RECORD_BYTES_MAX: Final = 1_000_000
TITLE_CHARS_MAX: Final = 130
_EVIDENCE: Final = {"series": SERIES_SCHEMA, "estimated_parts": PARTS_SCHEMA}


class AlertType(StrEnum):
    """CloudEvents types of an alert's life."""

    FIRING = "io.watchkeeper.alert.firing"
    UPDATED = "io.watchkeeper.alert.updated"
    RESOLVED = "io.watchkeeper.alert.resolved"


class AlertStatus(StrEnum):
    """Whether the trouble is still there."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Wire(BaseModel):
    """What crosses the border as JSON: frozen, and fields that a newer release added are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class AlertWindow(Wire):
    """The window an event is about, `[start, end)`, with `n` events."""

    start: UtcTime
    end: UtcTime
    n: Annotated[int, Field(ge=0)]

    @classmethod
    def of(cls, span: WindowSpan) -> Self:
        """Return the window of a finding."""
        return cls(start=utc_of_ms(span.start_ms), end=utc_of_ms(span.end_ms), n=span.n)


class AlertOwner(Wire):
    """Who is called: the team, how to reach it, and who comes after it."""

    team: Name | None = None
    contact: Name | None = None
    escalation: tuple[Name, ...] = ()


class AlertReproduce(Wire):
    """What it takes to get the same alert again from the same events."""

    command: Text | None = None
    config_hash: Name | None = None
    profile_hash: Name | None = None
    offsets: JsonObject = Field(default_factory=dict)
    versions: JsonObject = Field(default_factory=dict)


class AlertData(Wire):
    """The `data` of an alert event.

    Parameters
    ----------
    episode
        Start of the first breaching window, epoch milliseconds; with `fingerprint` it makes `alert_id`.
    revision
        Number of the event within its episode, from 0; subscribers keep the highest.
    since
        Estimated onset, at the latest the start of the first breaching window.
    detected_at
        End of the window that caused the transition.
    until
        End of the last breaching window; null while firing.
    incident, cause
        The incident that the alert belongs to, and what the alerts of that have in common; empty in what older
        releases wrote.
    suppressed
        Alerts that are held back because this one explains them.
    muted_by
        Id of the alert that explains this one, which is therefore not told by itself.
    """

    alert_id: str
    fingerprint: Annotated[str, Field(pattern=r"^v\d+:[0-9a-f]{32}$")]
    episode: int
    revision: Annotated[int, Field(ge=0)]
    status: AlertStatus
    severity: Severity
    kind: Kind
    check: Name
    model: Name
    version: Name | None
    feature: Name | None
    segment: Name | None
    title: Annotated[Text, Field(max_length=TITLE_CHARS_MAX)]
    since: UtcTime
    detected_at: UtcTime
    until: UtcTime | None
    window: AlertWindow
    evidence: Annotated[JsonObject, Field(json_schema_extra={"properties": _EVIDENCE})]
    impact: Text
    likely_causes: tuple[Text, ...]
    suggested_action: Text
    suppressed: tuple[Text, ...] = ()
    owner: AlertOwner = Field(default_factory=AlertOwner)
    runbook: Text | None = None
    links: Links = Field(default_factory=dict)
    reproduce: AlertReproduce = Field(default_factory=AlertReproduce)
    incident: str = ""
    cause: Name = ""
    muted_by: str | None = None

    @model_validator(mode="after")
    def _id_fits(self) -> Self:
        if self.alert_id != f"{self.fingerprint}:{self.episode}":
            raise ValueError("expected alert_id to be fingerprint:episode")
        if (self.status is AlertStatus.RESOLVED) != (self.until is not None):
            raise ValueError("expected `until` on a resolved alert and on no other")
        return self


class Record(Wire):
    """The attributes that every CloudEvent of ours has."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str

    def to_json_bytes(self) -> bytes:
        """Return the record as UTF-8 JSON; equal records give equal bytes."""
        fields = self.model_dump(mode="json")
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


class AlertEvent(Record):
    """One transition of one alert, as published on the alerts topic (record key: `data.alert_id`)."""

    type: AlertType
    time: UtcTime
    subject: str
    datacontenttype: Literal["application/json"] = "application/json"
    data: AlertData

    @classmethod
    def of(cls, kind_of_event: AlertType, data: AlertData) -> Self:
        """Return the event whose attributes follow from its data."""
        return cls(
            id=f"{data.alert_id}:{data.revision}",
            source=source_of(data.model),
            type=kind_of_event,
            time=data.detected_at,
            subject=_subject_of(data),
            data=data,
        )

    @model_validator(mode="after")
    def _attributes_fit(self) -> Self:
        if self.id != f"{self.data.alert_id}:{self.data.revision}":
            raise ValueError("expected id to be alert_id:revision")
        if self.source != source_of(self.data.model):
            raise ValueError("expected source to be /models/<model>")
        if (self.type is AlertType.RESOLVED) != (self.data.status is AlertStatus.RESOLVED):
            raise ValueError("expected type and data.status to agree")
        return self


class WindowCompleteData(Wire):
    """The `data` of a window-complete record: what one evaluation of one model has seen.

    Parameters
    ----------
    findings, firing
        How many findings the evaluation had, and how many alerts of the model that this stream of windows
        decides are open after it.
    """

    app: Name
    model: Name
    stream: Annotated[Stream, Field(examples=list(Stream))]
    window: AlertWindow
    versions: tuple[Name, ...] = ()
    findings: Annotated[int, Field(ge=0)]
    firing: Annotated[int, Field(ge=0)]

    @computed_field  # type: ignore[prop-decorator] # mypy does not know decorators above @property
    @property
    def sequence(self) -> str:
        """The record's id: the same for the same evaluation, whoever repeats it."""
        place = ":".join(_quoted(part) for part in (self.app, self.model, self.stream))
        return f"{place}:{rfc3339(self.window.start)}/{rfc3339(self.window.end)}"


class WindowComplete(Record):
    """Says that a model's window has been evaluated, alerts or not (the heartbeat of the alerts topic)."""

    type: Literal["io.watchkeeper.window_complete"] = "io.watchkeeper.window_complete"
    time: UtcTime
    datacontenttype: Literal["application/json"] = "application/json"
    data: WindowCompleteData

    @classmethod
    def of(cls, data: WindowCompleteData) -> Self:
        """Return the record whose attributes follow from its data."""
        return cls(id=data.sequence, source=source_of(data.model), time=data.window.end, data=data)


AlertsRecord: TypeAlias = AlertEvent | WindowComplete


def source_of(model: str) -> str:
    """Return the CloudEvents source of a model, percent-encoded."""
    return f"/models/{_quoted(model)}"


def _subject_of(data: AlertData) -> str:
    parts = (data.kind, data.check, data.feature)
    return "/".join(_quoted(part) for part in parts if part is not None)


def _quoted(name: str) -> str:
    return quote(clean_name(name), safe="")


def parse_alerts_record(raw: bytes) -> AlertsRecord:
    """Return the record that a message of the alerts topic holds.

    Raises
    ------
    Reject
        `alert_too_large`, `alert_not_json`, `alert_unknown_type` or `alert_invalid`.
    """
    loaded = _loaded(raw)
    kind = loaded.get("type") if isinstance(loaded, dict) else None
    try:
        if kind == "io.watchkeeper.window_complete":
            return WindowComplete.model_validate(loaded)
        if kind in tuple(AlertType):
            return AlertEvent.model_validate(loaded)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "the record"
        raise Reject(
            "alert_invalid",
            f"expected an alerts record as in the exported schema, got one whose {where} is wrong "
            f"({first['msg']}); publish with a matching release",
        ) from None
    raise Reject(
        "alert_unknown_type",
        "expected a CloudEvent of type io.watchkeeper.alert.* or io.watchkeeper.window_complete, "
        "got something else; keep other producers off the alerts topic",
    )


def parse_alert_event(raw: bytes) -> AlertEvent:
    """Return the alert event in a message of the alerts topic.

    Raises
    ------
    Reject
        As `parse_alerts_record`, and `alert_unknown_type` for a window-complete record.
    """
    record = parse_alerts_record(raw)
    if isinstance(record, AlertEvent):
        return record
    raise Reject(
        "alert_unknown_type",
        "expected an alert event, got a window_complete record; read the topic with parse_alerts_record",
    )


def _loaded(raw: bytes) -> object:
    if len(raw) > RECORD_BYTES_MAX:
        raise Reject(
            "alert_too_large",
            f"expected an alerts record of at most {RECORD_BYTES_MAX} bytes, got {len(raw)}; "
            "keep other producers off the alerts topic",
        )
    try:
        loaded: object = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Reject(
            "alert_not_json",
            f"expected an alerts record as UTF-8 JSON, got bytes that are not ({type(error).__name__}); "
            "keep other producers off the alerts topic",
        ) from None
    return loaded


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
