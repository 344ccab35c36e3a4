"""Limits of metrics, and what mistakes cost: which names there are, and which limits make sense."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, Field, model_validator

from schemas.setting_types import FROZEN, Place, Text, nearest, raise_if_any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Task: TypeAlias = Literal["binary", "multiclass", "regression"]

_PER_CLASS: Final = ("precision", "recall", "f1")
_CLASS_METRICS: Final = ("accuracy", "balanced_accuracy", "mcc", "ece", "cost")
_QUANTILES: Final = ("error_p05", "error_p50", "error_p95", "absolute_error_p50", "absolute_error_p95")
METRICS: Final[Mapping[Task, tuple[str, ...]]] = {
    "binary": (*_CLASS_METRICS, "log_loss", "brier", *_PER_CLASS, "roc_auc", "pr_auc"),
    "multiclass": (
        *_CLASS_METRICS,
        "log_loss",
        "brier",
        *(f"{average}_{name}" for average in ("macro", "weighted") for name in _PER_CLASS),
    ),
    "regression": (
        "mae",
        "rmse",
        "bias",
        "mape",
        "smape",
        "r2",
        "actual_to_expected",
        "gini",
        "deviance",
        *_QUANTILES,
    ),
}
"""Metric names by task; each but the quantiles is also known as `weighted.<name>`."""

WEIGHTED: Final = "weighted."
"""What the name of a metric begins with in which every row counts by its weight."""

LOWER_IS_BETTER: Final = frozenset(
    {"log_loss", "brier", "ece", "cost", "mae", "rmse", "mape", "smape", "deviance"}
    | {"absolute_error_p50", "absolute_error_p95"}
)
NO_DIRECTION: Final = frozenset({"bias", "actual_to_expected", "error_p05", "error_p50", "error_p95"})
"""Neither more nor less of these is better; every metric that is in neither set is better when it is higher."""

_ANY_NUMBER: Final = NO_DIRECTION | {"cost"}
_FROM_MINUS_ONE: Final = frozenset({"mcc", "gini"})
_UP_TO_ONE: Final = frozenset({"ece", "brier"})
_UNBOUNDED: Final = LOWER_IS_BETTER - _UP_TO_ONE - _ANY_NUMBER

Costs: TypeAlias = dict[Text, dict[Text, float]]
"""True class to predicted class to what one such answer costs."""


class MetricRule(BaseModel):
    """Limits of one metric, which become nulls of budgeted tests.

    Attributes
    ----------
    min, max
        The metric must not be below, not be above.
    drop
        The metric must not be worse than in the profile by more than this, in the metric's unit.
    """

    model_config = FROZEN

    min: float | None = None
    max: float | None = None
    drop: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> MetricRule:
        if self.min is None and self.max is None and self.drop is None:
            raise ValueError("expected at least one of min, max and drop")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"expected min below max, got {self.min:g} and {self.max:g}")
        return self


def names_of(task: Task) -> list[str]:
    """Return every name that a limit of the task may have."""
    names = METRICS[task]
    return [*names, *(f"{WEIGHTED}{name}" for name in names if name not in _QUANTILES)]


def check_metrics(
    metrics: dict[str, MetricRule], task: Task, lacking: Mapping[str, str] | None = None
) -> dict[str, MetricRule]:
    """Return `metrics` if each name is one of the task and each limit possible.

    Parameters
    ----------
    lacking
        Metrics that the rest of the settings does not allow, and what it lacks.

    Raises
    ------
    SettingErrors
        Otherwise, one problem per metric or limit.
    """
    problems: list[tuple[Place, str]] = []
    known = names_of(task)
    for name, rule in metrics.items():
        plain = name.removeprefix(WEIGHTED)
        if name in known and (why := (lacking or {}).get(plain)) is not None:
            problems.append(((name,), f"{name} {why}"))
        elif name in known:
            problems.extend(_limit_problems(name, plain, rule, task))
        elif plain in METRICS[task]:
            problems.append(((name,), f"{plain} takes no weights; limit {plain}"))
        else:
            hint = nearest(name, known if "." in name else METRICS[task])
            problems.append(((name,), f"not a metric of the task {task}; {hint}"))
    raise_if_any(problems)
    return metrics


def _limit_problems(name: str, plain: str, rule: MetricRule, task: Task) -> list[tuple[Place, str]]:
    problems: list[tuple[Place, str]] = []
    if plain in NO_DIRECTION and rule.drop is not None:
        problems.append(((name, "drop"), f"{name} has no better end: use min and max"))
    elif plain in LOWER_IS_BETTER and rule.min is not None:
        problems.append(((name, "min"), f"{name} is better when lower: use max or drop"))
    elif plain not in LOWER_IS_BETTER | NO_DIRECTION and rule.max is not None:
        problems.append(((name, "max"), f"{name} is better when higher: use min or drop"))
    lowest, highest, expected = _range(plain, task)
    for key in ("min", "max", "drop"):
        limit = getattr(rule, key)
        if limit is not None and not lowest <= limit <= highest:
            problems.append(((name, key), f"expected {expected}, got {limit:g}"))
    return problems


def _range(plain: str, task: Task) -> tuple[float, float, str]:
    if plain in _ANY_NUMBER:
        return -math.inf, math.inf, "a number"
    if plain in _UNBOUNDED:
        return 0.0, math.inf, "a number of 0 or more"
    if plain == "r2":
        return -math.inf, 1.0, "a number up to 1"
    if plain == "brier" and task == "multiclass":
        return 0.0, 2.0, "a number from 0 to 2"
    if plain in _FROM_MINUS_ONE:
        return -1.0, 1.0, "a number from -1 to 1"
    return 0.0, 1.0, "a share from 0 to 1, such as 0.9 for 90 %"


def check_costs(costs: Costs, classes: Iterable[str] | None, task: Task) -> Costs:
    """Return `costs` if they are of classes that the settings name.

    Raises
    ------
    SettingErrors
        Otherwise, one problem per class; and a cost that is no number.
    """
    if task == "regression":
        raise ValueError("a regression has no classes to mistake: remove the key")
    if classes is None:
        raise ValueError(
            "expected classes beside costs, so that no misspelt class costs nothing: add classes"
        )
    known = list(classes)
    problems: list[tuple[Place, str]] = []
    for true, row in costs.items():
        if true not in known:
            problems.append(((true,), f"unknown class; {nearest(true, known)}"))
        for predicted, cost in row.items():
            if predicted not in known:
                problems.append(((true, predicted), f"unknown class; {nearest(predicted, known)}"))
            elif not math.isfinite(cost):
                problems.append(((true, predicted), f"expected a finite number, got {cost}"))
    if not any(costs.values()):
        problems.append(((), "expected at least one cost, such as {fraud: {ok: 100}}"))
    raise_if_any(problems)
    return costs
