"""The small types that settings are made of, and how their errors find their place and mend."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FROZEN: Final = ConfigDict(
    frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, allow_inf_nan=False
)
"""Every settings model: no change after reading, no unknown key, no coercion, no value in an error."""

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1

Place: TypeAlias = tuple[str | int, ...]
"""Keys and list positions that lead from a setting to a part of it."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class ExpectedError(ValueError):
    """A value is not what was expected; whoever reports it adds what came, unless that is secret.

    Parameters
    ----------
    expected
        What was expected.
    mend
        What to do about it, where `expected` does not say it.
    """

    def __init__(self, expected: str, *, mend: str = "") -> None:
        super().__init__(f"expected {expected}{f': {mend}' if mend else ''}")
        self.expected = expected
        self.mend = mend


class SettingErrors(ValueError):  # noqa: N818 - several errors of one setting, each with its place
    """What is wrong inside one setting, each problem at its own place.

    pydantic allows a validator a single error at the validated field; this one carries several.

    Parameters
    ----------
    problems
        Pairs of the place below the validated field and a message without the value.
    """

    def __init__(self, problems: Sequence[tuple[Place, str]]) -> None:
        super().__init__("; ".join(message for _, message in problems))
        self.problems = tuple(problems)


def raise_if_any(problems: Sequence[tuple[Place, str]]) -> None:
    """Raise `SettingErrors` unless `problems` is empty."""
    if problems:
        raise SettingErrors(problems)


def nearest(word: str, known: Iterable[str], *, otherwise: str | None = None) -> str:
    """Return the mend for an unknown word: the nearest known one, else `otherwise` or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    if otherwise is not None:
        return otherwise
    return f"known here: {', '.join(names)}" if names else "none is known here"


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return the message for a key that is not known; it does not say the key."""
    if ":" in key:
        return "unknown key; put a space after the colon that ends it"
    return f"unknown key; {nearest(key, known)}"


def check_name(name: str) -> str:
    """Return `name` if it is fit for Redis keys, metric labels and URLs, else raise ValueError."""
    if _NAME.fullmatch(name) is None:
        raise ExpectedError("1 to 128 letters, digits, dots, hyphens or underscores, a letter or digit first")
    return name


def check_text(text: str) -> str:
    """Return `text` if it holds something to read, else raise ValueError."""
    if not text.strip():
        raise ExpectedError("text that is not blank", mend="give it or remove the key")
    return text


def check_label(value: object) -> object:
    """Return a value that can be a class label (text, integer or boolean), else raise ValueError."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int) and INT64_MIN <= value <= INT64_MAX:
        return value
    raise ExpectedError("a label (text, a 64-bit whole number, true or false)")


Label: TypeAlias = Annotated[str | int | bool, BeforeValidator(check_label)]
"""A class label; `1`, `"1"` and `true` are three labels."""

Name: TypeAlias = Annotated[
    str, AfterValidator(check_name), Field(json_schema_extra={"pattern": f"^{_NAME.pattern}$"})
]
"""What becomes part of Redis keys, metric labels and URLs."""

Text: TypeAlias = Annotated[str, AfterValidator(check_text)]
"""Text for people: not blank."""


def label_text(label: str | int | bool) -> str:  # noqa: FBT001 - a label may be a boolean
    """Return a label as YAML writes it, so that `1`, `"1"` and `true` look different."""
    if isinstance(label, bool):
        return "true" if label else "false"
    return f'"{label}"' if isinstance(label, str) else str(label)
