"""Drift detectors of the river package as monitors: their names, parameters and signals, without river itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

from schemas.finding import Hysteresis
from schemas.river_parameters import RIVER, ParameterValue, parameter_problems
from schemas.setting_types import FROZEN, Text, nearest, raise_if_any

Direction: TypeAlias = Literal["both", "up", "down"]
SignalKind: TypeAlias = Literal[
    "feature", "share", "missing", "invalid", "unseen", "error", "error_rate", "fallback_rate"
]

_OF_COLUMNS: Final[Mapping[str, SignalKind]] = {
    "feature": "feature",
    "share": "share",
    "missing": "missing",
    "invalid": "invalid",
    "unseen": "unseen",
}
_OF_MODELS: Final[Mapping[str, SignalKind]] = {
    "error": "error",
    "error_rate": "error_rate",
    "fallback_rate": "fallback_rate",
}
SIGNALS: Final = (
    *("feature:NAME", "share:NAME=CATEGORY", "missing:NAME", "invalid:NAME", "unseen:NAME"),
    *_OF_MODELS,
)
"""How signals are written."""

EVENTS_MIN: Final = 30

RIVER_KEYS: Final = frozenset({"river", "signal", "parameters", "direction", "alert"})
"""Keys that only a monitor of river has."""


@dataclass(frozen=True, slots=True)
class SignalName:
    """What a monitor watches.

    Parameters
    ----------
    feature
        The column; None for what concerns the whole model.
    category
        Of `share` alone.
    """

    kind: SignalKind
    feature: str | None = None
    category: str | None = None

    @property
    def usual_direction(self) -> Direction:
        """Which changes are trouble, where the settings do not say: of bad things only more."""
        return "both" if self.kind in {"feature", "share"} else "up"


def parse_signal(text: str) -> SignalName:
    """Return the signal that a text names.

    Raises
    ------
    ValueError
        If it names none.

    Examples
    --------
    >>> parse_signal("share:country=DE")
    SignalName(kind='share', feature='country', category='DE')
    """
    word, colon, rest = text.partition(":")
    if not colon and word in _OF_MODELS:
        return SignalName(_OF_MODELS[word])
    if word not in _OF_COLUMNS:
        known = {*_OF_MODELS, *_OF_COLUMNS}
        hint = nearest(word, known, otherwise=f"expected one of {', '.join(SIGNALS)}")
        raise ValueError(f"unknown signal; {hint}")
    feature, equals, category = rest.partition("=") if word == "share" else (rest, "", "")
    if not feature or (word == "share" and not (equals and category)):
        [form] = [signal for signal in SIGNALS if signal.startswith(f"{word}:")]
        raise ValueError(f'expected {form}, got "{text[:64]}"')
    return SignalName(_OF_COLUMNS[word], feature, category if equals else None)


def _check_river(name: str) -> str:
    if name not in RIVER:
        raise ValueError(f"unknown detector; {nearest(name[:64], RIVER)}")
    return name


def _check_signal(text: str) -> str:
    parse_signal(text)
    return text


class RiverSettings(BaseModel):
    """A drift detector of the river package on one signal, outside the budget of false alarms.

    Attributes
    ----------
    river
        Name of its class in `river.drift` or `river.drift.binary`.
    parameters
        Of that class; what is left out keeps river's value.
    direction
        Which changes count; None for `up` where more is worse and `both` elsewhere.
    alert
        Whether a change fires; without it a change is evidence alone.
    """

    model_config = FROZEN

    river: Annotated[str, AfterValidator(_check_river)]
    signal: Annotated[Text, AfterValidator(_check_signal)]
    parameters: dict[str, ParameterValue] = Field(default_factory=dict)
    direction: Direction | None = None
    alert: bool = False
    enabled: bool = True
    min_events: Annotated[int, Field(ge=1, le=1_000_000_000)] = EVENTS_MIN
    clears: Annotated[int, Field(ge=1, le=1_000)] = 3

    @field_validator("parameters")
    @classmethod
    def _parameters_fit(
        cls, parameters: dict[str, ParameterValue], info: ValidationInfo
    ) -> dict[str, ParameterValue]:
        name = info.data.get("river")
        if name is not None:
            raise_if_any([((key,), text) for key, text in parameter_problems(name, parameters)])
        return parameters

    @property
    def signal_name(self) -> SignalName:
        """The signal, taken apart."""
        return parse_signal(self.signal)

    @property
    def heeded(self) -> Direction:
        """Which changes count."""
        return self.direction or self.signal_name.usual_direction

    @property
    def hysteresis(self) -> Hysteresis:
        """One detection fires: river's detectors tell a change once and then start anew."""
        return Hysteresis(breaches=1, windows=1, clears=self.clears)
