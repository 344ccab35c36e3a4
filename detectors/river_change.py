"""One of river's detectors on one signal, with everything around it that makes it safe to run unattended."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from detectors.evenly import evenly
from detectors.onset import READINGS_MAX, step_in
from detectors.river_gate import (
    make,
    reason_to_start_over,
    remember,
    remembered,
    river_version,
    step,
)
from schemas.river_parameters import RIVER, Parameters
from schemas.river_settings import Direction

CLIP: Final = 1e6
"""A reading further out than so many spreads counts as this far: its square must stay finite in river."""

_FED_MISSES: Final = frozenset({"FHDDM"})
"""Detectors that find a fall of what they are fed, whatever their docstrings say; all other ones find a rise."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that counts.

    Parameters
    ----------
    onset_ms
        Start of the first reading after the change, epoch milliseconds; None where no reading stands out.
    before, now
        Mean per event before and after, in the unit of the signal.
    readings
        Readings since the change before it.
    """

    onset_ms: int | None
    before: float
    now: float
    readings: int


@dataclass(frozen=True, slots=True)
class _Reading:
    n: int
    total: float
    start_ms: int

    @property
    def mean(self) -> float:
        return self.total / self.n


class _Stored(msgspec.Struct, array_like=True):
    river: str
    crc: int
    sides: list[bytes]
    fed: int
    carried: float
    seen: int
    n: int
    total: float
    readings: list[tuple[int, float, int]]
    note: str | None


class RiverChange:
    """One of river's detectors, fed with the readings of one signal.

    Parameters
    ----------
    name
        Name of its class.
    parameters
        Of its class.
    direction
        Which changes count. A change the other way makes it start anew and is not told.
    scale
        For detectors of numbers: a reading's mean is multiplied by this before river sees it, so that readings
        spread by about one where nothing changes. Their bounds and thresholds are not free of scale: the same
        shift in another unit takes many times as long, or never shows. The factor is the root of the events of
        a reading over the spread of one event, and is fixed: one that followed the traffic would turn more
        traffic into a change.

    Notes
    -----
    Detectors of events (DDM, EDDM, FHDDM, HDDMA, HDDMW) look one way only, and get each reading as a row of 0
    and 1, evenly spread, of at most 1,000 events; for falls the row is turned over, and for both directions
    there are two of them. FHDDM is fed the other way round than its docstring says: fed with errors it takes
    their rise for an improvement.

    After any change the detector is made anew. Memory: river's own, which its parameters bound (ADWIN's grows
    with the logarithm of the readings), and the readings kept. Cost: a row of 1,000 events takes about 1 ms
    with DDM, EDDM and FHDDM and about 15 ms with HDDMA and HDDMW; a reading takes KSWIN half a millisecond.
    """

    def __init__(self, name: str, parameters: Parameters, *, direction: Direction, scale: float) -> None:
        detector = RIVER[name]
        mode = {"mode": direction} if "mode" in detector.parameters else {}
        self._name, self._direction, self._scale = name, direction, scale
        self._parameters = {**detector.ours, **mode, **parameters}
        self._is_binary = detector.is_binary
        self._ways: tuple[bool, ...] = (True,)
        if detector.is_binary:
            self._ways = {"up": (True,), "down": (False,), "both": (True, False)}[direction]
        self._sides: list[Any] = []
        self._fed, self._carried = 0, 0.0
        self._readings: list[_Reading] = []
        self._seen, self._n, self._total = 0, 0, 0.0
        self.note: str | None = None

    def update(self, n: int, total: float, start_ms: int) -> Change | None:
        """Take one reading in; returns the change that river's detector found, if it counts.

        Parameters
        ----------
        n
            Events, above 0.
        total
            Sum of the signal over them; for detectors of events the number of hits. One that is not finite is
            left out: a single NaN silences ADWIN and PageHinkley for ever.
        start_ms
            Start of the first window of the reading.
        """
        if not math.isfinite(total):
            return None
        if not self._sides:
            self._sides = [make(self._name, self._parameters) for _ in self._ways]
        limit = n * CLIP / self._scale
        reading = _Reading(n, max(-limit, min(limit, total)), start_ms)
        found = self._feed(reading)
        self._readings = [*self._readings, reading][-READINGS_MAX:]
        self._seen, self._n, self._total = self._seen + 1, self._n + n, self._total + reading.total
        return self._start_anew() if found else None

    def _feed(self, reading: _Reading) -> bool:
        """Feed river's detectors, and return whether one of them found a change."""
        if not self._is_binary:
            self._fed += 1
            return step(self._sides[0], reading.mean * self._scale, self._fed - 1)
        events, self._carried = evenly(reading.n, round(reading.total), self._carried)
        rises = self._name not in _FED_MISSES
        return any(
            step(detector, hit is (way is rises), i)
            for detector, way in zip(self._sides, self._ways, strict=True)
            for i, hit in enumerate(events)
        )

    def _start_anew(self) -> Change | None:
        """Throw river's detectors away, and return the change if it went the way that counts."""
        self._sides = []
        found = step_in([r.mean for r in self._readings], [r.n for r in self._readings])
        if found is None:
            return None
        seen, after = self._seen, self._readings[found.place :]
        n, total = sum(r.n for r in after), math.fsum(r.total for r in after)
        before, now = (self._total - total) / (self._n - n), total / n
        self._readings, self._seen, self._n, self._total = after, len(after), n, total
        went = "up" if now > before else "down"
        if now == before or self._direction not in {"both", went}:
            return None
        return Change(after[0].start_ms if found.is_clear else None, before, now, seen)

    def to_bytes(self) -> bytes:
        """Return the state for `restore`: plain values, with river's version and a checksum."""
        sides = [remembered(self._name, detector) for detector in self._sides]
        return msgspec.msgpack.encode(
            _Stored(
                river=river_version() if sides else "",
                crc=zlib.crc32(b"".join(sides)),
                sides=sides,
                fed=self._fed,
                carried=self._carried,
                seen=self._seen,
                n=self._n,
                total=self._total,
                readings=[(r.n, r.total, r.start_ms) for r in self._readings],
                note=self.note,
            )
        )

    def restore(self, data: bytes) -> None:
        """Take up a state of the same parameters; from another release of river, or damaged, it starts over.

        Raises
        ------
        ValueError
            If the bytes are not a state of this class.
        """
        try:
            stored = msgspec.msgpack.decode(data, type=_Stored)
        except msgspec.DecodeError as error:
            raise ValueError(f"expected the state of a detector of river: {error}") from error
        self._fed, self._carried, self.note = stored.fed, stored.carried, stored.note
        self._seen, self._n, self._total = stored.seen, stored.n, stored.total
        self._readings = [_Reading(*reading) for reading in stored.readings]
        self._sides = []
        if not stored.sides:
            return
        reason = reason_to_start_over(stored.river, stored.crc, b"".join(stored.sides))
        if reason is None and len(stored.sides) != len(self._ways):
            reason = "started over: its state was damaged"
        if reason is not None:
            self.note = reason
        else:
            self._sides = [make(self._name, self._parameters) for _ in self._ways]
            for detector, memory in zip(self._sides, stored.sides, strict=True):
                remember(self._name, detector, memory)
