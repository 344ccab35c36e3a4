"""Cuts a message to the size that a sink takes: what is last goes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PartT = TypeVar("PartT")


def first_that_fit(parts: Sequence[PartT], fits: Callable[[Sequence[PartT]], bool]) -> tuple[PartT, ...]:
    """Return as many of the first parts as fit together, perhaps none.

    Examples
    --------
    >>> first_that_fit(["a", "bb", "ccc"], lambda kept: len("".join(kept)) <= 4)
    ('a', 'bb')
    """
    kept = list(parts)
    while kept and not fits(kept):
        kept.pop()
    return tuple(kept)
