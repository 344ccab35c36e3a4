from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.delivery import ASKED_WAIT_S_MAX, Backoff, Decision, Effort, NextStep, backoff_s, decide_next
from alerts.sinks import Delivery

BACKOFF = Backoff(first_s=1, factor=2, wait_s_max=60, horizon_s=240, attempts_max=20)
LATER = Delivery.retry("network")


@pytest.mark.parametrize(
    ("delivery", "effort", "decision"),
    [
        (Delivery.delivered(), Effort(attempts=1, elapsed_s=0), Decision(NextStep.DELIVERED)),
        (
            Delivery.delivered(),
            Effort(attempts=99, elapsed_s=9e9, probation=True),
            Decision(NextStep.DELIVERED),
        ),
        (Delivery.dead("http_400"), Effort(attempts=1, elapsed_s=0), Decision(NextStep.REFUSED)),
        (LATER, Effort(attempts=1, elapsed_s=0), Decision(NextStep.BACK_OFF, 0.5)),
        (LATER, Effort(attempts=4, elapsed_s=0), Decision(NextStep.BACK_OFF, 4.0)),
        (LATER, Effort(attempts=19, elapsed_s=0), Decision(NextStep.BACK_OFF, 30.0)),
        (LATER, Effort(attempts=20, elapsed_s=0), Decision(NextStep.ATTEMPTS_SPENT)),
        (LATER, Effort(attempts=1, elapsed_s=239.5), Decision(NextStep.BACK_OFF, 0.5)),
        (LATER, Effort(attempts=1, elapsed_s=239.6), Decision(NextStep.HORIZON_PASSED)),
        (LATER, Effort(attempts=1, elapsed_s=0, probation=True), Decision(NextStep.ON_PROBATION)),
        (
            Delivery.retry("http_429", after_s=30),
            Effort(attempts=1, elapsed_s=0),
            Decision(NextStep.WAIT_AS_ASKED, 30),
        ),
        (
            Delivery.retry("http_429", after_s=0),
            Effort(attempts=1, elapsed_s=0),
            Decision(NextStep.WAIT_AS_ASKED, 0),
        ),
        (
            Delivery.retry("http_429", after_s=-1),
            Effort(attempts=1, elapsed_s=0),
            Decision(NextStep.BACK_OFF, 0.5),
        ),
        (
            Delivery.retry("http_429", after_s=241),
            Effort(attempts=1, elapsed_s=0),
            Decision(NextStep.HORIZON_PASSED),
        ),
    ],
)
def test_what_follows_an_attempt(delivery: Delivery, effort: Effort, decision: Decision) -> None:
    assert decide_next(delivery, effort, backoff=BACKOFF, fraction=0.5) == decision


def test_a_server_may_not_ask_for_more_than_ten_minutes() -> None:
    patient = Backoff(horizon_s=1e9)
    asked = Delivery.retry("http_503", after_s=1e6)
    decision = decide_next(asked, Effort(attempts=1, elapsed_s=0), backoff=patient, fraction=0.0)
    assert decision == Decision(NextStep.WAIT_AS_ASKED, ASKED_WAIT_S_MAX)


@given(attempts=st.integers(1, 10_000), fraction=st.floats(0, 1, exclude_max=True))
def test_the_jitter_is_full_and_bounded(attempts: int, fraction: float) -> None:
    wait_s = backoff_s(attempts, backoff=BACKOFF, fraction=fraction)
    ceiling_s = min(2.0 ** min(attempts - 1, 60), 60)
    assert wait_s == fraction * ceiling_s


def test_waits_end_before_the_attempts_do() -> None:
    total_s, attempts = 0.0, 1
    while True:
        decision = decide_next(
            LATER, Effort(attempts=attempts, elapsed_s=total_s), backoff=BACKOFF, fraction=0.999
        )
        if not decision.again:
            break
        total_s += decision.wait_s
        attempts += 1
    assert decision.step is NextStep.HORIZON_PASSED
    assert 180 < total_s <= BACKOFF.horizon_s
