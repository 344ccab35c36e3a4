"""What a partition's owner knows and the store must know: fields that changed, and the writes that carry them.

A write is repeated as it is where nobody knows whether it has arrived; what changes meanwhile goes into the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from alerts.told import Told, field_of, told_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alerts.notify_store import NotifyClaimed
    from alerts.told import Attempt
    from schemas.undelivered import UndeliveredEvent

LETTER_FIELD: Final = "u/"
"""Begin of the name of the field that holds a message that was given up: `u/<delivery id>`."""

OVERDUE_MS: Final = 300_000
"""What has been due for so long without an outcome stops the heartbeat, however it is still tried."""

OFFSETS_UNSTORED_MAX: Final = 500
"""So many records that change nothing are passed over before the offset is stored."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One write to the store."""

    sequence: int
    offset: int
    changed: Mapping[str, bytes]
    forgotten: Sequence[str]


class Ledger:
    """The stored side of a desk.

    Parameters
    ----------
    claimed
        What the store holds.
    """

    def __init__(self, claimed: NotifyClaimed) -> None:
        self.token, self.offset = claimed.token, claimed.offset
        self._sequence = claimed.sequence
        self._told = told_in(claimed.fields)
        self._open = {place: told.attempt for place, told in self._told.items() if told.attempt is not None}
        """Messages that are on their way."""
        self.letters = {n: v for n, v in claimed.fields.items() if n.startswith(LETTER_FIELD)}
        """What was given up and is not in the dead-letter topic yet, by field."""
        self.unproved = False
        """Set to have the next draft stored even if nothing has changed: a proof that the store takes it."""
        self._changed: dict[str, bytes] = {}
        self._forgotten: list[str] = []
        self._draft: Draft | None = None
        self._stored_offset = self.offset

    @property
    def is_changed(self) -> bool:
        """Whether there is anything that the store does not know of, the offset apart."""
        return bool(self._changed or self._forgotten)

    @property
    def is_far_behind(self) -> bool:
        """Whether so many records were passed over that the offset is to be stored for its own sake."""
        return self.offset - self._stored_offset >= OFFSETS_UNSTORED_MAX

    @property
    def places(self) -> list[tuple[str, str]]:
        """Incident and sink of everything that a sink knows of, or is to."""
        return list(self._told)

    @property
    def waiting(self) -> int:
        """How many messages are on their way."""
        return len(self._open)

    def overdue(self, now_ms: int) -> set[str]:
        """Return the sinks that have been waited for longer than `OVERDUE_MS` over one message."""
        return {place[1] for place, attempt in self._open.items() if now_ms - _since_ms(attempt) > OVERDUE_MS}

    def told(self, place: tuple[str, str]) -> Told:
        """Return what a sink knows of an incident."""
        return self._told.get(place) or Told()

    def keep(self, place: tuple[str, str], told: Told) -> None:
        """Remember what a sink knows of an incident."""
        self._told[place] = told
        if told.attempt is None:
            self._open.pop(place, None)
        else:
            self._open[place] = told.attempt
        self._changed[field_of(*place)] = msgspec.msgpack.encode(told)

    def put(self, fields: Mapping[str, bytes]) -> None:
        """Remember fields as they are."""
        self._changed |= fields

    def forget(self, names: Sequence[str], places: Sequence[tuple[str, str]] = ()) -> None:
        """Let fields go, and what sinks know of incidents that are forgotten."""
        for place in places:
            self._told.pop(place, None)
            self._open.pop(place, None)
        gone = [*names, *(field_of(*place) for place in places)]
        for name in gone:
            self._changed.pop(name, None)
        self._forgotten += gone

    def bury(self, event: UndeliveredEvent) -> None:
        """Keep a message that is given up until the dead-letter topic has it."""
        name = f"{LETTER_FIELD}{event.id}"
        self.letters[name] = self._changed[name] = event.to_json_bytes()

    def buried(self, names: Sequence[str]) -> None:
        """Let messages go that the dead-letter topic has."""
        for name in names:
            del self.letters[name]
        self._forgotten += names

    def draft(self) -> Draft | None:
        """Return what is to be stored, None for nothing; the same again until it is `stored`."""
        if self._draft is None and (self.is_changed or self.unproved):
            self._draft = Draft(self._sequence, self.offset, self._changed, self._forgotten)
            self._changed, self._forgotten = {}, []
        return self._draft

    def stored(self) -> None:
        """Note that the draft is stored."""
        if self._draft is not None:
            self._stored_offset, self._draft = self._draft.offset, None
            self.unproved = False
            self._sequence += 1


def _since_ms(attempt: Attempt) -> int:
    return attempt.since_ms or attempt.begun_ms
