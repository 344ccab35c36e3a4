"""The budget is dealt out whole, and no more false alarms come than it allows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from builders.bets import (
    EVENTS,
    bank_of,
    budget_bars,
    built,
    category,
    chances_of,
    counted,
    drawn,
    fed,
    layout_of,
    minutes,
    number,
    signals_of,
)
from builders.summaries import MINUTE_MS, NOON_MS
from builders.watched import SETTINGS, profile
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.betting.budget import E_VALUE_MIN, bars
from detectors.betting.columns import BudgetedColumns
from detectors.betting.errors import BudgetedErrors
from detectors.betting.parts import BudgetedParts
from detectors.betting.setup import budgeted
from detectors.betting.tables import BetTables
from detectors.betting.volume import BudgetedVolume
from detectors.betting.watched import Watched, WatchedBanks
from detectors.layout import PredictionLayout, prediction_layout
from detectors.profile_build import ProfileBuilder
from detectors.profile_values import Answers, Numbers, RowBatch
from schemas.finding import Kind, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from detectors.betting.signal import Signal

WINDOWS = 2_000
GENEROUS = 20
"""False alarms that the budget allows in so many windows."""

LAYOUT = layout_of(
    number("x", [300] * 64), category("c", [15_000, 4_000, 1_000]), number("output.score", [500] * 40)
)
SIGNALS = signals_of(LAYOUT)
GROUPS = sorted({signal.group for signal in SIGNALS})


def rate(signals: list[Signal], levels: list[float], windows: float) -> dict[str, float]:
    """Return the false alarms in so many windows that bars allow, by group."""
    found = dict.fromkeys((signal.group for signal in signals), 0.0)
    for signal, level in zip(signals, levels, strict=True):
        found[signal.group] += windows / math.exp(level)
    return found


def dealt(weights: dict[str, float], *, false_alarms: float = 1.0, hours: int = 720) -> list[float]:
    return bars(
        SIGNALS,
        false_alarms=false_alarms,
        per_ms=hours * 60 * MINUTE_MS,
        window_ms=MINUTE_MS,
        weights=weights,
    )


weights_of_groups = st.fixed_dictionaries({group: st.floats(0.01, 100) for group in GROUPS})


@settings(deadline=None)
@given(weights_of_groups, st.floats(0.01, 1_000), st.integers(1, 10_000))
def test_the_shares_of_all_signals_add_up_to_the_budget(
    weights: dict[str, float], false_alarms: float, hours: int
) -> None:
    shares = rate(SIGNALS, dealt(weights, false_alarms=false_alarms, hours=hours), hours * 60)
    assert sum(shares.values()) == pytest.approx(false_alarms)
    total = sum(weights.values())
    for group, share in shares.items():
        assert share == pytest.approx(false_alarms * weights[group] / total)


def test_more_weight_lowers_the_bars_of_a_group_and_raises_those_of_the_others() -> None:
    even, tilted = dealt(dict.fromkeys(GROUPS, 1.0)), dealt({**dict.fromkeys(GROUPS, 1.0), "data_drift": 9.0})
    for signal, before, after in zip(SIGNALS, even, tilted, strict=True):
        assert (after < before) == (signal.group == "data_drift")


def test_a_weight_of_zero_silences_a_group_and_gives_its_share_to_the_others() -> None:
    levels = dealt({**dict.fromkeys(GROUPS, 1.0), "data_drift": 0.0})
    assert {
        math.isinf(level) for s, level in zip(SIGNALS, levels, strict=True) if s.group == "data_drift"
    } == {True}
    assert sum(rate(SIGNALS, levels, 43_200).values()) == pytest.approx(1.0)
    assert all(math.isinf(level) for level in dealt({}))


def test_a_feature_without_weight_is_silent_even_as_the_only_one_of_its_group() -> None:
    signals = [replace(s, weight=0.0) if s.group == "prediction_drift" else s for s in SIGNALS]
    levels = budget_bars(signals, false_alarms=1, windows=1_000)
    assert [math.isinf(level) for level in levels] == [s.group == "prediction_drift" for s in signals]
    assert sum(rate(signals, levels, 1_000).values()) == pytest.approx(1.0)
    heavy = [replace(s, weight=3.0) if s.name == "drift:x" else s for s in SIGNALS]
    even, tilted = (budget_bars(s, false_alarms=1, windows=1_000) for s in (SIGNALS, heavy))
    assert tilted[0] == pytest.approx(even[0] - math.log(3 / 2))


def test_a_silent_signal_never_fires() -> None:
    broken = drawn(np.random.default_rng(1), LAYOUT, 50, chances={0: np.eye(66)[63]})
    assert not any(fed(bank_of(SIGNALS, bar=math.inf), broken))
    assert any(fed(bank_of(SIGNALS), broken))


def test_evidence_is_the_statistic_of_shiryaev_and_roberts_averaged_over_the_bets() -> None:
    vectors = drawn(np.random.default_rng(2), LAYOUT, 60)
    vectors[20:25] = 0
    bank, tables = bank_of(SIGNALS), BetTables(SIGNALS, window_ms=MINUTE_MS)
    statistic = np.zeros(tables.log_prior.shape)
    for index, vector in enumerate(vectors):
        bank.update(vector, start_ms=NOON_MS + index * MINUTE_MS, hour=None)
        counts, n = tables.counts(vector)
        busy = np.maximum(n / EVENTS, 1.0)[:, None]
        tempered = tables.gains(counts, n, None) / (1 + (tables.inflation - 1) * busy)
        statistic[n > 0] = (statistic[n > 0] + 1) * np.exp(tempered[n > 0])
        known = ~tables.unknown
        averaged = (np.exp(tables.log_prior) * statistic).sum(axis=1)
        assert bank.log_evidence[known] == pytest.approx(np.log(averaged[known]), rel=1e-9, abs=1e-9)


def test_however_generous_the_budget_no_alarm_comes_without_a_game_that_won() -> None:
    calm = drawn(np.random.default_rng(3), LAYOUT, 2_000)
    assert not any(fed(bank_of(SIGNALS, bar=-50.0), calm[:5]))
    for window in fed(bank_of(SIGNALS, bar=-50.0), calm):
        assert all(reading.log_e_value >= math.log(E_VALUE_MIN) for reading in window if reading.fired)


def poisson_limit(mean: float, alpha: float) -> int:
    """Return the number that a Poisson variable exceeds with at most this probability."""
    term = total = math.exp(-mean)
    count = 0
    while 1 - total > alpha:
        count += 1
        term *= mean / count
        total += term
    return count


def seen(rng: np.random.Generator, rows: int) -> PredictionLayout:
    """Return the layout of a reference of rows with times, of 38 numbers and 22 categories, some of them missing."""
    features: dict[str, Any] = {}
    for place in range(38):
        values = rng.normal(size=rows) if place % 3 else np.rint(rng.exponential(2, rows))
        features[f"x{place}"] = Numbers(values, rng.random(rows) < (place % 4) / 100)
    for place in range(22):
        names = [f"k{k}" for k in range(2 + place)] + [None]
        chance = rng.dirichlet(np.full(2 + place, 0.7)) * 0.99
        features[f"c{place}"] = rng.choice(np.array(names), rows, p=[*chance, 0.01]).tolist()
    builder = ProfileBuilder("fraud", "binary", positive="1", feature_rules={})
    batch = RowBatch(rows, features, Answers(), minutes(rows))
    builder.sample(batch)
    builder.count(batch)
    return prediction_layout(builder.finish())


def firings_on(signals: list[Signal], vectors: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> int:
    watched = [Watched(signal, Kind.DATA_DRIFT, "drift") for signal in signals]
    levels = budget_bars(signals, false_alarms=GENEROUS, windows=len(vectors))
    banks = WatchedBanks(watched, levels, window_ms=MINUTE_MS, reference="")
    found = 0
    for index, vector in enumerate(vectors):
        readings = banks.update(vector, start_ms=NOON_MS + index * MINUTE_MS, hour=None)
        found += sum(reading.fired for _, reading in readings)
    return found


def test_two_hundred_signals_of_a_reference_of_its_own_errors_stay_within_the_budget() -> None:
    rng = np.random.default_rng(4)
    layout = seen(rng, 20_000)
    # What the reference shows is off the truth by its own error: so is the truth off what it shows.
    truth = {
        place: rng.dirichlet(np.round(chance * 20_000) + 1e-9)
        for place, chance in enumerate(chances_of(layout))
    }
    signals = signals_of(layout)
    assert len(signals) >= 200
    assert firings_on(signals, drawn(rng, layout, WINDOWS, chances=truth)) <= poisson_limit(GENEROUS, 1e-4)


def test_signals_of_a_reference_without_error_stay_within_the_budget() -> None:
    rng = np.random.default_rng(5)
    shapes: list[Callable[[], Any]] = [
        lambda: rng.dirichlet(np.full(64, 60.0)),
        lambda: rng.dirichlet(np.full(8, 0.5)),
    ]
    columns = [
        number(f"x{place}", np.rint(shapes[place % 2]() * 1e12).astype(int).tolist(), missing=10**10)
        for place in range(40)
    ]
    names = [
        category(f"c{place}", np.rint(rng.dirichlet(np.full(2 + place, 0.7)) * 1e12).astype(int).tolist())
        for place in range(22)
    ]
    layout = layout_of(*columns, *names)
    signals = signals_of(layout)
    assert len(signals) >= 200
    assert firings_on(signals, drawn(rng, layout, WINDOWS)) <= poisson_limit(GENEROUS, 1e-4)


def test_the_detectors_of_a_model_share_one_budget() -> None:
    reference = profile("binary")
    segment = reference.segments["country=DE"]
    reference = replace(reference, segments={f"country={place}": segment for place in range(30)})
    model = SETTINGS["binary"].model_copy(update={"max_segments": 50})
    made = budgeted(model, reference)
    columns, errors, volume, *others = [d for d in made if d.stream is not Stream.LABELS]
    hours = [bar for d in made for bar in getattr(d, "_bars", []) if d.stream is Stream.LABELS]
    parts = [detector for detector in others if isinstance(detector, BudgetedParts)]
    assert len(parts) == len(others) == 4
    assert isinstance(volume, BudgetedVolume)
    assert isinstance(columns, BudgetedColumns)
    assert isinstance(errors, BudgetedErrors)
    names = {"version": [str(place) for place in range(4)], "segment": [f"country={p}" for p in range(50)]}
    for part in parts:
        known = [n for n in names[part._kind] if n in reference.segments or part._kind == "version"]
        part._seats.seat(names[part._kind] if part.stream is Stream.PREDICTIONS else known)
    whole = rate_of(columns._banks, errors._banks, errors._prompt, volume._bets.banks)
    whole += sum(30 * 24 / math.exp(level) for level in hours)
    versions = rate_of(*(part._seats.banks for part in parts[:2]))
    segments = rate_of(*(part._seats.banks for part in parts[2:]))
    assert (whole, versions, segments) == pytest.approx((0.7, 0.1, 0.2))
    assert model.false_alarm_budget.false_alarms == 1


def rate_of(*banks: WatchedBanks) -> float:
    """Return the false alarms that the bars of these allow in 30 days."""
    return sum(43_200 / math.exp(level) for one in banks for bank in one._banks for level in bank._bars)


@pytest.mark.parametrize("times", [True, False])
@pytest.mark.parametrize("part", [0.5, 0.9, 0.98])
def test_inertia_raises_no_alarm_whether_or_not_the_reference_knows_of_it(part: float, times: bool) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        rows, windows = 60_000, 400
        stream = np.zeros(rows + windows * EVENTS)
        last = 0.0
        for place, step in enumerate(rng.normal(0, math.sqrt(1 - part**2), len(stream)).tolist()):
            last = part * last + step
            stream[place] = last
        layout = prediction_layout(built({"x": stream[:rows]}, minutes(rows) if times else None))
        vectors = np.array([counted(layout, {"x": w}) for w in stream[rows:].reshape(windows, EVENTS)])
        assert not any(fed(bank_of(signals_of(layout)), vectors))
