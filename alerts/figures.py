"""How bad it is: the figures of an alert, each on a line that needs no statistics to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.compare_words import changed_version, compared_facts, compared_size
from alerts.estimate_words import estimate_line, worst_part_line
from alerts.integrity_words import facts_of, is_of_ground
from alerts.joint_words import joint_facts
from alerts.sizes import bet_on, figure, number_in, percent, size_of, text_in, wrong_answers

if TYPE_CHECKING:
    from schemas.alert import AlertData

_P_VALUES: Final = frozenset({"p", "p-value", "p_value", "pvalue"})
"""Figures that say nothing about the size of a change, so they are never shown bare."""
_BET: Final = "log10_e_value"
"""The statistic of the budgeted detectors: how often a bet against chance has multiplied its stake by ten."""


def how_bad(data: AlertData) -> tuple[str, ...]:
    """Return the lines: size first, then details, then what the alarm rests on."""
    evidence = data.evidence
    if is_of_ground(data.kind, data.check):
        return *facts_of(evidence), f"severity {data.severity}"
    own = _of_a_bet(data) if is_bet(data) else (_against_threshold(data), _effect(data), _peak(data))
    size = compared_size(evidence) or size_of(evidence)
    lines = [
        size,
        *own,
        *changed_version(evidence),
        f"{data.window.n:,} events in the window, severity {data.severity}",
    ]
    return tuple(line for line in lines if line is not None)


def is_bet(data: AlertData) -> bool:
    """Return whether the figures are those of a bet, which are about all windows since the change began."""
    return data.evidence.get("statistic") == _BET


def _of_a_bet(data: AlertData) -> tuple[str | None, ...]:
    known = (*joint_facts(data.evidence), *compared_facts(data.evidence))
    facts = (_moved(data), *known, _slow(data), estimate_line(data.evidence), worst_part_line(data.evidence))
    return *facts, _limit(data), _wrong(data), _odds(data)


def _slow(data: AlertData) -> str | None:
    """Return the slow end of latencies, which people notice before the median."""
    before, now = number_in(data.evidence, "profile_p95"), number_in(data.evidence, "window_p95")
    if before is None or now is None:
        return None
    return f"slowest 5 of 100: {figure(before)} to {figure(now)} ms and more"


def _moved(data: AlertData) -> str | None:
    """Return how far a number's mean has moved, against the usual spread of its values."""
    effect = number_in(data.evidence, "effect")
    if effect is None or number_in(data.evidence, "profile_sd") is None:
        return None
    where = "above" if effect > 0 else "below"
    return f"mean {figure(abs(effect))} standard deviations {where} the profile's"


def _limit(data: AlertData) -> str | None:
    """Return the metric since the change began beside the user's limit, which is what was bet against."""
    before, now = number_in(data.evidence, "wrong_before"), number_in(data.evidence, "wrong_now")
    metric, limit = text_in(data.evidence, "metric"), number_in(data.evidence, "limit_value")
    if limit is not None and metric is not None and before is None:
        return f"{metric} limit {figure(limit)}"
    if before is None or now is None or metric is None or bet_on(data.evidence) is not None:
        return None
    return f"{metric} {percent(1 - now)} since it began, limit {percent(1 - before)}"


def _wrong(data: AlertData) -> str | None:
    told = wrong_answers(data.evidence)
    return None if told is None else f"{told[0]}: {told[1]}"


def _odds(data: AlertData) -> str | None:
    """Return the odds against chance; of an alert that is over they say nothing any more."""
    value, threshold = number_in(data.evidence, "value"), number_in(data.evidence, "threshold")
    if value is None or threshold is None or data.until is not None:
        return None
    if value < threshold:  # the best single bet; it takes all bets together to reach the alarm
        return f"evidence beyond the alarm's 10^{figure(threshold)} to 1 against chance"
    return f"evidence 10^{figure(value)} to 1 against chance, alarm at 10^{figure(threshold)} to 1"


def _against_threshold(data: AlertData) -> str | None:
    value, threshold = number_in(data.evidence, "value"), number_in(data.evidence, "threshold")
    name = text_in(data.evidence, "statistic") or "score"
    if value is None or threshold is None or name.lower() in _P_VALUES:
        return None
    if value < threshold:  # a lower limit that was fallen short of, or a value that is inside again
        return f"{name} {figure(value)}, limit {figure(threshold)}"
    times = f", {figure(value / threshold)} times the limit" if threshold > 0 else ""
    return f"{name} {figure(value)}, limit {figure(threshold)}{times}"


def _effect(data: AlertData) -> str | None:
    effect = number_in(data.evidence, "effect")
    if effect is None:
        return text_in(data.evidence, "effect")
    return f"effect {'+' if effect > 0 else ''}{figure(effect)}"


def _peak(data: AlertData) -> str | None:
    peak = number_in(data.evidence, "peak_value")
    return None if peak is None else f"peak {figure(peak)} at {text_in(data.evidence, 'peak_at')}"
