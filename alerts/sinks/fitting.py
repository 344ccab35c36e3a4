"""Cuts a message to the size that a sink takes: what is last goes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PartT = TypeVar("PartT")


def first_that_fit(parts: Sequence[PartT], fits: Callable[[Sequence[PartT]], bool]) -> tuple[PartT, ...]:
    """Return as many of the first parts as fit together, perhaps none; fewer must fit where more do.

    Examples
    --------
    >>> first_that_fit(["a", "bb", "ccc"], lambda kept: len("".join(kept)) <= 4)
    ('a', 'bb')
    """
    low, high = 0, len(parts)
    while low < high:
        middle = (low + high + 1) // 2
        if fits(parts[:middle]):
            low = middle
        else:
            high = middle - 1
    return tuple(parts[:low])
