"""Where Kafka is, which topics are ours, and what is passed through to librdkafka."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from schemas.secret_text import MASK, SecretText, looks_secret
from schemas.setting_types import FROZEN, ExpectedError, Place, Text, raise_if_any, unknown_key

Property: TypeAlias = str | int | bool | float
"""A value that librdkafka takes."""

MESSAGE_BYTES_MAX: Final = 1_000_000
"""What `max_message_bytes` is unless somebody sets it; Kafka's own limit is a little above."""

TOPIC_KEYS: Final = ("predictions", "ground_truth", "alerts", "dead_letters", "control")
_KAFKA_KEYS: Final = (*TOPIC_KEYS, "group", "max_message_bytes")
_DOTLESS_PROPERTIES: Final = frozenset({"acks", "debug", "partitioner", "retries"})
_OFFSETS_ARE_OURS: Final = "offsets are stored in Redis together with the state"
_OWNED_PROPERTIES: Final = {
    "acks": "the idempotent producer needs all",
    "auto.commit.enable": _OFFSETS_ARE_OURS,
    "auto.commit.interval.ms": _OFFSETS_ARE_OURS,
    "auto.offset.reset": "a lost offset must stop the partition, not move it",
    "enable.auto.commit": _OFFSETS_ARE_OURS,
    "enable.auto.offset.store": _OFFSETS_ARE_OURS,
    "enable.idempotence": "alerts and dead letters are written by an idempotent producer",
    "group.id": "the group's name is kafka.group",
    "group.instance.id": "each process needs one of its own",
    "group.remote.assignor": "the assignment of partitions is part of the fence",
    "partition.assignment.strategy": "the assignment of partitions is part of the fence",
    "request.required.acks": "the idempotent producer needs all",
    "transactional.id": "the fence is in Redis, not in a Kafka transaction",
}
_PROPERTY_KEY: Final = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*")
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")


def _topic(name: str) -> str:
    if _TOPIC.fullmatch(name) is None or name in {".", ".."}:
        raise ExpectedError("a topic of 1 to 249 letters, digits, dots, hyphens or underscores")
    return name


def _property_key(key: str) -> str:
    if key in _OWNED_PROPERTIES:
        raise ValueError(f"this property is ours ({_OWNED_PROPERTIES[key]}): remove it")
    if key in _DOTLESS_PROPERTIES or ("." in key and _PROPERTY_KEY.fullmatch(key)):
        return key
    raise ValueError(unknown_key(key, _KAFKA_KEYS))


def _property_value(value: object) -> object:
    if isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ExpectedError("text, a number, true or false")


def _kafka_schema(schema: dict[str, Any]) -> None:
    """Describe the librdkafka properties where they stand in a file: beside the topics."""
    schema["properties"].pop("properties")
    schema["patternProperties"] = {
        r"^[a-z0-9_]+(\.[a-z0-9_]+)+$|^(debug|partitioner|retries)$": {
            "type": ["string", "number", "boolean"],
            "description": "A librdkafka property, passed through.",
        }
    }


_NOT_WITH_CONSUMER: Final = ("session.timeout.ms", "heartbeat.interval.ms")
"""Properties that `group.protocol: consumer` (KIP-848) leaves to the broker's settings."""


Topic: TypeAlias = Annotated[str, AfterValidator(_topic)]
PropertyKey: TypeAlias = Annotated[str, AfterValidator(_property_key)]
PropertyValue: TypeAlias = Annotated[Property, BeforeValidator(_property_value)]


class KafkaSettings(BaseModel):
    """Topics, consumer group, and every other key as a librdkafka property.

    Attributes
    ----------
    max_message_bytes
        A record of an input topic whose value is longer is not decoded: it becomes a dead letter.
    properties
        Ready to hand to a client. Values of keys that look secret are `SecretText`: a repr and a dump
        show a mask, `str()` the value.
    """

    model_config = FROZEN | ConfigDict(json_schema_extra=_kafka_schema)

    predictions: Topic = "predictions"
    ground_truth: Topic = "ground-truth"
    alerts: Topic = "alerts"
    dead_letters: Topic = "watchkeeper-dead-letters"
    control: Topic = "watchkeeper-control"
    group: Text = "watchkeeper"
    max_message_bytes: Annotated[int, Field(ge=1_000, le=100_000_000)] = MESSAGE_BYTES_MAX
    properties: dict[PropertyKey, PropertyValue] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _collect_properties(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        own = {key: value for key, value in data.items() if key in _KAFKA_KEYS}
        return {**own, "properties": {key: value for key, value in data.items() if key not in own}}

    @field_validator(*TOPIC_KEYS[1:])
    @classmethod
    def _differ(cls, topic: str, info: ValidationInfo) -> str:
        for key in TOPIC_KEYS:
            if info.data.get(key) == topic:
                raise ValueError(f'expected a topic of its own, got the one of {key}, "{topic}"')
        return topic

    @field_validator("properties")
    @classmethod
    def _hold_secrets(cls, properties: dict[str, Property]) -> dict[str, Property]:
        return {key: SecretText(value) if looks_secret(key) else value for key, value in properties.items()}

    @model_validator(mode="after")
    def _one_protocol(self) -> Self:
        protocol = self.properties.get("group.protocol", "classic")
        problems: list[tuple[Place, str]] = []
        if protocol not in {"classic", "consumer"}:
            problems.append((("group.protocol",), f'expected classic or consumer, got "{protocol}"'))
        for key in _NOT_WITH_CONSUMER if protocol == "consumer" else ():
            if key in self.properties:
                text = f"with group.protocol consumer the broker sets it (group.consumer.{key}): remove it"
                problems.append(((key,), text))
        raise_if_any(problems)
        return self

    @field_serializer("properties")
    def _mask(self, properties: dict[str, Property]) -> dict[str, Property]:
        return {key: MASK if looks_secret(key) else value for key, value in properties.items()}

    @property
    def bootstrap_servers(self) -> str | None:
        """The brokers to ask first, None when the settings name none."""
        servers = self.properties.get("bootstrap.servers")
        return None if servers is None else str(servers)
