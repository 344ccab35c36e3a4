"""A schedule is a function of its seed, covers every fault, and leaves no server down."""

from __future__ import annotations

import pytest
from chaos.schedule import FAULTS, draw_plan, plan, server_of


def test_the_same_seed_draws_the_same_run() -> None:
    assert draw_plan(7, duration_s=24.0) == draw_plan(7, duration_s=24.0)
    assert draw_plan(7, duration_s=24.0) != draw_plan(8, duration_s=24.0)


def test_as_many_seeds_as_there_are_faults_have_had_each() -> None:
    for first in range(20):
        drawn = {
            fault for s in range(first, first + len(FAULTS)) for fault in draw_plan(s, duration_s=24.0).faults
        }
        assert drawn == set(FAULTS)


@pytest.mark.parametrize("seed", range(50))
def test_what_is_stopped_is_started_and_servers_are_hurt_one_fault_at_a_time(seed: int) -> None:
    drawn = draw_plan(seed, duration_s=24.0)
    verbs = [step.verb for step in drawn.steps]
    assert [step.at_s for step in drawn.steps] == sorted(step.at_s for step in drawn.steps)
    for server in ("Redis", "Kafka"):
        down = False
        for verb in verbs:
            if server not in verb or verb.startswith(("copy", "mark")):
                continue
            if verb.startswith(("kill", "stop", "freeze")):
                assert not down
                down = True
            elif verb.startswith(("start", "thaw")):
                assert down
                down = False
            else:
                assert not down
        assert not down
    assert verbs.count("freeze a worker") == verbs.count("thaw the worker")


def test_a_fault_that_does_not_fit_any_more_is_left_out_but_the_first_is_kept() -> None:
    assert plan(["zombie", "zombie", "zombie"], seed=1, duration_s=10.0).faults == ("zombie",)


def test_servers_have_a_timeline_each() -> None:
    assert {server_of(fault) for fault in FAULTS} == {"workers", "redis", "kafka"}
