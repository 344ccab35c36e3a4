"""Decides what follows an attempt to deliver: done, wait and try again, or give up; and for how long.

Pure: the caller brings the time that has passed and the random fraction.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from alerts.sinks import Outcome

if TYPE_CHECKING:
    from alerts.sinks import Delivery

ASKED_WAIT_S_MAX: Final = 600.0
"""Longest wait that a server may ask for."""


class NextStep(StrEnum):
    """What follows an attempt, and why."""

    DELIVERED = "delivered"
    BACK_OFF = "back_off"
    WAIT_AS_ASKED = "wait_as_asked"
    REFUSED = "refused"
    HORIZON_PASSED = "horizon_passed"
    ATTEMPTS_SPENT = "attempts_spent"
    ON_PROBATION = "on_probation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long and how often to try.

    Parameters
    ----------
    first_s, factor, wait_s_max
        The n-th wait is drawn between 0 and `first_s * factor**(n-1)`, at most `wait_s_max`.
    horizon_s
        No attempt begins later than this after the first one.
    attempts_max
        No more attempts than this.
    """

    first_s: float = 1.0
    factor: float = 2.0
    wait_s_max: float = 60.0
    horizon_s: float = 240.0
    attempts_max: int = 20


@dataclass(frozen=True, slots=True)
class Decision:
    """The next step; `wait_s` is the pause before the next attempt, 0 where there is none."""

    step: NextStep
    wait_s: float = 0.0

    @property
    def again(self) -> bool:
        """Whether another attempt follows."""
        return self.step in {NextStep.BACK_OFF, NextStep.WAIT_AS_ASKED}


def backoff_s(attempts: int, *, backoff: Backoff, fraction: float) -> float:
    """Return the wait after that many attempts, with full jitter.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Parameters
    ----------
    attempts
        Attempts so far, at least 1.
    fraction
        A random number in [0, 1).
    """
    ceiling_s = backoff.first_s
    for _ in range(attempts - 1):
        ceiling_s = min(ceiling_s * backoff.factor, backoff.wait_s_max)
    return fraction * min(ceiling_s, backoff.wait_s_max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What has been put into bringing one event to one sink.

    Parameters
    ----------
    attempts
        Attempts so far, the latest included.
    elapsed_s
        Time since the first attempt was due.
    probation
        True for a sink that gave up on an earlier event and has delivered none since: it gets one attempt,
        so that a dead sink does not hold up the others' events for a horizon each.
    """

    attempts: int
    elapsed_s: float
    probation: bool = False


def decide_next(delivery: Delivery, effort: Effort, *, backoff: Backoff, fraction: float) -> Decision:
    """Say what follows an attempt.

    Parameters
    ----------
    fraction
        A random number in [0, 1) for the jitter.
    """
    if delivery.outcome is Outcome.DELIVERED:
        return Decision(NextStep.DELIVERED)
    if delivery.outcome is Outcome.DEAD:
        return Decision(NextStep.REFUSED)
    if effort.probation:
        return Decision(NextStep.ON_PROBATION)
    if effort.attempts >= backoff.attempts_max:
        return Decision(NextStep.ATTEMPTS_SPENT)
    decision = _wait(delivery, attempts=effort.attempts, backoff=backoff, fraction=fraction)
    in_time = effort.elapsed_s + decision.wait_s <= backoff.horizon_s
    return decision if in_time else Decision(NextStep.HORIZON_PASSED)


def _wait(delivery: Delivery, *, attempts: int, backoff: Backoff, fraction: float) -> Decision:
    if delivery.after_s is not None and delivery.after_s >= 0:
        return Decision(NextStep.WAIT_AS_ASKED, min(delivery.after_s, ASKED_WAIT_S_MAX))
    return Decision(NextStep.BACK_OFF, backoff_s(attempts, backoff=backoff, fraction=fraction))
