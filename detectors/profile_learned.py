"""A reference profile that is learned from a model's own events, and not from data that a user vouches for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.classes import ClassNames
from detectors.estimation.calibration import Calibration
from detectors.estimation.reality import middles_of
from detectors.layout import ErrorLayout
from detectors.metrics import metrics_of
from detectors.number_cells import LEARNED_EDGES
from detectors.profile import Learned, NumericColumn, ReferenceProfile
from detectors.profile_build import ProfileBuilder
from detectors.profile_calibration import AnswerCounts, learned_layout
from detectors.profile_values import RowBatch
from detectors.segments import SegmentReference
from detectors.summary import Summary
from detectors.tally import error_counts
from schemas.model_settings import ModelSettings

TIMES_SPAN_MIN_MS: Final = 2 * 86_400_000
"""Events of less time show no cycle, and no inertia that lasts: both are then left to the stream."""
LABELS_MIN: Final = 200
"""Fewer labels say too little of how good a model is."""


def learned_profile(
    settings: ModelSettings, read: Callable[[], Iterable[RowBatch]], learned: Learned
) -> ReferenceProfile:
    """Return the profile of rows that are read twice; what labels say is added by `with_labels`.

    Raises
    ------
    Stop
        More columns or classes than a profile can have.
    """
    builder = ProfileBuilder.of(settings)
    names = ClassNames(settings.classes, settings.positive_class)
    scores = AnswerCounts(learned_layout(settings.task), names, np.zeros(0), None)
    has_times = learned.until_ms - learned.from_ms >= TIMES_SPAN_MIN_MS
    for take in (builder.sample, builder.count):
        for batch in read():
            take(batch if has_times else replace(batch, time_ms=None))
            if take == builder.count:
                scores.add(batch.answers, None)
    return replace(builder.finish(), learned=learned, calibration=scores.uncalibrated())


def with_labels(
    profile: ReferenceProfile,
    summary: Summary[ErrorLayout],
    segments: Mapping[str, Summary[ErrorLayout]],
    *,
    positive: str | None,
) -> ReferenceProfile:
    """Return a learned profile with what labels say of the model.

    Parameters
    ----------
    summary
        Error windows, merged; of at least one label.
    segments
        The same of segments; those that the profile does not know are passed over.
    positive
        The positive class of a binary model.
    """
    if profile.learned is None:
        raise ValueError("expected a learned profile")
    counts = error_counts(summary)
    layout, vector = summary.layout, summary.vector
    known = replace(
        profile,
        labelled=counts["n"],
        metrics=metrics_of(summary, positive=positive),
        learned=replace(profile.learned, labels=counts["n"]),
        segments={
            name: _with_labels(segment, segments.get(name)) for name, segment in profile.segments.items()
        },
    )
    if layout.task == "regression":
        means = (layout.sum(vector, name) / counts["n"] for name in ("absolute", "squared"))
        return replace(known, error=_errors(summary, _error_counts(summary)), error_sd=_sd(*means))
    section = tuple(vector[ErrorLayout.SCORES : layout.counts].tolist())
    wrong = counts["wrong"] / counts["n"]
    return replace(
        known,
        error_sd=_sd(wrong, wrong),
        confusion=tuple((p, t, n) for (p, t), n in sorted(summary.pairs.items())),
        score_cells=section if counts["scored"] else (),
    )


def with_calibration(
    profile: ReferenceProfile,
    outcomes: Sequence[int],
    *,
    at_ms: int,
    absolute: float = 0.0,
    squared: float = 0.0,
) -> ReferenceProfile | None:
    """Return a learned profile whose answers mean what labels have said of them; None where they cannot tell.

    Parameters
    ----------
    outcomes
        Cells of error windows (`detectors.layout.ErrorLayout.outcome_cells`): of labels that stand for all.
    at_ms
        When the last of them came.
    absolute, squared
        Of a regression: sums of the sizes of those errors, and of their squares.
    """
    known, learned = profile.calibration, profile.learned
    if known is None or learned is None:
        return None
    counts = np.array(outcomes, dtype=np.int64)
    if profile.task == "regression":
        calibration = _by_prediction(known, counts, absolute, squared)
    else:
        calibration = _by_score(known, counts)
    if calibration is None:
        return None
    return replace(profile, calibration=calibration, learned=replace(learned, calibrated_ms=at_ms))


def _by_score(known: Calibration, counts: npt.NDArray[np.int64]) -> Calibration | None:
    missed, hits = counts.reshape(2, -1)
    if not 0 < hits.sum() < hits.sum() + missed.sum():
        return None
    return replace(known, labelled=tuple((missed + hits).tolist()), hits=tuple(hits.tolist()))


def _by_prediction(
    known: Calibration, counts: npt.NDArray[np.int64], absolute: float, squared: float
) -> Calibration | None:
    """Return what errors come to by bin of the prediction.

    Cells tell how the sums, which are exact, are shared out among bins of predictions.
    """
    table = counts.reshape(-1, len(known.sizes) + 1)
    middles = middles_of(known.sizes)
    if not (0 < absolute < math.inf and 0 < squared < math.inf):
        return None
    sizes, squares = table @ middles, table @ np.square(middles)
    return replace(
        known,
        labelled=tuple(table.sum(axis=1).tolist()),
        absolute=tuple((sizes * (absolute / sizes.sum())).tolist()),
        squared=tuple((squares * (squared / squares.sum())).tolist()),
        outcomes=tuple(counts.tolist()),
    )


def _with_labels(segment: SegmentReference, summary: Summary[ErrorLayout] | None) -> SegmentReference:
    if summary is None or not summary.vector[0]:
        return segment
    found, layout = metrics_of(summary, positive=None), summary.layout
    if layout.task == "regression":
        return replace(segment, errors=_error_counts(summary), metrics={"mae": found["mae"]})
    confusion = tuple((p, t, n) for (p, t), n in sorted(summary.pairs.items()))
    return replace(segment, confusion=confusion, metrics={"accuracy": found["accuracy"]})


def _error_counts(summary: Summary[ErrorLayout]) -> tuple[int, ...]:
    return tuple(summary.vector[ErrorLayout.SCORES : summary.layout.deviances].tolist())


def _sd(mean: float, square: float) -> float:
    variance = square - mean * mean
    return math.sqrt(variance) if 0 < variance < math.inf else 0.0


def _errors(summary: Summary[ErrorLayout], section: tuple[int, ...]) -> NumericColumn:
    """Return how a regression's errors lie; quantiles are those of the bins."""
    n = max(sum(section), 1)
    mean, square = (summary.layout.sum(summary.vector, name) / n for name in ("error", "squared"))
    bounds = np.array([LEARNED_EDGES[0], *LEARNED_EDGES, LEARNED_EDGES[-1]])
    reached = np.cumsum(section) / n
    low, median, high = (int(np.searchsorted(reached, share)) for share in (0.001, 0.5, 0.999))
    return NumericColumn(
        name="error",
        edges=LEARNED_EDGES,
        counts=section,
        mean=mean,
        sd=_sd(mean, square),
        low=float(bounds[low]),
        high=float(bounds[min(high + 1, len(bounds) - 1)]),
        median=float(bounds[median : median + 2].mean()),
    )
