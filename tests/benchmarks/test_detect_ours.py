"""The benchmark's short form: Watchkeeper itself, through its own profile, windows, merge and detectors."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detect.changes import CHANGES, floor_events
from benchmarks.detect.measure import delay
from benchmarks.detect.ours import Watchkeeper
from benchmarks.detect.streams import DAY_MS, HOUR_MS, STATIONARY, Row, Stream
from benchmarks.detect.unseen import UNSEEN
from detectors.betting.calendar import hour_of_week, local_ms

ROWS = {row.name: row for row in (*STATIONARY, *UNSEEN, *CHANGES)}


def alarms(
    row: Row, *, partitions: int = 1, min_effect: bool = False
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    reference, live = row.streams(1)
    ours = Watchkeeper(partitions=partitions, min_effect=min_effect)
    ours.fit(reference)
    return ours.alarms(live)


@pytest.mark.parametrize(
    "name",
    [
        "errors, daily cycle",
        "errors, bursty",
        "normal, daily cycle",
        "AR(1) 0.9",
        "holidays",
        "changing volume, daily cycle",
    ],
)
def test_it_stays_silent_where_nothing_changes_but_the_hour(name: str) -> None:
    assert alarms(ROWS[name]).tolist() == []


@pytest.mark.parametrize(
    ("name", "within"),
    [
        ("error 10 to 20 %", 2.0),
        ("error 1 to 3 %", 2.0),
        ("mean +0.25 sd", 2.0),
        ("spread x1.5", 4.0),
        ("category share 10 points", 3.0),
    ],
)
def test_it_finds_a_change_within_a_few_times_what_anybody_could(name: str, within: float) -> None:
    row = ROWS[name]
    _, live = row.streams(1)
    assert live.change_at is not None
    waited = delay(alarms(row), live.change_at)
    floor = floor_events(row, 1e6)
    assert floor is not None
    assert waited <= within * floor + 240  # two windows of 120 events


def test_partitions_change_no_alarm() -> None:
    for name in ("mean +0.25 sd", "category share 3 points"):
        one, twelve = alarms(ROWS[name]), alarms(ROWS[name], partitions=12)
        assert len(one)
        assert one.tolist() == twelve.tolist()


def test_a_change_that_does_not_matter_is_not_told() -> None:
    name = "error 10 to 12 %"
    assert len(alarms(ROWS[name]))
    tenth = alarms(ROWS["errors 10 %"], min_effect=True)
    assert tenth.tolist() == []


@pytest.mark.parametrize(("timezone", "told"), [("America/New_York", False), ("UTC", True)])
def test_a_cycle_by_local_clocks_is_known_on_their_timezone_and_a_change_on_another(
    timezone: str, told: bool
) -> None:
    begin_ms = 1_359_676_800_000  # 1 February 2013; clocks go forward on 10 March
    times = begin_ms + np.arange(0, 56 * DAY_MS, HOUR_MS // 30, dtype=np.int64)
    hours = hour_of_week(local_ms(times, "America/New_York")) % 24
    at_work = np.where((hours >= 9) & (hours < 17), 1.5, 0.0)
    values = at_work + np.random.default_rng(4).normal(size=len(times))
    first_live = np.searchsorted(times, begin_ms + 28 * DAY_MS)
    reference, live = (
        Stream("numeric", times[part], values[part], timezone=timezone)
        for part in (slice(first_live), slice(first_live, None))
    )
    ours = Watchkeeper()
    ours.fit(reference)
    found = ours.alarms(live)
    assert bool(len(found)) == told
    assert all(live.times[found] >= begin_ms + 37 * DAY_MS)
