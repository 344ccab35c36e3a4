"""Cohorts: the predictions of a stretch of time and what their labels say of them, restated as labels come.

A label may come weeks after its prediction, and be corrected later still. So what a batch changes in a cohort is
written as a difference and never as the whole: nothing old has to be read, or kept in memory, to restate it. The differences
of a cohort are added up by whoever reads it, and from time to time by its owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from consumers.plan import ModelPlan
from detectors.codec import EncodedSums, encode_summaries
from detectors.estimation.cells import AnswerLayout
from detectors.layout import ErrorLayout, LayoutT
from detectors.summary import Summary
from schemas.errors import Stop

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


Figures = Summary[ErrorLayout]
Answers = Summary[AnswerLayout]


@dataclass(slots=True)
class Cohort:
    """Predictions of one version and segment in one stretch of time.

    Parameters
    ----------
    predictions
        Those with an answer.
    figures
        What is known of the labelled ones; the first of its counts is their number.
    unobservable
        Predictions without a label that never get one, by the settings.
    implicit
        Labelled ones whose label is that silence means one class.
    assumed
        What the others come to once silence means that class; None where it means nothing.
    overtaken
        What those came to that got a label after that.
    answers
        The model's own answers of the whole, labelled or not, by what tells of their quality; None where nothing does.
    """

    predictions: int
    figures: Figures
    unobservable: int = 0
    implicit: int = 0
    assumed: Figures | None = None
    overtaken: Figures | None = None
    answers: Answers | None = None

    @property
    def labelled(self) -> int:
        """Predictions whose label is known, implicit ones included."""
        return int(self.figures.vector[0])

    @property
    def observable(self) -> int:
        """Predictions that can have a label."""
        return self.predictions - self.unobservable

    @property
    def coverage(self) -> float:
        """Share of the observable predictions whose label is known, 0 without any."""
        return self.labelled / self.observable if self.observable else 0.0

    @property
    def received(self) -> float:
        """Share of the observable predictions whose label somebody sent, 0 without any."""
        return (self.labelled - self.implicit) / self.observable if self.observable else 0.0

    def merge(self, other: Cohort) -> Cohort:
        """Return both together; associative and commutative."""
        return Cohort(
            self.predictions + other.predictions,
            self.figures.merge(other.figures),
            self.unobservable + other.unobservable,
            self.implicit + other.implicit,
            _merged(self.assumed, other.assumed),
            _merged(self.overtaken, other.overtaken),
            _merged(self.answers, other.answers),
        )

    def settled(self, *, silence_speaks: bool) -> Cohort:
        """Return the cohort with its implicit labels for good, or without, if their time has not come."""
        if self.assumed is None or not silence_speaks:
            return replace(self, assumed=None, overtaken=None)
        implicit = self.implicit + int(self.assumed.vector[0])
        figures = self.figures.merge(self.assumed)
        return replace(self, figures=figures, implicit=implicit, assumed=None, overtaken=None)

    def fallen_due(self) -> Figures | None:
        """Return the implicit labels as they were when silence came to mean them; None for none."""
        return _merged(self.assumed, self.overtaken)


def _merged(one: Summary[LayoutT] | None, other: Summary[LayoutT] | None) -> Summary[LayoutT] | None:
    if one is None or other is None:
        return one or other
    return one.merge(other)


class CohortRow(msgspec.Struct, array_like=True):
    """A cohort as it is stored: its numbers, and the bytes of its summaries, none of those that say nothing."""

    version: str
    segment: str
    predictions: int
    figures: bytes
    unobservable: int = 0
    implicit: int = 0
    assumed: bytes = b""
    overtaken: bytes = b""
    answers: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[CohortRow])

Key = tuple[str, str]
"""Version, and segment or ""."""
Cohorts = dict[Key, Cohort]
"""All of one start."""


def read_cohorts(plan: ModelPlan, deltas: Iterable[bytes]) -> Cohorts:
    """Add the differences of the cohorts of one start up.

    Raises
    ------
    Stop
        Damaged bytes, or figures counted on other cells.
    """
    found: Cohorts = {}
    sums: list[EncodedSums[Key, ErrorLayout]] = [EncodedSums(plan.errors) for _ in range(3)]
    layout = plan.answers
    answers: EncodedSums[Key, AnswerLayout] | None = None if layout is None else EncodedSums(layout)
    for row in _rows(deltas):
        key = (row.version, row.segment)
        known = found.get(key)
        if known is None:
            known = found[key] = Cohort(0, Summary.empty(plan.errors))
        known.predictions += row.predictions
        known.unobservable += row.unobservable
        known.implicit += row.implicit
        for own, data in zip(sums, (row.figures, row.assumed, row.overtaken), strict=True):
            if data:
                own.add(key, data)
        if answers is not None and row.answers:
            answers.add(key, row.answers)
    figures, assumed, overtaken = (own.read() for own in sums)
    answered = {} if answers is None else answers.read()
    for key, cohort in found.items():
        cohort.figures = figures.get(key, cohort.figures)
        cohort.assumed, cohort.overtaken = assumed.get(key), overtaken.get(key)
        cohort.answers = answered.get(key)
    return found


def encode_cohorts(cohorts: Cohorts) -> bytes:
    """Return the bytes of cohorts of one start, as one difference from nothing."""
    some = cohorts.values()
    figures = _bytes([figures for c in some for figures in (c.figures, c.assumed, c.overtaken)])
    parts = zip(figures[::3], figures[1::3], figures[2::3], _bytes([c.answers for c in some]), strict=True)
    return encode_rows(
        CohortRow(*key, c.predictions, own, c.unobservable, c.implicit, assumed, overtaken, answers)
        for (key, c), (own, assumed, overtaken, answers) in zip(cohorts.items(), parts, strict=True)
    )


def encode_rows(rows: Iterable[CohortRow]) -> bytes:
    """Return the bytes of cohorts of one start."""
    return _encoder.encode(sorted(rows, key=_place_of))


def _place_of(row: CohortRow) -> tuple[str, str]:
    return row.version, row.segment


def _bytes(some: Sequence[Summary[LayoutT] | None]) -> list[bytes]:
    """Return the bytes of summaries of one layout; none of what is not there or says nothing."""
    told = [s if s is not None and (s.vector.any() or s.pairs or s.weights) else None for s in some]
    encoded = iter(encode_summaries([summary for summary in told if summary is not None]))
    return [b"" if summary is None else next(encoded) for summary in told]


def merge_cohorts(some: Iterable[Cohorts]) -> Cohorts:
    """Return cohorts of the same stretch of time together, as of several partitions or of the hours of a day."""
    found: Cohorts = {}
    for cohorts in some:
        for key, cohort in cohorts.items():
            found[key] = found[key].merge(cohort) if key in found else cohort
    return found


def _rows(deltas: Iterable[bytes]) -> Iterator[CohortRow]:
    for data in deltas:
        try:
            yield from _decoder.decode(data)
        except msgspec.DecodeError as error:
            raise Stop(
                f"stored cohort: found bytes that are not one ({error}); start with an empty app name or restore the "
                "store",
                exit_code=1,
            ) from error
