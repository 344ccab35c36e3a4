"""Does a metric change slowly: the regression of its days, and one sentence about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from consumers.rollup import DAY_MS
from detectors.intervals import MeanSums, mean_sums
from detectors.trend import Days, Step, find_trend
from watchkeeper.report.calendar import day_text, day_words
from watchkeeper.report.content import Jump, MetricTrend, Statement, VersionLife
from watchkeeper.report.ledger import Ledger
from watchkeeper.report.wording import between, capital, metric_words, name, size, worse

NEAR_DAYS: Final = 4
"""A jump so many days or fewer from a version's first day is told as its."""


def metric_trends(
    ledger: Ledger, days: Sequence[int], headlines: Sequence[str], lives: Sequence[VersionLife]
) -> list[MetricTrend]:
    """Return the trend of every headline metric that is a mean over rows and has enough days."""
    sound = list(ledger.sound(days))
    return [found for metric in headlines if (found := _trend(ledger, sound, metric, lives)) is not None]


def _trend(
    ledger: Ledger, days: Sequence[int], metric: str, lives: Sequence[VersionLife]
) -> MetricTrend | None:
    positive = ledger.plan.classes.positive
    sums: dict[int, MeanSums] = {}
    for day in days:
        found = mean_sums(metric, ledger.cohort([day]).figures, positive=positive)
        if found is not None and found.n > 0:
            sums[day] = found
    n = np.array([s.n for s in sums.values()], dtype=np.float64)
    total = np.array([s.total for s in sums.values()], dtype=np.float64)
    variance = sum(s.squares for s in sums.values()) / max(n.sum(), 1) - (total.sum() / max(n.sum(), 1)) ** 2
    if not 0 < variance < np.inf:
        return None
    number = np.array([day // DAY_MS for day in sums], dtype=np.float64)
    trend = find_trend(Days(number, total / n, n / variance))
    if trend is None:
        return None
    since, low, high, until = (
        day_text(day * DAY_MS) for day in (trend.since, trend.since_low, trend.since_high, trend.until)
    )
    jumps = tuple(_jump(step, lives) for step in trend.steps)
    return MetricTrend(metric, trend.bent, since, low, high, until, trend.level, trend.change, jumps)


def _jump(step: Step, lives: Sequence[VersionLife]) -> Jump:
    days = [(abs(_number(life.first) - step.day), life.version) for life in lives if life.after is not None]
    near = min(days, default=(NEAR_DAYS + 1, ""))
    return Jump(day_text(step.day * DAY_MS), step.change, near[1] if near[0] <= NEAR_DAYS else None)


def _number(day: str) -> int:
    return int(np.datetime64(day, "D").astype(np.int64))


def trend_statements(trends: Sequence[MetricTrend]) -> Iterator[Statement]:
    """Yield one sentence per trend, and one per jump."""
    for trend in trends:
        yield _slow(trend)
        for jump in trend.jumps:
            yield _sudden(trend.metric, jump)


def _slow(trend: MetricTrend) -> Statement:
    metric, change = trend.metric, trend.change
    subject, interval = capital(metric_words(metric)), between(metric, change)
    since = day_words(trend.since)
    aside = ", jumps left out" if trend.jumps else ""
    if not trend.found:
        words = f"{size(metric, change.value)} {'down' if change.value < 0 else 'up'}"
        if worse(metric, change) is None:
            text = f"{subject} shows no slow change since {since}{aside}: {words} in all, {interval}."
            return Statement("plain", text)
        text = f"{subject} may be changing slowly since {since}{aside}: {words} in all, {interval}."
        return Statement("plain", text)
    verdict = worse(metric, change)
    moved = "lost" if change.value < 0 else "gained"
    began = f"it began between {day_words(trend.since_low)} and {day_words(trend.since_high)}"
    if trend.since_low == trend.since_high:
        began = f"it began on {since}"
    text = (
        f"{subject} has been {'falling' if change.value < 0 else 'rising'} slowly: {moved} "
        f"{size(metric, change.value)} since {since}{aside}, {interval}; {began}."
    )
    return Statement("bad" if verdict else "good" if verdict is False else "plain", text)


def _sudden(metric: str, jump: Jump) -> Statement:
    verdict = worse(metric, jump.change)
    moved = "fell" if jump.change.value < 0 else "rose"
    cause = "not at a switch of versions"
    if jump.version is not None:
        cause = f"when version {name(jump.version)} came"
    text = (
        f"{capital(metric_words(metric))} {moved} by {size(metric, jump.change.value)} at once on about "
        f"{day_words(jump.day)}, {cause}; {between(metric, jump.change)}."
    )
    return Statement("bad" if verdict else "good" if verdict is False else "plain", text)
