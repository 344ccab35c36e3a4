"""How values are written into records: bounded text, UTC times, and JSON without NaN or Infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, JsonValue, PlainSerializer

from schemas.errors import Reject

NAME_CHARS_MAX: Final = 500
TEXT_CHARS_MAX: Final = 4_000
JSON_DEPTH_MAX: Final = 8
JSON_ITEMS_MAX: Final = 200

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT_INTEGER_MAX: Final = 2**53


def clean_text(text: str, *, chars_max: int = TEXT_CHARS_MAX) -> str:
    """Return text that UTF-8 can carry (lone surrogates become U+FFFD), cut to `chars_max` with an ellipsis."""
    whole = text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole if len(whole) <= chars_max else whole[: chars_max - 1] + "…"


def clean_name(name: str) -> str:
    """Return a model, feature, segment or check name as records show it."""
    return clean_text(name, chars_max=NAME_CHARS_MAX)


def utc_of_ms(epoch_ms: int) -> datetime:
    """Return the aware UTC time of epoch milliseconds.

    Raises
    ------
    Reject
        `time_out_of_range`, for a time outside the years 1 to 9999.
    """
    try:
        return _EPOCH + timedelta(milliseconds=epoch_ms)
    except OverflowError:
        raise Reject(
            "time_out_of_range",
            f"expected epoch milliseconds between the years 1 and 9999, got {epoch_ms}; check the event's time",
        ) from None


def rfc3339(time: datetime) -> str:
    """Return a time as records write it: UTC, milliseconds, `Z`."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wire_json(value: object, *, depth: int = 0) -> JsonValue:
    """Return a value as evidence may be written.

    Floats carry 6 significant digits, a float that is not finite becomes null, integers stay exact up to
    2**53, mappings are sorted by key; depth, number of items and length of strings are bounded.
    """
    if isinstance(value, str):
        return clean_text(value)
    if value is None or isinstance(
        value, int | float
    ):  # first: asking an abstract class takes ten times as long
        return _wire_scalar(value)
    if isinstance(value, Mapping | Sequence):
        return _wire_nested(value, depth=depth)
    return _wire_scalar(value)


def _wire_nested(value: Mapping[Any, object] | Sequence[object], *, depth: int) -> JsonValue:
    if depth >= JSON_DEPTH_MAX:
        return None
    if isinstance(value, Mapping):
        return _wire_mapping(value, depth=depth)
    return [wire_json(item, depth=depth + 1) for item in value[:JSON_ITEMS_MAX]]


def _wire_scalar(value: object) -> JsonValue:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) <= _EXACT_INTEGER_MAX else _wire_large(value)
    if isinstance(value, float):
        return _wire_float(value)
    raise ValueError(
        f"expected a JSON value, got {type(value).__name__}; convert it before it becomes evidence"
    )


def _wire_float(value: float) -> float | None:
    return float(f"{value:.6g}") + 0.0 if math.isfinite(value) else None


def _wire_large(value: int) -> float | None:
    try:
        return _wire_float(float(value))
    except OverflowError:
        return None


def _wire_mapping(value: Mapping[Any, object], *, depth: int) -> dict[str, JsonValue]:
    cleaned = {
        clean_name(str(key)): item for key, item in sorted(value.items(), key=lambda pair: str(pair[0]))
    }
    kept = sorted(cleaned)[:JSON_ITEMS_MAX]
    return {key: wire_json(cleaned[key], depth=depth + 1) for key in kept}


def wire_evidence(evidence: Mapping[str, object]) -> dict[str, JsonValue]:
    """Return a detector's evidence in the form that is written; see `wire_json`."""
    return _wire_mapping(evidence, depth=0)


def _cleaned(value: object) -> object:
    return clean_text(value) if isinstance(value, str) else value


def _cleaned_name(value: object) -> object:
    return clean_name(value) if isinstance(value, str) else value


def _in_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _sorted_links(links: dict[str, str]) -> dict[str, str]:
    return dict(sorted(links.items()))


Text: TypeAlias = Annotated[str, BeforeValidator(_cleaned)]
Name: TypeAlias = Annotated[str, BeforeValidator(_cleaned_name)]
UtcTime: TypeAlias = Annotated[
    AwareDatetime, AfterValidator(_in_utc), PlainSerializer(rfc3339, return_type=str, when_used="json")
]
JsonObject: TypeAlias = Annotated[dict[str, JsonValue], BeforeValidator(wire_json)]
Links: TypeAlias = Annotated[dict[Name, Text], AfterValidator(_sorted_links)]
