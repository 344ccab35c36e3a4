"""The settings of Watchkeeper as one frozen value.

Reading the file is `schemas.settings_text`; the parts have modules of their own and their names are
offered here too.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from schemas.kafka_settings import KafkaSettings
from schemas.metric_settings import MetricRule, Task
from schemas.model_parts import (
    FalseAlarmBudget,
    FeatureRule,
    Implicit,
    LabelRules,
    Learn,
    Loss,
    MinEffect,
    Owner,
    Updates,
)
from schemas.model_settings import ModelSettings
from schemas.monitor_settings import MonitorSettings
from schemas.notify_settings import NotifySettings
from schemas.redis_settings import RedisSettings
from schemas.setting_types import FROZEN, Label, Name, Place, nearest, raise_if_any
from schemas.sink_settings import Route, Sink
from schemas.sink_types import SlackSink, StdoutSink

__all__ = [
    "FalseAlarmBudget",
    "FeatureRule",
    "Implicit",
    "KafkaSettings",
    "Label",
    "LabelRules",
    "Learn",
    "Loss",
    "MetricRule",
    "MinEffect",
    "ModelSettings",
    "MonitorSettings",
    "Owner",
    "RedisSettings",
    "Route",
    "Settings",
    "Sink",
    "SlackSink",
    "StdoutSink",
    "Task",
    "Updates",
]


class Settings(BaseModel):
    """All settings; only `models` is required.

    Attributes
    ----------
    app
        Stands for tenant and environment; it is part of every Redis key and fingerprint.
    routes
        Tried in order; each names sinks that exist.
    """

    model_config = FROZEN

    app: Name = "default"
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    redis: RedisSettings = Field(default_factory=RedisSettings)
    models: dict[Name, ModelSettings]
    sinks: dict[Name, Sink] = Field(default_factory=dict)
    routes: list[Route] = Field(default_factory=list)
    notify: NotifySettings = Field(default_factory=NotifySettings)

    @field_validator("models", mode="before")
    @classmethod
    def _name_models(cls, models: object) -> object:
        if not isinstance(models, Mapping):
            return models
        if not models:
            raise ValueError("expected at least one model")
        return {
            key: {"name": key, **model} if isinstance(model, Mapping) else model
            for key, model in models.items()
        }

    @field_validator("models")
    @classmethod
    def _named_by_key(cls, models: dict[str, ModelSettings]) -> dict[str, ModelSettings]:
        text = "unknown key; the model's name is the key above it: remove the line"
        raise_if_any([((key, "name"), text) for key, model in models.items() if model.name != key])
        return models

    @field_validator("routes")
    @classmethod
    def _known_names(cls, routes: list[Route], info: ValidationInfo) -> list[Route]:
        problems: list[tuple[Place, str]] = []
        for position, route in enumerate(routes):
            problems.extend(
                ((position, *place), text)
                for place, text in _unknown_names(route, info.data.get("sinks"), info.data.get("models"))
            )
        raise_if_any(problems)
        return routes

    @field_validator("notify")
    @classmethod
    def _known_stand_ins(cls, notify: NotifySettings, info: ValidationInfo) -> NotifySettings:
        sinks = info.data.get("sinks")
        if sinks is not None:
            raise_if_any(
                [
                    (("stand_ins", name), f'no sink "{found}"; {nearest(found, sinks)}')
                    for name, other in notify.stand_ins.items()
                    for found in (name, other)
                    if found not in sinks
                ]
            )
        return notify


def _unknown_names(
    route: Route, sinks: Mapping[str, object] | None, models: Mapping[str, object] | None
) -> list[tuple[Place, str]]:
    """Return what a route names and the settings lack; None stands for a part with errors of its own."""
    problems: list[tuple[Place, str]] = []
    if sinks is not None:
        problems.extend(
            (("sinks", i), f'no sink "{name}"; {nearest(name, sinks)}')
            for i, name in enumerate(route.sinks)
            if name not in sinks
        )
    if models is not None and "model" in route.match:
        problems.extend(
            (("match", "model"), f'no model "{model}"; {nearest(model, models)}')
            for model in route.match["model"].split("|")
            if model not in models
        )
    return problems
