"""What a record of the dead-letter topic is, and whether a letter is put back: pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from consumers.rejects import KEY_BYTES_FORMER, DeadLetter

MARK_BYTES: Final = 12


class Verdict(StrEnum):
    """What becomes of a letter; the closed set of rows in a redrive's summary."""

    REDRIVEN = "redriven"
    """The letter holds everything: put it back."""
    REREAD = "reread"
    """The letter holds only a part: read the record again from its source, then put it back."""
    FILTERED = "filtered"
    ALREADY = "already"
    """It has a receipt of an earlier redrive."""
    REPEATED = "repeated"
    """The topic holds the letter a second time: publishing is at least once."""
    EMPTY = "empty"
    """A tombstone or no bytes: there is nothing to put back."""
    UNDELIVERED = "undelivered"
    """A message to people that did not arrive: `watchkeeper redeliver` is for those."""
    UNREADABLE = "unreadable"
    """Neither a letter nor a receipt."""
    DAMAGED = "damaged"
    """The bytes are not those that its SHA-256 was taken of."""
    OTHER_TOPIC = "other_topic"
    NO_PARTITION = "no_partition"
    GONE = "gone"
    """The letter holds only a part, and the source does not have the record any more."""
    CHANGED = "changed"
    """The letter holds only a part, and its place in the source has another record."""
    REFUSED = "refused"
    """The broker does not take it."""


FAILURES: Final = (
    Verdict.UNREADABLE,
    Verdict.DAMAGED,
    Verdict.OTHER_TOPIC,
    Verdict.NO_PARTITION,
    Verdict.GONE,
    Verdict.CHANGED,
    Verdict.REFUSED,
)
"""What should have been put back and could not."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters a person wants back; None stands for any.

    Parameters
    ----------
    reasons
        Values of `consumers.rejects.Reason`.
    topic
        Source topic.
    """

    reasons: frozenset[str] | None = None
    model: str | None = None
    topic: str | None = None

    def has(self, letter: DeadLetter) -> bool:
        """Return whether a letter passes all filters."""
        return (
            (self.reasons is None or letter.reason in self.reasons)
            and self.model in (None, letter.model)
            and self.topic in (None, letter.topic)
        )


class Receipt(msgspec.Struct, kw_only=True):
    """A record of the dead-letter topic that says: the letter with this id has been put back.

    Parameters
    ----------
    redriven
        True; a letter has no such field.
    sha256
        That of the letter: a topic that was made anew gives the same id to another record.
    """

    id: str
    redriven: bool
    sha256: str


class _Head(msgspec.Struct):
    id: str
    sha256: str
    redriven: bool = False


_head = msgspec.json.Decoder(_Head)
_letter = msgspec.json.Decoder(DeadLetter)


def receipt_of(letter: DeadLetter) -> bytes:
    """Return the JSON bytes of a letter's receipt."""
    return receipt_of_id(letter.id, letter.sha256)


def receipt_of_id(letter_id: str, sha256: str) -> bytes:
    """Return the JSON bytes of the receipt of any record that has been dealt with."""
    return msgspec.json.encode(Receipt(id=letter_id, redriven=True, sha256=sha256))


def mark_of(letter: DeadLetter) -> bytes:
    """Return what a letter and its receipt are matched by."""
    return mark_of_id(letter.id, letter.sha256)


def read_receipt(value: bytes | None) -> bytes | None:
    """Return the mark of a receipt, None if the record is none."""
    try:
        head = _head.decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return mark_of_id(head.id, head.sha256) if head.redriven else None


def read_letter(value: bytes) -> DeadLetter | None:
    """Return the letter of a record, None if it holds none."""
    try:
        return _letter.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def mark_of_id(letter_id: str, sha256: str) -> bytes:
    """Return what a record and its receipt are matched by."""
    return hashlib.blake2b(f"{letter_id}\x00{sha256}".encode(), digest_size=MARK_BYTES).digest()


def judge(  # noqa: PLR0911 - a decision table: one line for each answer
    letter: DeadLetter,
    *,
    wanted: Wanted,
    partitions: Mapping[str, int],
    receipts: AbstractSet[bytes],
    seen: AbstractSet[bytes],
) -> Verdict:
    """Return what is to become of a letter.

    Parameters
    ----------
    partitions
        Number of partitions of each topic that may be written to.
    receipts, seen
        Marks of letters that earlier redrives, and this one, have put back.
    """
    if not wanted.has(letter):
        return Verdict.FILTERED
    mark = mark_of(letter)
    if mark in receipts:
        return Verdict.ALREADY
    if mark in seen:
        return Verdict.REPEATED
    if letter.size_bytes == 0:
        return Verdict.EMPTY
    if letter.topic not in partitions:
        return Verdict.OTHER_TOPIC
    if not 0 <= letter.partition < partitions[letter.topic]:
        return Verdict.NO_PARTITION
    if letter.truncated or _key_is_cut(letter):
        return Verdict.REREAD
    return Verdict.REDRIVEN if original_of(letter) is not None else Verdict.DAMAGED


def original_of(letter: DeadLetter) -> tuple[bytes | None, bytes] | None:
    """Return the original key and value that a whole letter holds, None if it is damaged."""
    try:
        key = None if letter.key is None else base64.b64decode(letter.key, validate=True)
        value = base64.b64decode(letter.value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return (key, value) if is_original(letter, value) else None


def is_original(letter: DeadLetter, value: bytes | None) -> bool:
    """Return whether these are the bytes that a letter is about."""
    return value is not None and hashlib.sha256(value).hexdigest() == letter.sha256


def _key_is_cut(letter: DeadLetter) -> bool:
    """Return whether the letter holds only a part of the key; if in doubt, yes."""
    if letter.key_truncated is not None or letter.key is None:
        return bool(letter.key_truncated)
    return len(letter.key) >= len(base64.b64encode(bytes(KEY_BYTES_FORMER)))
