"""A slow change is dated when its bet fires, and anew as the days after it tell more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from detectors.betting.bank import Reading
from detectors.betting.dating import FIRST_AGAIN_MS, Dating
from detectors.betting.day_means import DAY_MS
from detectors.betting.signal import UP, Signal, Wager
from detectors.betting.watched import Told, Watched
from schemas.finding import Kind

USUAL = 0.08
FIRST_DAY = 20_000
BEGIN, BET, FIRED = 60, 88, 92
FIRING, CALM = np.array([True]), np.array([False])
READING = Reading(
    signal=0, fired=False, resolved=False, log_evidence=9.0, bar=8.0, log_e_value=9.0, functional=0,
    direction=UP, since_ms=(FIRST_DAY + BET) * DAY_MS, effect=0.1, first_effect=0.1, error=0.01,
)  # fmt: skip


def dating() -> Dating:
    signal = Signal(
        name="wrong", group="performance", cells=np.array([0, 1]), values=np.array([[-USUAL], [1 - USUAL]]),
        sds=np.array([np.sqrt(USUAL * (1 - USUAL))]), slack=np.zeros((1, 2)), minimum=np.zeros(1),
        wagers=(Wager(0, UP, (0.1,)),), rhythms=(None,),
    )  # fmt: skip
    return Dating([Watched(signal, Kind.PERFORMANCE, "performance")])


def slow(days: int) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = USUAL + 0.03 / 90 * np.maximum(0.0, np.arange(float(days)) - BEGIN)
    return shares


def lived(one: Dating, shares: npt.NDArray[np.float64], *, seed: int, per_day: int = 4_000) -> list[Told]:
    """Live one window a day; the bet fires on day FIRED and stands. Returns what is told of it."""
    rng, told = np.random.default_rng(seed), []
    for day, share in enumerate(shares.tolist()):
        wrong = int(rng.binomial(per_day, share))
        start_ms = (FIRST_DAY + day) * DAY_MS
        one.add(np.array([per_day - wrong, wrong]), made_ms=start_ms, left_out=CALM)
        if day >= FIRED:
            reading = replace(READING, fired=day == FIRED)
            told += one.dated([(0, reading)], start_ms=start_ms, firing=FIRING)
    return told


def begin(told: Told) -> float:
    return told[1].since_ms / DAY_MS - FIRST_DAY


def test_what_was_dated_badly_when_it_was_young_is_dated_well_when_it_is_old() -> None:
    """Chance misled the first date of four of these five by more than a week: of fourteen in a row, those four."""
    for seed, off in ((0, 8), (3, 12), (8, 12), (12, -8), (5, 1)):
        told = lived(dating(), slow(124), seed=seed)
        anew = [one for one in told if one[1].dated_anew]
        assert begin(told[0]) - BEGIN == off
        assert abs(begin(anew[-1]) - BEGIN) <= 5
        assert len(anew) <= 3, "after 7, 14 and 28 days"


def test_a_jump_stays_where_the_bet_saw_it() -> None:
    shares = np.where(np.arange(150) < BET, USUAL, USUAL + 0.03)
    for seed in range(4):
        told = lived(dating(), shares, seed=seed)
        assert begin(told[0]) == BET
        assert not any(reading.dated_anew for _, reading in told)


def test_what_is_over_is_not_dated_and_its_days_are_forgotten() -> None:
    one = dating()
    lived(one, slow(FIRED + 5), seed=1)
    over_ms = (FIRST_DAY + FIRED + 5) * DAY_MS
    one.dated([(0, replace(READING, resolved=True))], start_ms=over_ms, firing=CALM)
    later = one.dated([(0, READING)], start_ms=over_ms + 2 * FIRST_AGAIN_MS, firing=CALM)
    assert later == [(0, READING)]
    fired = replace(READING, fired=True, since_ms=over_ms)
    assert begin(one.dated([(0, fired)], start_ms=over_ms, firing=FIRING)[0]) == FIRED + 5, (
        "as the bet saw it"
    )


def test_a_state_comes_back_also_that_of_an_earlier_release_and_another_one_is_refused() -> None:
    one, again, old = dating(), dating(), dating()
    lived(one, slow(FIRED + 5), seed=1)
    again.restore(one.to_bytes())
    assert again.to_bytes() == one.to_bytes()
    due_ms = (FIRST_DAY + FIRED) * DAY_MS + FIRST_AGAIN_MS
    dated = [x.dated([(0, READING)], start_ms=due_ms, firing=FIRING) for x in (one, again)]
    assert dated[0] == dated[1]
    old.restore(one._days.to_bytes())
    assert old._days.to_bytes() == one._days.to_bytes()
    for data in (
        b"nothing",
        b"\x92\xc4\x01\x80\x81\x00\x95\x05\x00\x00\x00\x00",
        b"\x81\x01\x91\xcb" + bytes(8),
    ):
        with pytest.raises(ValueError, match="expected"):
            again.restore(data)
