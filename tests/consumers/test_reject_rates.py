"""How much is refused lately: quarantine, event times ahead, and a stream that is not ours at all."""

from __future__ import annotations

import pytest

from consumers.reject_rates import (
    JUDGED_FROM_BYTES,
    JUDGED_FROM_MESSAGES,
    MEMORY_MESSAGES,
    Recent,
    RejectRates,
    mostly_undecodable,
)
from consumers.rejects import Reason, Rejected


def refused(count: int, model: str | None = "fraud", reason: Reason = Reason.CONTRACT) -> list[Rejected]:
    return [Rejected(i, reason, "why", model) for i in range(count)]


def taken(good: int, bad: int) -> RejectRates:
    rates = RejectRates()
    rates.take({"fraud": good}, refused(bad))
    return rates


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        (JUDGED_FROM_MESSAGES, 0, False),
        (300, 301, True),
        (300, 300, None),
        (300, 100, None),
        (301, 99, False),
        (0, JUDGED_FROM_MESSAGES - 1, None),
        (0, JUDGED_FROM_MESSAGES, True),
    ],
)
def test_a_model_is_judged_by_its_share_with_room_between_yes_and_no(
    good: int, bad: int, said: bool | None
) -> None:
    assert taken(good, bad).models["fraud"].above(0.5) is said


def test_old_messages_count_less_and_less() -> None:
    rates = taken(0, MEMORY_MESSAGES)
    for _ in range(4):
        rates.take({"fraud": MEMORY_MESSAGES}, [])
    assert rates.models["fraud"].above(0.5) is False


def test_messages_of_no_model_or_of_a_stranger_are_nobodys_fault() -> None:
    rates = RejectRates()
    rates.take({}, [*refused(500, None, Reason.DECODE), *refused(500, "other", Reason.UNKNOWN_MODEL)])
    assert rates.models == {}


def test_one_model_in_trouble_is_not_another() -> None:
    rates = RejectRates()
    rates.take({"fraud": 10, "churn": 1000}, refused(500))
    assert (rates.models["fraud"].above(0.5), rates.models["churn"].above(0.5)) == (True, False)


@pytest.mark.parametrize(
    ("ahead", "of", "said"), [(19, 1000, None), (20, 1980, True), (20, 2100, None), (4, 1000, False)]
)
def test_event_times_ahead_are_told_from_one_in_a_hundred(ahead: int, of: int, said: bool | None) -> None:
    assert Recent(messages=of, future=ahead).ahead() is said


def test_most_bytes_means_more_than_half_of_a_megabyte_over_all_partitions() -> None:
    junk, fine = RejectRates(), RejectRates()
    junk.take_bytes(JUDGED_FROM_BYTES - 1, JUDGED_FROM_BYTES - 1)
    assert mostly_undecodable([junk]) is None
    junk.take_bytes(1, 1)
    assert mostly_undecodable([junk]) == 1.0
    fine.take_bytes(JUDGED_FROM_BYTES, 0)
    assert mostly_undecodable([junk, fine]) is None
