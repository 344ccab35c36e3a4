"""No bet gains on average while nothing has changed, wherever in its interval the mean lies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
from builders.bets import (
    CALM,
    EVENTS,
    Floats,
    built,
    category,
    counted,
    drawn,
    layout_of,
    minutes,
    number,
    signals_of,
)
from builders.summaries import MINUTE_MS
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.betting.feature_signals import DRIFT, column_signals, rate_signal
from detectors.betting.signal import rate_slack
from detectors.betting.tables import BetTables
from detectors.layout import prediction_layout
from schemas.model_parts import MinEffect

if TYPE_CHECKING:
    from detectors.betting.signal import Signal
    from detectors.layout import PredictionLayout

PLAIN = settings(deadline=None, max_examples=60)
NOISE = 1e-9

counts_of_bins = st.lists(
    st.one_of(st.just(0), st.integers(0, 50), st.integers(0, 30_000)), min_size=1, max_size=70
).filter(lambda counts: sum(counts) >= 100)
counts_of_categories = st.lists(st.integers(1, 20_000), min_size=1, max_size=300).filter(
    lambda counts: sum(counts) >= 100
)
minima = st.sampled_from([MinEffect(sd=0, share=0), MinEffect(), MinEffect(sd=1, share=0.3)])


def shares_of(signal: Signal, layout: PredictionLayout) -> Floats:
    """Return the reference's share of every cell of a signal."""
    counts = np.zeros(layout.size)
    for cells in layout.columns:
        column = cells.column
        special = [column.missing, column.invalid]
        own = [*column.counts, *([column.other] if column.type == "categorical" else []), *special]
        counts[layout.cells(cells)] = own
    found = counts[signal.cells]
    return np.asarray(found / found.sum())


def moved(shares: Floats, values: Floats, mean: float) -> Floats:
    """Return shares mixed with the outermost cell so that the mean is as wished, as far as it can be."""
    outermost = int(values.argmax() if mean > 0 else values.argmin())
    now, most = float(shares @ values), float(values[outermost])
    part = 1.0 if abs(most) <= abs(mean) or most == now else (mean - now) / (most - now)
    part = min(max(part, 0.0), 1.0)
    there = np.zeros_like(shares)
    there[outermost] = 1.0
    return (1 - part) * shares + part * there


def factors(signal: Signal, hour: float | None = None) -> tuple[BetTables, Floats]:
    """Return the factor of one event in each cell for every bet, shape (cells, bets)."""
    tables = BetTables([signal], window_ms=MINUTE_MS)
    one = np.ones(1)
    offsets = tables.offsets(hour)
    gains = [tables.gains(cell[None, :], one, offsets)[0] for cell in np.eye(len(signal.cells))]
    return tables, np.exp(np.array(gains))


def assert_fair(signal: Signal, shares: Floats, hour: float | None = None) -> None:
    tables, per_cell = factors(signal, hour)
    offsets = tables.offsets(hour)
    for bet, stake in enumerate(tables.stake[0].tolist()):
        functional = int(tables.functional[0, bet])
        usual = 0.0 if offsets is None else float(offsets[0, functional])
        up, down = signal.slack[functional].tolist()
        worst = usual + (up if stake > 0 else -down)
        values = signal.values[:, functional]
        for mean in (worst, usual + (worst - usual) / 2, usual):
            chance = moved(shares, values, mean)
            outside = (float(chance @ values) - worst) * np.sign(stake)
            if outside <= NOISE:
                assert float(chance @ per_cell[:, bet]) <= 1 + NOISE


@PLAIN
@given(counts_of_bins, minima)
def test_no_bet_on_a_number_gains_anywhere_in_the_interval(counts: list[int], least: MinEffect) -> None:
    layout = layout_of(number("x", counts))
    for signal in signals_of(layout, least=least, checks=[DRIFT]):
        assert_fair(signal, shares_of(signal, layout))


@PLAIN
@given(counts_of_categories, st.integers(0, 500), minima)
def test_no_bet_on_a_category_gains_anywhere_in_the_interval(
    counts: list[int], other: int, least: MinEffect
) -> None:
    layout = layout_of(category("c", counts, other=other))
    for signal in signals_of(layout, least=least, checks=[DRIFT]):
        assert_fair(signal, shares_of(signal, layout))


@PLAIN
@given(st.integers(100, 10**6), st.floats(0, 1), st.sampled_from([0.0, 0.02, 0.5]))
def test_no_bet_on_a_rate_gains_anywhere_in_the_interval(n: int, part: float, least: float) -> None:
    for share in (0.0, round(part * n) / n, 1.0):
        slack = rate_slack(np.array([share]), (CALM,), n=n, z=3.0, minimum=np.array([least]))
        signal = rate_signal(
            "rate",
            "service",
            np.array([0, 1]),
            np.array([False, True]),
            share=share,
            slack=slack,
            minimum=least,
            rhythms=(CALM,),
        )
        assert_fair(signal, np.array([1 - share, share]))


@PLAIN
@given(
    counts_of_bins, st.lists(st.floats(-1, 1), min_size=24, max_size=24), st.booleans(), st.floats(0, 167.9)
)
def test_no_bet_gains_where_a_cycle_moves_the_mean(
    counts: list[int], season: list[float], smooth: bool, hour: float
) -> None:
    rhythm = replace(CALM, season=tuple(season), smooth=smooth)
    layout = layout_of(number("x", counts, rhythm=rhythm))
    for signal in signals_of(layout, checks=[DRIFT]):
        assert_fair(signal, shares_of(signal, layout), hour)


@PLAIN
@given(counts_of_bins, minima)
def test_no_event_takes_more_than_a_bet_may_stake(counts: list[int], least: MinEffect) -> None:
    for signal in signals_of(layout_of(number("x", counts)), least=least):
        tables = BetTables([signal], window_ms=MINUTE_MS)
        worth = 1 + signal.values[:, tables.functional[0]] * tables.stake[0]
        assert worth.min() >= 0.05 - NOISE


@PLAIN
@given(st.integers(1, 60), st.integers(200, 10**5))
def test_the_interval_of_a_share_holds_as_often_as_it_says(expected: int, n: int) -> None:
    share, z = min(expected / n, 0.5), 3.0
    seen = np.arange(int(10 * expected + 60))
    seen = seen[seen <= n]
    log_chance = np.cumsum(np.log(np.maximum(n - seen + 1, 1) / np.maximum(seen, 1)))
    log_chance += -log_chance[0] + seen * np.log(share) + (n - seen) * np.log1p(-share)
    chance = np.exp(log_chance)
    slack = rate_slack(seen / n, (CALM,) * len(seen), n=n, z=z, minimum=np.zeros(len(seen)))
    one_sided = 0.00135
    assert chance[seen / n - slack[:, 1] > share].sum() <= one_sided
    assert chance[seen / n + slack[:, 0] < share].sum() <= one_sided


def mean_and_error(values: Floats) -> tuple[Floats, Floats]:
    return values.mean(axis=0), values.std(axis=0) / np.sqrt(len(values))


def gains_of(signals: list[Signal], vectors: npt.NDArray[np.int64]) -> tuple[BetTables, Floats]:
    tables = BetTables(signals, window_ms=MINUTE_MS)
    return tables, np.array([tables.gains(*tables.counts(v), None) for v in vectors])


def test_windows_without_a_change_gain_nothing_on_average() -> None:
    rng = np.random.default_rng(1)
    layout = layout_of(
        number("x", [300] * 64),
        number("atoms", [15_000, 40, 0, 3_000, 1_960]),
        category("c", [15_000, 3_000, 1_500, 499, 1]),
        number("gone", [18_000, 1_000], missing=1_000),
    )
    signals = signals_of(layout)
    _, gains = gains_of(signals, drawn(rng, layout, 8_000))
    mean, error = mean_and_error(np.exp(gains))
    assert (mean <= 1 + 4 * error + NOISE).all()


@pytest.mark.parametrize("part", [0.0, 0.5, 0.8])
def test_tempered_bets_gain_nothing_on_a_stream_of_the_inertia_of_its_reference(part: float) -> None:
    rng = np.random.default_rng(2)
    n = 60_000
    stream = np.zeros(2 * n)
    steps = rng.normal(0, np.sqrt(1 - part**2), 2 * n)
    for place in range(1, 2 * n):
        stream[place] = part * stream[place - 1] + steps[place]
    profile = built({"x": stream[:n]}, minutes(n))
    layout = prediction_layout(profile)
    found = column_signals(layout, least=MinEffect(sd=0, share=0), checks=[DRIFT])
    vectors = np.array([counted(layout, {"x": w}) for w in stream[n:].reshape(-1, EVENTS)])
    tables, gains = gains_of([made.signal for made in found], vectors)
    assert not tables.unknown.any()
    mean, error = mean_and_error(np.exp(gains / tables.inflation))
    assert (mean <= 1 + 4 * error).all()
