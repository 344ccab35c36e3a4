"""Kolmogorov-Smirnov, Wasserstein, chi-square and L-infinity: the textbooks' figures, and silence on noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from builders.streams import Watch, reality
from builders.summaries import numeric_column, prediction_window, predictions, profile_of
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]  # it ships no types

from detectors.column_bins import bin_gaps
from detectors.count_distances import chi_square, chi_square_by_chance, l_infinity, l_infinity_by_chance
from detectors.distance_table import DISTANCES, DistanceName
from detectors.drift import DistanceDrift
from detectors.layout import prediction_layout
from detectors.ordered_distances import (
    kolmogorov_smirnov,
    kolmogorov_smirnov_by_chance,
    wasserstein,
    wasserstein_by_chance,
)
from schemas.finding import Verdict

Floats = npt.NDArray[np.float64]

ONE = np.array([0])
Measure = Callable[[npt.ArrayLike, npt.ArrayLike, npt.NDArray[np.intp]], Floats]


def even_wasserstein(now: npt.ArrayLike, before: npt.ArrayLike, starts: npt.NDArray[np.intp]) -> Floats:
    """Bins one unit apart, in every column."""
    gaps = np.ones(len(np.asarray(now)))
    gaps[np.append(starts[1:], len(gaps)) - 1] = 0.0
    return wasserstein(now, before, gaps, starts)


MEASURES: list[Measure] = [kolmogorov_smirnov, even_wasserstein, chi_square, l_infinity]
UNORDERED: list[Measure] = [chi_square, l_infinity]
counts_pairs = st.integers(1, 20).flatmap(
    lambda size: st.tuples(*[st.lists(st.integers(0, 10_000), min_size=size, max_size=size)] * 2)
)
filled_pairs = counts_pairs.filter(lambda pair: all(map(sum, pair)))


@pytest.mark.parametrize("measure", MEASURES)
@given(pair=counts_pairs, times=st.integers(1, 50))
def test_equal_shares_are_no_distance_apart(
    measure: Measure, pair: tuple[list[int], list[int]], times: int
) -> None:
    counts = pair[0]
    assert measure(counts, [times * count for count in counts], ONE)[0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("measure", MEASURES)
@given(pair=counts_pairs)
def test_which_side_is_the_reference_does_not_matter(
    measure: Measure, pair: tuple[list[int], list[int]]
) -> None:
    now, before = pair
    assert measure(now, before, ONE)[0] == pytest.approx(measure(before, now, ONE)[0], abs=1e-9)
    assert np.isfinite(measure(now, before, ONE)[0])


@pytest.mark.parametrize("measure", UNORDERED)
@given(pair=counts_pairs, seed=st.integers(0, 1000))
def test_the_order_of_groups_does_not_matter_where_there_is_none(
    measure: Measure, pair: tuple[list[int], list[int]], seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(pair[0]))
    now, before = (np.array(counts) for counts in pair)
    assert measure(now[order], before[order], ONE)[0] == pytest.approx(measure(now, before, ONE)[0])


@given(pair=counts_pairs, seed=st.integers(0, 1000))
def test_neither_does_it_for_what_chance_alone_would_give(
    pair: tuple[list[int], list[int]], seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(pair[0]))
    now, before = (np.array(counts) for counts in pair)
    straight, mixed = (
        chi_square_by_chance(*sides, ONE, alpha=1e-5)[0]
        for sides in ((now, before), (now[order], before[order]))
    )
    assert mixed == pytest.approx(straight)


@pytest.mark.parametrize("measure", MEASURES)
def test_many_columns_at_once_are_the_same_as_one_by_one(measure: Measure) -> None:
    now, before = [10, 20, 0, 0, 5, 30, 1, 7], [15, 15, 1, 9, 0, 3, 40, 0]
    starts, ends = np.array([0, 2, 4, 7]), [2, 4, 7, 8]
    single = [measure(now[s:e], before[s:e], ONE)[0] for s, e in zip(starts, ends, strict=True)]
    assert measure(now, before, starts).tolist() == pytest.approx(single)


@given(pair=filled_pairs)
def test_chi_square_is_that_of_the_table_of_both_sides(pair: tuple[list[int], list[int]]) -> None:
    table = np.array(pair)
    table = table[:, table.sum(axis=0) > 0]
    assume(table.shape[1] > 1)
    found = stats.chi2_contingency(table, correction=False)
    assert chi_square(*pair, ONE)[0] * found.dof == pytest.approx(found.statistic, abs=1e-9)


@given(pair=filled_pairs)
def test_l_infinity_is_the_largest_difference_of_shares(pair: tuple[list[int], list[int]]) -> None:
    now, before = (np.array(counts) / sum(counts) for counts in pair)
    assert l_infinity(*pair, ONE)[0] == pytest.approx(np.abs(now - before).max())


ABOVE = 99


@given(
    before=st.lists(st.integers(0, 9), min_size=2, max_size=60).filter(lambda found: len(set(found)) > 1),
    now=st.lists(st.integers(-5, 12), min_size=1, max_size=60),
)
def test_numbers_on_the_edges_of_bins_have_the_distances_of_scipy(before: list[int], now: list[int]) -> None:
    edges = np.unique(before)
    sd = numeric_column("x", before).sd
    now_counts, counts = (
        np.bincount(np.searchsorted(edges, side), minlength=len(edges) + 1) for side in (now, before)
    )
    gaps = np.append(np.diff(edges), [0, 0]) / sd
    # A value between two of the profile's counts as the upper one; above all of them it has a bin of its own.
    upper = np.append(edges, ABOVE)[np.searchsorted(edges, now)]
    moved = stats.wasserstein_distance(np.minimum(upper, edges[-1]), before) / sd
    assert wasserstein(now_counts, counts, gaps, ONE)[0] == pytest.approx(moved, abs=1e-9)
    apart = stats.ks_2samp(upper, before, method="asymp").statistic
    assert kolmogorov_smirnov(now_counts, counts, ONE)[0] == pytest.approx(apart)


def test_gaps_are_counted_in_standard_deviations_to_the_highest_quantile() -> None:
    column = numeric_column("x", [0.0, 0.0, 10.0, 10.0])
    assert column.sd == 5.0
    assert bin_gaps(column).sum() * column.sd == pytest.approx(column.high - column.edges[0])
    assert np.isnan(bin_gaps(numeric_column("x", [7.0] * 9))).all()


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.normal(size=n),
        lambda rng, n: rng.lognormal(0, 1.5, n),
        lambda rng, n: rng.poisson(0.3, n) * 1.0,
    ],
    ids=["normal", "lognormal", "counts"],
)
@pytest.mark.parametrize(("n", "m"), [(200, 1000), (200, 20_000), (5000, 1000)])
def test_distances_of_numbers_stay_inside_what_chance_gives(
    draw: Callable[[np.random.Generator, int], Floats], n: int, m: int
) -> None:
    rng = np.random.default_rng(n + m)
    beyond = np.zeros(2)
    for _ in range(50):
        column = numeric_column("x", draw(rng, m))
        gaps, edges = bin_gaps(column), np.array(column.edges)
        for _ in range(20):
            counts = np.bincount(np.searchsorted(edges, draw(rng, n)), minlength=len(gaps))
            moved = wasserstein(counts, column.counts, gaps, ONE) > wasserstein_by_chance(
                counts, column.counts, gaps, ONE, alpha=0.01
            )
            apart = kolmogorov_smirnov(counts, column.counts, ONE) > kolmogorov_smirnov_by_chance(
                n, m, alpha=0.01
            )
            beyond += moved[0], apart[0]
    assert (beyond <= 0.02 * 1000).all()


SHARES = {
    "equal": np.full(10, 0.1),
    "one rare": np.append(np.full(3, 0.333), 0.001),
    "one very rare": np.append(np.full(3, (1 - 2e-4) / 3), 2e-4),
    "skewed": np.array([0.9, 0.05, 0.03, 0.01, 0.005, 0.003, 0.001, 0.0005, 0.0003, 0.0002]),
}


@pytest.mark.parametrize("true", SHARES.values(), ids=SHARES)
@pytest.mark.parametrize(("n", "m"), [(200, 100), (200, 5000), (200, 20_000), (5000, 1000)])
def test_distances_of_groups_stay_inside_what_chance_gives_even_with_rare_ones(
    true: Floats, n: int, m: int
) -> None:
    """With a profile of 5,000 rows one event of a group that it lacks is worth 25 on the chi-square scale."""
    rng = np.random.default_rng(n + m)
    times, alpha = 50_000, 1e-3
    now, before = rng.multinomial(n, true, times).ravel(), rng.multinomial(m, true, times).ravel()
    starts = np.arange(times) * len(true)
    squares = chi_square(now, before, starts) > chi_square_by_chance(now, before, starts, alpha=alpha)
    largest = l_infinity(now, before, starts) > l_infinity_by_chance(len(true), n, m, alpha=alpha)
    assert squares.mean() < 1.5 * alpha
    assert largest.mean() < 1.5 * alpha


def test_a_category_that_the_profile_does_not_know_is_beyond_chance_all_the_same() -> None:
    now, before = [50, 50, 100], [2500, 2500, 0]
    assert chi_square(now, before, ONE)[0] > 5 * chi_square_by_chance(now, before, ONE, alpha=1e-6)[0]


@pytest.mark.parametrize(
    "bound", [l_infinity_by_chance(3, 0, 100, alpha=0.01), kolmogorov_smirnov_by_chance(0, 9, alpha=0.01)]
)
def test_chance_can_do_anything_where_nothing_was_counted(bound: Floats) -> None:
    assert np.isinf(bound)


RNG = np.random.default_rng(6)
LAYOUT = prediction_layout(
    profile_of(
        {
            "amount": RNG.normal(42, 10, 5000),
            "constant": [7.0] * 5000,
            "country": RNG.choice(["DE", "FR", "IT"], 5000, p=[0.7, 0.2, 0.1]).tolist(),
        }
    )
)


def findings(
    distance: DistanceName, threshold: float | None = 0.01
) -> dict[str | None, tuple[Verdict, float]]:
    rng = np.random.default_rng(2)
    moved = {
        "amount": rng.normal(52, 10, 2000),
        "constant": [7.0] * 2000,
        "country": rng.choice(["DE", "FR", "IT"], 2000, p=[0.3, 0.6, 0.1]).tolist(),
    }
    window = prediction_window(predictions(LAYOUT, moved))
    found = DistanceDrift(LAYOUT, distance=distance, threshold=threshold).update(window)
    return {f.feature: (f.verdict, f.score) for f in found}


def test_a_shift_of_one_standard_deviation_is_one_and_a_moved_share_is_that_share() -> None:
    expected: dict[tuple[DistanceName, str], tuple[float, float]] = {
        ("wasserstein", "amount"): (1.0, 0.1),
        ("kolmogorov_smirnov", "amount"): (0.383, 0.04),
        ("l_infinity", "country"): (0.4, 0.03),
    }
    for (distance, feature), (size, tolerance) in expected.items():
        verdict, score = findings(distance)[feature]
        assert verdict is Verdict.BREACH
        assert score == pytest.approx(size, abs=tolerance)
    assert {verdict for verdict, _ in findings("chi_square").values()} == {Verdict.BREACH, Verdict.CLEAR}


def test_columns_without_such_a_distance_are_not_compared() -> None:
    assert findings("kolmogorov_smirnov").keys() == {"amount", "constant"}
    assert findings("wasserstein").keys() == {"amount"}
    assert findings("l_infinity").keys() == {"country"}
    assert findings("chi_square").keys() == {"amount", "constant", "country"}


def test_every_figure_that_a_column_has_is_in_its_evidence() -> None:
    window = prediction_window(predictions(LAYOUT, {"amount": [42.0] * 500, "country": ["DE"] * 500}))
    evidence = {f.feature: f.evidence for f in DistanceDrift(LAYOUT).update(window)}
    assert evidence["amount"].keys() & DISTANCES.keys() == DISTANCES.keys() - {"l_infinity"}
    assert evidence["country"].keys() & DISTANCES.keys() == DISTANCES.keys() - {
        "kolmogorov_smirnov",
        "wasserstein",
    }
    assert evidence["amount"]["budgeted"] is False


@pytest.mark.parametrize("name", [name for name in DISTANCES if name != "psi"])
@pytest.mark.parametrize("most", [201, 5000])
def test_a_threshold_of_almost_nothing_does_not_fire_on_noise(name: DistanceName, most: int) -> None:
    rng = np.random.default_rng(7)
    world = reality(rng, columns=30, rows=1000)
    drift, watch = DistanceDrift(world.layout, distance=name, threshold=1e-6), Watch()
    for index in range(500):
        watch.take(drift.update(world.window(rng, int(rng.integers(200, most)), index)))
    assert watch.alerts == []
    assert watch.breaches <= 2
