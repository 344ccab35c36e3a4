"""Which mistakes have become more frequent than they used to be."""

from __future__ import annotations

from typing import Final

import msgspec

from detectors.classes import NEGATIVE
from detectors.detector import Evidence
from detectors.summary import Pairs, add_pairs

PAIRS_MAX: Final = 256
"""With more classes, only the most frequent pairs of predicted and true class are remembered."""

EVENTS_MAX: Final = 1_000_000
"""When so many events are remembered, half of their weight is forgotten."""

SHOWN: Final = 3


class UsualConfusion:
    """Remembers how predicted and true classes went together while all was well. Memory is bounded."""

    def __init__(self) -> None:
        self._pairs: Pairs = {}

    def add(self, pairs: Pairs) -> None:
        """Remember the confusion of a healthy window."""
        total = add_pairs(self._pairs, pairs)
        while sum(total.values()) > EVENTS_MAX:
            total = {pair: count // 2 for pair, count in total.items() if count > 1}
        kept = sorted(total, key=lambda pair: (-total[pair], pair))[:PAIRS_MAX]
        self._pairs = {pair: total[pair] for pair in kept}

    def shift(self, pairs: Pairs, *, positive: str | None) -> Evidence:
        """Return the mistakes whose share of all predictions has grown most, worst first.

        `share_before` is null where no healthy window has been seen.
        """
        n, n_usual = sum(pairs.values()), sum(self._pairs.values())
        if n <= 0:
            return {}
        rows: list[tuple[float, str, str, float | None, float]] = []
        for (predicted, true), count in pairs.items():
            if predicted == true or (predicted == NEGATIVE and true != positive):
                continue
            before = self._pairs.get((predicted, true), 0) / n_usual if n_usual else None
            rows.append((count / n - (before or 0.0), predicted, true, before, count / n))
        rows.sort(key=lambda row: (-row[0], row[1:3]))
        return {
            "confusion_shift": [
                {"predicted": predicted, "true": true, "share_before": before, "share_now": now}
                for _, predicted, true, before, now in rows[:SHOWN]
            ]
        }

    def to_bytes(self) -> bytes:
        """Return what is remembered, for `restore`."""
        return msgspec.msgpack.encode(sorted((p, t, n) for (p, t), n in self._pairs.items()))

    def restore(self, data: bytes) -> None:
        """Take up what was remembered.

        Raises
        ------
        ValueError
            If the bytes are not a confusion.
        """
        try:
            stored = msgspec.msgpack.decode(data, type=list[tuple[str, str, int]])
        except msgspec.DecodeError as error:
            raise ValueError(f"expected confusion counts: {error}") from error
        self._pairs = {(predicted, true): count for predicted, true, count in stored}
