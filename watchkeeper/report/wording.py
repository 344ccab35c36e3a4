"""Figures and differences in words, the same in every form of a report."""

from __future__ import annotations

from typing import Final

from alerts.plain_text import short
from detectors.confidence import Estimate
from schemas.metric_settings import LOWER_IS_BETTER, NO_DIRECTION, WEIGHTED
from watchkeeper.report.calendar import day_words
from watchkeeper.report.content import Stretch

_SHARES: Final = frozenset({"accuracy", "recall", "precision"})


def in_percent(metric: str) -> bool:
    """Return whether a metric is told in percent, and its differences in points."""
    return metric.removeprefix(WEIGHTED) in _SHARES


def figure(metric: str, value: float) -> str:
    """Return a metric's value: `92.1%`, `0.912`.

    Examples
    --------
    >>> figure("accuracy", 0.9213), figure("roc_auc", 0.91249), figure("mae", 1234.5)
    ('92.1%', '0.912', '1,234')
    """
    return f"{100 * value:.1f}%" if in_percent(metric) else number(value)


def number(value: float) -> str:
    """Return a number in about four digits, without an exponent where people need none."""
    size = abs(value)
    if 1000 <= size < 1e9:
        return f"{value:,.0f}"
    return f"{value:.3f}" if 0.1 <= size < 10 else f"{value:.3g}"


def interval(metric: str, estimate: Estimate) -> str:
    """Return a value with its interval, without the unit: `92.1 (91.8 to 92.4)`."""
    scale = 100.0 if in_percent(metric) else 1.0
    shown = [
        f"{scale * v:.1f}" if in_percent(metric) else number(v)
        for v in (estimate.value, estimate.low, estimate.high)
        if v is not None
    ]
    return f"{shown[0]} ({shown[1]} to {shown[2]})" if len(shown) == 3 else shown[0]


def size(metric: str, value: float) -> str:
    """Return the size of a difference: `3.1 points`, `0.12`."""
    return f"{100 * abs(value):.1f} points" if in_percent(metric) else number(abs(value))


def signed(metric: str, value: float) -> str:
    """Return a difference with its sign and without its unit."""
    return f"{'-' if value < 0 else '+'}{size(metric, value).removesuffix(' points')}"


def between(metric: str, change: Estimate) -> str:
    """Return `95% between 2.0 and 4.2`, in the direction of the change where all of it has one sign."""
    if change.low is None or change.high is None:
        return "no interval known"
    if change.low > 0 or change.high < 0:
        ends = sorted((abs(change.low), abs(change.high)))
        low, high = (size(metric, end).removesuffix(" points") for end in ends)
    else:
        low, high = signed(metric, change.low), signed(metric, change.high)
    return f"95% between {low} and {high}"


def worse(metric: str, change: Estimate) -> bool | None:
    """Say whether a change is one for the worse (True) or the better; None where chance may explain it.

    A bias, say, is neither: which of two is better is not a matter of its sign.
    """
    plain = metric.removeprefix(WEIGHTED)
    if plain in NO_DIRECTION or change.low is None or change.high is None or change.low <= 0 <= change.high:
        return None
    return (change.value < 0) != (plain in LOWER_IS_BETTER)


def stretch_words(stretch: Stretch) -> str:
    """Return the name of a stretch with its days."""
    if stretch.first is None or stretch.last is None:
        return stretch.name
    return f"{stretch.name} ({day_words(stretch.first)} to {day_words(stretch.last)})"


def metric_words(metric: str) -> str:
    """Return a metric's name in a sentence: `accuracy`, `ROC AUC`."""
    plain = metric.removeprefix(WEIGHTED)
    words = {
        "roc_auc": "ROC AUC",
        "pr_auc": "PR AUC",
        "cost": "mean cost",
        "gini": "Gini coefficient",
        "brier": "Brier score",
        "macro_f1": "macro F1",
        "mae": "mean absolute error",
        "rmse": "root mean squared error",
        "r2": "R²",
    }.get(plain, plain.replace("_", " "))
    return words if plain == metric else f"weighted {words}"


def capital(text: str) -> str:
    """Return a sentence with its first letter large."""
    return text[:1].upper() + text[1:]


def name(text: str) -> str:
    """Return a name that comes from events, as a sentence or a cell may carry it."""
    return short(text, 24)
