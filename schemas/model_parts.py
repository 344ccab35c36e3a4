"""The parts of a model's settings: how it learns, who owns it, how its labels come."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, Field, field_validator, model_validator

from schemas.duration import MS_PER_DAY, DurationMs
from schemas.setting_types import (
    FROZEN,
    ExpectedError,
    Label,
    Place,
    Text,
    nearest,
    raise_if_any,
    unknown_key,
)

DEVIANCES: Final = ("poisson", "gamma", "tweedie")
"""Losses that are a deviance."""
_LOSSES: Final = ("absolute", "squared", *DEVIANCES)
_LABELLED_BY: Final = ("decision",)

NotNegative: TypeAlias = Annotated[float, Field(ge=0)]


class Learn(BaseModel):
    """Take the first `events` predictions that are not part of an incident as the reference profile."""

    model_config = FROZEN

    enabled: bool = True
    events: Annotated[int, Field(ge=100, le=100_000_000)] = 10_000


class MinEffect(BaseModel):
    """Changes up to these sizes are inside the null: too small to matter.

    Attributes
    ----------
    sd
        Shift of a numeric value, in standard deviations.
    share
        Shift of a rate or a category's share, absolute.
    relative_error
        Growth of an error or a loss, relative.
    volume
        Growth of traffic, or its fall by the same factor, relative.
    """

    model_config = FROZEN

    sd: Annotated[float, Field(ge=0, le=10)] = 0.1
    share: Annotated[float, Field(ge=0, le=1)] = 0.02
    relative_error: NotNegative = 0.1
    volume: NotNegative = 0.3


class BudgetWeights(BaseModel):
    """Shares of the false-alarm budget, relative to each other; those of groups without a signal go to the others.

    Attributes
    ----------
    performance
        Errors and losses, estimated ones too, and limits of metrics.
    data_drift, prediction_drift
        How the values of features and of answers lie.
    label_drift
        How often each class turns out to be true.
    data_quality
        Missing, invalid and unknown values.
    service
        Errors, answers by the fallback, how long answers take, and how many there are.
    labels
        How labels come: whether, when, and how often they contradict one another.
    """

    model_config = FROZEN

    performance: NotNegative = 5.0
    data_drift: NotNegative = 3.0
    prediction_drift: NotNegative = 1.0
    label_drift: NotNegative = 0.5
    data_quality: NotNegative = 0.5
    service: NotNegative = 0.5
    labels: NotNegative = 0.5

    def by_group(self) -> dict[str, float]:
        """Return the shares by name."""
        return {name: float(getattr(self, name)) for name in type(self).model_fields}


class FalseAlarmBudget(BaseModel):
    """At most this many false alarms in this time, on average, over all signals of the model."""

    model_config = FROZEN

    false_alarms: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    per_ms: DurationMs = Field(default=30 * MS_PER_DAY, alias="per")
    weights: BudgetWeights = Field(default_factory=BudgetWeights)

    @field_validator("per_ms")
    @classmethod
    def _positive(cls, per_ms: int) -> int:
        if not per_ms:
            raise ExpectedError("a period above 0s, such as 30d")
        return per_ms


class Owner(BaseModel):
    """Who is told: a team, how to reach it, and whom to call after it, in that order."""

    model_config = FROZEN

    team: Text
    contact: Text
    escalation: list[Text] = Field(default_factory=list)


class Updates(BaseModel):
    """Who renews the model, how often, and what makes them do it early."""

    model_config = FROZEN

    who: Text
    cadence: Text | None = None
    trigger: Text | None = None


class Compare(BaseModel):
    """How versions that answered the same ids are compared.

    Attributes
    ----------
    min_gain
        A difference up to this is none, in the unit of the gain: of the error rate, of the widest difference of costs, or, of a
        regression, of the relative sizes of errors.
    """

    model_config = FROZEN

    min_gain: Annotated[float, Field(ge=0, lt=1)] = 0.005


class FeatureRule(BaseModel):
    """What the profile cannot know of a feature.

    Attributes
    ----------
    weight
        Its share of the false-alarm budget, relative to that of a feature without a rule.
    owner
        Who is told of what concerns this feature alone; None for the model's owner.
    """

    model_config = FROZEN

    type: Literal["numeric", "categorical"] | None = None
    ignore: bool = False
    weight: Annotated[float, Field(gt=0, le=1_000)] = 1.0
    owner: Owner | None = None


class Implicit(BaseModel):
    """A prediction that has had no label for so long counts as having this one."""

    model_config = FROZEN

    class_label: Label = Field(alias="class")
    after_ms: DurationMs = Field(alias="after")


class LabelRules(BaseModel):
    """How labels come.

    Attributes
    ----------
    implicit
        The label that silence means.
    unlabelled_when
        `{"decision": [...]}`: predictions with these decisions never get a label.
    late_memory_ms
        How long an expired prediction's id is still known.
    """

    model_config = FROZEN

    implicit: Implicit | None = None
    unlabelled_when: dict[str, list[Label]] | None = None
    late_memory_ms: DurationMs = Field(default=7 * MS_PER_DAY, alias="late_memory")

    @field_validator("unlabelled_when")
    @classmethod
    def _known(cls, rules: dict[str, list[Label]] | None) -> dict[str, list[Label]] | None:
        problems: list[tuple[Place, str]] = []
        for key, values in (rules or {}).items():
            if key not in _LABELLED_BY:
                problems.append(((key,), unknown_key(key, _LABELLED_BY)))
            elif not values:
                problems.append(((key,), "expected at least one value"))
        raise_if_any(problems)
        return rules


class Loss(BaseModel):
    """The loss of a regression; `power` belongs to tweedie alone."""

    model_config = FROZEN

    name: Literal["absolute", "squared", "poisson", "gamma", "tweedie"] = "absolute"
    power: Annotated[float, Field(gt=1, lt=2)] | None = None

    @model_validator(mode="after")
    def _power_with_tweedie(self) -> Loss:
        if (self.name == "tweedie") != (self.power is not None):
            raise ValueError("expected a power with tweedie alone: {name: tweedie, power: 1.5}")
        return self


def _loss_from_name(value: object) -> object:
    if isinstance(value, str):
        if value not in _LOSSES:
            raise ValueError(f'unknown loss "{value}"; {nearest(value, _LOSSES)}')
        return {"name": value}
    return value


def _zero_effect(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value != 0:
            raise ExpectedError(
                "{sd: ..., share: ..., relative_error: ..., volume: ...}, or 0 for all of them"
            )
        return dict.fromkeys(MinEffect.model_fields, 0)
    return value


class Silence(BaseModel):
    """When a model without any predictions is told of, by the wall clock.

    Attributes
    ----------
    after_ms
        None for as long as it takes to be sure: a quarter of an hour, three windows, and until twenty predictions
        are missing that are usual at these hours.
    """

    model_config = FROZEN

    enabled: bool = True
    after_ms: DurationMs | None = Field(default=None, alias="after")


def _from_switch(value: object) -> object:
    return {"enabled": value} if isinstance(value, bool) else value


SilenceSetting: TypeAlias = Annotated[
    Silence, BeforeValidator(_from_switch, json_schema_input_type=bool | Silence)
]


LearnSetting: TypeAlias = Annotated[Learn, BeforeValidator(_from_switch, json_schema_input_type=bool | Learn)]
"""`{events: 10000}`, or false for none."""

LossSetting: TypeAlias = Annotated[
    Loss,
    BeforeValidator(
        _loss_from_name, json_schema_input_type=Literal["absolute", "squared", "poisson", "gamma"] | Loss
    ),
]
"""A loss by name, or `{name: tweedie, power: 1.5}`."""

MinEffectSetting: TypeAlias = Annotated[
    MinEffect, BeforeValidator(_zero_effect, json_schema_input_type=Literal[0] | MinEffect)
]
"""The smallest effects, or 0 for all of them."""
