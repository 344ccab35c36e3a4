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
from detectors.codec import decode_summary, encode_summaries
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


class _Row(msgspec.Struct, array_like=True):
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
_decoder = msgspec.msgpack.Decoder(list[_Row])

Cohorts = dict[tuple[str, str], Cohort]
"""(version, segment or "") to its cohort, all of one start."""


def read_cohorts(plan: ModelPlan, deltas: Iterable[bytes]) -> Cohorts:
    """Add the differences of the cohorts of one start up.

    Raises
    ------
    Stop
        Damaged bytes, or figures counted on other cells.
    """
    found: Cohorts = {}
    for row in _rows(deltas):
        cohort = Cohort(
            row.predictions,
            _figures(plan, row.figures) or Summary.empty(plan.errors),
            row.unobservable,
            row.implicit,
            _figures(plan, row.assumed),
            _figures(plan, row.overtaken),
            _answers(plan, row.answers),
        )
        key = (row.version, row.segment)
        found[key] = found[key].merge(cohort) if key in found else cohort
    return found


def _figures(plan: ModelPlan, data: bytes) -> Figures | None:
    return decode_summary(plan.errors, data) if data else None


def _answers(plan: ModelPlan, data: bytes) -> Answers | None:
    layout = plan.answers
    return decode_summary(layout, data) if data and layout is not None else None


def encode_cohorts(cohorts: Cohorts) -> bytes:
    """Return the bytes of cohorts of one start, as one difference from nothing."""
    return encode_starts([cohorts])[0]


def encode_starts(some: Sequence[Cohorts]) -> list[bytes]:
    """Return the bytes of the cohorts of several starts, each as `encode_cohorts`: of many at once that is much cheaper."""
    cohorts = [cohort for one in some for cohort in one.values()]
    figures = _bytes([figures for c in cohorts for figures in (c.figures, c.assumed, c.overtaken)])
    parts = zip(figures[::3], figures[1::3], figures[2::3], _bytes([c.answers for c in cohorts]), strict=True)
    return [_encoder.encode(sorted(_encoded_rows(one, parts), key=_place_of)) for one in some]


def _encoded_rows(cohorts: Cohorts, parts: Iterator[tuple[bytes, bytes, bytes, bytes]]) -> Iterator[_Row]:
    for (version, segment), cohort in cohorts.items():
        figures, assumed, overtaken, answers = next(parts)
        yield _Row(
            version,
            segment,
            cohort.predictions,
            figures,
            cohort.unobservable,
            cohort.implicit,
            assumed,
            overtaken,
            answers,
        )


def _place_of(row: _Row) -> tuple[str, str]:
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
