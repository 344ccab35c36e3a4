"""Trends: a bend is dated, a jump is not taken for one, and chance is not taken for either."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.trend import DAYS_MIN, Days, Trend, find_trend

DAYS = 180
EVENTS = 1500


def drawn(level: object, *, seed: int, number: object = None) -> Days:
    """Draw the daily shares of events."""
    rng = np.random.default_rng(seed)
    days = np.arange(float(DAYS)) if number is None else np.asarray(number, dtype=np.float64)
    shares = np.broadcast_to(np.asarray(level, dtype=np.float64), days.shape)
    mean = rng.binomial(EVENTS, shares) / EVENTS
    middle = mean.mean()
    return Days(days, mean, np.full(len(days), EVENTS / (middle * (1 - middle))))


def trend_of(days: Days) -> Trend:
    found = find_trend(days)
    assert found is not None
    return found


def decay(start: int, lost: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    number = np.arange(float(DAYS))
    level: np.ndarray[tuple[int], np.dtype[np.float64]] = 0.92 - lost * np.maximum(0.0, number - start) / (
        DAYS - 1 - start
    )
    return level


def test_a_slow_decay_is_dated_within_two_weeks_and_measured_with_an_interval_that_holds() -> None:
    found = [trend_of(drawn(decay(100, 0.03), seed=seed)) for seed in range(20)]
    assert all(trend.bent and not trend.steps for trend in found)
    assert sum(abs(trend.since - 100) <= 14 for trend in found) >= 18
    assert sum((trend.change.low or 0) <= -0.03 <= (trend.change.high or 0) for trend in found) >= 18
    assert sum(trend.since_low <= 100 <= trend.since_high for trend in found) >= 18


def test_chance_is_not_a_trend() -> None:
    found = [trend_of(drawn(0.92, seed=seed)) for seed in range(10)]
    assert [trend.bent for trend in found] == [False] * 10
    assert sum(len(trend.steps) for trend in found) == 0
    assert all(trend.since == 0 for trend in found)


def test_a_jump_is_told_as_one_and_no_slow_change() -> None:
    level = np.where(np.arange(DAYS) < 90, 0.92, 0.89)
    found = trend_of(drawn(level, seed=1))
    assert not found.bent
    (step,) = found.steps
    assert abs(step.day - 90) <= 3
    assert step.change.value == pytest.approx(-0.03, abs=0.005)


def test_a_jump_and_a_decay_are_told_apart() -> None:
    level = decay(60, 0.04) + np.where(np.arange(DAYS) < 120, 0.0, 0.03)
    found = trend_of(drawn(level, seed=2))
    assert found.bent
    assert found.change.value == pytest.approx(-0.04, abs=0.01)
    assert [abs(step.day - 120) <= 5 for step in found.steps] == [True]


def test_days_that_stray_more_than_chance_give_a_wider_interval() -> None:
    calm = drawn(decay(100, 0.03), seed=3)
    restless = Days(calm.number, calm.mean, calm.weight * 4)
    known, wider = trend_of(calm).change, trend_of(restless).change
    assert known.low is not None
    assert wider.low is not None
    assert wider.value - wider.low > 0.7 * (known.value - known.low)


def test_too_few_days_have_no_trend() -> None:
    number = np.arange(float(DAYS_MIN - 1))
    assert find_trend(drawn(0.9, seed=4, number=number)) is None


def test_missing_days_do_no_harm() -> None:
    number = np.array([day for day in range(DAYS) if not 60 <= day < 74], dtype=np.float64)
    found = trend_of(drawn(decay(100, 0.03)[number.astype(int)], seed=5, number=number))
    assert found.bent
    assert abs(found.since - 100) <= 14
