"""What one message to one place says: an incident as it stands, and why it is told now.

An incident is every alert of one model that has the same kind of cause, from the first that fires to the last that
is over. Webhooks carry it as a CloudEvent; every other sink puts it into its own form.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.alert import TITLE_CHARS_MAX, AlertData, AlertStatus, Record, Wire, source_of
from schemas.alert_wire import Name, Text, UtcTime
from schemas.finding import Kind, Severity

MEMBERS_MAX = 40
"""Most alerts that a notification lists; `total` counts all."""


class Why(StrEnum):
    """Why people are told."""

    FIRST = "first"
    NEW_MEMBERS = "new_members"
    SEVERITY_UP = "severity_up"
    SEVERITY_DOWN = "severity_down"
    PARTLY_RESOLVED = "partly_resolved"
    ALL_RESOLVED = "all_resolved"
    REPEAT = "repeat"
    SILENCE_ENDED = "silence_ended"
    ACK_EXPIRED = "ack_expired"
    ESCALATED = "escalated"
    FLAPPING = "flapping"
    STORM_DIGEST = "storm_digest"
    LATE = "late"
    TEST = "test"


class Member(Wire):
    """One alert of an incident, on one line.

    Parameters
    ----------
    team
        Of its owner, which may be that of its feature.
    """

    alert_id: str
    status: AlertStatus
    severity: Severity
    kind: Kind
    check: Name
    version: Name | None
    feature: Name | None
    segment: Name | None
    title: Annotated[Text, Field(max_length=TITLE_CHARS_MAX)]
    since: UtcTime
    until: UtcTime | None
    team: Name | None = None

    @classmethod
    def of(cls, data: AlertData) -> Self:
        """Return what a list says of an alert."""
        said = {name: getattr(data, name) for name in cls.model_fields if name != "team"}
        return cls.model_validate({**said, "team": data.owner.team})


class Notification(Wire):
    """An incident in one message to one sink.

    Parameters
    ----------
    app
        The application: tenant and environment.
    incident
        Id of the incident: the same in every message about it, to every sink, and after a replay.
    cause
        What its alerts have in common, such as `drift` or `schema`.
    key
        What pagers tell repeats by: 64 hexadecimal digits of sink, incident and page tier. Messages with one key
        open, update and close one thing.
    sequence
        Number of the message within its incident and sink, from 0; with `key` it makes `delivery_id`.
    severity
        The worst of what fires, or of what is over when nothing does.
    lead
        The worst alert, whole.
    members
        At most `MEMBERS_MAX` alerts, the lead first, then by severity, those that are over last.
    total, firing
        How many alerts the incident has, those that are not listed included, and how many of them fire.
    suppressed
        Alerts of other incidents that are held back because this one explains them.
    untold
        In the digest of a storm: other incidents that are open and that the pager hears nothing of for now.
    late
        It is told long after it happened, because nobody could tell before.
    possible_repeat
        The attempt before this one may have arrived.
    test
        Somebody tries a route out; nothing is wrong.
    """

    app: Name
    incident: str
    cause: Name
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    sequence: Annotated[int, Field(ge=0)]
    why: Why
    status: AlertStatus
    severity: Severity
    model: Name
    since: UtcTime
    detected_at: UtcTime
    until: UtcTime | None
    lead: AlertData
    members: Annotated[tuple[Member, ...], Field(min_length=1, max_length=MEMBERS_MAX)]
    total: Annotated[int, Field(ge=1)]
    firing: Annotated[int, Field(ge=0)]
    suppressed: tuple[Text, ...] = ()
    untold: Annotated[int, Field(ge=0)] = 0
    late: bool = False
    possible_repeat: bool = False
    test: bool = False

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.members[0].alert_id != self.lead.alert_id:
            raise ValueError("expected the lead to be the first member")
        if (self.status is AlertStatus.RESOLVED) != (self.until is not None):
            raise ValueError("expected `until` on a resolved incident and on no other")
        return self

    @property
    def delivery_id(self) -> str:
        """The same for every attempt to deliver this very message."""
        return f"{self.key}:{self.sequence}"


class NotificationEvent(Record):
    """A notification as a CloudEvent: the body of a webhook."""

    type: Literal["io.watchkeeper.notification"] = "io.watchkeeper.notification"
    time: UtcTime
    datacontenttype: Literal["application/json"] = "application/json"
    data: Notification

    @classmethod
    def of(cls, notification: Notification) -> Self:
        """Return the event whose attributes follow from its data."""
        return cls(
            id=notification.delivery_id,
            source=source_of(notification.model),
            time=notification.detected_at,
            data=notification,
        )
