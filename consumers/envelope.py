"""From bytes to checked events: the fast decoder, and the slow path that decides when it refuses.

msgspec refuses JSON's NaN and Infinity and any wrong type outright. Neither makes a prediction unusable:
a bad feature value is an invalid value of that feature. So what the fast decoder refuses is read again by
the standard library, which accepts NaN, and checked by the same rules with the features set apart. The
published contract is `schemas.events`; a test proves that both accept and reject the same messages.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from consumers.rejects import Reason
from schemas.errors import Reject

DIGITS_MAX: Final = 310
"""An integer of more digits is beyond a double, which makes it no number; Python refuses to read a very long one."""

Share = Annotated[float, Meta(ge=0, le=1)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class Output(msgspec.Struct, gc=False):
    """A model's answer, as far as the envelope can tell without knowing the model's task."""

    label: str | Integer | bool | None = None
    score: Share | None = None
    probabilities: Annotated[dict[str, Share], Meta(min_length=1)] | None = None
    value: float | None = None
    decision: str | Integer | bool | None = None


class PredictionEnvelope(msgspec.Struct):
    """A prediction event with its features still as bytes."""

    prediction_id: Name
    model: str
    time: str | int
    output: Output | None = None
    version: str = "0"
    features: Raw = Raw(b"null")
    segments: dict[str, str | Integer | float | bool | None] | None = None
    latency_ms: Annotated[float, Meta(ge=0)] | None = None
    status: Literal["ok", "fallback", "error"] = "ok"
    error: str | None = None
    trace_id: str | None = None
    received_at: str | int | None = None
    shadow: bool = False
    weight: Annotated[float, Meta(ge=0)] = 1.0
    parsed: dict[str, Any] | UnsetType = UNSET


class LabelEnvelope(msgspec.Struct, gc=False):
    """A ground-truth event."""

    prediction_id: Name
    model: str
    time: str | int
    label: str | Integer | bool | None = None
    value: float | None = None
    revision: Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)] = 0
    prediction_time: str | int | None = None


EnvelopeT = TypeVar("EnvelopeT", PredictionEnvelope, LabelEnvelope)

_prediction = msgspec.json.Decoder(PredictionEnvelope)
_label = msgspec.json.Decoder(LabelEnvelope)


def decode_prediction(data: bytes | None) -> PredictionEnvelope:
    """Return one prediction event.

    Raises
    ------
    Reject
        Reasons `empty`, `decode` or `contract`; with the model's name where one could be read.
    """
    if data is None:
        raise _empty()
    try:
        _demand_utf8(data)
        event = _prediction.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _naming(_slow_prediction, _object(data))
    if bytes(event.features)[:1] not in (b"{", b"n"):  # n as in null
        raise Reject(Reason.CONTRACT, "features: expected an object of name to value", model=event.model)
    return event


def decode_label(data: bytes | None) -> LabelEnvelope:
    """Return one ground-truth event; raises `Reject` as `decode_prediction` does."""
    if data is None:
        raise _empty()
    try:
        _demand_utf8(data)
        return _label.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _naming(_slow_label, _object(data))


def _demand_utf8(data: bytes) -> None:
    """Raise `UnicodeDecodeError` for what is no UTF-8: msgspec does not look into what it passes over."""
    if not data.isascii():
        data.decode("utf-8")


def _empty() -> Reject:
    return Reject(Reason.EMPTY, "expected a JSON object, found no bytes")


def read_json(text: str) -> Any:
    """Read JSON as the standard library does, NaN and Infinity too; an integer beyond a double is infinite.

    Raises
    ------
    ValueError, RecursionError
        It is no JSON, or nested too deeply to be read.
    """
    return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= DIGITS_MAX else float(digits)


def _object(data: bytes) -> dict[str, Any]:
    if not data:
        raise _empty()
    try:
        value = read_json(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Reject(Reason.DECODE, f"expected a JSON object in UTF-8: {str(error)[:200]}") from error
    if not isinstance(value, dict):
        raise Reject(Reason.DECODE, f"expected a JSON object, found {type(value).__name__}")
    return value


def _naming(slow: Callable[[dict[str, Any]], EnvelopeT], value: dict[str, Any]) -> EnvelopeT:
    """Check an event the slow way; a refusal says which model the event names."""
    model = value.get("model")
    try:
        return slow(value)
    except Reject as error:
        error.model = model if isinstance(model, str) else None
        raise


def _slow_prediction(value: dict[str, Any]) -> PredictionEnvelope:
    features = value.pop("features", None)
    value.pop("parsed", None)
    if features is not None and not isinstance(features, dict):
        raise Reject(Reason.CONTRACT, "features: expected an object of name to value")
    if isinstance(value.get("output"), dict):
        value["output"] = _named(value["output"], Output)
    event: PredictionEnvelope = _convert(value, PredictionEnvelope)
    event.parsed = features if features is not None else UNSET
    output = event.output
    numbers = [event.latency_ms, event.weight]
    numbers += [held for held in (event.segments or {}).values() if isinstance(held, float)]
    if output is not None:
        numbers += [output.score, output.value, *(output.probabilities or {}).values()]
    _finite(numbers)
    return event


def _slow_label(value: dict[str, Any]) -> LabelEnvelope:
    event: LabelEnvelope = _convert(value, LabelEnvelope)
    _finite([event.value])
    return event


def _convert(value: dict[str, Any], kind: type[Any]) -> Any:
    try:
        event = msgspec.convert(_named(value, kind), kind)
        msgspec.json.encode(event)  # a lone surrogate is text to json and not to UTF-8
    except (msgspec.ValidationError, UnicodeEncodeError, RecursionError, OverflowError) as error:
        raise Reject(Reason.CONTRACT, str(error)[:300]) from error
    return event


def _named(value: dict[str, Any], kind: type[Any]) -> dict[str, Any]:
    """Return the fields that the contract names; null is the same as absent, and nobody looks at the others."""
    return {name: value[name] for name in kind.__struct_fields__ if value.get(name) is not None}


def _finite(numbers: list[float | None]) -> None:
    if not all(number is None or math.isfinite(number) for number in numbers):
        raise Reject(Reason.CONTRACT, "expected finite numbers, found NaN or Infinity outside of features")
