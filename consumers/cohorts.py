"""Cohorts: the predictions of a stretch of time and what their labels say of them, restated as labels come.

A label may come weeks after its prediction, and be corrected later still. So what a batch changes in a cohort is
written as a difference and never as the whole: nothing old has to be read, or kept in memory, to restate it. The differences
of a cohort are added up by whoever reads it, and from time to time by its owner.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from consumers.plan import ModelPlan
from detectors.codec import decode_summary, encode_summary
from detectors.layout import ErrorLayout
from detectors.summary import Summary, SummaryTable
from schemas.errors import Stop

Key = tuple[str, str, str]
"""(start of the cohort in epoch milliseconds as text, version, segment or "")."""

COMPACT_AFTER: Final = 32
"""Differences of one cohort and partition after which they are added up."""


@dataclass(frozen=True, slots=True)
class CohortDelta:
    """What a batch changed in the cohorts that begin at one time, on its way to the store."""

    model: str
    start_ms: int
    data: bytes


@dataclass(frozen=True, slots=True)
class CohortTotal:
    """What the first differences of a cohort come to, on its way to their place."""

    model: str
    start_ms: int
    deltas: Sequence[bytes]
    total: bytes


@dataclass(slots=True)
class Cohort:
    """Predictions of one version and segment in one stretch of time.

    Parameters
    ----------
    predictions
        Those with an answer, shadow ones included.
    figures
        What is known of the labelled ones; the first of its counts is their number.
    """

    predictions: int
    figures: Summary[ErrorLayout]

    @property
    def labelled(self) -> int:
        """Predictions whose label has come."""
        return int(self.figures.vector[0])

    @property
    def coverage(self) -> float:
        """Share of the predictions whose label has come, 0 without any."""
        return self.labelled / self.predictions if self.predictions else 0.0

    def merge(self, other: Cohort) -> Cohort:
        """Return both together; associative and commutative."""
        return Cohort(self.predictions + other.predictions, self.figures.merge(other.figures))


class _Row(msgspec.Struct, array_like=True):
    version: str
    segment: str
    predictions: int
    figures: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[_Row])

Cohorts = dict[tuple[str, str], Cohort]
"""(version, segment or "") to its cohort, all of one start."""


@dataclass(slots=True)
class CohortChanges:
    """The changes of one batch to one model's cohorts.

    Parameters
    ----------
    plan
        The model.
    """

    plan: ModelPlan
    table: SummaryTable[Key, ErrorLayout] = field(init=False)
    predictions: Counter[Key] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.table = SummaryTable(self.plan.errors)

    def take(self) -> list[CohortDelta]:
        """Return everything since the last call, a difference per start of a cohort."""
        rows: dict[int, list[_Row]] = {}
        for key in sorted({*self.table.keys(), *self.predictions}):
            start, version, segment = key
            figures = b""
            if key in self.table:
                figures = encode_summary(self.table.get(key))
                self.table.drop(key)
            rows.setdefault(int(start), []).append(_Row(version, segment, self.predictions[key], figures))
        self.predictions.clear()
        return [CohortDelta(self.plan.name, start, _encoder.encode(own)) for start, own in rows.items()]


def read_cohorts(plan: ModelPlan, deltas: Iterable[bytes]) -> Cohorts:
    """Add the differences of the cohorts of one start up.

    Raises
    ------
    Stop
        Damaged bytes, or figures counted on other cells.
    """
    found: Cohorts = {}
    for row in _rows(deltas):
        figures = decode_summary(plan.errors, row.figures) if row.figures else Summary.empty(plan.errors)
        cohort, key = Cohort(row.predictions, figures), (row.version, row.segment)
        found[key] = found[key].merge(cohort) if key in found else cohort
    return found


def encode_cohorts(cohorts: Cohorts) -> bytes:
    """Return the bytes of cohorts of one start, as one difference from nothing."""
    rows: list[_Row] = []
    for (version, segment), cohort in sorted(cohorts.items()):
        known = cohort.figures.vector.any() or cohort.figures.pairs
        figures = encode_summary(cohort.figures) if known else b""
        rows.append(_Row(version, segment, cohort.predictions, figures))
    return _encoder.encode(rows)


def merge_cohorts(some: Iterable[Cohorts]) -> Cohorts:
    """Return cohorts of the same stretch of time together, as of several partitions or of the hours of a day."""
    found: Cohorts = {}
    for cohorts in some:
        for key, cohort in cohorts.items():
            found[key] = found[key].merge(cohort) if key in found else cohort
    return found


def _rows(deltas: Iterable[bytes]) -> Iterator[_Row]:
    for data in deltas:
        try:
            yield from _decoder.decode(data)
        except msgspec.DecodeError as error:
            raise Stop(
                f"stored cohort: found bytes that are not one ({error}); start with an empty app name or restore the "
                "store",
                exit_code=1,
            ) from error
