from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from builders.summaries import MINUTE_MS, NOON_MS
from builders.volumes import acquainted

from benchmarks.detect.volume import MONDAY_MS, Floats, Traffic, Watch, volume_detector, window_of
from detectors.betting.pace import Pace, Unit
from detectors.betting.usual_volume import UsualVolume
from detectors.betting.volume_signals import CELLS, cells_of, slack_of_volume
from detectors.state_codec import states_from_bytes, states_to_bytes
from schemas.finding import Severity, Verdict

HOUR_MS = 60 * MINUTE_MS
WEEK = 168


def hourly(
    seed: int, days: int, mean: float, *, minutes: int = 60, **how: Any
) -> tuple[np.random.Generator, Floats]:
    rng = np.random.default_rng(seed)
    return rng, Traffic(mean, **how).rates(rng, days, minutes=minutes)


def after(seed: int, days: int, mean: float, **how: Any) -> tuple[Watch, np.random.Generator, Floats]:
    """Return a detector that has seen ordinary traffic up to ten in the morning, and the rates to come."""
    minutes = how.get("minutes", 60)
    rng, expected = hourly(seed, days + 7, mean, **how)
    until = (days * 24 + 10) * 60 // minutes
    traffic = Watch(minutes).feed(rng.poisson(expected[:until]))
    assert traffic.fired == []
    return traffic, rng, expected[until:]


ORDINARY: dict[str, dict[str, Any]] = {
    "three events an hour": {"mean": 3.0},
    "busy": {"mean": 10_000.0},
    "overdispersed": {"mean": 200.0, "scatter": 0.1},
    "working days alone": {"mean": 500.0, "daily": 2.0, "weekend": 0.05},
    "fast growth": {"mean": 500.0, "growth": 0.5},
    "steady": {"mean": 500.0, "daily": 0.0, "weekend": 1.0, "growth": 0.0, "day_sd": 0.0},
}


@pytest.mark.parametrize("name", ORDINARY)
def test_three_months_of_ordinary_traffic_raise_nothing(name: str) -> None:
    rng, expected = hourly(1, 90, **ORDINARY[name])
    assert Watch().feed(rng.poisson(expected)).fired == []


def test_a_month_of_quarters_of_an_hour_with_unrest_by_the_hour_raises_nothing() -> None:
    rng, expected = hourly(3, 30, 500, minutes=15)
    restless = expected * np.repeat(np.exp(rng.normal(0, 0.3, 30 * 24)), 4)
    assert Watch(15).feed(rng.poisson(restless)).fired == []


@pytest.mark.parametrize(
    ("factor", "windows_max", "severity"),
    [
        (0.5, 20, Severity.WARNING),
        (2.0, 20, Severity.WARNING),
        (0.05, 6, Severity.CRITICAL),
        (4.0, 6, Severity.ERROR),
    ],
)
def test_a_change_is_found_within_hours_with_its_size_and_its_begin(
    factor: float, windows_max: int, severity: Severity
) -> None:
    traffic, rng, expected = after(4, 42, 1_000)
    began = traffic.windows
    traffic.feed(rng.poisson(expected[:windows_max] * factor))
    [(found, finding)] = traffic.fired
    assert found - began < windows_max
    assert finding.severity is severity
    evidence = finding.evidence
    assert isinstance(evidence["ratio"], float)
    assert math.log(evidence["ratio"]) == pytest.approx(math.log(factor), abs=0.3)
    assert evidence["direction"] == ("up" if factor > 1 else "down")
    assert finding.onset_ms is not None
    assert abs(finding.onset_ms - (MONDAY_MS + began * HOUR_MS)) <= HOUR_MS
    assert (evidence["season"], evidence["budgeted"]) == ("weekly", True)
    assert evidence["learned_days"] == pytest.approx(42, abs=1)
    assert isinstance(evidence["usual_per_hour"], float)


def test_minutes_find_a_fall_to_a_tenth_within_the_quarter_of_an_hour() -> None:
    detector = acquainted(volume_detector(1), 300)
    told = [
        detector.update(window_of(300 if minute < 60 else 30, NOON_MS + minute * MINUTE_MS, 1))
        for minute in range(75)
    ]
    assert told[-1]
    assert not any(told[:62])


def test_what_hides_in_the_unrest_of_minutes_is_found_by_hours() -> None:
    rng, expected = hourly(6, 30, 500, minutes=30, scatter=0.5, day_sd=0.0)
    until = 27 * 48
    traffic = Watch(30).feed(rng.poisson(expected[:until]))
    assert traffic.fired == []
    traffic.feed(rng.poisson(expected[until:] * 0.3))
    assert len(traffic.fired) == 1
    bets = traffic.detector._bets.banks  # type: ignore[attr-defined]
    assert [bets.watched[i].signal.name for i in np.flatnonzero(bets.firing)] == ["volume:1:down"]


def test_a_smallest_change_that_matters_is_the_users_to_set() -> None:
    rng, expected = hourly(7, 45, 1_000, day_sd=0.0)
    expected[-48:] *= 1.6
    counts = rng.poisson(expected)
    assert Watch().feed(counts).fired
    assert not Watch(settings={"min_effect": {"volume": 1.0}}).feed(counts).fired


def test_two_days_say_nothing_and_neither_does_the_first_weekend() -> None:
    rng, expected = hourly(8, 7, 1_000, daily=0.0, weekend=0.05, day_sd=0.0)
    assert Watch().feed(rng.poisson(expected)).fired == []
    early = expected.copy()
    early[36:48] *= 0.05
    assert Watch().feed(rng.poisson(early[:48])).fired == []
    late = expected.copy()
    late[60:84] *= 0.05
    [(_, finding)] = Watch().feed(rng.poisson(late[:84])).fired
    assert finding.evidence["season"] == "daily"


def test_a_holiday_is_told_once_and_leaves_no_trace() -> None:
    rng, expected = hourly(9, 70, 1_000, day_sd=0.05, holidays=[44, 58])
    traffic = Watch().feed(rng.poisson(expected))
    assert [place // 24 for place, _ in traffic.fired] == [44, 58]
    assert {f.evidence["direction"] for _, f in traffic.fired} == {"down"}
    assert [place // 24 for place, _ in traffic.resolved] == [45, 59]


def usual_of(watch: Watch) -> list[float | None]:
    usual = watch.detector._usual  # type: ignore[attr-defined]
    return [usual.expected(hour + 0.5) for hour in range(WEEK)]


def test_nothing_is_learned_from_an_outage_of_days() -> None:
    traffic, rng, expected = after(10, 42, 1_000, growth=0.0, day_sd=0.0)
    before = usual_of(traffic)
    traffic.feed(rng.poisson(expected[:72] * 0.1))
    assert len(traffic.fired) == 1
    assert usual_of(traffic) == pytest.approx(before, rel=0.2), "one of five weeks tells a median little"
    traffic.feed(rng.poisson(expected[72:]))
    assert len(traffic.fired) == len(traffic.resolved) == 1


def test_what_stays_for_three_weeks_is_usual_and_the_alert_ends() -> None:
    traffic, rng, _ = after(11, 42, 1_000, growth=0.0)
    later = Traffic(300, growth=0.0).rates(rng, 35, minutes=60)
    traffic.feed(rng.poisson(np.roll(later, -10)))
    [(found, _)], [(ended, _)] = traffic.fired, traffic.resolved
    assert found < 43 * 24
    assert 42 + 14 < ended / 24 < 42 + 28


def test_a_silence_is_counted_when_it_ends() -> None:
    traffic, rng, expected = after(12, 42, 1_000)
    silent = 12
    traffic.feed(np.zeros(silent, dtype=np.int64))
    assert traffic.fired == []
    began = MONDAY_MS + (traffic.windows - silent) * HOUR_MS
    traffic.feed(rng.poisson(expected[silent : silent + 1]))
    [(_, finding)] = traffic.fired
    assert finding.onset_ms == began
    assert finding.severity is Severity.CRITICAL
    traffic.feed(rng.poisson(expected[silent + 1 :]))
    assert len(traffic.resolved) == 1


def test_a_gap_of_a_year_is_bounded_work_and_told() -> None:
    detector = volume_detector(1)
    usual = UsualVolume(MINUTE_MS)
    for minute in range(30 * 1440):
        usual.add((minute / 60) % WEEK, 100)
    last = MONDAY_MS + 30 * 86_400_000
    detector.restore(detector.state() | {"usual": usual.to_bytes(), "last_ms": last})
    taken = []
    take = detector._take  # type: ignore[attr-defined]

    def counted(*window: Any) -> Any:
        taken.append(window)
        return take(*window)

    detector._take = counted  # type: ignore[attr-defined]
    [finding] = detector.update(window_of(100, last + 365 * 86_400_000, 1))
    assert finding.verdict is Verdict.BREACH
    assert len(taken) <= 3_001


def test_nights_without_any_event_are_usual() -> None:
    rng, expected = hourly(13, 60, 500, day_sd=0.05)
    night = np.arange(len(expected)) % 24 < 6
    expected[night] = 0
    traffic = Watch().feed(rng.poisson(expected))
    assert traffic.fired == []
    expected[-24:][night[-24:]] = 500
    awake = Watch().feed(rng.poisson(expected))
    assert {f.evidence["direction"] for _, f in awake.fired} == {"up"}


@pytest.mark.parametrize("minutes", [1, 60, 360, 1440])
def test_no_single_window_fires_however_empty_or_full(minutes: int) -> None:
    """The last window of a file is a part of one."""
    per_day = 1440 // minutes
    for count in (1, 100_000_000):
        detector = volume_detector(minutes, false_alarm_budget={"false_alarms": 1_000_000, "per": "1d"})
        usual = UsualVolume(minutes * MINUTE_MS)
        for place in range(30 * per_day):
            usual.add((place + 0.5) * minutes / 60 % WEEK, 1_000)
        last = MONDAY_MS + 30 * 86_400_000
        detector.restore(detector.state() | {"usual": usual.to_bytes(), "last_ms": last})
        assert detector.update(window_of(count, last + minutes * MINUTE_MS, minutes)) == []


def test_the_first_window_may_be_a_part_of_one_and_is_left_out() -> None:
    detector = volume_detector(1440)
    detector.update(window_of(3, MONDAY_MS, 1440))
    for day in range(1, 4):
        detector.update(window_of(1_000, MONDAY_MS + day * 86_400_000, 1440))
    usual = detector._usual.expected(4 * 24 + 12.0)  # type: ignore[attr-defined]
    assert usual == pytest.approx(1_000)


def test_hours_are_those_of_the_models_clock() -> None:
    """Berlin leaves summer time on 25 October 2026; work begins at nine there all the same."""
    first = MONDAY_MS - 22 * 86_400_000
    spread = {}
    for zone in ("Europe/Berlin", "UTC"):
        detector = volume_detector(timezone=zone)
        for hour in range(37 * 24):
            local = hour + (2 if hour < 21 * 24 + 1 else 1)
            detector.update(window_of(1_000 if 9 <= local % 24 < 17 else 100, first + hour * HOUR_MS, 60))
        visits = detector._usual.visits  # type: ignore[attr-defined]
        spread[zone] = max(max(kept) - min(kept) for kept in visits)
    assert spread["Europe/Berlin"] < 0.2, "the level has moved a little"
    assert spread["UTC"] > 2


def test_a_state_goes_on_as_if_never_stopped_and_one_of_another_clock_starts_over() -> None:
    rng, expected = hourly(14, 40, 800)
    expected[-72:] *= 0.4
    counts = rng.poisson(expected)
    straight = Watch().feed(counts)
    stored = Watch()
    for part in np.array_split(counts, 37):
        stored.feed(part)
        again = volume_detector()
        states_from_bytes([again], states_to_bytes([stored.detector]))
        stored.detector = again
    assert straight.fired
    assert (stored.fired, stored.resolved) == (straight.fired, straight.resolved)
    assert states_to_bytes([stored.detector]) == states_to_bytes([straight.detector])
    assert len(states_to_bytes([straight.detector])) < 20_000
    other = volume_detector(timezone="Europe/Berlin")
    states_from_bytes([other], states_to_bytes([straight.detector]))
    assert other.state() == volume_detector(timezone="Europe/Berlin").state()


@pytest.mark.parametrize(
    "broken",
    [
        {"usual": b"x"},
        {"usual": msgspec.msgpack.encode(([[math.nan]] * WEEK, 0.0, 0.0, 0, 0, 0))},
        {"usual": msgspec.msgpack.encode(([[1.0] * 9] * WEEK, 0.0, 0.0, 0, 0, 0))},
        {"usual": msgspec.msgpack.encode(([[1.0]], 0.0, 0.0, 0, 0, 0))},
        {"pace0": b"x"},
        {"pace0": msgspec.msgpack.encode((math.inf, 0.0, 0, 0, 0.0, 0.0, True))},
        {"pooled": [math.nan] * 4},
        {"pooled": [0.0]},
        {"worst": 9},
        {"last_ms": None},
    ],
)
def test_a_damaged_state_is_refused(broken: dict[str, Any]) -> None:
    detector = volume_detector()
    with pytest.raises(ValueError, match="expected"):
        detector.restore(detector.state() | broken)


def test_the_usual_hour_is_the_median_of_five_weeks_and_of_like_days_before_that() -> None:
    usual = UsualVolume(HOUR_MS)
    for week, count in enumerate([100, 400, 100, 200, 100, 7, 100]):
        for hour in range(WEEK):
            usual.add(hour + 0.5, count)
            if week == 0 and hour == 20:
                assert usual.expected(24.5) is None, "one day is not enough"
        assert max(map(len, usual.visits)) == min(5, week + 1)
    usual.add(0.5, 1)
    assert usual.expected(20.5) == pytest.approx(100)
    assert usual.is_weekly(20.5)


def test_between_the_middles_of_two_hours_volume_runs_in_a_line_of_logarithms() -> None:
    usual = UsualVolume(MINUTE_MS)
    for day in range(4):
        for minute in range(1440):
            usual.add(day * 24 + minute / 60, 100 if minute < 720 else 400)
    assert usual.expected(12.0) == pytest.approx(200)
    assert usual.expected(11.4) == pytest.approx(100, rel=0.01) != usual.expected(11.6)
    assert usual.expected(12.5) == pytest.approx(400)


def test_a_unit_waits_for_enough_events_and_scatter_heeds_no_outlier() -> None:
    pace = Pace(1.0, guess=0.2, trust=1.0)
    assert [pace.add(i, 4, 5.0, hours=1.0, calm=True) for i in range(3)] == [None] * 3
    unit = pace.add(3, 4, 5.0, hours=1.0, calm=True)
    assert unit == Unit(0, 16, 20.0, 4.0, calm=True)
    assert pace.add(9, 80, 0.1, hours=1.0, calm=True) is not None, "a burst where nothing is usual is news"
    pace.heed(Unit(0, 0, 1e6, 24.0, calm=False))
    assert pace.scatter == pytest.approx(0.04)
    pace.heed(Unit(0, 100_000_000, 1e6, 24.0, calm=True))
    assert pace.scatter == pytest.approx((0.04 + 6.25 * 0.04) / 2, rel=0.01)


def test_hours_and_days_widen_what_is_usual() -> None:
    assert slack_of_volume([0.0, 0.0], least=0.3) == pytest.approx(math.log(1.3))
    assert slack_of_volume([0.01], least=0.3) == pytest.approx(0.325)
    assert slack_of_volume([0.05, 0.01], least=0.3) == pytest.approx(math.hypot(5 * 0.2, 0.325))
    assert slack_of_volume([0.01, 0.05], least=0.0) == pytest.approx(3.25 * math.sqrt(0.05))


def test_a_unit_counts_in_one_cell_of_fewer_and_one_of_more() -> None:
    vector = cells_of(Unit(0, 40, 100.0, 1.0, calm=True), place=1, paces=2, scatter=1e-4, slack=0.3)
    assert vector.sum() == 2
    down, up = np.flatnonzero(vector) - 2 * CELLS
    assert down > 3
    assert up == CELLS


def test_a_change_that_gets_worse_is_news() -> None:
    traffic, rng, expected = after(15, 42, 1_000, day_sd=0.0)
    told = []
    for factor, windows in ((0.5, 24), (0.005, 72)):
        for rate in expected[:windows]:
            told += traffic.take(int(rng.poisson(rate * factor)))
        expected = expected[windows:]
    ranks = [f.severity.rank for f in told]
    assert ranks == sorted(ranks)
    assert ranks[0] < ranks[-1]
    news = [f.severity for f in told if f.evidence]
    assert news == sorted(set(news), key=lambda severity: severity.rank)
