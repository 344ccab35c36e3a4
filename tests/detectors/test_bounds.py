from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]  # it ships no types

from detectors.bounds import chi_square_quantile, critical_rate, divergence, normal_quantile, upper_rate

ALPHAS = (1e-2, 1e-4, 1e-6, 1e-8)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("degrees", [1, 2, 3, 5, 9, 16, 40, 255])
def test_the_chi_square_quantile_is_hardly_ever_too_low(degrees: int, alpha: float) -> None:
    ratio = float(chi_square_quantile(degrees, alpha=alpha)) / stats.chi2.isf(alpha, degrees)
    assert 0.99 <= ratio <= (1.04 if degrees >= 9 else 1.23)


def test_without_degrees_of_freedom_nothing_moves_by_chance() -> None:
    assert chi_square_quantile([0, 1], alpha=1e-3).tolist()[0] == 0.0


@given(n=st.integers(1, 5000), share=st.floats(0, 1), alpha=st.sampled_from([0.05, *ALPHAS]))
def test_the_upper_end_is_at_or_above_that_of_clopper_and_pearson(n: int, share: float, alpha: float) -> None:
    hits = round(share * n)
    exact = 1.0 if hits == n else stats.beta.ppf(1 - alpha, hits + 1, n - hits)
    assert float(upper_rate(hits, n, alpha=alpha)) >= exact - 1e-9


@given(n=st.integers(1, 5000), rate=st.floats(1e-6, 0.999), alpha=st.sampled_from(ALPHAS))
def test_chance_reaches_the_critical_rate_with_at_most_its_probability(
    n: int, rate: float, alpha: float
) -> None:
    critical = float(critical_rate(rate, n, alpha=alpha))
    reached = math.ceil(round(critical * n, 9))
    assert stats.binom.sf(reached - 1, n, rate) <= alpha * (1 + 1e-6)


def test_the_critical_rate_is_no_more_than_a_third_wider_than_the_exact_one() -> None:
    for rate, n in ((0.02, 500), (0.1, 200), (0.1, 5000), (0.5, 1000)):
        exact = (stats.binom.isf(1e-4, n, rate) + 1) / n
        assert float(critical_rate(rate, n, alpha=1e-4)) - rate <= 4 / 3 * (exact - rate)


def test_so_few_events_that_nothing_rules_a_rate_out_have_no_critical_rate() -> None:
    assert float(critical_rate(0.5, 3, alpha=1e-4)) > 1
    assert float(critical_rate(1.0, 1000, alpha=1e-4)) > 1


def test_the_rate_of_nothing_may_be_anything() -> None:
    assert upper_rate([0, 0], [0, 10], alpha=0.05).tolist()[0] == 1.0


def test_the_divergence_of_equal_coins_is_nothing_and_of_forbidden_shares_infinite() -> None:
    assert divergence([0.0, 0.3, 1.0], [0.0, 0.3, 1.0]).tolist() == [0.0, 0.0, 0.0]
    assert np.isinf(divergence(0.1, 0.0))


def test_the_normal_quantile_counts_standard_deviations() -> None:
    assert normal_quantile(0.025) == pytest.approx(1.96, abs=0.001)


def test_a_single_event_of_a_kind_that_never_happens_is_nearly_ruled_out() -> None:
    assert 0 < float(critical_rate(0.0, 1000, alpha=1e-4)) < 1 / 1000
