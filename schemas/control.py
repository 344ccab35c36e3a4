"""What people order: silences, acknowledgements, deploys, answers to drift, as CloudEvents of the compacted topic `watchkeeper-control`.

Evaluation never hears of them; they decide who is told. The newest record of a key holds, and every notifier reads
the whole topic.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal, Self, TypeAlias, TypeVar
from urllib.parse import quote

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from schemas.alert import Record, Wire, source_of
from schemas.alert_wire import Name, Text, UtcTime
from schemas.deploy import Deploy
from schemas.errors import Reject, Stop
from schemas.finding import Severity

SILENCE_MAX: Final = timedelta(days=30)
ACK_MAX: Final = timedelta(days=7)
PATTERN_CHARS_MAX: Final = 200

MatchField: TypeAlias = Literal[
    "model", "kind", "check", "severity", "version", "feature", "segment", "team", "cause"
]
Operator: TypeAlias = Literal["=", "!=", "=~", "!~"]


class Matcher(Wire):
    """One condition on an alert.

    Parameters
    ----------
    op
        `=~` and `!~` take patterns of a shell (`*`, `?`, `[a-c]`), several of them with `|` between: they are read in
        time that grows with the text alone, whatever somebody writes.
    """

    field: MatchField
    op: Operator = "="
    value: Annotated[str, Field(max_length=PATTERN_CHARS_MAX)]

    def fits(self, found: str | None) -> bool:
        """Return whether a value meets it; none equals nothing, and differs from everything."""
        if self.op in ("=", "!="):
            return (found == self.value) == (self.op == "=")
        hit = found is not None and any(fnmatchcase(found, part) for part in self.value.split("|"))
        return hit == (self.op == "=~")


class Silence(Wire):
    """Nobody is told of alerts that meet every matcher, from `starts` to `ends`; pagers still hear of ends."""

    id: Annotated[Name, Field(min_length=1)]
    matchers: Annotated[tuple[Matcher, ...], Field(min_length=1, max_length=20)]
    starts: UtcTime
    ends: UtcTime
    by: Annotated[Name, Field(min_length=1)]
    reason: Annotated[Text, Field(min_length=1)]
    ticket: Name | None = None

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if self.ends < self.starts:
            raise ValueError("expected a silence to end after it starts")
        if self.ends - self.starts > SILENCE_MAX:
            raise ValueError(f"expected a silence of at most {SILENCE_MAX.days} days; renew it when it ends")
        return self


class Acknowledgement(Wire):
    """Somebody looks after an incident until then: it is not repeated and not escalated, unless it becomes worse.

    Parameters
    ----------
    severity
        How bad it was when it was acknowledged.
    """

    incident: Annotated[Name, Field(min_length=1)]
    by: Annotated[Name, Field(min_length=1)]
    at: UtcTime
    until: UtcTime
    severity: Severity
    note: Text | None = None

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if self.until - self.at > ACK_MAX:
            raise ValueError(
                f"expected an acknowledgement of at most {ACK_MAX.days} days; repeat it when it ends"
            )
        return self


class Acceptance(Wire):
    """What the owner of a model says of a drift.

    Parameters
    ----------
    decision
        `keep`: the reference stays, and the incident is looked after for its life. `new_normal`: what is now is taken for
        usual, and the reference is learned anew.
    incident, severity
        Of `keep`: the incident, and how bad it was.
    at
        Of `new_normal`: from when on the new reference is learned, event time; else when it was said.
    """

    app: Name
    model: Annotated[Name, Field(min_length=1)]
    decision: Literal["keep", "new_normal"]
    at: UtcTime
    by: Annotated[Name, Field(min_length=1)]
    incident: Name | None = None
    severity: Severity | None = None
    note: Text | None = None

    @model_validator(mode="after")
    def _names_what_it_keeps(self) -> Self:
        if self.decision == "keep" and (self.incident is None or self.severity is None):
            raise ValueError(
                "expected the incident and its severity beside the decision to keep the reference"
            )
        return self


class SilenceEvent(Record):
    """A silence, as it is ordered, changed or ended."""

    type: Literal["io.watchkeeper.silence"] = "io.watchkeeper.silence"
    time: UtcTime
    data: Silence

    @classmethod
    def of(cls, silence: Silence, *, now: datetime) -> Self:
        """Return the event that orders it."""
        return cls(id=f"{silence.id}:{_stamp(now)}", source=_source(silence.by), time=now, data=silence)

    @property
    def key(self) -> str:
        """The record's key: the newest record of it holds."""
        return f"silence:{self.data.id}"


class AckEvent(Record):
    """An acknowledgement, or its end."""

    type: Literal["io.watchkeeper.ack"] = "io.watchkeeper.ack"
    time: UtcTime
    data: Acknowledgement

    @classmethod
    def of(cls, ack: Acknowledgement, *, now: datetime) -> Self:
        """Return the event that orders it."""
        return cls(id=f"{ack.incident}:{_stamp(now)}", source=_source(ack.by), time=now, data=ack)

    @property
    def key(self) -> str:
        """The record's key: the newest record of it holds."""
        return f"ack:{self.data.incident}"


class DeployEvent(Record):
    """A version goes live."""

    type: Literal["io.watchkeeper.deploy"] = "io.watchkeeper.deploy"
    time: UtcTime
    data: Deploy

    @classmethod
    def of(cls, deploy: Deploy, *, now: datetime) -> Self:
        """Return the event that announces it."""
        return cls(id=f"{deploy.id}:{_stamp(now)}", source=source_of(deploy.model), time=now, data=deploy)

    @property
    def key(self) -> str:
        """The record's key: the newest record of it holds."""
        return f"deploy:{self.data.id}"


class AcceptEvent(Record):
    """An owner's answer to a drift."""

    type: Literal["io.watchkeeper.accept"] = "io.watchkeeper.accept"
    time: UtcTime
    data: Acceptance

    @classmethod
    def of(cls, acceptance: Acceptance, *, now: datetime) -> Self:
        """Return the event that records it."""
        about = acceptance.incident or acceptance.model
        return cls(id=f"{about}:{_stamp(now)}", source=_source(acceptance.by), time=now, data=acceptance)

    @property
    def key(self) -> str:
        """The record's key: of an incident the newest answer holds, and each new reference is a record of its own."""
        found = self.data
        return f"accept:{found.incident or f'{found.app}/{found.model}/{_stamp(found.at)}'}"


ControlRecord: TypeAlias = SilenceEvent | AckEvent | DeployEvent | AcceptEvent
OrderT = TypeVar("OrderT", bound=Wire)
_records: TypeAdapter[ControlRecord] = TypeAdapter(Annotated[ControlRecord, Field(discriminator="type")])


def parse_control_record(raw: bytes) -> ControlRecord:
    """Return the order that a message of the control topic holds.

    Raises
    ------
    Reject
        `control_invalid`.
    """
    try:
        return _records.validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "the record"
        raise Reject(
            "control_invalid",
            f"expected an order as in the exported schema, got one whose {where} is wrong ({first['msg']}); "
            "write orders with `watchkeeper silence`, `ack`, `deploy` and `accept`",
        ) from None


def ordered(model: type[OrderT], /, **fields: object) -> OrderT:
    """Return an order made of what somebody has typed.

    Raises
    ------
    Stop
        It is none; the message names the field and what was expected.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        is_empty = first["type"] in ("too_short", "string_too_short")
        said = "expected at least one character" if is_empty else first["msg"].removeprefix("Value error, ")
        raise Stop(f"{where + ': ' if where else ''}{said}") from None


def _source(by: str) -> str:
    return f"/people/{quote(by, safe='')}"


def _stamp(now: datetime) -> int:
    return round(now.timestamp() * 1000)
