"""How the deviances of the reference's rows lie, for a regression whose loss is a deviance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from detectors.betting.rhythm_fit import Grid
from detectors.deviance import unit_deviance
from detectors.layout import DEVIANCE
from detectors.profile import NumericColumn
from detectors.profile_count import NumericCount, sampled_column
from detectors.profile_losses import LossRhythms, losses_of_deviances
from detectors.profile_quality import measured_rows
from detectors.profile_sample import Sample
from detectors.profile_values import Answers, Floats, Numbers, Times


class Deviances:
    """Sees every answer twice: `sample`, then `start`, then `count`.

    Parameters
    ----------
    power
        Of the deviance (see `detectors.deviance`).
    edges
        Inner edges of the bins, where they are those of another reference.
    """

    def __init__(self, power: float, *, sample_max: int, edges: Sequence[float] | None = None) -> None:
        self.power, self._edges = power, edges
        self._sample = Sample(sample_max)
        self._largest = 0.0
        self._count: NumericCount | None = None
        self._rhythms: LossRhythms | None = None

    def limit(self, size_max: int) -> None:
        """Keep a smaller sample from now on."""
        self._sample.limit(size_max)

    def sample(self, answers: Answers, keys: Floats) -> None:
        """Take answers in, first pass; `keys` as for `ColumnScan`."""
        values = self._values(answers)
        if values is not None and values.finite.any():
            found = values.values[values.finite]
            self._sample.add(found, keys[values.finite])
            self._largest = max(self._largest, float(found.max()))

    def _values(self, answers: Answers) -> Numbers | None:
        """Return deviances of the model's own answers, infinity for rows that the loss does not allow."""
        if answers.value is None or answers.true_value is None:
            return None
        there = np.isfinite(answers.value) & np.isfinite(answers.true_value)
        there &= measured_rows(answers, len(there))
        truth, prediction = (np.where(there, v, 1.0) for v in (answers.true_value, answers.value))
        found, known = unit_deviance(truth, prediction, power=self.power)
        return Numbers(np.where(there, np.where(known, found, np.inf), np.nan), ~there)

    def start(self, grid: Grid | None) -> None:
        """Turn what the first pass saw into bins."""
        ordered = self._sample.ordered()
        if not len(ordered):
            return
        self._count = NumericCount(DEVIANCE, ordered, self._largest, edges=self._edges)
        if grid is not None:
            sampled = sampled_column(DEVIANCE, ordered, edges=self._edges)
            losses = {DEVIANCE: losses_of_deviances(sampled)}
            self._rhythms = LossRhythms(grid, sampled.edges, losses)

    def count(self, answers: Answers, places: Times | None) -> None:
        """Take rows in, second pass; `places`, shape (n,), are their blocks of time."""
        values = self._values(answers)
        if self._count is None or values is None:
            return
        self._count.add(values)
        if self._rhythms is not None and places is not None:
            there = ~values.missing
            self._rhythms.add(values.values[there], places[there])

    def column(self) -> NumericColumn | None:
        """Return how deviances lie, None without any."""
        if self._count is None or self._rhythms is None:
            return None if self._count is None else self._count.column()
        column = self._count.column()
        counts = np.array([*column.counts, column.invalid], dtype=np.float64)
        return replace(column, rhythms=self._rhythms.rhythms(counts))
