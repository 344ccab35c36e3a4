"""The benchmark's short form: Watchkeeper itself, through its own profile, windows, merge and detectors."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detect.changes import CHANGES, floor_events
from benchmarks.detect.measure import delay
from benchmarks.detect.ours import Watchkeeper
from benchmarks.detect.streams import STATIONARY, Row
from benchmarks.detect.unseen import UNSEEN

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
