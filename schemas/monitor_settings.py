"""What is watched on a model: monitors with their tuning."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, BeforeValidator, Discriminator, Field, Tag, model_validator

from schemas.finding import LABEL_CHECKS, Hysteresis
from schemas.metric_settings import METRICS, MetricRule, Task
from schemas.river_parameters import RIVER
from schemas.river_settings import RIVER_KEYS, RiverSettings
from schemas.setting_types import FROZEN, Place, check_name, nearest, raise_if_any

_RATE_MONITORS: Final = (
    "jensen_shannon",
    "kolmogorov_smirnov",
    "l_infinity",
    "missing_rate",
    "invalid_rate",
    "unseen_rate",
    "error_rate",
    "fallback_rate",
    "unlisted_features",
)
MONITORS: Final = (
    *_RATE_MONITORS,
    *("psi", "chi_square", "wasserstein"),
    *(
        "drift",
        "performance",
        "estimated_performance",
        "label_drift",
        "calibration",
        "latency",
        "volume",
        "compare",
        *LABEL_CHECKS,
        "adwin_features",
        "adwin_errors",
    ),
)
"""The monitors that settings know; all are on unless switched off, the distances where they are tuned."""

BUDGETED_ALONE: Final = (
    *("drift", "estimated_performance", "label_drift", "calibration", "latency", "volume", "compare"),
    *LABEL_CHECKS,
)
"""Monitors that have nothing to tune."""


class MonitorSettings(BaseModel):
    """The tuning of one monitor; what is left out keeps its calibrated value.

    Attributes
    ----------
    threshold
        In the monitor's own unit. A monitor that a user has tuned, in this or in another way, is outside the
        budget of false alarms.
    min_events
        Windows with fewer events say nothing.
    breaches, windows, clears
        Fire when `breaches` of the last `windows` windows breach, resolve after `clears` clear ones.
    """

    model_config = FROZEN

    enabled: bool = True
    threshold: Annotated[float, Field(gt=0)] | None = None
    min_events: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    breaches: Annotated[int, Field(ge=1, le=1_000)] | None = None
    windows: Annotated[int, Field(ge=1, le=1_000)] | None = None
    clears: Annotated[int, Field(ge=1, le=1_000)] | None = None

    @model_validator(mode="after")
    def _can_fire(self) -> MonitorSettings:
        if self.breaches is None and self.windows is None:
            return self
        hysteresis = self.hysteresis(Hysteresis())
        if hysteresis.breaches > hysteresis.windows:
            raise ValueError(
                f"expected breaches (here {hysteresis.breaches}) up to windows (here {hysteresis.windows}): "
                "set both"
            )
        return self

    @property
    def tuned(self) -> bool:
        """Whether the user has said anything but on and off."""
        return self.model_copy(update={"enabled": True}) != MonitorSettings()

    def hysteresis(self, default: Hysteresis) -> Hysteresis:
        """Return `default` with what the settings say put in its place."""
        return Hysteresis(
            breaches=default.breaches if self.breaches is None else self.breaches,
            windows=default.windows if self.windows is None else self.windows,
            clears=default.clears if self.clears is None else self.clears,
        )


def _switch(value: object) -> object:
    return {"enabled": value} if isinstance(value, bool) else value


RIVER_TAG: Final = "[river]"
OWN_TAG: Final = "[own]"
"""Which kind of monitor an error is about; in brackets, as a mark must not look like a key of the file."""


def _whose(value: object) -> str:
    is_river = isinstance(value, RiverSettings) or (isinstance(value, dict) and RIVER_KEYS & value.keys())
    return RIVER_TAG if is_river else OWN_TAG


_Own: TypeAlias = Annotated[
    MonitorSettings, BeforeValidator(_switch, json_schema_input_type=bool | MonitorSettings), Tag(OWN_TAG)
]
Monitor: TypeAlias = Annotated[_Own | Annotated[RiverSettings, Tag(RIVER_TAG)], Discriminator(_whose)]
"""The tuning of a monitor of ours, `true` / `false` for on and off, or a detector of river under a free name."""

Monitors: TypeAlias = dict[str, MonitorSettings | RiverSettings]


def check_monitors(monitors: Monitors, task: Task | None) -> Monitors:
    """Return `monitors` if every name is known or free, every threshold possible and every signal there.

    Raises
    ------
    SettingErrors
        Otherwise, one problem per monitor.
    """
    problems: list[tuple[Place, str]] = []
    for name, monitor in monitors.items():
        if isinstance(monitor, RiverSettings):
            problems.extend(_river_problems(name, monitor, task))
        elif name not in MONITORS:
            problems.append(((name,), f"unknown monitor; {nearest(name, MONITORS)}"))
        elif name in _RATE_MONITORS and monitor.threshold is not None and monitor.threshold > 1:
            text = f"expected a share above 0 and up to 1, got {monitor.threshold:g}"
            problems.append(((name, "threshold"), text))
        elif name == "compare" and monitor.tuned:
            problems.append(((name,), "use true or false; how much better counts is compare.min_gain"))
        elif name in BUDGETED_ALONE and monitor.tuned:
            text = f"{name} is judged by the false-alarm budget alone: use true or false"
            problems.append(((name,), f"{text}, or a threshold for psi" if name == "drift" else text))
    raise_if_any(problems)
    return monitors


def _river_problems(name: str, monitor: RiverSettings, task: Task | None) -> list[tuple[Place, str]]:
    limits = [
        f"{metric}_{key}" for metric in METRICS.get(task or "binary", ()) for key in MetricRule.model_fields
    ]
    if name in {*MONITORS, "metrics", *limits}:
        return [((name,), "a check of watchkeeper's own has this name: choose another for river's detector")]
    try:
        check_name(name)
    except ValueError as error:
        return [((name,), f"a monitor's name: {error}")]
    if task == "regression" and monitor.signal == "error" and RIVER[monitor.river].is_binary:
        text = f"{monitor.river} takes events that are right or wrong, a regression's errors are sizes"
        return [((name, "signal"), f"{text}: use ADWIN, KSWIN or PageHinkley")]
    return []
