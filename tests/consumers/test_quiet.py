"""Idle is quiet that somebody has watched, on a broker that answered."""

from __future__ import annotations

from consumers.quiet import OBSERVED_S_MAX, Quiet


def watched(quiet: Quiet, seconds: int, *, led: bool = True) -> Quiet:
    for _ in range(seconds):
        quiet.look(1.0, led=led)
    return quiet


def test_a_topic_is_idle_after_so_much_quiet_at_its_end() -> None:
    quiet = Quiet(ended=True)
    assert not watched(quiet, 9).idle(10.0)
    assert watched(quiet, 1).idle(10.0)


def test_a_topic_that_was_not_read_to_its_end_is_never_idle() -> None:
    assert not watched(Quiet(), 100).idle(10.0)


def test_records_begin_the_count_anew() -> None:
    quiet = watched(Quiet(ended=True), 9)
    quiet.heard()
    quiet.ended = True
    assert not watched(quiet, 9).idle(10.0)


def test_a_stopped_process_has_watched_nothing() -> None:
    quiet = Quiet(ended=True)
    quiet.look(3600.0, led=True)
    assert quiet.for_s == OBSERVED_S_MAX
    assert not quiet.idle(10.0)


def test_the_silence_of_a_dead_broker_is_not_quiet_and_ends_idleness() -> None:
    quiet = watched(Quiet(ended=True), 20)
    assert quiet.idle(10.0)
    assert not watched(quiet, 1, led=False).idle(10.0)
    assert not watched(quiet, 9).idle(10.0)
    assert watched(quiet, 1).idle(10.0)
