"""Missing, invalid and constant values: no crash, no warning, no false alarm, and no silence afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from builders.bets import (
    EVENTS,
    Columns,
    Floats,
    bank_of,
    built,
    category,
    counted,
    drawn,
    fed,
    firings,
    layout_of,
    minutes,
    number,
    signals_of,
)
from builders.summaries import NOON_MS

from detectors.betting.feature_signals import DRIFT
from detectors.profile import ReferenceProfile
from schemas.model_parts import MinEffect

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 20_000


@pytest.fixture(autouse=True)
def every_odd_number_is_an_error() -> Iterator[None]:
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        yield


@pytest.fixture(params=["with times", "without times"])
def watch(request: pytest.FixtureRequest) -> Columns:
    times = minutes(ROWS) if request.param == "with times" else None
    return Columns(built({"x": np.random.default_rng(1).normal(size=ROWS)}, times))


def normal(rng: np.random.Generator, mean: float = 0.0) -> Floats:
    return rng.normal(mean, 1, EVENTS)


def test_missing_and_invalid_values_never_touch_what_is_known_of_the_others() -> None:
    rng = np.random.default_rng(2)
    layout = layout_of(number("x", [300] * 64, missing=500, invalid=300))
    [signal] = signals_of(layout, checks=[DRIFT])
    clean = drawn(rng, layout, 200)
    cells = layout.cells(layout.columns[0])
    clean[:, cells.stop - 2 : cells.stop] = 0
    dirty = clean.copy()
    dirty[:, cells.stop - 2 : cells.stop] = rng.integers(0, 1_000, (200, 2))
    banks = bank_of([signal], bar=3.0), bank_of([signal], bar=3.0)
    assert fed(banks[0], clean) == fed(banks[1], dirty)
    assert banks[0].to_bytes() == banks[1].to_bytes()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_window_of_missing_or_invalid_values_leaves_the_evidence_of_drift_as_it_was(value: float) -> None:
    profile = built({"x": np.random.default_rng(1).normal(size=ROWS)}, minutes(ROWS))
    layout = Columns(profile).layout
    [signal] = signals_of(layout, checks=[DRIFT])
    bank = bank_of([signal])
    rng = np.random.default_rng(3)
    fed(bank, np.array([counted(layout, {"x": normal(rng, 0.2)}) for _ in range(5)]))
    before = bank.to_bytes()
    assert before != bank_of([signal]).to_bytes()
    fed(bank, np.array([counted(layout, {"x": np.full(EVENTS, value)})] * 50), first=5)
    assert bank.to_bytes() == before


def test_missing_values_are_found_as_missing_and_not_as_drift(watch: Columns) -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        watch.feed(counted(watch.layout, {"x": normal(rng)}))
    for _ in range(10):
        watch.feed(counted(watch.layout, {"x": np.full(EVENTS, np.nan)}))
    assert {check for _, check, *_ in watch.said} == {"missing_rate"}
    assert 20 <= watch.first("missing_rate")["x"] <= 22


def test_a_shift_after_nothing_but_missing_values_is_found(watch: Columns) -> None:
    rng = np.random.default_rng(5)
    for _ in range(30):
        watch.feed(counted(watch.layout, {"x": np.full(EVENTS, np.nan)}))
    for _ in range(20):
        watch.feed(counted(watch.layout, {"x": normal(rng, 1.0)}))
    # A reference that cannot tell its inertia has it measured first.
    assert 30 <= watch.first("drift")["x"] <= (36 if watch.profile.span_ms else 42)


def test_a_single_nan_and_a_single_infinity_silence_nothing(watch: Columns) -> None:
    rng = np.random.default_rng(6)
    values = normal(rng)
    values[:2] = np.nan, np.inf
    watch.feed(counted(watch.layout, {"x": values}))
    assert not watch.said
    for _ in range(20):
        watch.feed(counted(watch.layout, {"x": normal(rng, 1.0)}))
    assert set(watch.first("drift")) == {"x"}


def test_windows_without_events_say_nothing_however_many(watch: Columns) -> None:
    for _ in range(500):
        watch.feed(np.zeros(watch.layout.size, dtype=np.int64))
    assert not watch.said


@pytest.mark.parametrize("rows", [0, 1, 3, 99])
def test_a_reference_of_next_to_nothing_is_not_bet_on(rows: int) -> None:
    watch = Columns(built({"x": np.arange(float(max(rows, 1)))[:rows]}, None))
    rng = np.random.default_rng(7)
    for _ in range(50):
        watch.feed(counted(watch.layout, {"x": normal(rng, 50)}))
    assert not watch.said


def test_a_column_without_any_value_in_the_reference_is_not_bet_on() -> None:
    columns = {"gone": np.full(ROWS, np.nan), "x": np.random.default_rng(1).normal(size=ROWS)}
    watch = Columns(built(columns, minutes(ROWS)))
    rng = np.random.default_rng(8)
    for _ in range(50):
        watch.feed(counted(watch.layout, {"gone": normal(rng), "x": normal(rng)}))
    assert not watch.said


@pytest.mark.parametrize("times", [True, False])
@pytest.mark.parametrize("moved", [6.0, 8.0])
def test_a_constant_is_silent_until_it_varies_upward_or_downward(moved: float, times: bool) -> None:
    watch = Columns(built({"x": np.full(ROWS, 7.0)}, minutes(ROWS) if times else None))
    same, other = np.full(EVENTS, 7.0), np.full(EVENTS, 7.0)
    other[::3] = moved
    for _ in range(500):
        watch.feed(counted(watch.layout, {"x": same}))
    assert not watch.said
    for _ in range(15):
        watch.feed(counted(watch.layout, {"x": other}))
    assert set(watch.first("drift")) == {"x"}


def test_a_single_category_is_silent_until_another_one_comes() -> None:
    layout = layout_of(category("only", [ROWS]))
    profile = ReferenceProfile("fraud", "binary", ROWS, tuple(c.column for c in layout.columns))
    watch = Columns(profile)
    watch.feed(*drawn(np.random.default_rng(9), layout, 500))
    assert not watch.said
    watch.feed(*drawn(np.random.default_rng(9), layout, 20, chances={0: [0.8, 0.2, 0.0, 0.0]}))
    assert set(watch.first("drift")) == set(watch.first("unseen_rate")) == {"only"}


def test_a_reference_that_is_almost_never_missing_is_found_when_it_is_missing_a_little() -> None:
    layout = layout_of(number("x", [1_000] * 20, missing=10))
    least = MinEffect()
    [signal] = signals_of(layout, least=least, checks=["missing_rate"])
    chance = np.append(np.full(20, 0.96 / 20), [0.04, 0.0])
    broken = drawn(np.random.default_rng(10), layout, 200, chances={0: chance})
    assert min(firings(fed(bank_of([signal], bar=18.0), broken)), default=999) < 100


def test_a_window_before_everything_else_is_no_special_case(watch: Columns) -> None:
    vector = counted(watch.layout, {"x": np.full(EVENTS, 9.0)})
    found = watch.feed(*[vector] * 12)
    assert [f.onset_ms for window in found for f in window if f.check == "drift"][:1] == [NOON_MS]
