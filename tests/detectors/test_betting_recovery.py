"""A signal fires once for one change, resolves soon after its end and not before, and can fire again."""

from __future__ import annotations

import numpy as np
import pytest
from builders.bets import (
    Vectors,
    bank_of,
    built,
    category,
    drawn,
    fed,
    firings,
    layout_of,
    minutes,
    number,
    resolutions,
    shifted,
    signals_of,
)

from detectors.betting.feature_signals import DRIFT
from detectors.layout import prediction_layout
from detectors.profile import NumericColumn
from schemas.model_parts import MinEffect

X = number("x", [300] * 64, missing=0)
NUMBERS = layout_of(X)
NAMES = layout_of(category("c", [15_000, 4_000, 900, 100]))
RARE = layout_of(number("x", [300] * 64, missing=200))
LEAST = MinEffect()
SOON = 12

CHANGES = {
    "a tenth of a number moved up": (NUMBERS, DRIFT, shifted(X, 0.1)),
    "a third of a number moved up": (NUMBERS, DRIFT, shifted(X, 0.33)),
    "a constant instead of a number": (NUMBERS, DRIFT, np.eye(66)[40]),
    "all of a number at its highest": (NUMBERS, DRIFT, np.eye(66)[63]),
    "a category 15 points up": (NAMES, DRIFT, [0.6, 0.35, 0.045, 0.005, 0.0, 0.0, 0.0]),
    "a rare category alone": (NAMES, DRIFT, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
    "unseen categories alone": (NAMES, "unseen_rate", [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]),
    "a tenth missing": (RARE, "missing_rate", np.append(np.full(64, 0.9 / 64), [0.1, 0.0])),
    "half missing": (RARE, "missing_rate", np.append(np.full(64, 0.5 / 64), [0.5, 0.0])),
    "all missing": (RARE, "missing_rate", np.append(np.zeros(64), [1.0, 0.0])),
    "all invalid": (RARE, "invalid_rate", np.append(np.zeros(64), [0.0, 1.0])),
}


def stream(name: str, *, calm: int, broken: int, again: int, seed: int = 1) -> tuple[Vectors, str]:
    layout, check, chance = CHANGES[name]
    rng = np.random.default_rng(seed)
    parts = [
        drawn(rng, layout, calm),
        drawn(rng, layout, broken, chances={0: chance}),
        drawn(rng, layout, again),
    ]
    return np.concatenate(parts), check


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_ends_is_over_soon_after_its_end_and_not_before(name: str) -> None:
    vectors, check = stream(name, calm=100, broken=150, again=150)
    signals = signals_of(CHANGES[name][0], least=LEAST, checks=[check])
    readings = fed(bank_of(signals, bar=14.0), vectors)
    [fired], [resolved] = firings(readings), resolutions(readings)
    assert 100 <= fired < 130
    assert 252 <= resolved <= 250 + 3 * SOON


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_stays_fires_once_and_is_never_over(name: str) -> None:
    vectors, check = stream(name, calm=50, broken=600, again=0)
    signals = signals_of(CHANGES[name][0], least=LEAST, checks=[check])
    readings = fed(bank_of(signals, bar=14.0), vectors)
    assert len(firings(readings)) == 1
    assert resolutions(readings) == []


@pytest.mark.parametrize("seed", range(6))
def test_a_small_change_that_stays_fires_once_though_it_looked_larger_at_first(seed: int) -> None:
    vectors = drawn(np.random.default_rng(seed), NUMBERS, 2_500, chances={0: shifted(X, 0.08)})
    signals = signals_of(NUMBERS, checks=[DRIFT])
    readings = fed(bank_of(signals, bar=14.0), vectors)
    assert len(firings(readings)) == 1


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_over_can_come_again(name: str) -> None:
    vectors, check = stream(name, calm=20, broken=60, again=100)
    signals = signals_of(CHANGES[name][0], least=LEAST, checks=[check])
    readings = fed(bank_of(signals, bar=14.0), np.concatenate([vectors] * 3))
    fired, resolved = firings(readings), resolutions(readings)
    assert len(fired) == len(resolved) == 3
    assert all(start < end for start, end in zip(fired, resolved, strict=True))


def test_a_rate_that_falls_below_the_usual_one_is_over_and_values_that_go_the_other_way_are_not() -> None:
    often = layout_of(number("x", [200] * 64, missing=7_200))
    [rate] = signals_of(often, least=LEAST, checks=["missing_rate"])
    chances = [np.append(np.full(64, (1 - gone) / 64), [gone, 0.0]) for gone in (0.6, 0.1)]
    rng = np.random.default_rng(3)
    fell = np.concatenate([drawn(rng, often, 50, chances={0: chance}) for chance in chances])
    readings = fed(bank_of([rate], bar=14.0), fell)
    assert len(firings(readings)) == len(resolutions(readings)) == 1

    up, down = shifted(X, 0.3), np.append(shifted(X, 0.3)[63::-1], [0.0, 0.0])
    turned = np.concatenate([drawn(rng, NUMBERS, 50, chances={0: chance}) for chance in (up, down)])
    readings = fed(bank_of(signals_of(NUMBERS, least=LEAST, checks=[DRIFT]), bar=14.0), turned)
    assert len(firings(readings)) == 1
    assert resolutions(readings) == []


def test_windows_without_events_neither_resolve_nor_delay_for_good() -> None:
    vectors, check = stream("half missing", calm=20, broken=60, again=100)
    signals = signals_of(RARE, least=LEAST, checks=[check])
    gap = np.zeros((500, RARE.size), dtype=np.int64)
    with_gap = np.concatenate([vectors[:80], gap, vectors[80:]])
    straight = resolutions(fed(bank_of(signals, bar=14.0), vectors))
    assert resolutions(fed(bank_of(signals, bar=14.0), with_gap)) == [window + 500 for window in straight]


def test_while_it_fires_it_says_where_the_change_began_and_how_large_it_is() -> None:
    vectors, check = stream("a third of a number moved up", calm=200, broken=200, again=0)
    signals = signals_of(NUMBERS, least=LEAST, checks=[check])
    readings = [r for window in fed(bank_of(signals, bar=14.0), vectors) for r in window]
    effects = [reading.first_effect for reading in readings]
    assert len(readings) >= 180
    assert effects[-1] == pytest.approx(0.33 * 2.4, abs=0.15)
    begun = {(reading.since_ms - readings[0].since_ms) // 60_000 for reading in readings}
    assert begun == {0}


@pytest.mark.parametrize(("times", "windows"), [(True, 20_000), (False, 6_000)])
def test_half_of_the_smallest_effect_never_fires_and_twice_of_it_does(times: bool, windows: int) -> None:
    rng = np.random.default_rng(5)
    rows = 20_000
    layout = prediction_layout(built({"x": rng.normal(size=rows)}, minutes(rows) if times else None))
    [column] = layout.numeric
    assert isinstance(column.column, NumericColumn)
    signals = signals_of(layout, least=LEAST, checks=[DRIFT])

    def moved(mean: float, count: int) -> Vectors:
        assert isinstance(column.column, NumericColumn)
        bins = np.array(column.column.edges).searchsorted(rng.normal(mean * LEAST.sd, 1, 2_000_000))
        chance = np.append(np.bincount(bins, minlength=column.bins) / len(bins), [0.0, 0.0])
        return drawn(rng, layout, count, chances={0: chance})

    assert fed(bank_of(signals), moved(0.5, windows)) == [[]] * windows
    readings = fed(bank_of(signals), moved(2.0, 1_500))
    assert len(firings(readings)) == 1
    assert resolutions(readings) == []
