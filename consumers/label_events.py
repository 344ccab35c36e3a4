"""What a batch says of how labels come: counts by time of arrival, for `Stream.LABELS`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from consumers.columns import ERROR, PredictionColumns
from consumers.fold import Outcome
from detectors.label_layout import LabelCell, LabelLayout
from detectors.sketch import LABEL_LAG_S

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_COUNTED = (
    ("duplicates", LabelCell.DUPLICATES),
    ("corrections", LabelCell.CORRECTIONS),
    ("conflicts", LabelCell.CONFLICTS),
    ("late", LabelCell.LATE),
)


@dataclass(slots=True)
class LabelEvents:
    """Changes of counts: when, which cell of `LabelLayout`, by how many, and how far the event's topic was.

    Those of predictions in the shadow are left out, as they have the labels of the others; an orphan is one whosever its id is. The mark of an event is its topic's
    watermark before it, so that which window is closed to it does not depend on how a batch was cut.
    """

    _arrays: list[Integers] = field(default_factory=list)
    _single: list[tuple[int, int, int, int]] = field(default_factory=list)

    def add(self, time_ms: Integers, mark_ms: Integers, cell: int | Integers, n: int = 1) -> None:
        """Count `n` at each of these times, by events with these marks."""
        if len(time_ms):
            rows = np.empty((len(time_ms), 4), dtype=np.int64)
            rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3] = time_ms, cell, n, mark_ms
            self._arrays.append(rows)

    def add_predictions(self, columns: PredictionColumns, accepted: Mask) -> None:
        """Count accepted predictions that can have a label."""
        waits = accepted & ~columns.shadow & ~columns.unobservable & (columns.status != ERROR)
        self.add(columns.time_ms[waits], columns.mark_ms[waits], LabelCell.PREDICTIONS)

    def add_first(
        self, joined: npt.NDArray[np.void], mark_ms: Integers, *, late: Mask, forgotten: Mask
    ) -> None:
        """Count pairs of one prediction and its first label, rows of `JOINED`."""
        own = ~joined["shadow"]
        arrival_ms = np.maximum(joined["time_ms"], joined["label_ms"])
        lost, behind, first = forgotten, own & late & ~forgotten, own & ~late
        self.add(joined["label_ms"][lost], mark_ms[lost], LabelCell.ORPHANS)
        self.add(arrival_ms[behind], mark_ms[behind], LabelCell.LATE)
        self.add(arrival_ms[first], mark_ms[first], LabelCell.FIRST)
        lags = _lag_cells(arrival_ms[first] - joined["time_ms"][first])
        self.add(arrival_ms[first], mark_ms[first], lags)

    def add_change(
        self, prediction_ms: int, label_ms: int, before: Outcome, after: Outcome, *, mark_ms: int
    ) -> None:
        """Count what the label at `label_ms` has changed of what a prediction comes to."""
        arrival_ms = max(prediction_ms, label_ms)
        for name, cell in _COUNTED:
            change = getattr(after, name) - getattr(before, name)
            if change:
                self._single.append((arrival_ms, cell, change, mark_ms))
        if after.first is not None and before.first is None:
            lag = _lag_cells(np.array([arrival_ms - prediction_ms], dtype=np.int64))
            self._single += [(arrival_ms, cell, 1, mark_ms) for cell in (LabelCell.FIRST, int(lag[0]))]

    def add_orphans(self, label_ms: int, change: int, *, mark_ms: int) -> None:
        """Count a change of the number of orphans whose first label came at `label_ms`."""
        if change:
            self._single.append((label_ms, LabelCell.ORPHANS, change, mark_ms))

    def rows(self) -> Integers:
        """Return everything, shape (n, 4): epoch milliseconds, cell, change, mark."""
        single = np.array(self._single, dtype=np.int64).reshape(len(self._single), 4)
        return np.concatenate([*self._arrays, single])


def _lag_cells(lag_ms: Integers) -> Integers:
    cells: Integers = LabelLayout.LAG + LABEL_LAG_S.index(np.maximum(lag_ms, 0) / 1_000.0)
    return cells
