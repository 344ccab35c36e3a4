"""What is said of a figure that is estimated and not measured: its interval, and what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.sizes import number_in, percent, share_or_figure, text_in
from schemas.estimated_parts import estimated_parts_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    Evidence = Mapping[str, JsonValue]

MOSTLY: Final = 0.5
"""A part is named that so much of the change comes from."""
NEARLY_ALL: Final = 0.9
"""A part that has so many of the answers says nothing that the whole does not."""


def estimate_line(evidence: Evidence) -> str | None:
    """Return the estimate with its interval and what it rests on, None where the evidence holds none.

    Examples
    --------
    >>> estimate_line({"metric": "accuracy", "accuracy_now": 0.871, "low": 0.86, "high": 0.88, "rests_on_labels": 5000})
    'accuracy estimated at 87.1%, 95% interval 86% to 88%, from the 5,000 labelled rows of the profile'
    """
    metric, labels = text_in(evidence, "metric"), number_in(evidence, "rests_on_labels")
    now, low, high = (number_in(evidence, key) for key in (f"{metric}_now", "low", "high"))
    if metric is None or labels is None or now is None or low is None or high is None:
        return None
    value, least, most = (share_or_figure(metric, figure) for figure in (now, low, high))
    return (
        f"{metric} estimated at {value}, 95% interval {least} to {most}, from the {labels:,.0f} labelled rows of the "
        "profile"
    )


def worst_part_line(evidence: Evidence) -> str | None:
    """Return where the answers are expected to be worse, None unless it is mostly in one segment or version.

    Examples
    --------
    >>> row = {"segment": "channel=shop", "n": 300, "value": 0.7, "low": 0.68, "high": 0.72, "contribution": -0.04}
    >>> parts = {"metric": "accuracy", "usual": 0.84, "value": 0.8, "n": 1000, "start": "2026-10-31T12:00:00Z", "rows": [row]}
    >>> worst_part_line({"estimated_parts": parts})
    'mostly in channel=shop, 30% of the answers: accuracy estimated at 70% there'
    """
    found = estimated_parts_in(evidence)
    if found is None:
        return None
    change = found.value - found.usual
    is_worse = change > 0 if found.metric == "mae" else change < 0
    rows = (
        [
            row
            for row in found.rows
            if row.contribution / change >= MOSTLY
            and row.n < NEARLY_ALL * found.n
            and row.reliable is not False
        ]
        if is_worse
        else []
    )
    if not rows:
        return None
    worst = max(rows, key=lambda row: row.contribution / change)
    value, share = share_or_figure(found.metric, worst.value), percent(worst.n / found.n)
    return f"mostly in {worst.segment or worst.version}, {share} of the answers: {found.metric} estimated at {value} there"


def estimate_caution(evidence: Evidence, *, of_version: bool) -> str | None:
    """Return the sentence that says what a figure is worth that no label has confirmed; None for any other figure."""
    line = estimate_line(evidence)
    if line is None:
        return None
    new = ", which those of a new version need not" if of_version else ""
    return f"This is an estimate, not a measurement: {line}; it holds as long as answers mean what they meant there{new}."
