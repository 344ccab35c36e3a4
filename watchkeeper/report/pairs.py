"""Versions that answered the same ids or share the traffic: one sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from watchkeeper.report.content import Statement, Tone
from watchkeeper.version_pairs import is_split, pair_lines

_TONES: Final[dict[str, Tone]] = {
    "promote": "good",
    "promoted": "good",
    "roll_back": "bad",
    "keep_watching": "unknown",
}
"""By verdict; of the others plain."""


def pair_statements(pairs: Sequence[dict[str, Any]]) -> Iterator[Statement]:
    """Yield one sentence per comparison."""
    for pair, line in zip(pairs, pair_lines(pairs), strict=True):
        how = "At the same time" if is_split(pair) else "On the same ids"
        yield Statement(_TONES.get(pair["verdict"], "plain"), f"{how}: version {line}.")
