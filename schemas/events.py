r"""The published event contracts: `Prediction` and `GroundTruth`.

Input is what a JSON parser gives for one message: a mapping with text keys (a repeated key: the last one
counts). The rules below are the whole contract at this border. They need no settings, so every decoder
accepts and rejects the same messages.

For every field
    * `null` is the same as absent, in optional and required fields alike.
    * Nothing is coerced. A boolean is never a number. A number where an integer is asked for has no
      fraction and no exponent (`1.0` is no integer), and is within 64 bits, signed. A number that a double
      cannot hold (`1e400`, `NaN`, `Infinity`) is no number.
    * Text is valid Unicode: half of a surrogate pair (`"\\ud800"`) in text or in a key rejects, except
      within `features`, where such a name is passed over and such a value is invalid.
    * Fields that are not named here are ignored, whatever they hold.

`Prediction`
    ==================  =====================================================================
    prediction_id       required; text of 1 to 128 characters (code points)
    model               required; text
    version             text, default `"0"`; an integer is rejected: write `"7"`
    time                required; RFC 3339 with an offset, or integer epoch milliseconds, within
                        the years 1970 to 2200 (`schemas.clock.parse_time_ms`)
    features            object, default empty; its values are anything at all, NaN literals and
                        lone surrogates too: a wrong one is an invalid value of that feature
    output              object; required, with at least one of label, score, probabilities and
                        value, unless status is `error`
    output.label        text, integer or boolean
    output.score        number in [0, 1]
    output.probabilities
                        object with at least one entry, of text to number in [0, 1]; that they sum to
                        1 is not asked
    output.value        number
    output.decision     text, integer or boolean
    segments            object of text to text, number (an integer within 64 bits), boolean or null;
                        default empty
    weight              number of 0 or more, default 1
    latency_ms          number of 0 or more
    status              `ok` (default), `fallback` or `error`
    shadow              boolean, default false
    error, trace_id     text
    received_at         a time as above
    ==================  =====================================================================

`GroundTruth`
    ==================  =====================================================================
    prediction_id       required; as above
    model               required; as above
    time                required; as above
    label               text, integer or boolean
    value               number; one of label and value is required, both are allowed
    revision            integer from 0 to 4,294,967,295, default 0
    prediction_time     a time as above
    ==================  =====================================================================

What depends on the settings is decided after this border: whether the model is known; whether the output
has the form of the task (a score for a multiclass model, a label for a regression); whether a label is
one of the classes; which features are listed and of which type; whether the time is too old or too far
ahead.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from schemas.clock import TimeMs
from schemas.setting_types import INT64_MAX, INT64_MIN, check_label
from schemas.unicode_text import is_unicode

PREDICTION_ID_CHARS_MAX: Final = 128
REVISION_MAX: Final = 2**32 - 1

_ANSWERS: Final = ("label", "score", "probabilities", "value")


def _whole_text(text: str) -> str:
    if not is_unicode(text):
        raise ValueError("expected valid Unicode, got half of a surrogate pair")
    return text


def _whole_label(label: object) -> object:
    checked = check_label(label)
    return _whole_text(checked) if isinstance(checked, str) else checked


def _segment_value(value: object) -> object:
    if value is None or isinstance(value, float):
        return value
    return _whole_label(value)


def _null_is(default: object, given: Any) -> BeforeValidator:
    """Return a validator that puts `default` in the place of null; `given` is the type otherwise."""
    return BeforeValidator(
        lambda value: default if value is None else value, json_schema_input_type=given | None
    )


def _one_of(keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the JSON Schemas of which one must hold: a key is there and not null."""
    return [{"required": [key], "properties": {key: {"not": {"type": "null"}}}} for key in keys]


_EVENT: Final = ConfigDict(
    frozen=True, extra="ignore", strict=True, hide_input_in_errors=True, allow_inf_nan=False
)
_NEEDS_OUTPUT: Final[dict[str, Any]] = {
    "if": {"properties": {"status": {"const": "error"}}, "required": ["status"]},
    "else": {
        "required": ["output"],
        "properties": {"output": {"type": "object", "anyOf": _one_of(_ANSWERS)}},
    },
}
_NEEDS_TRUTH: Final[dict[str, Any]] = {"anyOf": _one_of(("label", "value"))}

WholeText: TypeAlias = Annotated[str, AfterValidator(_whole_text)]
PredictionId: TypeAlias = Annotated[WholeText, Field(min_length=1, max_length=PREDICTION_ID_CHARS_MAX)]
EventLabel: TypeAlias = Annotated[
    str | int | bool,
    BeforeValidator(
        _whole_label, json_schema_input_type=str | bool | Annotated[int, Field(ge=INT64_MIN, le=INT64_MAX)]
    ),
]
SegmentValue: TypeAlias = Annotated[str | int | float | bool | None, BeforeValidator(_segment_value)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0)]
Status: TypeAlias = Literal["ok", "fallback", "error"]


class Output(BaseModel):
    """What the model answered, and what the business did with it (`decision`)."""

    model_config = _EVENT

    label: EventLabel | None = None
    score: Share | None = None
    probabilities: Annotated[dict[WholeText, Share], Field(min_length=1)] | None = None
    value: float | None = None
    decision: EventLabel | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is no answer here."""
        return all(getattr(self, name) is None for name in _ANSWERS)


class Prediction(BaseModel):
    """One answer of one version of a model; the rules stand at the top of the module.

    Attributes
    ----------
    time_ms, received_at_ms
        `time` and `received_at` of the event, in epoch milliseconds.
    features
        As they came; values may be of any type.
    weight
        Exposure or amount.
    """

    model_config = _EVENT | ConfigDict(json_schema_extra=_NEEDS_OUTPUT)

    prediction_id: PredictionId
    model: WholeText
    version: Annotated[WholeText, _null_is("0", str)] = "0"
    time_ms: TimeMs = Field(alias="time")
    features: Annotated[dict[str, Any], _null_is({}, dict[str, Any])] = Field(default_factory=dict)
    output: Output | None = None
    segments: Annotated[dict[WholeText, SegmentValue], _null_is({}, dict[str, SegmentValue])] = Field(
        default_factory=dict
    )
    weight: Annotated[NotNegative, _null_is(1.0, NotNegative)] = 1.0
    latency_ms: NotNegative | None = None
    status: Annotated[Status, _null_is("ok", Status)] = "ok"
    shadow: Annotated[bool, _null_is(False, bool)] = False
    error: WholeText | None = None
    trace_id: WholeText | None = None
    received_at_ms: TimeMs | None = Field(default=None, alias="received_at")

    @model_validator(mode="after")
    def _answers(self) -> Self:
        if self.status != "error" and (self.output is None or self.output.is_empty):
            raise ValueError(
                "expected an output with label, score, probabilities or value (only status error has none)"
            )
        return self


class GroundTruth(BaseModel):
    """What turned out to be true for a prediction id; the rules stand at the top of the module.

    Attributes
    ----------
    time_ms, prediction_time_ms
        `time` and `prediction_time` of the event, in epoch milliseconds.
    revision
        Orders corrections: the highest one stands.
    """

    model_config = _EVENT | ConfigDict(json_schema_extra=_NEEDS_TRUTH)

    prediction_id: PredictionId
    model: WholeText
    time_ms: TimeMs = Field(alias="time")
    label: EventLabel | None = None
    value: float | None = None
    revision: Annotated[
        int, Field(ge=0, le=REVISION_MAX), _null_is(0, Annotated[int, Field(ge=0, le=REVISION_MAX)])
    ] = 0
    prediction_time_ms: TimeMs | None = Field(default=None, alias="prediction_time")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.label is None and self.value is None:
            raise ValueError("expected a label or a value")
        return self
