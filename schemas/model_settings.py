"""What a user says about one model."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from schemas.duration import MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE, DurationMs, format_duration
from schemas.label_classes import Classes, check_class, class_of_label
from schemas.metric_settings import Costs, MetricRule, Task, check_costs, check_metrics
from schemas.model_parts import (
    DEVIANCES,
    Compare,
    FalseAlarmBudget,
    FeatureRule,
    LabelRules,
    Learn,
    LearnSetting,
    Loss,
    LossSetting,
    MinEffect,
    MinEffectSetting,
    Owner,
    Silence,
    SilenceSetting,
    Updates,
)
from schemas.monitor_settings import Monitor, Monitors, MonitorSettings, check_monitors
from schemas.river_settings import RiverSettings
from schemas.setting_types import FROZEN, Label, Text, nearest, raise_if_any


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder, such as Europe
        hint = nearest(name[:64], available_timezones(), otherwise="use a name such as Europe/Berlin")
        raise ValueError(f"unknown time zone; {hint}") from None
    return name


def _without_name(schema: dict[str, Any]) -> None:
    """Take `name` out of the JSON Schema: in a file it is the model's key, not one of its values."""
    schema["properties"].pop("name")
    schema["required"].remove("name")


Timezone: TypeAlias = Annotated[str, AfterValidator(_timezone)]


class ModelSettings(BaseModel):
    """One model: its task, its windows, its limits, its people.

    Attributes ending in `_ms` are milliseconds; a settings file writes them without the ending and as
    durations (`window: 1m`), and so do callers that build this model by hand.

    Attributes
    ----------
    name
        The key of the model in the settings.
    classes
        Labels that are the same class, by the class's name, which is one of its labels too.
    profiles
        Paths of reference profiles by version, where they differ from `profile`.
    costs
        What an answer costs, by true class and then by predicted class; what is not listed costs nothing, and a gain
        is a cost below 0.
    window_ms, cohort_window_ms
        Lengths of detection and cohort windows; each divides a day evenly.
    quarantine_above
        Above this share of refused messages among the latest ones the model's evaluation is held.
    champion
        The version that others are compared with; None for the one that was live before each.
    segments
        Keys of an event's `segments` to watch apart, at most `max_segments` values in all.
    """

    model_config = FROZEN | ConfigDict(json_schema_extra=_without_name)

    name: str
    task: Task
    classes: Classes | None = None
    positive_class: Label | None = Field(default=None, validate_default=True)
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    profile: Text | None = None
    profiles: dict[Text, Text] = Field(default_factory=dict)
    learn: LearnSetting | None = None
    window_ms: DurationMs = Field(default=MS_PER_MINUTE, alias="window")
    label_horizon_ms: DurationMs = Field(default=14 * MS_PER_DAY, alias="label_horizon")
    allowed_lateness_ms: DurationMs = Field(default=MS_PER_MINUTE, alias="allowed_lateness")
    cohort_window_ms: DurationMs = Field(default=MS_PER_HOUR, alias="cohort_window")
    max_clock_skew_ms: DurationMs = Field(default=5 * MS_PER_MINUTE, alias="max_clock_skew")
    timezone: Timezone = "UTC"
    min_effect: MinEffectSetting = Field(default_factory=MinEffect)
    max_segments: Annotated[int, Field(ge=0, le=1_000)] = 50
    segments: tuple[Text, ...] = Field(default=(), strict=False)
    false_alarm_budget: FalseAlarmBudget = Field(default_factory=FalseAlarmBudget)
    costs: Costs | None = None
    loss: LossSetting = Field(default_factory=Loss)
    metrics: dict[str, MetricRule] = Field(default_factory=dict)
    monitors: dict[str, Monitor] = Field(default_factory=dict)
    owner: Owner | None = None
    runbook: Text | None = None
    fallback: Text | None = None
    quarantine_above: Annotated[float, Field(gt=0, le=1)] = 0.5
    silence: SilenceSetting = Field(default_factory=Silence)
    features: dict[Text, FeatureRule] = Field(default_factory=dict)
    labels: LabelRules = Field(default_factory=LabelRules)
    seasonality: Literal["auto", "none", "daily", "weekly"] = "auto"
    updates: Updates | None = None
    champion: Text | None = None
    compare: Compare = Field(default_factory=Compare)

    @field_validator("classes")
    @classmethod
    def _classes_apart(cls, classes: Classes | None, info: ValidationInfo) -> Classes | None:
        task = info.data.get("task")
        if classes is None or task is None:
            return classes
        if task == "regression":
            raise ValueError("a regression has no classes: remove the key")
        if len(classes) < 2 or (task == "binary" and len(classes) > 2):
            expected = "two classes" if task == "binary" else "at least two classes"
            raise ValueError(f"expected {expected} for the task {task}, got {len(classes)}")
        class_of_label(classes)
        return classes

    @field_validator("positive_class")
    @classmethod
    def _positive_is_known(cls, label: Label | None, info: ValidationInfo) -> Label | None:
        task, classes = info.data.get("task"), info.data.get("classes")
        if task == "binary" and label is None:
            raise ValueError("missing; add the label of the class that `score` is the probability of")
        if task in {"multiclass", "regression"} and label is not None:
            raise ValueError(f"a {task} task has no positive class: remove the key")
        if label is not None and classes:
            check_class(label, classes)
        return label

    @field_validator("learn")
    @classmethod
    def _one_reference(cls, learn: Learn | None, info: ValidationInfo) -> Learn | None:
        if learn is not None and learn.enabled and info.data.get("profile") is not None:
            raise ValueError("expected profile or learn, got both: remove one")
        return learn

    @field_validator("window_ms", "cohort_window_ms")
    @classmethod
    def _divides_day(cls, window_ms: int) -> int:
        if not window_ms or MS_PER_DAY % window_ms:
            raise ValueError(
                "expected a window above 0s that divides a day evenly, such as 1m, 5m or 1h, "
                f"got {format_duration(window_ms)}"
            )
        return window_ms

    @field_validator("label_horizon_ms")
    @classmethod
    def _holds_a_window(cls, horizon_ms: int, info: ValidationInfo) -> int:
        window_ms = info.data.get("window_ms")
        if window_ms is not None and horizon_ms < window_ms:
            raise ValueError(
                f"expected at least the window, {format_duration(window_ms)}, got {format_duration(horizon_ms)}"
            )
        return horizon_ms

    @field_validator("segments")
    @classmethod
    def _once_each(cls, segments: tuple[str, ...]) -> tuple[str, ...]:
        raise_if_any(
            [
                ((i,), f'segment "{key}" is named twice')
                for i, key in enumerate(segments)
                if key in segments[:i]
            ]
        )
        return segments

    @field_validator("costs")
    @classmethod
    def _costs_of_classes(cls, costs: Costs | None, info: ValidationInfo) -> Costs | None:
        task = info.data.get("task")
        # Classes that are wrong themselves are not there: theirs is the one problem to tell.
        if costs is None or task is None or "classes" not in info.data:
            return costs
        return check_costs(costs, info.data["classes"], task)

    @field_validator("metrics")
    @classmethod
    def _metrics_of_task(cls, metrics: dict[str, MetricRule], info: ValidationInfo) -> dict[str, MetricRule]:
        task, loss = info.data.get("task"), info.data.get("loss")
        if task is None:
            return metrics
        lacking = {}
        if info.data.get("costs") is None:
            lacking["cost"] = "needs to know what mistakes cost: add costs"
        if loss is not None and loss.name not in DEVIANCES:
            lacking["deviance"] = f"is that of a loss: set loss to {', '.join(DEVIANCES)}"
        return check_metrics(metrics, task, lacking)

    @field_validator("monitors")
    @classmethod
    def _known_monitors(cls, monitors: Monitors, info: ValidationInfo) -> Monitors:
        return check_monitors(monitors, info.data.get("task"))

    @field_validator("labels")
    @classmethod
    def _implicit_fits(cls, labels: LabelRules, info: ValidationInfo) -> LabelRules:
        if labels.implicit is None:
            return labels
        task, classes = info.data.get("task"), info.data.get("classes")
        if task == "regression":
            raise_if_any([(("implicit",), "a regression has no implicit class: remove the key")])
        if classes:
            check_class(labels.implicit.class_label, classes, place=("implicit", "class"))
        _check_after(labels.implicit.after_ms, info.data.get("label_horizon_ms"))
        return labels

    @property
    def learning(self) -> Learn | None:
        """How the model's reference is learned from its events; None where it has a profile, or wants none."""
        learn = self.learn or Learn()
        return learn if learn.enabled and self.profile is None else None

    def monitor(self, name: str) -> MonitorSettings:
        """Return the tuning of a monitor of ours; the defaults where the settings say nothing."""
        found = self.monitors.get(name)
        return found if isinstance(found, MonitorSettings) else MonitorSettings()

    @property
    def river_monitors(self) -> dict[str, RiverSettings]:
        """The detectors of river that are asked for and on, by their free names."""
        return {
            name: monitor
            for name, monitor in self.monitors.items()
            if isinstance(monitor, RiverSettings) and monitor.enabled
        }

    def class_of_label(self) -> dict[tuple[str, Label], str]:
        """Return the class by (type name, label); empty when the settings name no classes.

        The type is part of the key because `1`, `"1"` and `true` are three labels, and Python holds
        two of them equal.
        """
        return class_of_label(self.classes or {})


def _check_after(after_ms: int, horizon_ms: int | None) -> None:
    if horizon_ms is not None and not 0 < after_ms <= horizon_ms:
        text = (
            f"expected above 0s and up to the label horizon, {format_duration(horizon_ms)}, "
            f"got {format_duration(after_ms)}"
        )
        raise_if_any([(("implicit", "after"), text)])
