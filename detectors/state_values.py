"""Reads values out of a remembered state, each of the type it was written with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from detectors.detector import State

ValueT = TypeVar("ValueT", int, float, str, bytes)

_TOO_LARGE: Final = 2**63


def value_in(state: State, key: str, kind: type[ValueT]) -> ValueT:
    """Return one value of a state.

    Raises
    ------
    ValueError
        If there is none of that type.

    Examples
    --------
    >>> value_in({"n": 3}, "n", int)
    3
    """
    value = state.get(key)
    if type(value) is not kind:
        raise ValueError(f"expected {key} as {kind.__name__}, got {type(value).__name__}")
    return value


def integers_in(state: State, key: str) -> list[int]:
    """Return a list of integers of a state, each of which fits an array.

    Raises
    ------
    ValueError
        If there is none.
    """
    value = state.get(key)
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise ValueError(f"expected {key} as a list of integers, got {type(value).__name__}")
    if (
        value and max(value) >= _TOO_LARGE
    ):  # what is written is never below -1, and msgpack reads up to 2 ** 64
        raise ValueError(f"expected {key} below 2 ** 63, got {max(value)}")
    return [int(item) for item in value]
