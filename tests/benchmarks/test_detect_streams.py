"""Streams of the detection benchmark: the same for a seed, with the moments they claim, and changes where they say."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detect.changes import CHANGE_AT, CHANGES, floor_events
from benchmarks.detect.month import CHANGES as MONTH_CHANGES
from benchmarks.detect.month import Law, Month, Regime
from benchmarks.detect.streams import EVENTS, START_MS, STATIONARY, Row, in_days
from benchmarks.detect.unseen import UNSEEN

ROWS = {row.name: row for row in (*STATIONARY, *UNSEEN, *CHANGES)}
MOMENTS = {
    "errors 10 %": (0.1, 0.3),
    "errors, daily cycle": (0.1, 0.3),
    "errors, bursty": (0.1, 0.3),
    "normal": (0.0, 1.0),
    "normal, daily cycle": (0.0, np.sqrt(1.5)),
    "AR(1) 0.9": (0.0, 1.0),
    "Student t 3": (0.0, 1.0),
}
FLOORS = {
    "error 10 to 20 %": 312,
    "error 10 to 12 %": 6572,
    "mean +0.5 sd": 111,
    "spread x1.5": 63,
    "category share 3 points": 1579,
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_seed_gives_the_same_streams_and_another_seed_others(row: Row) -> None:
    once, again, other = row.streams(1, 2000), row.streams(1, 2000), row.streams(2, 2000)
    for part in (0, 1):
        assert np.array_equal(once[part].values, again[part].values)
        assert np.array_equal(once[part].times, again[part].times)
        assert not np.array_equal(once[part].times, other[part].times)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_times_ascend_and_the_reference_lies_before_the_live_stream(row: Row) -> None:
    reference, live = row.streams(1, 2000)
    assert len(reference) == 2000
    assert (np.diff(reference.times) >= 0).all()
    assert (np.diff(live.times) >= 0).all()
    assert reference.times[-1] < START_MS <= live.times[0]


@pytest.mark.parametrize(("name", "moments"), MOMENTS.items(), ids=MOMENTS)
def test_a_law_has_the_moments_that_it_claims(name: str, moments: tuple[float, float]) -> None:
    reference, live = ROWS[name].streams(1)
    assert len(reference) == len(live) == EVENTS
    assert reference.values.mean() == pytest.approx(moments[0], abs=0.03)
    assert live.values.std() == pytest.approx(moments[1], rel=0.05)


@pytest.mark.parametrize("phi", [0.5, 0.9])
def test_an_autoregressive_stream_remembers_the_event_before(phi: float) -> None:
    values = ROWS[f"AR(1) {phi}"].streams(1)[1].values
    assert np.corrcoef(values[1:], values[:-1])[0, 1] == pytest.approx(phi, abs=0.02)


def test_missing_hours_are_missing_and_volume_changes() -> None:
    def per_hour(name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.bincount((in_days(ROWS[name].streams(1)[1].times) * 24).astype(np.int64), minlength=840)

    assert 0.05 < (per_hour("missing hours, daily cycle") == 0).mean() < 0.2
    volume = per_hour("changing volume, daily cycle").reshape(35, 24)
    assert volume[:, 12].sum() > 6 * volume[:, 0].sum()
    assert volume[18:].sum() > 1.5 * volume[:17].sum()


@pytest.mark.parametrize("row", CHANGES, ids=[row.name for row in CHANGES])
def test_a_change_comes_after_ten_thousand_events_and_not_at_a_round_number(row: Row) -> None:
    places = [row.streams(seed, 100)[1].change_at for seed in (1, 2, 3)]
    assert all(place is not None and CHANGE_AT <= place < CHANGE_AT + 1000 for place in places)
    assert len(set(places)) == 3


@pytest.mark.parametrize(("name", "events"), FLOORS.items(), ids=FLOORS)
def test_the_floor_is_lordens(name: str, events: int) -> None:
    assert floor_events(ROWS[name], 1e6) == events


def test_the_floor_of_a_change_that_says_too_little_is_none() -> None:
    assert floor_events(Row("faint", "numeric", ROWS["normal"].make, (1e-9,) * 10), 1e6) is None


class TestMonth:
    @pytest.mark.parametrize("regime", ["A", "B", "C"])
    def test_a_month_is_the_same_each_time_and_has_its_events_in_order(self, regime: Regime) -> None:
        month = Month(regime, 1, features=3, events=5000)
        blocks, again = list(month.blocks()), list(month.blocks())
        assert all(np.array_equal(a.values, b.values) for a, b in zip(blocks, again, strict=True))
        times = np.concatenate([block.times for block in blocks])
        assert len(times) == 5000
        assert (np.diff(times) >= 0).all()
        assert next(iter(month.reference.blocks())).times[0] < times[0]

    def test_noise_has_a_standard_deviation_of_one_whatever_its_tails(self) -> None:
        for regime in ("A", "B"):
            law = Law(regime, 20)
            noise = law.noise(np.random.default_rng(1), 50_000)
            assert noise.std(axis=0) == pytest.approx(np.ones(20), rel=0.05)
            assert np.abs(noise).max() > 7

    def test_each_way_of_changing_has_its_features_and_leaves_the_rest(self) -> None:
        plain, changed = (Month("A", 1, changes, 42, 20_000) for changes in ((), MONTH_CHANGES))
        scale = Law("A", 42).scale
        moved = np.zeros(42)
        for before, after in zip(plain.blocks(), changed.blocks(), strict=True):
            difference = (after.values - before.values) / scale
            if before.times[0] < plain.change_ms:
                assert np.array_equal(after.values, before.values)
            moved = difference.mean(axis=0)
        assert moved[[0, 8, 16, 32]] == pytest.approx([0.1, 0.25, 0.5, 0.5], abs=0.01)
        assert (moved[40:] == 0).all()
