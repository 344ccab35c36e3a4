"""How much more sums vary than those of independent events: measured as it is, and enough for every bet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from builders.bets import EVENTS, Floats

from detectors.betting.dispersion import REHEARSAL, inflations
from detectors.betting.inertia import CAUTION, PAIRS_MIN, Inertia
from detectors.betting.rhythm_fit import Grid, fit_rhythm
from detectors.rhythm import BET_SIZES, STAKE_SHARE_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCKS = 4_000
SMALL, BIG = 0, len(BET_SIZES) - 1


def blocks(events: Floats) -> tuple[Floats, Floats]:
    sums = events.reshape(BLOCKS, EVENTS).sum(axis=1)
    return sums, np.full(BLOCKS, float(EVENTS))


def fitted(events: Floats) -> Floats:
    sums, n = blocks(events - events.mean())
    return inflations(sums, n, variance=float(events.var()), sd=float(events.std()), cycle={})


def ar(rng: np.random.Generator, n: int, part: float) -> Floats:
    steps = rng.normal(0, np.sqrt(1 - part**2), n)
    values = np.empty(n)
    last = 0.0
    for place, step in enumerate(steps.tolist()):
        last = part * last + step
        values[place] = last
    return values


def bursty(rng: np.random.Generator) -> Floats:
    """Return 0 and 1: in one minute of fifty almost all events are hits."""
    shares = np.where(rng.random(BLOCKS) < 0.02, 0.9, 0.01)
    return (rng.random((BLOCKS, EVENTS)) < shares[:, None]).astype(np.float64).ravel()


@pytest.mark.parametrize("seed", range(5))
def test_independent_events_are_hardly_tempered(seed: int) -> None:
    found = fitted(np.random.default_rng(seed).normal(size=BLOCKS * EVENTS))
    assert found.min() >= 1
    assert found.max() < 1.3


@pytest.mark.parametrize("seed", range(3))
def test_inertia_of_a_half_triples_the_variance_of_small_bets(seed: int) -> None:
    found = fitted(ar(np.random.default_rng(seed), BLOCKS * EVENTS, 0.5))
    assert 2.6 < found[SMALL] < 3.8
    assert 2.6 < found[len(BET_SIZES) + SMALL] < 3.8


def test_more_inertia_tempers_more() -> None:
    rng = np.random.default_rng(1)
    levels = [fitted(ar(rng, BLOCKS * EVENTS, part))[SMALL] for part in (0.0, 0.3, 0.6, 0.9)]
    assert levels == sorted(levels)


def test_bursts_temper_more_than_an_even_share_of_the_same_size() -> None:
    rng = np.random.default_rng(2)
    burst = bursty(rng)
    even = (rng.random(len(burst)) < burst.mean()).astype(np.float64)
    assert (fitted(burst) > 3 * fitted(even))[: len(BET_SIZES)].all()


def highest(gains: Floats) -> float:
    """Return the highest Shiryaev-Roberts statistic, step by step."""
    now, most = -np.inf, -np.inf
    for gain in gains.tolist():
        now = np.logaddexp(now, 0.0) + gain
        most = max(most, now)
    return float(most)


STREAMS: dict[str, Callable[[np.random.Generator], Floats]] = {
    "independent": lambda rng: rng.normal(size=BLOCKS * EVENTS),
    "slow": lambda rng: ar(rng, BLOCKS * EVENTS, 0.95),
    "bursts": bursty,
    "a level of its own at the end": lambda rng: np.append(
        rng.normal(size=(BLOCKS - 400) * EVENTS), rng.normal(0.5, 1, 400 * EVENTS)
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_no_bet_would_have_alarmed_on_the_reference_itself(name: str) -> None:
    events = STREAMS[name](np.random.default_rng(3))
    variance = float(events.var())
    sums, n = blocks(events - events.mean())
    found = inflations(sums, n, variance=variance, sd=float(np.sqrt(variance)), cycle={})
    bets = np.array([*BET_SIZES, *(-size for size in BET_SIZES)]) / np.sqrt(variance)
    for bet, inflation in zip(bets.tolist(), found.tolist(), strict=True):
        gains = (bet * sums - bet * bet * variance * n / 2) / inflation
        assert highest(gains) <= np.log(REHEARSAL * BLOCKS) + 1e-9


@pytest.mark.parametrize("name", ["bursts", "rare"])
def test_no_bet_on_a_share_would_have_alarmed_on_the_reference_itself(name: str) -> None:
    rng = np.random.default_rng(4)
    events = bursty(rng) if name == "bursts" else (rng.random(BLOCKS * EVENTS) < 0.001).astype(np.float64)
    sums, n = blocks(events)
    share = float(events.mean())
    variance = share * (1 - share)
    grid = Grid(0, 60_000, BLOCKS, seasonality="none")
    rhythm = fit_rhythm(grid, sums, n, variance=variance, is_share=True)
    assert rhythm is not None
    for size, inflation in zip(BET_SIZES, rhythm.inflation, strict=False):
        stake = min(size / np.sqrt(variance), STAKE_SHARE_MAX / share)
        gains = sums * np.log1p(stake * (1 - share)) + (n - sums) * np.log1p(-stake * share)
        assert highest(gains / inflation) <= np.log(REHEARSAL * BLOCKS) + 1e-2


@pytest.mark.parametrize("share", [0.0005, 0.001, 0.005, 0.02, 0.2])
def test_rare_independent_events_are_hardly_tempered(share: float) -> None:
    sums = np.random.default_rng(5).binomial(EVENTS, share, BLOCKS).astype(np.float64)
    n = np.full(BLOCKS, float(EVENTS))
    mean = float(sums.sum() / n.sum())
    rhythm = fit_rhythm(
        Grid(0, 60_000, BLOCKS, seasonality="none"), sums, n, variance=mean * (1 - mean), is_share=True
    )
    assert rhythm is not None
    assert max(rhythm.inflation) < 1.5


def measured(events: Floats, windows: int) -> tuple[float, list[float]]:
    """Return what inertia says after so many windows, and window by window."""
    inertia = Inertia(np.full((1, 1), float(events.var())))
    told = []
    for window in events[: windows * EVENTS].reshape(windows, EVENTS):
        inertia.add(np.array([[window.sum()]]), np.array([float(EVENTS)]), np.ones(1, dtype=np.bool_))
        told.append(float(inertia.inflation()[0, 0]))
    return told[-1], told


def test_inertia_measured_in_the_stream_starts_with_caution_and_comes_down_to_1() -> None:
    last, told = measured(np.random.default_rng(6).normal(size=2_000 * EVENTS), 2_000)
    assert told[:PAIRS_MIN] == [1 + CAUTION] * PAIRS_MIN
    assert told[PAIRS_MIN] < 4
    assert 1 <= last < 1.2


@pytest.mark.parametrize(("part", "truth"), [(0.5, 3), (0.9, 19), (0.98, 99)])
def test_inertia_measured_in_the_stream_comes_to_the_truth_however_large(part: float, truth: float) -> None:
    last, _ = measured(ar(np.random.default_rng(9), 3_000 * EVENTS, part), 3_000)
    assert 0.7 * truth < last < 1.8 * truth


def test_inertia_measured_in_the_stream_finds_movements_slower_than_a_window() -> None:
    rng = np.random.default_rng(7)
    level = np.repeat(ar(rng, 500, 0.5), 4) * 0.3
    last, _ = measured((rng.normal(size=(2_000, EVENTS)) + level[:, None]).ravel(), 2_000)
    assert last > 4


def test_one_change_of_level_does_not_pass_for_inertia() -> None:
    events = np.random.default_rng(8).normal(size=2_000 * EVENTS)
    events[1_000 * EVENTS :] += 3
    assert measured(events, 2_000)[0] < 3
