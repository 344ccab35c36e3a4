"""Reads values out of a remembered state, each of the type it was written with."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from detectors.detector import State

ValueT = TypeVar("ValueT", int, float, str, bytes)


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
    """Return a list of integers of a state.

    Raises
    ------
    ValueError
        If there is none.
    """
    value = state.get(key)
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise ValueError(f"expected {key} as a list of integers, got {type(value).__name__}")
    return [int(item) for item in value]
