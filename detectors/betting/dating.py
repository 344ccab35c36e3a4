"""When slow changes began: dated when a bet fires, and anew as the days after it tell more.

A bend that is young is dated badly: the days since are few and the mean has hardly moved. So a trouble that lasts is dated
again after a week, after two, after four and so on, and an alert that then says another day is updated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.betting.bank import Reading
from detectors.betting.day_means import DAY_MS, DayMeans
from detectors.betting.troubles import leaders
from detectors.betting.watched import Told, Watched

FIRST_AGAIN_MS: Final = 7 * DAY_MS

Vector = npt.NDArray[np.int64]


class _Standing(msgspec.Struct, array_like=True):
    """A trouble that lasts: the signal that showed it first, when its bet began to win, and the dates of it.

    Parameters
    ----------
    fired_ms, due_ms
        Start of the window that fired, and when it is dated again.
    since_ms
        What was said last.
    """

    place: int
    bet_ms: int
    fired_ms: int
    due_ms: int
    since_ms: int


class Dating:
    """Dates the troubles of watched signals.

    Parameters
    ----------
    watched
        The signals.

    Notes
    -----
    A trouble is dated by the first functional of the signal that showed it first.
    """

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._days = DayMeans(watched)
        self._leaders = leaders(watched)
        self._standing: dict[int, _Standing] = {}
        """By the first signal of each trouble."""

    def add(self, vector: Vector, *, made_ms: int, left_out: npt.NDArray[np.bool_]) -> None:
        """Take a window's counts in; see `DayMeans.add`."""
        self._days.add(vector, made_ms=made_ms, left_out=left_out)

    def dated(self, told: Sequence[Told], *, start_ms: int, firing: npt.NDArray[np.bool_]) -> list[Told]:
        """Return the readings of a window with the days on which their changes began.

        Parameters
        ----------
        start_ms
            Of the window, epoch milliseconds.
        firing
            Shape (signals,): what fires after it.
        """
        found = [(place, self._one(place, reading, start_ms)) for place, reading in told]
        open_troubles = {self._leaders[place] for place in np.flatnonzero(firing)}
        for leader in [leader for leader in self._standing if leader not in open_troubles]:
            # The trouble is over: its days are none of those to compare the next one with.
            standing = self._standing.pop(leader)
            members = [place for place, first in enumerate(self._leaders) if first == leader]
            self._days.forget(members, from_ms=standing.since_ms)
        return found

    def _one(self, place: int, reading: Reading, start_ms: int) -> Reading:
        leader = self._leaders[place]
        standing = self._standing.get(leader)
        if reading.fired:
            since_ms = self._since_ms(place, reading, reading.since_ms)
            if standing is None:
                due_ms = start_ms + FIRST_AGAIN_MS
                standing = _Standing(place, reading.since_ms, start_ms, due_ms, since_ms)
                self._standing[leader] = standing
            return replace(reading, since_ms=since_ms)
        if standing is None or standing.place != place or reading.resolved or start_ms < standing.due_ms:
            return reading
        standing.due_ms = start_ms + (start_ms - standing.fired_ms)
        since_ms = self._since_ms(place, reading, standing.bet_ms)
        if abs(since_ms - standing.since_ms) < DAY_MS:
            return reading
        standing.since_ms = since_ms
        return replace(reading, since_ms=since_ms, dated_anew=True)

    def _since_ms(self, place: int, reading: Reading, bet_ms: int) -> int:
        if reading.functional:  # days know of the first functional alone
            return bet_ms
        found = self._days.onset_ms(place, reading.direction, before_ms=bet_ms)
        return bet_ms if found is None else found

    def to_bytes(self) -> bytes:
        """Return the state for `restore`."""
        return msgspec.msgpack.encode((self._days.to_bytes(), self._standing))

    def restore(self, data: bytes) -> None:
        """Take up a remembered state; days alone, as earlier releases wrote them, are enough.

        Raises
        ------
        ValueError
            Bytes of something else, or of other signals.
        """
        try:
            days, standing = msgspec.msgpack.decode(data, type=tuple[bytes, dict[int, _Standing]])
        except msgspec.ValidationError:
            days, standing = data, {}
        except msgspec.DecodeError as error:
            raise ValueError(f"expected dates of {len(self._leaders)} signals: {error}") from error
        self._days.restore(days)
        if not all(0 <= one.place < len(self._leaders) for one in standing.values()):
            raise ValueError(f"expected dates of {len(self._leaders)} signals, got some of others")
        self._standing = standing
