"""Where messages to people go: sinks, and the routes that choose among them."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias, get_args

from pydantic import BaseModel, Field, SecretStr, field_validator

from schemas.duration import DurationMs
from schemas.finding import Kind, Severity
from schemas.setting_types import FROZEN, Name, Place, Text, nearest, raise_if_any, unknown_key
from schemas.sink_types import (
    AlertmanagerSink,
    AppriseSink,
    EmailSink,
    JsmSink,
    OpsgenieSink,
    PagerDutySink,
    SlackSink,
    StdoutSink,
    TeamsSink,
    WebhookSink,
)

ROUTE_KEYS: Final = (
    "model",
    "kind",
    "check",
    "severity",
    "status",
    "version",
    "feature",
    "segment",
    "team",
)
"""What a route can match: fields of an alert event's data, and the owner's team."""

_CLOSED_VALUES: Final = {"kind": [str(kind) for kind in Kind], "severity": [str(level) for level in Severity]}


Sink: TypeAlias = Annotated[
    AlertmanagerSink
    | AppriseSink
    | EmailSink
    | JsmSink
    | OpsgenieSink
    | PagerDutySink
    | SlackSink
    | StdoutSink
    | TeamsSink
    | WebhookSink,
    Field(discriminator="type"),
]

SINK_MODELS: Final[dict[str, type[BaseModel]]] = {
    "alertmanager": AlertmanagerSink,
    "apprise": AppriseSink,
    "email": EmailSink,
    "jsm": JsmSink,
    "opsgenie": OpsgenieSink,
    "pagerduty": PagerDutySink,
    "slack": SlackSink,
    "stdout": StdoutSink,
    "teams": TeamsSink,
    "webhook": WebhookSink,
}


def secret_keys(sink_type: object) -> frozenset[str]:
    """Return the keys of a sink type whose values, or items, are secrets; none for an unknown type."""
    model = SINK_MODELS.get(sink_type) if isinstance(sink_type, str) else None
    if model is None:
        return frozenset()
    return frozenset(key for key, field in model.model_fields.items() if _holds_secret(field.annotation))


def _holds_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(map(_holds_secret, get_args(annotation)))


class Route(BaseModel):
    """Alerts whose fields equal all of `match` go to `sinks`; an empty match takes every alert.

    `error|critical` means either. With `after` they are told only of what nobody has acknowledged for so long.
    """

    model_config = FROZEN

    match: dict[str, Text] = Field(default_factory=dict)
    sinks: list[Name]
    after_ms: DurationMs = Field(default=0, alias="after")

    @field_validator("match")
    @classmethod
    def _known(cls, match: dict[str, str]) -> dict[str, str]:
        problems: list[tuple[Place, str]] = []
        for key, value in match.items():
            known = _CLOSED_VALUES.get(key)
            if key not in ROUTE_KEYS:
                problems.append(((key,), unknown_key(key, ROUTE_KEYS)))
            elif known is not None:
                problems += [
                    ((key,), f'unknown {key} "{part}"; {nearest(part, known)}')
                    for part in value.split("|")
                    if part not in known
                ]
        raise_if_any(problems)
        return match

    @field_validator("sinks")
    @classmethod
    def _once_each(cls, sinks: list[str]) -> list[str]:
        if not sinks:
            raise ValueError("expected the name of at least one sink")
        raise_if_any(
            [((i,), f'sink "{name}" is named twice') for i, name in enumerate(sinks) if name in sinks[:i]]
        )
        return sinks
