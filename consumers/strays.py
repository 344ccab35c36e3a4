"""Labels that lie in another partition than their prediction, and which partitioners did that; pure.

A prediction and its label meet only in one partition. librdkafka's producers choose it by CRC32 of the key,
Java's by murmur2: with one of each, most labels find nothing and nothing says why.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.finding import JsonValue

SAMPLE_MAX: Final = 64
KEYS_MAX: Final = 32
FOUND_MIN: Final = 3
"""So many labels of a sample must have their prediction elsewhere before it is told."""

_MASK: Final = 0xFFFF_FFFF


@dataclass(slots=True)
class Strays:
    """Labels of one partition whose prediction is not there, and keys of both topics, both a small sample."""

    ids: dict[bytes, None] = field(default_factory=dict)
    prediction_keys: list[bytes | None] = field(default_factory=list)
    label_keys: list[bytes | None] = field(default_factory=list)

    @property
    def wants_ids(self) -> bool:
        """Whether the sample has room for more ids."""
        return len(self.ids) < SAMPLE_MAX

    def take_ids(self, ids: Sequence[bytes], known: Mapping[bytes, bytes], fresh: set[bytes]) -> None:
        """Keep ids of labels that are neither stored nor predicted in the same batch."""
        room = SAMPLE_MAX - len(self.ids)
        if room > 0:
            lonely = [key for key in ids[: 4 * SAMPLE_MAX] if key not in known and key not in fresh]
            self.ids.update(dict.fromkeys(lonely[:room]))

    def take_keys(self, predictions: Sequence[bytes | None], labels: Sequence[bytes | None]) -> None:
        """Keep the latest keys."""
        self.prediction_keys = [*predictions, *self.prediction_keys][:KEYS_MAX]
        self.label_keys = [*labels, *self.label_keys][:KEYS_MAX]


def judge_strays(asked: int, found: Mapping[int, int]) -> bool | None:
    """Say whether labels lie in other partitions than their predictions.

    Parameters
    ----------
    asked
        Labels of the sample that still have no prediction here.
    found
        Other partitions to how many of those labels have their prediction there.

    Returns
    -------
    bool or None
        None while the sample is too small to say no.
    """
    total = sum(found.values())
    if total >= FOUND_MIN:
        return True
    return False if asked >= SAMPLE_MAX // 2 and total == 0 else None


def explain_partitioners(
    predictions: Iterable[bytes | None], labels: Iterable[bytes | None], *, partition: int, count: int
) -> dict[str, JsonValue]:
    """Say by which function of the key each topic's records seem to have been placed."""
    return {
        "predictions_by": _partitioner(predictions, partition, count),
        "labels_by": _partitioner(labels, partition, count),
    }


def _partitioner(keys: Iterable[bytes | None], partition: int, count: int) -> str:
    known = list(keys)
    present = [key for key in known if key]
    if not present:
        return "no key" if known else "not known yet"
    ways: dict[str, Callable[[bytes], int]] = {
        "crc32 (librdkafka's default)": zlib.crc32,
        "murmur2 (Java's default)": lambda key: murmur2(key) & 0x7FFF_FFFF,
    }
    fits = [name for name, way in ways.items() if all(way(key) % count == partition for key in present)]
    return fits[0] if len(fits) == 1 else "neither crc32 nor murmur2 of the key" if not fits else "either"


def murmur2(data: bytes) -> int:
    """Return the 32-bit MurmurHash2 of Kafka's Java clients (seed 0x9747b28c, unsigned).

    Examples
    --------
    >>> murmur2(b"21") == -973932308 & 0xFFFFFFFF
    True
    """
    factor, value = 0x5BD1_E995, 0x9747_B28C ^ len(data)
    whole = len(data) - len(data) % 4
    for at in range(0, whole, 4):
        part = int.from_bytes(data[at : at + 4], "little") * factor & _MASK
        part = (part ^ part >> 24) * factor & _MASK
        value = (value * factor & _MASK) ^ part
    if whole < len(data):
        value = (value ^ int.from_bytes(data[whole:], "little")) * factor & _MASK
    value = (value ^ value >> 13) * factor & _MASK
    return value ^ value >> 15
