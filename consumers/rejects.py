"""Why an input was refused, and the dead letter that keeps it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

DEAD_LETTER_BYTES_MAX: Final = 900_000
KEPT_BYTES: Final = 64 * 1024


class Reason(StrEnum):
    """The closed set of reasons for a dead letter; each is a metric label."""

    EMPTY = "empty"
    """No bytes: a tombstone or an empty line."""
    DECODE = "decode"
    """Not a JSON object in UTF-8."""
    CONTRACT = "contract"
    """A JSON object that breaks the event's contract."""
    UNKNOWN_MODEL = "unknown_model"
    """A model that the settings do not name."""
    TIME_IN_FUTURE = "time_in_future"
    """An event time further ahead of the record's own time than the clock skew allows."""
    TOO_OLD = "too_old"
    """A prediction from before the time that its duplicates are still remembered for."""
    TOO_MANY_VERSIONS = "too_many_versions"
    TOO_MANY_CLASSES = "too_many_classes"
    LABEL_FLOOD = "label_flood"
    """More differing labels, or versions, of one id than are kept."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """One refused input.

    Parameters
    ----------
    index
        Its place in the batch it came in.
    reason, message
        For the metric and for the reader.
    """

    index: int
    reason: Reason
    message: str
    model: str | None = None


class DeadLetter(msgspec.Struct, kw_only=True):
    """What goes to the dead-letter topic: the original bytes, where they were, and why.

    Parameters
    ----------
    value
        The original bytes in base64; the first 64 kB of an oversized one, then `truncated` is true.
    sha256
        Of the original bytes, hex.
    """

    id: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    reason: str
    message: str
    value: str
    key: str | None
    sha256: str
    size_bytes: int
    truncated: bool


def dead_letter(  # noqa: PLR0913 - one argument per coordinate of a Kafka record
    rejected: Rejected,
    *,
    topic: str,
    topic_id: str,
    partition: int,
    offset: int,
    timestamp_ms: int | None,
    key: bytes | None,
    value: bytes | None,
) -> bytes:
    """Return the JSON bytes of a dead letter; its id is topic id, partition and offset."""
    original = value or b""
    kept = original if len(original) <= DEAD_LETTER_BYTES_MAX * 3 // 4 else original[:KEPT_BYTES]
    letter = DeadLetter(
        id=f"{topic_id}:{partition}:{offset}",
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp_ms=timestamp_ms,
        reason=rejected.reason.value,
        message=rejected.message,
        value=base64.b64encode(kept).decode(),
        key=None if key is None else base64.b64encode(key[:1024]).decode(),
        sha256=hashlib.sha256(original).hexdigest(),
        size_bytes=len(original),
        truncated=len(kept) < len(original),
    )
    return msgspec.json.encode(letter)
