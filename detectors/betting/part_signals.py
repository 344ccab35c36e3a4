"""What is bet on about one version, or one segment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from detectors.betting.error_cells import ErrorCells
from detectors.betting.error_signals import LABEL_DRIFT
from detectors.betting.watched import Watched
from detectors.betting.watching import watched_columns, watched_errors, watched_prompt, watched_service
from detectors.classes import ClassNames
from detectors.layout import PredictionLayout
from detectors.profile import ReferenceProfile
from detectors.rhythm import Rhythm
from detectors.segments import SegmentReference
from schemas.model_settings import ModelSettings


def version_columns(
    settings: ModelSettings, profile: ReferenceProfile | None, layout: PredictionLayout
) -> list[Watched]:
    """Return what depends on the version: its answers (the columns of the layout), latencies and statuses."""
    return watched_columns(settings, profile, layout) + watched_service(settings, profile)


def version_errors(
    settings: ModelSettings, profile: ReferenceProfile | None, cells: ErrorCells, *, prompt: int
) -> list[Watched]:
    """Return bets on a version's errors; those for prompt labels are counted `prompt` cells further on."""
    late = [item for item in watched_prompt(settings, profile, cells) if item.check != LABEL_DRIFT]
    moved = [replace(item, signal=replace(item.signal, cells=item.signal.cells + prompt)) for item in late]
    return watched_errors(settings, profile, cells) + moved


def segment_columns(
    settings: ModelSettings,
    reference: ReferenceProfile | None,
    found: SegmentReference | None,
    intervals: int,
) -> list[Watched]:
    """Return bets on a segment's latencies and statuses; without a reference on its statuses alone."""
    statuses = () if found is None else found.statuses
    return watched_service(settings, reference, statuses=statuses, intervals=intervals)


def segment_errors(
    settings: ModelSettings, reference: ReferenceProfile, cells: ErrorCells, intervals: int
) -> list[Watched]:
    """Return bets on a segment's errors."""
    return watched_errors(settings, reference, cells, intervals=intervals)


def segment_profile(
    profile: ReferenceProfile, found: SegmentReference, names: ClassNames
) -> ReferenceProfile:
    """Return a model's profile with the figures of one of its segments, and none of features and answers.

    Rhythms are those of the whole model. Its cycles of errors are moved to the segment's own rate: by as much on
    the scale of log odds, so that a rate twice as high swings about twice as far.
    """
    error = profile.error
    if error is not None:
        error = replace(error, counts=found.errors) if found.errors else None
    usual, own = (_shares(confusion, names) for confusion in (profile.confusion, found.confusion))
    return replace(
        profile,
        n=found.rows,
        columns=(),
        joint=None,
        labelled=sum(n for *_, n in found.confusion) or sum(found.errors),
        metrics=dict(found.metrics),
        confusion=found.confusion,
        error_rhythms={
            name: _moved(rhythm, usual.get(name, 0.0), own.get(name, 0.0))
            for name, rhythm in profile.error_rhythms.items()
        },
        error=error,
        deviance=None,  # that of a segment is not known
        deviance_power=None,
        score_cells=(),
        latency=found.latency,
        segments={},
    )


def _shares(confusion: tuple[tuple[str, str, int], ...], names: ClassNames) -> Mapping[str, float]:
    """Return the share of wrong answers by true class."""
    rows: dict[str, int] = {}
    wrong: dict[str, int] = {}
    for said, true, n in confusion:
        rows[true] = rows.get(true, 0) + n
        wrong[true] = wrong.get(true, 0) + (0 if names.same(said, true) else n)
    return {name: wrong[name] / n for name, n in rows.items()}


def _moved(rhythm: Rhythm, usual: float, own: float) -> Rhythm:
    if not rhythm.season or not 0 < usual < 1 or not 0 < own < 1:
        return replace(rhythm, season=())
    tiny = np.finfo(np.float64).eps
    by_hour = np.clip(usual + np.array(rhythm.season), tiny, 1 - tiny)
    odds = np.log(by_hour / (1 - by_hour)) - math.log(usual / (1 - usual)) + math.log(own / (1 - own))
    season = 1 / (1 + np.exp(-odds)) - own
    return replace(rhythm, season=tuple(season.tolist()))
