"""Names of classes: when two JSON values are the same class, and how a class is called.

`1`, `"1"` and `true` are three classes unless the settings' `classes` puts them together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

ClassValue = str | int | bool

RECENT_MAX = 10_000
"""Names that are looked up once and remembered."""

NEGATIVE = "(negative)"
"""The class that a binary score below its threshold stands for when nobody named the other class."""


def class_name(value: ClassValue) -> str:
    """Return the name of a class value: a string is its own name, unless it reads like another type.

    Examples
    --------
    >>> class_name("fraud"), class_name(1), class_name("1"), class_name(True)
    ('fraud', '1', '"1"', 'true')
    """
    if not isinstance(value, str):
        return json.dumps(value)
    if value in ("true", "false") or value.lstrip("-").isdecimal():
        return json.dumps(value)
    return value


class ClassNames:
    """Turns class values of events into names, by the settings' `classes` where they say so.

    Parameters
    ----------
    classes
        Class name to the values that mean it; None when every value is its own class.
    positive
        The value of the positive class (binary models), as in the settings.
    known
        Names of classes known from the profile.
    """

    def __init__(
        self,
        classes: Mapping[str, Iterable[ClassValue]] | None,
        positive: ClassValue | None,
        known: Iterable[str] = (),
    ) -> None:
        self._named: dict[tuple[type, ClassValue], str] = {
            (type(value), value): name for name, values in (classes or {}).items() for value in values
        }
        self._recent: dict[str, str] = {}
        if classes and isinstance(positive, str) and positive in classes:
            self.positive: str | None = positive
        else:
            self.positive = None if positive is None else self(positive)
        others = [name for name in (classes or known) if name != self.positive]
        self.negative = others[0] if len(others) == 1 else NEGATIVE

    def __call__(self, value: ClassValue) -> str:
        """Return the class name of an event's value."""
        if type(value) is not str:
            return self._named.get((type(value), value)) or class_name(value)
        name = self._recent.get(value)
        if name is None:
            name = self._named.get((str, value)) or class_name(value)
            if len(self._recent) < RECENT_MAX:
                self._recent[value] = name
        return name

    def same(self, predicted: str, true: str) -> bool:
        """Return whether a prediction of one class is right when the truth is the other."""
        return predicted == true or (predicted == NEGATIVE and true != self.positive)
