"""What else is known to have happened: dated facts about a model, such as its other alerts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from schemas.finding import Kind, Stream

FACTS_MAX: Final = 64
BEFORE_MS: Final = 86_400_000
"""What was over for longer when the fall began has nothing to say about it."""

VERSION_CHANGE: Final = "version_change"
"""The one kind of fact that is no kind of alert: another version answers, or a larger part of the traffic."""
TELLING: Final[frozenset[str]] = frozenset(
    {
        *(Kind.DATA_DRIFT, Kind.DATA_QUALITY, Kind.SCHEMA, Kind.OOD_RATE, Kind.VOLUME, Kind.ERROR_RATE),
        *(Kind.FALLBACK_RATE, Kind.LABEL_DRIFT, Kind.LABEL_COVERAGE, Kind.LABEL_LAG, Kind.ORPHAN_LABELS),
        VERSION_CHANGE,
    }
)
"""Kinds of what may bring quality down, or make it look so; the others are falls themselves, or follow from them."""


class Fact(msgspec.Struct, array_like=True, frozen=True):
    """Something that began at a time.

    Parameters
    ----------
    key
        Names it: what is told of the same key again ends it, or says nothing new.
    stream
        Of the windows that decided about it.
    title
        What happened, in words.
    since_ms
        Estimated begin.
    told_ms
        End of the window that showed it.
    over_ms, over_told_ms
        When it was over, and the end of the window that showed that; None while it is not.
    """

    key: str
    kind: str
    check: str
    stream: Stream
    title: str
    since_ms: int
    told_ms: int
    over_ms: int | None = None
    over_told_ms: int | None = None
    feature: str | None = None
    segment: str | None = None
    version: str | None = None


class FactLog:
    """The last facts about a model, at most `FACTS_MAX`: those that are over leave first, then the oldest."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}

    def note(self, facts: Iterable[Fact]) -> None:
        """Take facts of the kinds of `TELLING` in; of one that is known only its end is news."""
        for fact in facts:
            if fact.kind not in TELLING:
                continue
            known = self._facts.get(fact.key)
            if known is None:
                self._facts[fact.key] = fact
            elif known.over_ms is None and fact.over_ms is not None:
                self._facts[fact.key] = msgspec.structs.replace(
                    known, over_ms=fact.over_ms, over_told_ms=fact.over_told_ms
                )
        while len(self._facts) > FACTS_MAX:
            oldest = min(
                self._facts.values(), key=lambda fact: (fact.over_ms is None, fact.since_ms, fact.key)
            )
            del self._facts[oldest.key]

    def before(self, *, onset_ms: int, since_ms: int, until_ms: int, streams: Iterable[Stream]) -> list[Fact]:
        """Return what may have to do with a fall, the nearest before it first.

        Parameters
        ----------
        onset_ms
            When the predictions were made with which it began: what was over a day earlier is left out.
        since_ms
            When it began to show: what began later is left out.
        until_ms
            What was known at this time counts.
        streams
            Whose windows are known to have been closed up to then.
        """
        known = set(streams)
        found = [
            _as_of(fact, until_ms)
            for fact in self._facts.values()
            if fact.stream in known and fact.told_ms <= until_ms and fact.since_ms <= since_ms
        ]
        near = [fact for fact in found if fact.over_ms is None or fact.over_ms >= onset_ms - BEFORE_MS]
        return sorted(near, key=lambda fact: (abs(onset_ms - fact.since_ms), fact.key))

    def to_bytes(self) -> bytes:
        """Return the log for `restore`."""
        return msgspec.msgpack.encode([self._facts[key] for key in sorted(self._facts)])

    def restore(self, data: bytes) -> None:
        """Take up a remembered log.

        Raises
        ------
        ValueError
            Bytes of something else.
        """
        try:
            facts = msgspec.msgpack.decode(data, type=list[Fact])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"expected a log of facts: {error}") from error
        self._facts = {fact.key: fact for fact in facts}


def _as_of(fact: Fact, until_ms: int) -> Fact:
    ends_later = fact.over_told_ms is not None and fact.over_told_ms > until_ms
    return msgspec.structs.replace(fact, over_ms=None, over_told_ms=None) if ends_later else fact
