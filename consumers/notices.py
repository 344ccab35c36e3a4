"""Notices: what a worker knows to be wrong with a partition, kept with the partition until it is over.

The owner of a partition raises and clears them in the store; the integrity role reads all partitions' notices
and makes alerts of them, one per check and model however many partitions say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from schemas.integrity import ALL_MODELS, IntegrityCheck
from schemas.keys import joined_fields, split_fields

TOLD_MS: Final = 20_000
"""A notice stands at least this long, so that the integrity role sees also what heals at once."""

Subject = tuple[IntegrityCheck, str]
"""A check, and the model it is about (`ALL_MODELS` where it is every model's)."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One trouble of one partition.

    Parameters
    ----------
    since_ms
        Wall-clock time at which it was first seen, epoch milliseconds.
    detail
        JSON values for the alert: topic, offsets, shares and the like.
    until_predictions, until_labels
        The trouble is over once the partition has been read up to these offsets; -1 where that does not end it.
    until_ms
        The trouble is told until this wall-clock time; 0 where time does not end it.
    """

    since_ms: int
    detail: dict[str, Any] = {}
    until_predictions: int = -1
    until_labels: int = -1
    until_ms: int = 0

    def healed(self, predictions: int, labels: int, *, now_ms: int) -> bool:
        """Return whether the partition's offsets, or the clock, have passed the end that the notice names.

        Never before somebody had the time to see it.
        """
        if now_ms < self.since_ms + TOLD_MS:
            return False
        read = self.until_predictions >= 0 or self.until_labels >= 0
        caught_up = read and predictions >= self.until_predictions and labels >= self.until_labels
        return caught_up or 0 < self.until_ms <= now_ms


def field_of(subject: Subject) -> str:
    """Return the field that a notice is stored under."""
    return joined_fields(*subject)


def read_notices(stored: Mapping[str, bytes]) -> dict[Subject, Notice]:
    """Return stored notices; those of checks that a newer release knows are left out."""
    found: dict[Subject, Notice] = {}
    for name, data in stored.items():
        check, model = split_fields(name)
        if check in tuple(IntegrityCheck):
            found[IntegrityCheck(check), model] = msgspec.msgpack.decode(data, type=Notice)
    return found


def encode_notice(notice: Notice) -> bytes:
    """Return a notice's bytes."""
    return msgspec.msgpack.encode(notice)


def of_all(check: IntegrityCheck) -> Subject:
    """Return the subject of a check that is about every model."""
    return check, ALL_MODELS
