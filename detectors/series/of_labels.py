"""The figures of how labels come: how many in an hour, how late, and how many of them are of no use."""

from __future__ import annotations

from typing import Any, Final

from detectors.detector import Evidence
from detectors.label_layout import RECEIVED, LabelCell, LabelLayout
from detectors.series.figure import Figure, Point, ShareOf, lately, number
from detectors.sketch import LABEL_LAG_S
from detectors.summary import Summary

_SHARES: Final = {
    "orphan_labels": LabelCell.ORPHANS,
    "label_duplicates": LabelCell.DUPLICATES,
    "label_conflicts": LabelCell.CONFLICTS,
    "label_corrections": LabelCell.CORRECTIONS,
    "late_labels": LabelCell.LATE,
}


def label_figure(check: str, evidence: Evidence) -> Figure | None:
    """Return the figure of an alert about how labels come; None for another check."""
    if check == "label_coverage":
        usual = number(evidence, "usual_per_hour")
        return Figure(
            name="labels",
            unit="per_hour",
            read=_per_hour,
            reference=usual,
            usual=lately(usual),
            counts_absence=True,
        )
    if check == "label_lag":
        return Figure(name="label_delay", unit="s", read=_median_delay)
    if check in _SHARES:
        return Figure(
            name=check,
            unit="share",
            read=ShareOf((int(_SHARES[check]),), tuple(map(int, RECEIVED))),
            reference=number(evidence, "share_before"),
        )
    return None


def _per_hour(summary: Summary[Any], hours: float) -> Point:
    n = int(summary.vector[LabelCell.FIRST])
    return n / hours, n


def _median_delay(summary: Summary[Any], _hours: float) -> Point:
    counts = summary.vector[LabelLayout.LAG :]
    return LABEL_LAG_S.quantile(counts, 0.5), int(counts.sum())
