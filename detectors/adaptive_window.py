"""River's ADWIN on window means, with a state that can be stored and a better guess at when it began."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from detectors.onset import READINGS_MAX, step_in
from detectors.river_gate import make_adwin, reason_to_start_over, river_version

DELTA: Final = 0.002


@dataclass(frozen=True, slots=True)
class Cut:
    """A change of the mean.

    Parameters
    ----------
    onset_ms
        Start of the first window after the change, epoch milliseconds; None if it lies too far back.
    before, now
        Mean of the readings before and after, in the unit they were given in.
    dropped
        Number of readings that ADWIN cut off.
    kept
        Number of readings that it kept.
    """

    onset_ms: int | None
    before: float
    now: float
    dropped: int
    kept: int


class _Stored(msgspec.Struct, array_like=True):
    river: str
    crc: int
    helper: bytes
    values: list[float]
    starts_ms: list[int]
    note: str | None = None


class AdaptiveWindow:
    """One signal's ADWIN.

    Parameters
    ----------
    scale
        Readings are multiplied by this before ADWIN sees them: its bound supposes values of about unit size.

    Notes
    -----
    ADWIN decides that there was a change. When it began is read from the last 64 readings: ADWIN's own window
    shrinks by whole buckets, of hundreds of readings after a long quiet time, and would put the onset far too
    early. After a cut it starts anew, as river's own class does. Memory: ADWIN's buckets, which grow with the
    logarithm of the number of readings, and the readings kept.

    References
    ----------
    Bifet and Gavalda, "Learning from time-changing data with adaptive windowing", SIAM International
    Conference on Data Mining (2007).
    """

    def __init__(self, *, scale: float) -> None:
        self._scale = scale
        self._adwin: Any = None
        self._values: list[float] = []
        self._starts_ms: list[int] = []
        self.note: str | None = None

    def update(self, value: float, start_ms: int) -> Cut | None:
        """Take one reading in; returns the change that it proves, if any.

        Parameters
        ----------
        value
            A mean. One that is not finite is left out: a single NaN would silence ADWIN for ever.
        start_ms
            Start of the window that it is the mean of.
        """
        if not math.isfinite(value):
            return None
        if self._adwin is None:
            self._adwin = make_adwin(delta=DELTA)
        width, total = int(self._adwin.get_width()), float(self._adwin.get_total())
        scaled = value * self._scale
        found = self._adwin.update(scaled)
        self._values = [*self._values, value][-READINGS_MAX:]
        self._starts_ms = [*self._starts_ms, start_ms][-READINGS_MAX:]
        if not found:
            return None
        kept, kept_total = int(self._adwin.get_width()), float(self._adwin.get_total())
        dropped = width + 1 - kept
        before = (total + scaled - kept_total) / dropped / self._scale
        now = kept_total / kept / self._scale
        return self._cut(Cut(None, before, now, dropped, kept))

    def _cut(self, by_adwin: Cut) -> Cut:
        """Start anew, and return the cut with the onset and the means that the readings kept show."""
        found = step_in(self._values, [1.0] * len(self._values))
        self._adwin = None
        if found is None or not found.is_clear:
            # The change is older than the readings kept.
            return by_adwin
        before, now = self._values[: found.place], self._values[found.place :]
        onset_ms = self._starts_ms[found.place]
        self._values, self._starts_ms = now, self._starts_ms[found.place :]
        return Cut(
            onset_ms=onset_ms,
            before=math.fsum(before) / len(before),
            now=math.fsum(now) / len(now),
            dropped=by_adwin.dropped,
            kept=by_adwin.kept,
        )

    def to_bytes(self) -> bytes:
        """Return the state for `restore`: river's own bytes with its version and a checksum."""
        helper = b"" if self._adwin is None else bytes(self._adwin.__getstate__())
        river = "" if self._adwin is None else river_version()
        record = _Stored(river, zlib.crc32(helper), helper, self._values, self._starts_ms, self.note)
        return msgspec.msgpack.encode(record)

    def restore(self, data: bytes) -> None:
        """Take up a state.

        From another release of river, or damaged, this ADWIN starts over, and `note` says so.

        Raises
        ------
        ValueError
            If the bytes are not a state of this class.
        """
        try:
            stored = msgspec.msgpack.decode(data, type=_Stored)
        except msgspec.DecodeError as error:
            raise ValueError(f"expected the state of an adaptive window: {error}") from error
        self._values, self._starts_ms, self.note = stored.values, stored.starts_ms, stored.note
        self._adwin = None
        if not stored.helper:
            return
        reason = reason_to_start_over(stored.river, stored.crc, stored.helper)
        if reason is not None:
            self.note = reason
        else:
            self._adwin = make_adwin(delta=DELTA)
            self._adwin.__setstate__(stored.helper)
