"""Which segments, or versions, are followed: who comes, who makes room, and who is gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.finding import WindowSpan

MISSED_MIN: Final = 30.0
"""A part is gone when it would have had so many events by its share so far, and had none."""


class Stay(msgspec.Struct, array_like=True):
    """How a part has been there since it came.

    Parameters
    ----------
    last_ms
        End of the last window with events of it, epoch milliseconds.
    n, of
        Its events, and those of the whole model, up to that window.
    missed
        Events of the whole model since then.
    """

    last_ms: int
    n: int
    of: int
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may stay.

    Parameters
    ----------
    room
        So many parts are followed at once.
    reserved
        Names that always find room; at most `room` of them.
    gone_ms
        A part without events for so long is gone, if it would have had some.
    yields
        Whether the part that has been seen least recently makes room for a new one, unless something of it fires.
    """

    room: int
    reserved: frozenset[str]
    gone_ms: int
    yields: bool


def is_gone(stay: Stay, now_ms: int, *, gone_ms: int) -> bool:
    """Return whether a part has had no events for so long, in which by its share it would have had some."""
    return now_ms - stay.last_ms >= gone_ms and stay.missed * stay.n >= MISSED_MIN * stay.of


class Roster:
    """The parts that are followed, in order of their names.

    What a window changes depends on the counts alone, so any number of partitions gives the same roster.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.stays: dict[str, Stay] = {}

    @property
    def names(self) -> list[str]:
        """The parts, in order."""
        return sorted(self.stays)

    def see(self, span: WindowSpan, events: Mapping[str, int], *, firing: Collection[str]) -> list[str]:
        """Take a window in and return the parts that are gone.

        Parameters
        ----------
        events
            Number of events by part; those without any are left out.
        firing
            Parts of which something fires: they make no room.
        """
        for name, stay in self.stays.items():
            if name in events:
                stay.last_ms, stay.n = span.end_ms, stay.n + events[name]
                stay.of, stay.missed = stay.of + stay.missed + span.n, 0
            else:
                stay.missed += span.n
        gone_ms = self._rules.gone_ms
        gone = [
            name for name, stay in sorted(self.stays.items()) if is_gone(stay, span.end_ms, gone_ms=gone_ms)
        ]
        for name in gone:
            del self.stays[name]
        whole = span.n
        for name in sorted(events, key=lambda name: (-events[name], name)):
            if name not in self.stays and events[name] < whole and self._has_room(name, events, firing):
                self.stays[name] = Stay(span.end_ms, events[name], whole)
        return gone

    def _has_room(self, name: str, events: Mapping[str, int], firing: Collection[str]) -> bool:
        reserved = self._rules.reserved
        if name in reserved:
            return True
        taken = [other for other in self.stays if other not in reserved]
        if len(taken) < self._rules.room - len(reserved):
            return True
        idle = [other for other in taken if other not in events and other not in firing]
        if not self._rules.yields or not idle:
            return False
        del self.stays[min(idle, key=lambda other: (self.stays[other].last_ms, other))]
        return True

    def to_bytes(self) -> bytes:
        """Return the roster for `restore`."""
        return msgspec.msgpack.encode(dict(sorted(self.stays.items())))

    def restore(self, data: bytes) -> None:
        """Take up a remembered roster; one for more parts than there is room starts over.

        Raises
        ------
        ValueError
            If the bytes are not a roster.
        """
        try:
            stays = msgspec.msgpack.decode(data, type=dict[str, Stay])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"expected a roster of parts: {error}") from error
        others = sum(name not in self._rules.reserved for name in stays)
        fits = others <= self._rules.room - len(self._rules.reserved)
        self.stays = stays if fits else {}
