"""Each fault alone, shortly: real servers, real processes, and every count, alert, window and dead letter compared.

`make chaos` draws many faults into one run; here a failure names its fault.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from chaos.driver import Run
from chaos.outcome import Outcome
from chaos.schedule import FAULTS, HURT_KEYS, Order, Plan, Store, plan
from chaos.traffic import Traffic
from servers.kafka import LocalKafka

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.chaos]

DURATION_S = 10.0


def planned(fault: str, *, order: Order = "together") -> Plan:
    return plan([fault], seed=1, duration_s=DURATION_S, order=order)


def assert_nothing_wrong(run: Run) -> Outcome:
    outcome = run.run()
    assert outcome.faults == [], "\n".join([f"kept: {outcome.folder}", *outcome.log, *outcome.faults])
    assert outcome.alerts, "without an alert there is none to miss"
    return outcome


@pytest.mark.parametrize("fault", [name for name in FAULTS if not name.startswith("kafka")])
def test_a_fault_changes_no_count_and_no_alert(
    fault: str, broker: LocalKafka, short_traffic: Traffic, tmp_path: Path
) -> None:
    assert_nothing_wrong(Run(planned(fault), short_traffic, kafka=broker, folder=tmp_path))


def test_a_broker_that_dies_and_comes_back_changes_no_count_and_no_alert(
    mortal_broker: LocalKafka, short_traffic: Traffic, tmp_path: Path
) -> None:
    assert_nothing_wrong(Run(planned("kafka crash"), short_traffic, kafka=mortal_broker, folder=tmp_path))


@pytest.mark.parametrize("order", ["labels far ahead", "labels far behind"])
def test_how_the_topics_lie_to_each_other_changes_no_count_and_no_alert(
    order: Order, broker: LocalKafka, short_traffic: Traffic, tmp_path: Path
) -> None:
    assert_nothing_wrong(Run(planned("kill", order=order), short_traffic, kafka=broker, folder=tmp_path))


@pytest.mark.parametrize("store", list(HURT_KEYS))
def test_one_master_of_three_that_goes_back_in_time_changes_no_count_and_no_alert(
    store: Store, broker: LocalKafka, short_traffic: Traffic, tmp_path: Path
) -> None:
    rolled_back = replace(planned("redis rollback"), store=store)
    outcome = assert_nothing_wrong(Run(rolled_back, short_traffic, kafka=broker, folder=tmp_path))
    assert outcome.fenced, "that partitions went back must have been seen"
