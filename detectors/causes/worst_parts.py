"""Which segments and versions make more of the loss that came on top than their part of the traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from detectors.causes.loss_history import WHOLE, LossHistory, LossRate, segment_key, version_key
from detectors.profile import ReferenceProfile

LABELS_MIN: Final = 30
SHARE_MIN: Final = 0.2
"""A part is named if it makes at least so much of the loss that came on top,"""
TIMES_MIN: Final = 1.5
"""so many times its part of the labels,"""
ERRORS_MIN: Final = 3.0
"""and its mean loss lies so many standard errors above what it was."""
_RATE_MIN: Final = 0.01


@dataclass(frozen=True, slots=True)
class WorstPart:
    """A segment or a version (the other one is None).

    Parameters
    ----------
    share_of_excess, share_of_labels
        Its part of the loss beyond the usual one, at most 1, and of the labels.
    loss_before, loss_now
        Share of wrong answers, or mean absolute error.
    n
        Its labels since.
    """

    segment: str | None
    version: str | None
    share_of_excess: float
    share_of_labels: float
    loss_before: float
    loss_now: float
    n: int


def worst_parts(
    history: LossHistory,
    profile: ReferenceProfile | None,
    *,
    level: int,
    since_ms: int,
) -> list[WorstPart]:
    """Return the parts that make much of what was lost on top since a time, the worst first.

    A part's usual loss is what it lost before, in the blocks that are left; with fewer than `LABELS_MIN` labels there
    what the profile says of it; and without that what the whole model lost.
    """
    before, now = history.split(level, WHOLE, since_ms)
    usual = _usual(before, _reference(profile, None))
    if usual is None or not now.n:
        return []
    excess = now.loss - now.n * usual
    sd = 0.0 if profile is None else profile.error_sd
    is_share = profile is None or profile.task != "regression"
    found: list[WorstPart] = []
    for name in history.names:
        segment = name.removeprefix(segment_key("")) if name.startswith(segment_key("")) else None
        version = name.removeprefix(version_key("")) if name.startswith(version_key("")) else None
        if segment is None and version is None:
            continue
        then, since = history.split(level, name, since_ms)
        own = _usual(then, _reference(profile, segment))
        own = usual if own is None else own
        more = since.loss - since.n * own
        share, labels = more / excess if excess > 0 else 0.0, since.n / now.n
        stands_out = more >= ERRORS_MIN * _error(own, since.n, is_share=is_share, sd=sd)
        if since.n >= LABELS_MIN and share >= max(SHARE_MIN, TIMES_MIN * labels) and stands_out:
            found.append(WorstPart(segment, version, min(share, 1.0), labels, own, since.mean, int(since.n)))
    return sorted(found, key=lambda part: (-part.share_of_excess, part.segment or "", part.version or ""))


def _usual(before: LossRate, reference: float | None) -> float | None:
    return before.mean if before.n >= LABELS_MIN else reference


def _reference(profile: ReferenceProfile | None, segment: str | None) -> float | None:
    """Return the profile's mean loss of a segment, or of all; None where it does not say."""
    if profile is None:
        return None
    known = profile.segments.get(segment) if segment is not None else None
    metrics = profile.metrics if segment is None else {} if known is None else known.metrics
    if profile.task == "regression":
        return metrics.get("mae")
    return 1 - metrics["accuracy"] if "accuracy" in metrics else None


def _error(usual: float, n: float, *, is_share: bool, sd: float) -> float:
    """Return the standard error of the sum of n losses."""
    rate = min(max(usual, _RATE_MIN), 1 - _RATE_MIN)
    return float((n * (rate * (1 - rate) if is_share else sd * sd)) ** 0.5)
