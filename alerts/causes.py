"""What alerts of one model have to do with each other: what they have in common, and which explains which.

The order is causal: no events, values that are not what they should be, inputs that moved, answers that moved. An
alert about what labels say of the answers is explained by nothing here: whatever the cause, quality has fallen.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from schemas.finding import LABEL_CHECKS, Kind, stream_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.identity import Subject

_BRINGS_NOTHING_ABOUT: Final = frozenset({"unlisted_features"})
"""Checks of what is only more than the reference knows: it may stay for good, and leaves all other values as they are."""

JOINT_PREFIX: Final = "joint."
"""Begin of the names of figures of all features together."""


class Cause(StrEnum):
    """What the alerts of an incident have in common; what may explain others stands before them."""

    MONITOR = "monitor"
    VOLUME = "volume"
    SERVICE = "service"
    SCHEMA = "schema"
    DATA_QUALITY = "data_quality"
    DRIFT = "drift"
    ANSWERS = "answers"
    ESTIMATE = "estimate"
    PERFORMANCE = "performance"
    OUTCOMES = "outcomes"
    LABELS = "labels"


_CAUSES: Final[Mapping[Kind, Cause]] = {
    Kind.MONITOR_LAG: Cause.MONITOR,
    Kind.MONITOR_INTEGRITY: Cause.MONITOR,
    Kind.VOLUME: Cause.VOLUME,
    Kind.LATENCY: Cause.SERVICE,
    Kind.ERROR_RATE: Cause.SERVICE,
    Kind.FALLBACK_RATE: Cause.SERVICE,
    Kind.SCHEMA: Cause.SCHEMA,
    Kind.DATA_QUALITY: Cause.DATA_QUALITY,
    Kind.DATA_DRIFT: Cause.DRIFT,
    Kind.OOD_RATE: Cause.DRIFT,
    Kind.PREDICTION_DRIFT: Cause.ANSWERS,
    Kind.ESTIMATED_PERFORMANCE: Cause.ESTIMATE,
    Kind.PERFORMANCE: Cause.PERFORMANCE,
    Kind.CALIBRATION: Cause.PERFORMANCE,
    Kind.VERSION_REGRESSION: Cause.PERFORMANCE,
    Kind.LABEL_DRIFT: Cause.OUTCOMES,
    Kind.LABEL_COVERAGE: Cause.LABELS,
    Kind.LABEL_LAG: Cause.LABELS,
    Kind.ORPHAN_LABELS: Cause.LABELS,
}

_EXPLAINS: Final[Mapping[Cause, frozenset[Cause]]] = {
    Cause.SCHEMA: frozenset({Cause.DATA_QUALITY, Cause.DRIFT, Cause.ANSWERS}),
    Cause.DATA_QUALITY: frozenset({Cause.DRIFT, Cause.ANSWERS}),
    Cause.DRIFT: frozenset({Cause.ANSWERS}),
}
"""Causes and what they bring about. All are judged on the same windows, so a replay decides as `run` did."""


def cause_of(kind: Kind, check: str) -> Cause:
    """Return what an alert has in common with the others of its incident."""
    return Cause.LABELS if check in LABEL_CHECKS else _CAUSES[kind]


def explains(source: Subject, target: Subject) -> bool:
    """Return whether trouble of one subject brings the other about.

    Both are of one model. A feature explains only itself, what is said of all features together, and the answers;
    a segment or version explains only itself, and all traffic explains its parts.
    """
    if source.model != target.model or source == target or source.check in _BRINGS_NOTHING_ABOUT:
        return False
    brought_about = cause_of(target.kind, target.check)
    if brought_about not in _EXPLAINS.get(cause_of(source.kind, source.check), frozenset()):
        return False
    if stream_of(source.kind, source.check) is not stream_of(target.kind, target.check):
        return False
    is_part = source.segment in (None, target.segment) and source.version in (None, target.version)
    return is_part and (brought_about is Cause.ANSWERS or _reaches(source.feature, target.feature))


def _reaches(source: str | None, target: str | None) -> bool:
    return source is None or target is None or source == target or target.startswith(JOINT_PREFIX)
