"""A cycle is found where there is one, on the clock that makes it, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from builders.bets import CALM, Columns, Floats, built, counted, layout_of, number, signals_of
from builders.summaries import MINUTE_MS
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.betting.calendar import HOUR_MS, hour_of_week, local_ms
from detectors.betting.rhythm_fit import Grid, fit_rhythm
from detectors.betting.season import Season, find_season
from detectors.betting.tables import BetTables
from detectors.betting.waves import waves
from detectors.detector import ClosedWindow
from detectors.profile import NumericColumn
from detectors.rhythm import season_at
from detectors.summary import Summary
from schemas.finding import Stream, WindowSpan
from schemas.model_settings import ModelSettings

if TYPE_CHECKING:
    from collections.abc import Callable

DAY, WEEK = 24, 168
DAY_MS = DAY * HOUR_MS
MONDAY_MS = 1_793_577_600_000 - 7 * DAY_MS
"""2026-10-26, midnight UTC: the Monday after the clocks of Berlin were put back."""

PATTERNS: dict[str, tuple[int, Callable[[npt.NDArray[Any]], Floats]]] = {
    "a daily sine": (DAY, lambda h: np.sin(h / DAY * 2 * np.pi)),
    "a daily step": (DAY, lambda h: np.where(h % DAY < 8, 1.0, -0.5)),
    "free weekends": (WEEK, lambda h: np.where(h % WEEK >= 5 * DAY, 1.0, -0.4)),
    "busy Monday mornings": (WEEK, lambda h: np.where((h % WEEK >= 8) & (h % WEEK < 20), 2.0, -0.15)),
}


def found(means: Floats, first_hour: int = 0, known: Floats | None = None, allow: str = "auto") -> Season:
    there = np.ones(len(means), dtype=np.bool_) if known is None else known > 0
    return find_season(np.where(there, means, 0.0), there, first_hour, allow=allow)


def series(name: str, days: int, first_hour: int, seed: int, noise: float = 0.2) -> tuple[Floats, Floats]:
    """Return hourly means with noise, and the true cycle by hour of the week."""
    _, pattern = PATTERNS[name]
    truth = pattern(np.arange(WEEK))
    truth = truth - truth.mean()
    hours = (np.arange(days * DAY) + first_hour) % WEEK
    return truth[hours] + np.random.default_rng(seed).normal(0, noise, len(hours)), truth


@pytest.mark.parametrize("first_hour", [0, 10, 57, 167])
@pytest.mark.parametrize("name", PATTERNS)
def test_a_cycle_is_found_from_whichever_hour_the_reference_begins(name: str, first_hour: int) -> None:
    period, _ = PATTERNS[name]
    means, truth = series(name, 28, first_hour, seed=1)
    season = found(means, first_hour)
    assert season.period >= period
    assert np.sqrt(np.mean(np.square(season.table - truth))) < 0.25 * truth.std()


@pytest.mark.parametrize("first_hour", [0, 10, 57, 167])
def test_two_days_show_a_daily_cycle_and_two_weeks_a_weekly_one(first_hour: int) -> None:
    assert found(series("a daily sine", 2, first_hour, seed=2)[0], first_hour).period == DAY
    assert found(series("free weekends", 14, first_hour, seed=2)[0], first_hour).period == WEEK


@pytest.mark.parametrize("name", PATTERNS)
def test_less_than_two_days_show_nothing(name: str) -> None:
    means, _ = series(name, 2, 0, seed=3, noise=0.0)
    assert found(means[:-1]).period == 0


@pytest.mark.parametrize(("allow", "period"), [("none", 0), ("daily", 24), ("weekly", 168), ("auto", 168)])
def test_the_settings_say_which_cycles_may_be(allow: str, period: int) -> None:
    means, _ = series("a daily sine", 28, 0, seed=4)
    weekly, _ = series("free weekends", 28, 0, seed=5)
    assert found(means + weekly, allow=allow).period == period


def ar(rng: np.random.Generator, n: int, part: float) -> Floats:
    values = rng.normal(size=n)
    for place in range(1, n):
        values[place] = part * values[place - 1] + np.sqrt(1 - part**2) * values[place]
    return values


@pytest.mark.parametrize("part", [0.0, 0.5, 0.9])
def test_of_noise_a_frequency_in_a_hundred_is_kept_and_comes_to_next_to_nothing(part: float) -> None:
    rng = np.random.default_rng(6)
    seasons = [found(ar(rng, 28 * DAY, part)) for _ in range(60)]
    frequencies, kinds_of_days = 11 + 72, 12
    silent = np.mean([season.period == 0 for season in seasons])
    assert silent > (1 - 2 * 0.01) ** (frequencies + kinds_of_days)
    assert np.mean([sum(season.errors.values()) for season in seasons]) < 0.02
    assert np.mean([np.square(season.table).mean() for season in seasons]) < 0.02


@pytest.mark.parametrize("first_hour", [0, 10, 57, 167])
def test_days_of_their_own_cost_less_than_the_waves_that_make_them(first_hour: int) -> None:
    means, truth = series("free weekends", 28, first_hour, seed=11)
    season = found(means, first_hour)
    alone = waves(means, np.ones(len(means), dtype=np.bool_), first_hour, np.arange(1, WEEK // 2))
    errors = [np.mean(np.square(table - truth)) for table in (season.table, alone.table)]
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize("name", PATTERNS)
def test_the_error_that_a_cycle_expects_of_itself_is_what_it_has(name: str) -> None:
    expected, had = [], []
    for seed in range(20):
        means, truth = series(name, 28, 0, seed=seed)
        season = found(means)
        expected.append(sum(season.errors.values()))
        had.append(np.mean(np.square(season.table - truth)))
    assert np.mean(had) / 3 < np.mean(expected) < 3 * np.mean(had)


@pytest.mark.parametrize("name", PATTERNS)
def test_missing_hours_and_days_do_not_hide_a_cycle(name: str) -> None:
    period, _ = PATTERNS[name]
    means, truth = series(name, 42, 31, seed=7)
    known = np.random.default_rng(8).random(len(means)) < 0.8
    known[100:130] = known[400:470] = False
    season = found(means, 31, known.astype(np.float64))
    assert season.period >= period
    assert np.sqrt(np.mean(np.square(season.table - truth))) < 0.35 * truth.std()


def test_clocks_that_are_put_back_and_forward_move_the_hours_with_them() -> None:
    before, after = MONDAY_MS - 2 * DAY_MS, MONDAY_MS
    local = hour_of_week(local_ms(np.array([before, after]), "Europe/Berlin"))
    assert local.tolist() == [5 * DAY + 2.0, 1.0]  # +02:00 on Saturday, +01:00 on Monday
    repeated = np.array([MONDAY_MS - DAY_MS + minute * MINUTE_MS for minute in (30, 90)])
    assert (hour_of_week(local_ms(repeated, "Europe/Berlin")) % DAY).tolist() == [2.5, 2.5]
    spring = 1_774_746_000_000  # 2026-03-29 01:00 UTC
    moments = np.array([spring - 1, spring])
    assert np.floor(hour_of_week(local_ms(moments, "Europe/Berlin")) % DAY).tolist() == [1, 3]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_a_cycle_by_the_local_clock_stays_sharp_across_a_change_of_the_clocks(zone: str) -> None:
    start = MONDAY_MS - 14 * DAY_MS
    grid = Grid(start, HOUR_MS, 28 * DAY, zone)
    times = start + np.arange(28 * DAY, dtype=np.int64) * HOUR_MS
    shop = hour_of_week(local_ms(times, "Europe/Berlin")) % DAY
    n = np.full(len(times), 100.0)
    sums = n * np.where((shop >= 9) & (shop < 18), 1.0, 0.0) + np.random.default_rng(9).normal(0, 5, len(n))
    rhythm = fit_rhythm(grid, sums, n, variance=0.5)
    assert rhythm is not None
    night_and_day = season_at(np.array(rhythm.season), np.array([8.5, 9.5, 17.5, 18.5]), smooth=False)
    jump = np.abs(np.diff(night_and_day))[[0, 2]]
    assert (jump > 0.9).all() if zone == "Europe/Berlin" else (jump < 0.7).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(2, 30), st.floats(0, 3))
def test_the_cycle_has_mean_0_over_the_events_of_the_reference(seed: int, days: int, height: float) -> None:
    rng = np.random.default_rng(seed)
    grid = Grid(MONDAY_MS + int(rng.integers(0, WEEK)) * HOUR_MS, 15 * MINUTE_MS, days * 96)
    local = grid.start_ms + np.arange(grid.blocks) * grid.block_ms
    hours = hour_of_week(local + grid.block_ms // 2)
    n = rng.poisson(20 * (1.1 + np.cos(hours / DAY * 2 * np.pi)), grid.blocks).astype(np.float64)
    sums = n * height * np.sin(hours / DAY * 2 * np.pi) + rng.normal(size=grid.blocks) * np.sqrt(n)
    rhythm = fit_rhythm(grid, sums, n, variance=1 + height**2 / 2)
    assert rhythm is not None
    assert abs(float(n @ rhythm.offsets(hours)) / n.sum()) < 2e-5


def daily(rng: np.random.Generator, times: npt.NDArray[np.int64]) -> Floats:
    return np.asarray(np.sin((times / DAY_MS + 0.3) * 2 * np.pi) + rng.normal(size=len(times)))


@pytest.mark.parametrize("window", ["15m", "1h", "6h", "1d"])
def test_a_daily_cycle_raises_no_alarm_in_windows_of_any_length(window: str) -> None:
    rng = np.random.default_rng(10)
    times = np.sort(rng.integers(0, 20 * DAY_MS, 30_000)) + MONDAY_MS
    raw = {"name": "fraud", "task": "binary", "positive_class": "1", "window": window}
    raw_off = {"monitors": {"volume": False, "adwin_features": False, "adwin_errors": False}}
    model = ModelSettings.model_validate(raw | raw_off)
    watch = Columns(built({"x": daily(rng, times)}, times), model)
    [column] = watch.profile.columns
    assert isinstance(column, NumericColumn)
    assert len(column.rhythms["location"].season) >= DAY
    for place in range(min(40 * DAY_MS // model.window_ms, 400)):
        start = MONDAY_MS + 21 * DAY_MS + place * model.window_ms
        moments = rng.integers(start, start + model.window_ms, 60 + model.window_ms // HOUR_MS * 20)
        vector = counted(watch.layout, {"x": daily(rng, moments)})
        span = WindowSpan(start, start + model.window_ms, len(moments))
        assert (
            watch.detector.update(
                ClosedWindow("fraud", Stream.PREDICTIONS, span, Summary(watch.layout, vector))
            )
            == []
        )


def test_the_cycle_of_a_long_window_is_its_mean_over_the_window() -> None:
    season = tuple(float(hour % 7) for hour in range(DAY))
    rhythm = replace(CALM, season=season)
    signals = signals_of(layout_of(number("x", [100] * 10, rhythm=rhythm)), checks=["drift"])
    for hours in (2, 6, 24):
        tables = BetTables(signals, window_ms=hours * HOUR_MS)
        offsets = tables.offsets(12.0 + hours / 2)
        assert offsets is not None
        expected = np.mean([season[(12 + hour) % DAY] for hour in range(hours)])
        assert offsets[0, 0] == pytest.approx(expected)
