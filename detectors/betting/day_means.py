"""What signals came to day by day, to date a change that came so slowly that no bet saw it begin.

A bet starts to win when the change has outgrown what does not matter. The days before tell whether it was a jump on that day or
a straight line that began earlier (`detectors.trend`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.betting.watched import Watched
from detectors.trend import Days, bend_before

Floats = npt.NDArray[np.float64]
Vector = npt.NDArray[np.int64]

DAY_MS: Final = 86_400_000
DAYS_KEPT: Final = 128


class DayMeans:
    """Daily sums of the first functional of signals.

    Parameters
    ----------
    watched
        The signals.

    Notes
    -----
    Memory: two numbers a signal and day, of at most `DAYS_KEPT` days.
    """

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._signals = [item.signal for item in watched]
        self._days: dict[int, Floats] = {}

    def add(self, vector: Vector, *, made_ms: int, left_out: npt.NDArray[np.bool_]) -> None:
        """Take a window in.

        Parameters
        ----------
        made_ms
            When the predictions that it is about were made, epoch milliseconds.
        left_out
            Shape (signals,): those that the window says nothing of.
        """
        day = made_ms // DAY_MS
        rows = self._days.setdefault(day, np.zeros((len(self._signals), 2)))
        for place, signal in enumerate(self._signals):
            if not left_out[place]:
                counts = vector[signal.cells]
                rows[place] += counts.sum(), counts @ signal.values[:, 0]
        while len(self._days) > DAYS_KEPT:
            del self._days[min(self._days)]

    def onset_ms(self, place: int, direction: int, *, before_ms: int) -> int | None:
        """Return the start of the day on which a signal's slow rise, or fall, began.

        Parameters
        ----------
        before_ms
            When a bet began to win.

        Returns
        -------
        int or None
            None where the days show no slow change in that direction which began before.
        """
        known = [
            (day, *self._days[day][place]) for day in sorted(self._days) if self._days[day][place, 0] > 0
        ]
        if not known:
            return None
        number, n, total = np.array(known).T
        variance = float(self._signals[place].sds[0]) ** 2
        days = Days(number, total / n, n / variance)
        day = bend_before(days, before_ms // DAY_MS, direction=direction)
        return None if day is None else day * DAY_MS

    def forget(self, places: Sequence[int], *, from_ms: int) -> None:
        """Let signals' days go from that of a time on, epoch milliseconds."""
        for day, rows in self._days.items():
            if day >= from_ms // DAY_MS:
                rows[list(places)] = 0.0

    def to_bytes(self) -> bytes:
        """Return the state for `restore`."""
        return msgspec.msgpack.encode({day: rows.ravel().tolist() for day, rows in self._days.items()})

    def restore(self, data: bytes) -> None:
        """Take up a remembered state.

        Raises
        ------
        ValueError
            Bytes of something else, or of other signals.
        """
        shape = (len(self._signals), 2)
        try:
            stored = msgspec.msgpack.decode(data, type=dict[int, list[float]])
            self._days = {day: np.array(rows).reshape(shape) for day, rows in stored.items()}
        except (msgspec.DecodeError, ValueError) as error:
            raise ValueError(f"expected daily sums of {len(self._signals)} signals: {error}") from error
