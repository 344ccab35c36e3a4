"""Rows of a profile from prediction events and their ground truth, decided as they are in a stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from consumers.columns import Integers, PredictionColumns, Records
from consumers.decode import BatchDecoder
from consumers.event_rows import Truth, row_batch
from consumers.interning import Interner
from consumers.plan import plan_model
from detectors.profile_values import RowBatch
from schemas.model_settings import ModelSettings
from watchkeeper.profile_labels import NO_RECORDS, Labels, Lines, OtherModels, count_lines
from watchkeeper.profile_lines import Advance, LineTally, batches_of_lines, open_input

SEGMENTS_MAX: Final = 1_000
"""So many values per key of `segments` are told apart, in the order in which they come."""


class EventRows:
    """The rows of a file of prediction events.

    Shadow predictions are left out. An event that comes twice counts twice: remembering every id would have
    no bound, and few repeats move no quantile.

    Parameters
    ----------
    labels
        Their ground truth, or None.
    """

    def __init__(self, path: Path, settings: ModelSettings, labels: Labels | None) -> None:
        self._path = path
        self._plan = plan_model(settings.model_copy(update={"max_segments": SEGMENTS_MAX}), None)
        self._labels = labels
        self._restart()

    def _restart(self) -> None:
        self._tally = LineTally(self._path)
        self._others = OtherModels(self._path, self._plan.name)
        self._shadows = 0
        self._versions: Counter[str] = Counter()
        self._interner = Interner()

    def batches(self, advance: Advance) -> Iterator[RowBatch]:
        """Yield the rows from the first one on.

        Raises
        ------
        Stop
            Input that cannot be read or used.
        """
        self._restart()
        decoder = BatchDecoder({self._plan.name: self._plan}, self._interner)
        with open_input(self._path) as opened:
            for lines in batches_of_lines(opened):
                decoded = decoder.decode(Records([line for _, line in lines]), NO_RECORDS)
                count_lines(lines, decoded.prediction_rejects, self._tally, self._others)
                columns = decoded.predictions.get(self._plan.name)
                if columns is not None:
                    yield self._rows(columns, lines)
                advance(opened.progress())
        self._tally.check()
        self._others.check(own=self._versions.total())
        advance(1.0)

    def _rows(self, columns: PredictionColumns, lines: Lines) -> RowBatch:
        self._count_versions(columns.version)
        self._shadows += int(columns.shadow.sum())
        columns = columns.take(~columns.shadow)
        raw = [lines[place][1] for place in columns.index.tolist()]
        return row_batch(self._plan, self._interner.tables, columns, raw, self._truth(columns))

    def _count_versions(self, codes: Integers) -> None:
        for code, n in Counter(codes.tolist()).items():
            self._versions[self._interner.tables.versions[code][1]] += n

    def _truth(self, columns: PredictionColumns) -> Truth:
        labels = self._labels
        if labels is None:
            return Truth()
        if self._plan.is_regression:
            return Truth(numbers=labels.numbers(columns.ids))
        return Truth(names=labels.names(columns.ids, self._plan.name))

    def warnings(self) -> list[str]:
        """Return what the last reading found odd, one sentence each."""
        found = self._tally.warnings() + self._others.warnings()
        if self._shadows:
            found.append(f"{self._path}: left out {self._shadows:,} shadow predictions")
        if len(self._versions) > 1:
            shares = ", ".join(f"{name} ({n:,} events)" for name, n in sorted(self._versions.items())[:5])
            found.append(f"{self._path}: holds {len(self._versions)} versions in one profile: {shares}")
        return found + (self._labels.warnings() if self._labels is not None else [])
