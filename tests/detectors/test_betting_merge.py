"""What is said of a signal depends on what was counted of it, and on nothing else."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
from builders.bets import (
    CALM,
    EVENTS,
    Columns,
    Floats,
    Vectors,
    bank_of,
    built,
    category,
    chances_of,
    counted,
    drawn,
    fed,
    firings,
    layout_of,
    minutes,
    number,
    shifted,
    signals_of,
)
from builders.summaries import MINUTE_MS, NOON_MS
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.betting.feature_signals import DRIFT
from detectors.betting.watched import Watched, WatchedBanks
from detectors.profile import NumericColumn
from schemas.finding import Kind, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from detectors.betting.bank import Reading
    from detectors.betting.signal import Signal
    from detectors.layout import PredictionLayout
    from detectors.profile import ReferenceProfile

X = number("x", [300] * 64, missing=200)
LAYOUT = layout_of(
    X,
    number("few", [9_000, 9_000, 2_000], rhythm=None),
    category("c", [12_000, 5_000, 2_000, 900, 100]),
    category("many", [100] * 200, rhythm=None),
    category("two", [19_000, 1_000]),
)
BROKEN: dict[int, npt.ArrayLike] = {
    0: shifted(X, 0.2),
    1: [0.3, 0.3, 0.4, 0.0, 0.0],
    2: [0.2, 0.2, 0.2, 0.2, 0.2, 0.0, 0.0, 0.0],
    4: [0.5, 0.2, 0.2, 0.1, 0.0],
}


def stream(seed: int = 1) -> Vectors:
    """Return windows of which the middle ones are broken, some without any event, some with missing values alone."""
    rng = np.random.default_rng(seed)
    parts = [drawn(rng, LAYOUT, 40), drawn(rng, LAYOUT, 30, chances=BROKEN), drawn(rng, LAYOUT, 60)]
    found = np.concatenate(parts)
    found[::11] = 0
    cells = LAYOUT.cells(LAYOUT.columns[0])
    found[5::13, cells], found[5::13, cells.stop - 2] = 0, EVENTS
    return found


def by_name(signals: Sequence[Signal], readings: list[list[Reading]]) -> dict[str, list[tuple[int, Reading]]]:
    found: dict[str, list[tuple[int, Reading]]] = {signal.name: [] for signal in signals}
    for window, read in enumerate(readings):
        for reading in read:
            found[signals[reading.signal].name].append((window, reading))
    return found


def assert_alike(one: list[tuple[int, Reading]], other: list[tuple[int, Reading]]) -> None:
    assert [window for window, _ in one] == [window for window, _ in other]
    for (_, first), (_, second) in zip(one, other, strict=True):
        assert astuple(first)[1:] == pytest.approx(astuple(second)[1:], rel=1e-9, abs=1e-9)


def test_what_fires_in_the_stream_of_these_tests_is_over_again_in_it() -> None:
    signals = signals_of(LAYOUT)
    found = by_name(signals, fed(bank_of(signals), stream()))
    spoken = {name for name, said in found.items() if said}
    assert {"drift:x", "drift:few", "drift:c", "drift:two", "unseen_rate:two", "missing_rate:x"} <= spoken
    assert sum(r.resolved for said in found.values() for _, r in said) >= 4


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_windows_that_were_counted_in_parts_give_the_same_findings(seed: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    profile = built({"x": np.random.default_rng(1).normal(size=2_000)}, minutes(2_000))
    whole, merged = Columns(profile), Columns(profile)
    for window in range(12):
        values = rng.normal(window // 6, 1, 40)
        values[rng.random(40) < 0.1] = np.nan
        owner = rng.integers(0, parts, 40)
        pieces = [counted(whole.layout, {"x": values[owner == part]}) for part in range(parts)]
        once = whole.feed(counted(whole.layout, {"x": values}))
        assert merged.feed(np.sum(pieces, axis=0)) == once
    assert merged.detector.state() == whole.detector.state()


def test_the_same_windows_give_the_same_readings_and_the_same_state() -> None:
    banks = [bank_of(signals_of(LAYOUT)) for _ in range(2)]
    readings = [fed(bank, stream()) for bank in banks]
    assert readings[0] == readings[1]
    assert banks[0].to_bytes() == banks[1].to_bytes()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_bank_says_of_every_signal_what_a_bank_of_it_alone_says(seed: int) -> None:
    signals = signals_of(LAYOUT)
    together = by_name(signals, fed(bank_of(signals), stream(seed)))
    for signal in signals:
        alone = by_name([signal], fed(bank_of([signal]), stream(seed)))
        assert_alike(together[signal.name], alone[signal.name])


def test_a_signal_whose_bets_have_all_lost_says_so_next_to_signals_of_more_bets_too() -> None:
    layout = layout_of(number("x", [6_000] * 2, missing=8_000), category("many", [1_000] * 20))
    signals = signals_of(layout, checks=[DRIFT, "missing_rate"])
    [rate] = [signal for signal in signals if signal.name == "missing_rate:x"]
    vectors = np.zeros((40, layout.size), dtype=np.int64)
    cells = layout.cells(layout.columns[0])
    vectors[:2, cells.stop - 2] = EVENTS
    vectors[2:, cells.start] = EVENTS
    together = by_name(signals, fed(bank_of(signals, bar=7.0), vectors))[rate.name]
    alone = by_name([rate], fed(bank_of([rate], bar=7.0), vectors))[rate.name]
    assert min(reading.log_e_value for _, reading in alone) < 0
    assert_alike(together, alone)


def test_the_order_of_signals_changes_nothing() -> None:
    signals = signals_of(LAYOUT)
    order = np.random.default_rng(3).permutation(len(signals))
    shuffled = [signals[place] for place in order]
    before = by_name(signals, fed(bank_of(signals), stream()))
    after = by_name(shuffled, fed(bank_of(shuffled), stream()))
    for name, said in before.items():
        assert_alike(said, after[name])


def test_banks_of_like_signals_say_what_one_bank_of_all_says() -> None:
    signals = signals_of(LAYOUT)
    watched = [Watched(signal, Kind.DATA_DRIFT, "drift") for signal in signals]
    banks = WatchedBanks(watched, [10.0] * len(signals), window_ms=MINUTE_MS, reference="")
    bank = bank_of(signals, bar=10.0)
    for window, vector in enumerate(stream()):
        start_ms = NOON_MS + window * MINUTE_MS
        apart = banks.update(vector, start_ms=start_ms, hour=None)
        together = bank.update(vector, start_ms=start_ms, hour=None)
        assert [place for place, _ in apart] == [reading.signal for reading in together]
        assert_alike([(0, r) for _, r in apart], [(0, r) for r in together])


def test_one_more_signal_leaves_the_others_as_they_were_but_for_their_bars() -> None:
    columns = [cells.column for cells in LAYOUT.columns]
    fewer = layout_of(*columns[:4])
    before, after = signals_of(fewer), signals_of(LAYOUT)
    old = by_name(before, fed(bank_of(before), stream()[:, : fewer.counts]))
    new = by_name(after, fed(bank_of(after), stream()))
    fired = {name for name, said in old.items() if said and name.startswith("drift")}
    assert fired <= {name for name, said in new.items() if said}
    for name in fired:
        assert [w for w, r in old[name] if r.resolved] == [w for w, r in new[name] if r.resolved]


TRANSFORMS: dict[str, Callable[[Floats], Floats]] = {
    "twice": lambda x: 2 * x,
    "thousandth": lambda x: x / 1024,
    "cube": lambda x: x**3,
    "exp": lambda x: np.exp(x / 32),
    "shift": lambda x: x + 2**20,
}


def whole_numbers(rng: np.random.Generator, n: int, shift: int = 0) -> Floats:
    return np.rint(rng.normal(0, 40, n)).clip(-200, 200) + shift


@pytest.mark.parametrize("name", TRANSFORMS)
def test_neither_units_nor_a_transform_that_keeps_the_order_change_an_alarm(name: str) -> None:
    transform = TRANSFORMS[name]

    def run(change: Callable[..., Floats]) -> Columns:
        rng = np.random.default_rng(5)
        watch = Columns(built({"x": change(whole_numbers(rng, 20_000))}, minutes(20_000)))
        for window in range(160):
            shift = 30 if 40 <= window < 80 else 0
            watch.feed(counted(watch.layout, {"x": change(whole_numbers(rng, EVENTS, shift))}))
        return watch

    plain, other = run(lambda x: x), run(transform)
    assert Verdict.CLEAR in {verdict for *_, verdict in plain.said}
    assert plain.said == other.said
    assert counts_of(plain.profile) == counts_of(other.profile)


def counts_of(profile: ReferenceProfile) -> list[tuple[int, ...]]:
    return [column.counts for column in profile.columns if isinstance(column, NumericColumn)]


def test_a_category_that_never_comes_costs_nothing_in_a_bank_of_many() -> None:
    layout: PredictionLayout = layout_of(category("c", [19_990, 10]), number("x", [2_000] * 10, rhythm=CALM))
    assert chances_of(layout)[0].sum() == pytest.approx(1)
    calm = drawn(np.random.default_rng(7), layout, 500)
    assert firings(fed(bank_of(signals_of(layout), bar=15.0), calm)) == []
