"""What is said of a figure that is estimated and not measured: its interval, and what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.sizes import number_in, share_or_figure, text_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    Evidence = Mapping[str, JsonValue]


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


def estimate_caution(evidence: Evidence) -> str | None:
    """Return the sentence that says what a figure is worth that no label has confirmed; None for any other figure."""
    line = estimate_line(evidence)
    if line is None:
        return None
    return f"This is an estimate, not a measurement: {line}; it holds as long as answers mean what they meant there."
