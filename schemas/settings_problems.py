"""pydantic's errors about settings as problems with a line, a place and a mend; never with a secret."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from schemas.monitor_settings import OWN_TAG, RIVER_TAG
from schemas.secret_text import looks_secret
from schemas.setting_types import ExpectedError, Place, SettingErrors, nearest, unknown_key
from schemas.settings_shape import known_keys
from schemas.settings_tree import Problem, Tree, Value, shown
from schemas.sink_settings import SINK_MODELS

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_MISSING: Final = {
    "models": "add at least one model, such as {fraud: {task: binary, positive_class: fraud}}",
    "task": "add binary, multiclass or regression",
    "type": f"add one of {', '.join(SINK_MODELS)}",
    "webhook_url": "add the URL of the incoming webhook, such as ${SLACK_WEBHOOK_URL}",
    "routing_key": "add the integration key, such as ${PAGERDUTY_ROUTING_KEY}",
    "api_key": "add the key of the API integration, such as ${JSM_API_KEY}",
    "url": "add where to post to, such as ${WEBHOOK_URL}",
    "urls": "add a list of URLs, one for each place to send to",
    "secrets": "add a list of signing secrets, such as [${WEBHOOK_SECRET}]",
    "host": "add the name of the mail server",
    "sender": "add the address that mails come from",
    "recipients": "add a list of addresses",
    "sinks": "add the names of sinks, such as [ops]",
    "river": "add the name of one of river's detectors, such as PageHinkley",
    "signal": "add what it watches, such as feature:NAME or error",
}
_EXPECTED: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
}
_BOUNDS: Final = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "of at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "of at most"),
}
_MARKS: Final = frozenset({"[key]", OWN_TAG, RIVER_TAG, *SINK_MODELS})
_OPEN_REDIS_KEYS: Final = frozenset({"cluster", "connect_timeout", "command_timeout"})
_OPEN_SINK_KEYS: Final = frozenset({"type", "format", "allow_private", "port", "tls"})


def settings_problems(error: ValidationError, tree: Tree) -> list[Problem]:
    """Return the problems that pydantic found in the value of `tree`."""
    problems: list[Problem] = []
    for details in error.errors(include_url=False):
        place = _place_in(tree.value, details["loc"])
        cause = details.get("ctx", {}).get("error")
        if isinstance(cause, SettingErrors):
            found = [((*place, *below), text) for below, text in cause.problems]
        else:
            found = [_explain(details, place, tree)]
        problems.extend(Problem(tree.line(at), at, text) for at, text in found)
    return problems


def is_secret(place: Place) -> bool:
    """Say whether the value at a place must not be shown.

    Where secrets live everything is one that is not known to be none; a value in the place of the
    whole file, or of a whole part of it, may hold anything.
    """
    root, last = place[:1], place[-1:]
    if root == ("kafka",):
        return len(place) == 1 or any(looks_secret(str(part)) for part in place[1:])
    if root == ("redis",):
        return last[0] not in _OPEN_REDIS_KEYS
    if root == ("sinks",):
        return last[0] not in _OPEN_SINK_KEYS
    if root == ("notify",):
        return len(place) == 1 or (place[1] == "heartbeat" and last[0] != "every")
    return not place


def _place_in(value: Value, loc: tuple[int | str, ...]) -> Place:
    """Return the parts of `loc` that the file has, and the last; pydantic adds names of its own."""
    place: list[str | int] = []
    here: Value = value
    for position, part in enumerate(loc):
        if isinstance(here, dict) and part in here:
            here = here[str(part)]
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        elif position < len(loc) - 1 or part in _MARKS or not isinstance(here, dict):
            continue
        place.append(part)
    return tuple(place)


def _explain(details: ErrorDetails, place: Place, tree: Tree) -> tuple[Place, str]:
    """Return where and what for one error; a sink's missing or unknown type is at its `type`."""
    match details["type"]:
        case "union_tag_not_found":
            place, text = (*place, "type"), f"missing; {_MISSING['type']}"
        case "union_tag_invalid":
            place, text = (*place, "type"), _unknown_tag(details)
        case "extra_forbidden":
            sink_type, is_river = _sink_type(place, tree.value), RIVER_TAG in details["loc"]
            known = known_keys(place[:-1], sink_type=sink_type, is_river=is_river)
            text = unknown_key(str(place[-1]), known)
        case "missing":
            text = f"missing; {_MISSING.get(str(place[-1]), 'add the key with a value')}"
        case "value_error":
            text = _of_ours(details, place)
        case _:
            text = _of_wrong_kind(details, place, tree)
    return place, text


def _of_ours(details: ErrorDetails, place: Place) -> str:
    """Return the message of a check of our own; what came is added where the check asks for it."""
    cause = details.get("ctx", {})["error"]
    if not isinstance(cause, ExpectedError):
        return str(cause)
    mend = f": {cause.mend}" if cause.mend else ""
    return f"expected {cause.expected}{_got(details['input'], place)}{mend}"


def _unknown_tag(details: ErrorDetails) -> str:
    ctx = details.get("ctx", {})
    tag, known = str(ctx["tag"]), str(ctx["expected_tags"]).replace("'", "").split(", ")
    return f'unknown sink type "{shown(tag)}"; {nearest(tag, known)}'


def _sink_type(place: Place, value: Value) -> object:
    """Return the `type` of the sink that an unknown key stands in."""
    here: Any = value
    if place[:1] != ("sinks",):
        return None
    for part in place[:-1]:
        here = here[part]
    return here.get("type") if isinstance(here, dict) else None


def _of_wrong_kind(details: ErrorDetails, place: Place, tree: Tree) -> str:
    """Return the message for a wrong type, a number out of bounds or a word that is not in a list."""
    kind, ctx, got = details["type"], details.get("ctx", {}), _got(details["input"], place)
    if kind == "literal_error":
        expected = str(ctx["expected"]).replace("'", "")
        known = expected.replace(" or ", ", ").split(", ")
        hint = nearest(str(details["input"]), known, otherwise="")
        return f"expected {expected}{got}{f'; {hint}' if hint else ''}"
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"expected a number {words} {ctx[key]}{got}"
    expected = _EXPECTED.get(kind, details["msg"].lower())
    return f"expected {expected}{got}{_mend(details, place, tree)}"


def _mend(details: ErrorDetails, place: Place, tree: Tree) -> str:
    """Return how to write what was probably meant, where YAML reads it as another type."""
    kind, got = details["type"], details["input"]
    if got is None:
        return ": give it a value or remove the key"
    if kind == "string_type" and isinstance(got, bool | int | float):
        word = "it" if is_secret(place) else f'"{tree.words.get(place, got)}"'
        return f": write {word} in quotes"
    number = _decimal(got) if kind in {"int_type", "float_type"} and isinstance(got, str) else None
    if number is None or (kind == "int_type" and number % 1):
        return ""
    return f": write {number:f} without quotes"


def _decimal(text: str) -> Decimal | None:
    """Return the number of usual size that a text holds, if it holds one."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    is_usual = number == 0 or (number.is_finite() and -20 < number.adjusted() < 20)
    return number if is_usual else None


def _got(value: object, place: Place) -> str:
    """Return `, got ...`; only a plain value that is no secret is shown."""
    if value is None:
        return ", got nothing"
    if isinstance(value, Mapping):
        return ", got a mapping"
    if isinstance(value, list):
        return ", got a list"
    if is_secret(place):
        return ", got a value that is not shown"
    if isinstance(value, bool):
        return f", got {str(value).lower()}"
    return f', got "{shown(value)}"' if isinstance(value, str) else f", got {shown(str(value))}"
