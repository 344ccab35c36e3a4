"""Says how big a change is in natural units, from whatever evidence a detector supplied."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeAlias

from alerts.plain_text import short

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import JsonValue

    Evidence: TypeAlias = Mapping[str, JsonValue]

_SHARES: Final = frozenset(
    {"accuracy", "balanced_accuracy", "precision", "recall", "f1", "ece", "share", "rate", "mape", "smape"}
)
"""Figures that people read in per cent."""

_PAIRS: Final = (
    ("accuracy", "accuracy_before", "accuracy_now"),
    ("median", "profile_median", "window_median"),
    ("share", "share_before", "share_now"),
    ("rate", "rate_before", "rate_now"),
    ("mean", "mean_before", "mean_now"),
)
_NAMES: Final = {"ece": "calibration error", "brier": "Brier score"}
"""Metrics whose names in the settings are no words."""
_WRONG: Final = "wrong:"
"""Begin of the name of a signal that counts wrong answers; the true class stands behind it."""
_DIGITS: Final = 3
_DIGITS_MAX: Final = 6
_PLAIN_NUMBER_MAX: Final = 1e12
_MS_PER_S: Final = 1_000
_SPANS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def number_in(evidence: Evidence, key: str) -> float | None:
    """Return a finite number of the evidence, or None."""
    value = evidence.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def text_in(evidence: Evidence, key: str) -> str | None:
    """Return a text of the evidence, short and printable, or None if there is none."""
    value = evidence.get(key)
    return short(value) if isinstance(value, str) and value.strip() else None


def direction_of(evidence: Evidence) -> str:
    """Return "up", "down" or "changed"."""
    direction = evidence.get("direction")
    return direction if isinstance(direction, str) and direction in {"up", "down"} else "changed"


def figure(value: float, *, digits: int = _DIGITS) -> str:
    """Return a number as people read it.

    Examples
    --------
    >>> figure(123456.0), figure(0.012345), figure(42.0)
    ('123,000', '0.0123', '42')
    """
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.12g}" if abs(rounded) < _PLAIN_NUMBER_MAX else f"{rounded:.{digits}g}"


def percent(value: float, *, digits: int = _DIGITS) -> str:
    """Return a share of 1 in per cent.

    Examples
    --------
    >>> percent(0.001), percent(0.14), percent(0.9123)
    ('0.1%', '14%', '91.2%')
    """
    return f"{figure(value * 100, digits=digits)}%"


def duration(length_ms: int) -> str:
    """Return a length of time with its two largest units.

    Examples
    --------
    >>> duration(5_400_000), duration(45_000), duration(0)
    ('1 h 30 min', '45 s', '0 s')
    """
    seconds = length_ms // _MS_PER_S
    parts: list[tuple[int, str]] = []
    for unit_s, name in _SPANS:
        count, seconds = divmod(seconds, unit_s)
        if count or parts:
            parts.append((count, name))
    told = [f"{count} {name}" for count, name in parts[:2] if count]
    return " ".join(told) or "0 s"


def share_or_figure(metric: str, value: float) -> str:
    """Return a metric's value in per cent where people read it so."""
    return percent(value) if metric in _SHARES else figure(value)


def metric_name(metric: str) -> str:
    """Return a metric's name in words."""
    return _NAMES.get(metric, metric)


def bet_on(evidence: Evidence) -> str | None:
    """Return the true class whose wrong answers were bet on, empty for all of them; None for another signal."""
    signal = evidence.get("signal")
    return (
        short(signal.removeprefix(_WRONG)) if isinstance(signal, str) and signal.startswith(_WRONG) else None
    )


def wrong_answers(evidence: Evidence) -> tuple[str, str] | None:
    """Return which answers are wrong more often and how often they are, None where the evidence is of something else.

    Examples
    --------
    >>> wrong_answers({"signal": "wrong:fraud", "wrong_before": 0.08, "wrong_now": 0.51})
    ('wrong answers where the truth is fraud', '8% to 51%')
    """
    name = bet_on(evidence)
    before, now = number_in(evidence, "wrong_before"), number_in(evidence, "wrong_now")
    if name is None or before is None or now is None:
        return None
    first, second = _told_apart(before, now, percent)
    return f"wrong answers{f' where the truth is {name}' if name else ''}", f"{first} to {second}"


def is_contradicted(evidence: Evidence) -> bool:
    """Return whether the metric, taken over all answers, does not show what the direction says."""
    metric = text_in(evidence, "metric")
    before, now = number_in(evidence, f"{metric}_before"), number_in(evidence, f"{metric}_now")
    if before is None or now is None:
        return False
    return {"up": now <= before, "down": now >= before}.get(direction_of(evidence), False)


def size_of(evidence: Evidence) -> str | None:
    """Return the size of a change in natural units, or None if the evidence holds no such pair.

    Examples
    --------
    >>> size_of({"profile_median": 42.0, "window_median": 61.0})
    'median 42 to 61'
    >>> size_of({"share_before": 0.001, "share_now": 0.14, "top_category": "DE"})
    'share of DE 0.1% to 14%'
    >>> size_of({"usual_per_hour": 36000.0, "seen_per_hour": 3480.0})
    '3,480 events an hour instead of 36,000'
    >>> size_of({"ratio": 3.2})
    '3.2 times as before'
    """
    for default, before_key, now_key in _pairs(evidence):
        before, now = number_in(evidence, before_key), number_in(evidence, now_key)
        if before is not None and now is not None:
            return f"{_named(default, evidence)} {_from_to(default, before, now, evidence)}"
    usual, seen = number_in(evidence, "usual_per_hour"), number_in(evidence, "seen_per_hour")
    if usual is not None and seen is not None:
        counted = text_in(evidence, "counted") or "events"
        return f"{figure(seen)} {counted} an hour instead of {figure(usual)}"
    pause, longest = number_in(evidence, "pause_hours"), number_in(evidence, "longest_pause_hours")
    if pause is not None and longest is not None:
        return f"none for {figure(pause)} hours, the longest pause before {figure(longest)}"
    ratio = number_in(evidence, "ratio")
    return f"{figure(ratio)} times as before" if ratio is not None else None


def _pairs(evidence: Evidence) -> list[tuple[str, str, str]]:
    """Return the pairs to look for; a metric's own pair goes before the general ones."""
    metric = text_in(evidence, "metric")
    own = [] if metric is None else [(metric, f"{metric}_before", f"{metric}_now")]
    return [*own, *_PAIRS]


def _named(default: str, evidence: Evidence) -> str:
    category = text_in(evidence, "top_category")
    metric = text_in(evidence, "metric")
    if default == "accuracy" and metric is not None:
        return metric_name(metric)
    if default == metric:
        return metric_name(metric)
    return f"share of {category}" if default == "share" and category is not None else default


def _from_to(default: str, before: float, now: float, evidence: Evidence) -> str:
    metric = text_in(evidence, "metric") if default == "accuracy" else None
    style = percent if (metric or default).removeprefix("weighted.") in _SHARES else figure
    unit = text_in(evidence, "unit_hint") if style is figure else None
    first, second = _told_apart(before, now, style)
    return f"{first} to {second}{f' {unit}' if unit else ''}"


def _told_apart(before: float, now: float, style: Callable[..., str]) -> tuple[str, str]:
    """Return both numbers with as many digits as it takes to see that they differ."""
    for digits in range(_DIGITS, _DIGITS_MAX):
        first, second = style(before, digits=digits), style(now, digits=digits)
        if first != second:
            return first, second
    return style(before, digits=_DIGITS_MAX), style(now, digits=_DIGITS_MAX)
