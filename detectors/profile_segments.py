"""Counts the declared segments of the reference: what each of them is compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from detectors import exact
from detectors.frequent_names import FrequentNames
from detectors.layout import STATUSES
from detectors.profile_quality import measured_rows
from detectors.profile_values import Answers, Floats, RowBatch, Times
from detectors.segments import SegmentReference, is_other
from detectors.sketch import LATENCY_MS

ROWS_MIN: Final = 100
"""A segment with fewer rows has no reference."""


class SegmentCounts:
    """Sees every row twice: `sample`, then `start`, then `count`.

    Parameters
    ----------
    most
        So many segments have a reference: the most frequent ones.

    Notes
    -----
    Memory: that of `FrequentNames` per declared key; then of each segment that may be among the most frequent
    its cells of latency and of errors, and one counter per pair of classes that it has.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._frequent: list[FrequentNames] = []
        self._places: dict[str, int] = {}

    def sample(self, batch: RowBatch) -> None:
        """Take rows in, first pass."""
        while len(self._frequent) < len(batch.segments):
            self._frequent.append(FrequentNames())
        for frequent, names in zip(self._frequent, batch.segments, strict=True):
            frequent.add([name for name in names if name and not is_other(name)])

    def start(self, edges: Floats | None, same: Callable[[str, str], bool]) -> None:
        """Begin the second pass.

        Parameters
        ----------
        edges
            Inner edges of the profile's bins of errors, of a regression that has them.
        same
            Says whether an answer is right, given the predicted and the true class.
        """
        names = [name for frequent in self._frequent for name in frequent.most()[: self._most]]
        self._places = {name: place for place, name in enumerate(names)}
        self._edges, self._same = edges, same
        self._rows = np.zeros(len(names), dtype=np.int64)
        self._statuses = np.zeros((len(names), len(STATUSES)), dtype=np.int64)
        self._latency = np.zeros((len(names), LATENCY_MS.size), dtype=np.int64)
        self._pairs: Counter[tuple[int, str, str]] = Counter()
        self._errors = np.zeros((len(names), 0 if edges is None else len(edges) + 1), dtype=np.int64)
        self._absolute = np.zeros((len(names), exact.LIMBS), dtype=np.int64)

    def count(self, batch: RowBatch, answers: Answers) -> None:
        """Take rows in, second pass; `answers` are the batch's, with their final names."""
        for names in batch.segments:
            places = np.array([self._places.get(name, -1) for name in names], dtype=np.int64)
            rows = np.flatnonzero(places >= 0)
            if not len(rows):
                continue
            own = places[rows]
            self._rows += np.bincount(own, minlength=len(self._rows))
            if batch.status is not None:
                np.add.at(self._statuses, (own, batch.status[rows]), 1)
            if batch.latency_ms is not None:
                known = rows[np.isfinite(batch.latency_ms[rows])]
                np.add.at(self._latency, (places[known], LATENCY_MS.index(batch.latency_ms[known])), 1)
            measured = rows[measured_rows(answers, len(names))[rows]]
            self._count_classes(answers, places, measured)
            self._count_numbers(answers, places, measured)

    def _count_classes(self, answers: Answers, places: Times, rows: Times) -> None:
        truth, predicted = answers.truth, answers.predicted
        if truth is None or predicted is None:
            return
        found = (
            (place, predicted[row], truth[row])
            for row, place in zip(rows.tolist(), places[rows].tolist(), strict=True)
        )
        self._pairs.update(
            (place, said, true) for place, said, true in found if said is not None and true is not None
        )

    def _count_numbers(self, answers: Answers, places: Times, rows: Times) -> None:
        if self._edges is None or answers.true_value is None or answers.value is None:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            error = answers.value[rows] - answers.true_value[rows]
        known = np.isfinite(error)
        error, own = error[known], places[rows][known]
        np.add.at(self._errors, (own, np.searchsorted(self._edges, error)), 1)
        added = exact.limbs(np.abs(error)[:, None], own.astype(np.intp), len(self._rows))
        self._absolute += added[:, 0]

    def references(self) -> dict[str, SegmentReference]:
        """Return the most frequent segments that have rows enough, most frequent first, equals in order of name."""
        ranked = sorted(self._places, key=lambda name: (-self._rows[self._places[name]], name))
        kept = [name for name in ranked[: self._most] if self._rows[self._places[name]] >= ROWS_MIN]
        return {name: self._reference(self._places[name]) for name in kept}

    def _reference(self, place: int) -> SegmentReference:
        confusion = [(said, true, n) for (own, said, true), n in sorted(self._pairs.items()) if own == place]
        cells = self._latency[place]
        statuses, errors = self._statuses[place].tolist(), self._errors[place].tolist()
        return SegmentReference(
            rows=int(self._rows[place]),
            statuses=tuple(statuses) if any(statuses) else (),
            latency=tuple((int(cell), int(cells[cell])) for cell in np.flatnonzero(cells)),
            confusion=tuple(confusion),
            errors=tuple(errors) if any(errors) else (),
            metrics=self._metrics(place, confusion, sum(errors)),
        )

    def _metrics(
        self, place: int, confusion: Sequence[tuple[str, str, int]], errors: int
    ) -> dict[str, float]:
        if errors:
            return {"mae": exact.to_float(self._absolute[place]) / errors}
        n = sum(rows for _, _, rows in confusion)
        right = sum(rows for said, true, rows in confusion if self._same(said, true))
        return {"accuracy": right / n} if n else {}
