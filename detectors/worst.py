"""The most unfamiliar events of a window, by id: a set that merges like the counts beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Worst = tuple[tuple[float, str], ...]
"""(score, prediction_id), the largest score first, equals in order of id; at most `WORST_MAX` of them."""

WORST_MAX: Final = 5
SCORE_DIGITS: Final = 3
"""Scores are rounded to so many decimals before they are compared."""


def merge_worst(left: Iterable[tuple[float, str]], right: Iterable[tuple[float, str]]) -> Worst:
    """Return the worst of both sides: associative, commutative and idempotent, with nothing as identity.

    Examples
    --------
    >>> merge_worst([(2.5, "b")], [(9.0, "c"), (2.5, "a"), (2.5, "b")])
    ((9.0, 'c'), (2.5, 'a'), (2.5, 'b'))
    """
    return tuple(sorted({*left, *right}, key=lambda event: (-event[0], event[1]))[:WORST_MAX])
