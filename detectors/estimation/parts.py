"""What is expected of the segments and versions of a model, and how much each adds to what is expected of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from detectors.confidence import Estimate
from detectors.detector import is_own
from detectors.estimation.calibration import Calibration
from detectors.estimation.cells import AnswerLayout
from detectors.estimation.figures import estimated
from detectors.segments import is_other

Counts = npt.NDArray[Any]
Part: TypeAlias = tuple[Literal["segment", "version"], str]
"""The name of a segment, or of a version."""


class PartEstimate(NamedTuple):
    """What is expected of one part.

    Parameters
    ----------
    n
        Its answers.
    contribution
        Its part of the difference between the metric of all answers and that of the reference.
    """

    part: Part
    n: int
    estimate: Estimate
    contribution: float


class PartEstimates(NamedTuple):
    """The parts of a model, and its task's first metric over the reference's answers and over all `n`."""

    metric: str
    usual: float
    value: float
    n: int
    parts: list[PartEstimate]

    def worst(self, kind: str) -> list[PartEstimate]:
        """Return the parts of a kind, those first that make the metric most of all worse."""
        sign = -1 if self.metric == "mae" else 1
        own = [one for one in self.parts if one.part[0] == kind]
        return sorted(own, key=lambda one: (sign * one.contribution, one.part))


def is_told(part: Part) -> bool:
    """Return whether a part is one: not what was left over, and not answers of the fallback or in the shadow."""
    kind, name = part
    return not is_other(name) if kind == "segment" else is_own(name)


def estimated_parts(
    calibration: Calibration, layout: AnswerLayout, parts: Mapping[Part, Counts]
) -> PartEstimates | None:
    """Return what is expected of all answers and of each part; None of too few answers.

    Parameters
    ----------
    parts
        Shape (cells,): answers per cell of the layout. Those of all versions together are all answers.

    Examples
    --------
    >>> calibration = Calibration(edges=(0.5,), counts=(50, 0, 0, 50), labelled=(50, 50), hits=(5, 45))
    >>> web, shop = np.array([90, 0, 0, 0]), np.array([0, 60, 0, 30])
    >>> found = estimated_parts(
    ...     calibration,
    ...     AnswerLayout("binary", (0.5,)),
    ...     {("version", "1"): web + shop, ("segment", "web"): web, ("segment", "shop"): shop},
    ... )
    >>> [(one.part[1], round(one.estimate.value, 2), round(one.contribution, 2)) for one in found.worst("segment")]
    [('shop', 0.37, -0.27), ('web', 0.9, 0.0)]
    """
    usual = estimated(calibration, layout, np.array(calibration.counts))
    versions = [counts for part, counts in parts.items() if part[0] == "version" and is_told(part)]
    overall = np.sum(versions, axis=0) if versions else np.zeros(layout.size)
    now = estimated(calibration, layout, overall)
    if not usual or not now:
        return None
    metric, before = next(iter(usual.items()))
    n = int(overall.sum())
    found: list[PartEstimate] = []
    for part, counts in sorted(parts.items()):
        own = estimated(calibration, layout, counts).get(metric)
        if own is not None and is_told(part):
            answers = int(counts.sum())
            found.append(PartEstimate(part, answers, own, answers / n * (own.value - before.value)))
    return PartEstimates(metric, before.value, now[metric].value, n, found)
