from __future__ import annotations

import numpy as np
import pytest
from builders.streams import Watch
from builders.summaries import prediction_window, predictions

from detectors.layout import prediction_layout
from detectors.service import Rate, StatusRate
from schemas.finding import Finding, Kind, Severity, Verdict

LAYOUT = prediction_layout(None)


def judged(
    detector: StatusRate, index: int = 0, *, ok: int = 0, fallback: int = 0, error: int = 0
) -> Finding:
    summary = predictions(LAYOUT, {}, ok=ok, fallback=fallback, error=error)
    [found] = detector.update(prediction_window(summary, index))
    return found


CASES = {
    "no errors": (1000, 0, Verdict.CLEAR),
    "up to the threshold": (1000, 50, Verdict.CLEAR),
    "a little above it": (1000, 70, Verdict.BETWEEN),
    "well above it": (1000, 150, Verdict.BREACH),
    "so few events that it may be chance": (110, 12, Verdict.BETWEEN),
    "too few events": (99, 99, Verdict.UNKNOWN),
    "nothing at all": (0, 0, Verdict.UNKNOWN),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rate", ["error_rate", "fallback_rate"])
def test_a_share_significantly_above_the_threshold_breaches(rate: Rate, case: str) -> None:
    n, bad, verdict = CASES[case]
    count = {"error": bad} if rate == "error_rate" else {"fallback": bad}
    found = judged(StatusRate(rate=rate), ok=n - bad, **count)
    assert found.verdict is verdict
    assert found.kind is (Kind.ERROR_RATE if rate == "error_rate" else Kind.FALLBACK_RATE)


def test_an_outage_is_critical_and_a_fallback_that_takes_over_an_error() -> None:
    assert judged(StatusRate(), ok=10, error=990).severity is Severity.CRITICAL
    assert judged(StatusRate(rate="fallback_rate"), ok=10, fallback=990).severity is Severity.ERROR


def test_the_evidence_compares_with_the_windows_that_were_clear() -> None:
    detector = StatusRate()
    assert judged(detector, ok=990, error=10).evidence["rate_before"] is None
    assert judged(detector, 1, ok=500, error=500).evidence["rate_before"] == 0.01
    found = judged(detector, 2, ok=500, error=500)
    assert (found.evidence["rate_before"], found.evidence["rate_now"]) == (0.01, 0.5)


def test_few_events_are_added_up() -> None:
    detector = StatusRate()
    found = [judged(detector, index, ok=20, error=20) for index in range(4)]
    assert [f.verdict for f in found] == [Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.BREACH, Verdict.UNKNOWN]
    assert (found[2].window.n, found[2].window.start_ms) == (120, found[0].window.start_ms)


def test_a_threshold_of_a_user_is_a_rate_that_is_still_good() -> None:
    assert judged(StatusRate(threshold=0.2), ok=850, error=150).verdict is Verdict.CLEAR
    assert judged(StatusRate(threshold=0.001), ok=980, error=20).verdict is Verdict.BREACH


def test_a_stream_that_sits_at_its_threshold_raises_no_alert() -> None:
    rng = np.random.default_rng(3)
    detector, watch = StatusRate(), Watch()
    for index in range(2000):
        n = int(rng.integers(100, 5000))
        error = int(rng.binomial(n, 0.05))
        watch.take([judged(detector, index, ok=n - error, error=error)])
    assert watch.alerts == []
    assert watch.breaches <= 1
