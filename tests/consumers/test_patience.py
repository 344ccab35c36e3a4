"""Back-pressure: while a server does not answer nothing is fetched, the group is served, and nothing is lost."""

from __future__ import annotations

import pytest

from consumers.patience import GivenUp, Patience
from consumers.stats import WorkerStats
from schemas.errors import Retry, Stop


class Source:
    """A twin of the consumer that writes down what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def pause(self) -> None:
        self.said.append("pause")

    def resume(self) -> None:
        self.said.append("resume")

    def keep_alive(self, timeout_s: float) -> None:
        assert timeout_s > 0
        self.said.append("serve")


class Server:
    """Answers after so many failures."""

    def __init__(self, failures: int) -> None:
        self.left = failures

    def call(self) -> str:
        if self.left:
            self.left -= 1
            raise Retry("redis: no answer")
        return "answer"


def patience() -> tuple[Source, WorkerStats, list[str], Patience]:
    source, stats, resumed = Source(), WorkerStats(), list[str]()
    return source, stats, resumed, Patience(source, stats, resumed=lambda: resumed.append("resumed"))


def test_an_answer_at_once_costs_nothing() -> None:
    source, stats, resumed, patient = patience()
    assert patient.insist(Server(0).call, ours=lambda: True) == "answer"
    assert (source.said, resumed, stats.retries) == ([], [], 0)


def test_the_same_call_is_repeated_until_it_is_answered_with_the_group_served_between() -> None:
    source, stats, resumed, patient = patience()
    assert patient.insist(Server(3).call, ours=lambda: True) == "answer"
    assert source.said == ["pause", "serve", "serve", "serve", "resume"]
    assert (resumed, stats.retries, stats.waiting_for) == (["resumed"], 3, "")
    assert stats.last_error == "redis: no answer"
    assert stats.behind == 1


def test_what_was_taken_from_us_meanwhile_is_given_up_and_the_rest_goes_on() -> None:
    source, stats, resumed, patient = patience()
    answers = iter([True, False])
    with pytest.raises(GivenUp):
        patient.insist(Server(100).call, ours=lambda: next(answers))
    assert source.said == ["pause", "serve", "serve", "resume"]
    assert (resumed, stats.waiting_for) == (["resumed"], "")


def test_a_process_that_shall_end_waits_for_nobody() -> None:
    source, stats = Source(), WorkerStats()
    patient = Patience(source, stats, resumed=lambda: None, stopping=lambda: True)
    with pytest.raises(GivenUp):
        patient.insist(Server(100).call, ours=lambda: True)
    assert source.said == ["pause", "serve", "resume"]


def test_what_cannot_be_waited_out_is_not() -> None:
    source, _, _, patient = patience()

    def refuse() -> str:
        raise Stop("redis: no right to EVAL")

    with pytest.raises(Stop):
        patient.insist(refuse, ours=lambda: True)
    assert source.said == []
