"""Slow changes are dated by the days before, and sudden ones are left to the bets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from builders.summaries import classified, error_window, profile_of

from detectors.betting.day_means import DAY_MS, DAYS_KEPT, DayMeans
from detectors.betting.errors import BudgetedErrors
from detectors.betting.setup import budgeted
from detectors.betting.signal import UP, Signal, Wager
from detectors.betting.watched import Watched
from schemas.finding import Kind
from schemas.model_settings import ModelSettings

USUAL = 0.08
PER_DAY = 6_000
FIRST_DAY = 20_000
NONE = np.array([False])


def means() -> DayMeans:
    """Return the days of one signal, a share of wrong answers."""
    usual = USUAL
    signal = Signal(
        name="wrong", group="performance", cells=np.array([0, 1]), values=np.array([[-usual], [1 - usual]]),
        sds=np.array([np.sqrt(usual * (1 - usual))]), slack=np.zeros((1, 2)), minimum=np.zeros(1),
        wagers=(Wager(0, UP, (0.1,)),), rhythms=(None,),
    )  # fmt: skip
    return DayMeans([Watched(signal, Kind.PERFORMANCE, "performance")])


def lived(shares: npt.ArrayLike, *, seed: int, per_day: int = PER_DAY) -> DayMeans:
    """Return days on which so large shares of the answers are wrong."""
    rng, days = np.random.default_rng(seed), means()
    for day, share in enumerate(np.asarray(shares, dtype=np.float64).tolist()):
        wrong = int(rng.binomial(per_day, share))
        made_ms = (FIRST_DAY + day) * DAY_MS
        days.add(np.array([per_day - wrong, wrong]), made_ms=made_ms, left_out=NONE)
    return days


def decay(days: int, *, since: int, a_day: float) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = USUAL + a_day * np.maximum(0.0, np.arange(float(days)) - since)
    return shares


def onset(days: DayMeans, *, bet: int) -> float | None:
    """Return the day on which the change began, given that on which the bet began to win."""
    found = days.onset_ms(0, UP, before_ms=(FIRST_DAY + bet) * DAY_MS)
    return None if found is None else found / DAY_MS - FIRST_DAY


def test_a_slow_decay_is_dated_within_a_week() -> None:
    """Three points in ninety days, told when half of them are lost."""
    found = [onset(lived(decay(105, since=60, a_day=0.03 / 90), seed=seed), bet=90) for seed in range(20)]
    dated = [abs(day - 60) for day in found if day is not None]
    assert len(dated) == 20
    assert sum(off <= 7 for off in dated) >= 18


def test_a_jump_is_left_to_the_bet_however_few_days_ago_it_was() -> None:
    for days in (1, 3, 10, 30):
        shares = np.where(np.arange(80) < 80 - days, USUAL, USUAL + 0.03)
        assert [onset(lived(shares, seed=seed), bet=80 - days) for seed in range(5)] == [None] * 5


def test_a_change_for_the_better_is_no_onset() -> None:
    assert onset(lived(decay(100, since=50, a_day=-0.0005), seed=1), bet=90) is None


def test_few_days_say_nothing() -> None:
    assert onset(lived(decay(20, since=5, a_day=0.002), seed=1), bet=15) is None
    assert onset(means(), bet=15) is None


def test_a_better_version_before_the_decay_does_not_hide_when_it_began() -> None:
    shares = decay(110, since=70, a_day=0.0005) + np.where(np.arange(110) < 40, 0.02, 0.0)
    found = onset(lived(shares, seed=1), bet=95)
    assert found is not None
    assert abs(found - 70) <= 7


def test_what_the_bet_saw_earlier_stands() -> None:
    days = lived(decay(105, since=60, a_day=0.03 / 90), seed=1)
    assert onset(days, bet=30) is None


def test_days_of_a_known_trouble_and_old_days_are_left_out() -> None:
    days = lived(decay(300, since=250, a_day=0.0005), seed=1)
    assert len(days.to_bytes()) < 24 * DAYS_KEPT + 100
    size = len(days.to_bytes())
    days.add(np.array([0, PER_DAY]), made_ms=(FIRST_DAY + 300) * DAY_MS, left_out=np.array([True]))
    assert abs((onset(days, bet=290) or 0) - 250) <= 7
    assert len(days.to_bytes()) <= size


def test_a_state_comes_back_and_another_one_is_refused() -> None:
    days, again = lived(decay(105, since=60, a_day=0.0005), seed=1), means()
    again.restore(days.to_bytes())
    assert again.to_bytes() == days.to_bytes()
    assert onset(again, bet=90) == onset(days, bet=90)
    for data in (b"nothing", b"\x81\x01\x91\xcb" + bytes(8)):
        with pytest.raises(ValueError, match="daily sums"):
            again.restore(data)


def test_a_state_of_an_earlier_release_is_taken_up_without_its_days() -> None:
    settings = ModelSettings.model_validate({"name": "m", "task": "binary", "positive_class": "f"})
    confusion = (("f", "f", 900), ("o", "f", 100), ("o", "o", 2_700), ("f", "o", 300))
    reference = profile_of(
        {"x": [1.0] * 200}, model="m", labelled=4_000, metrics={"accuracy": 0.9}, classes=("f", "o"),
        confusion=confusion,
    )  # fmt: skip
    old, new = (
        next(d for d in budgeted(settings, reference) if isinstance(d, BudgetedErrors)) for _ in range(2)
    )
    window = error_window(classified(["f", "o", "o"], ["f", "o", "f"], positive="f"))
    old.update(window)
    state = {name: value for name, value in old.state().items() if name != "days"}
    new.restore(state)
    assert {name: value for name, value in new.state().items() if name != "days"} == state
