"""River's drift detectors at their defaults, fed event by event as its examples do.

Two things are done for them that their users must do themselves. FHDDM gets 1 for a correct answer: its documentation asks
for errors, and fed those it finds a model that gets better. A category becomes 1 where it is the reference's most
frequent one, else 0: they take numbers only. Standardised means shifted and scaled by the reference's mean and standard
deviation; none of them but ADWIN is indifferent to the unit, and ADWIN is so to the zero point alone.

References
----------
Montiel et al., "River: machine learning for streaming data in Python", Journal of Machine Learning Research 22 (2021).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from river.drift import ADWIN, KSWIN, PageHinkley
from river.drift.binary import DDM, EDDM, FHDDM, HDDMA, HDDMW

from benchmarks.detect.streams import Floats, Integers, Kind, Stream

ERRORS: Final[frozenset[Kind]] = frozenset({"error"})
ALL: Final[frozenset[Kind]] = frozenset({"error", "numeric", "category"})


@dataclass
class River:
    """One of river's detectors; it is made anew after each alarm.

    Parameters
    ----------
    turn
        What is done to the values: `raw`, `flip` (1 for a correct answer), or `standardise`.
    """

    name: str
    make: Callable[[], Any]
    kinds: frozenset[Kind] = ALL
    turn: str = "raw"
    _mean: float = field(default=0.0, init=False)
    _sd: float = field(default=1.0, init=False)
    _category: float = field(default=0.0, init=False)

    def fit(self, reference: Stream) -> None:
        """Learn the scale, or the most frequent category."""
        if reference.kind == "category":
            self._category = float(np.argmax(np.bincount(reference.values.astype(np.int64))))
        elif self.turn == "standardise":
            self._mean, self._sd = float(reference.values.mean()), float(reference.values.std()) or 1.0

    def alarms(self, stream: Stream) -> Integers:
        """Feed every event."""
        detector = self.make()
        found: list[int] = []
        for index, value in enumerate(self._fed(stream).tolist()):
            detector.update(value)
            if detector.drift_detected:
                found.append(index)
                detector = self.make()
        return np.array(found, np.int64)

    def _fed(self, stream: Stream) -> Floats:
        if stream.kind == "category":
            return np.where(stream.values == self._category, 1.0, 0.0)
        if self.turn == "flip":
            flipped: Floats = 1 - stream.values
            return flipped
        scaled: Floats = (stream.values - self._mean) / self._sd
        return scaled


def _river(name: str, detector: Any, kinds: frozenset[Kind] = ALL, turn: str = "raw") -> Callable[[], River]:
    return lambda: River(name, detector, kinds, turn)


NUMERIC: Final[frozenset[Kind]] = frozenset({"numeric"})
RIVER: Final = (
    _river("ADWIN", ADWIN),
    _river("ADWIN std", ADWIN, NUMERIC, "standardise"),
    _river("PageHinkley", PageHinkley),
    _river("PageHinkley std", PageHinkley, NUMERIC, "standardise"),
    _river("DDM", DDM, ERRORS),
    _river("EDDM", EDDM, ERRORS),
    _river("FHDDM", FHDDM, ERRORS, "flip"),
    _river("HDDM_A", HDDMA, ERRORS),
    _river("HDDM_W", HDDMW, ERRORS),
)
SLOW: Final = (_river("KSWIN", lambda: KSWIN(seed=1), NUMERIC),)
"""Hundreds of microseconds an event."""
