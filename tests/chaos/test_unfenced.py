"""The same run without the fence must be miscounted, or the other tests of this folder would prove nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chaos.driver import Run
from chaos.schedule import Plan, Step
from chaos.traffic import prepare
from servers.kafka import LocalKafka

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.chaos]

PREDICTIONS = 8_000
SEED = 11
"""Its partitions have seen every version, fallbacks too, in the first quarter. Redis would else forget tables that
are stored only when they grow, and `status` could not read what is left.
"""

ROLL_BACK = (
    Step(4.0, "copy Redis"),
    Step(6.0, "stop Redis and put the copy back"),
    Step(6.5, "start Redis"),
)
DURATION_S = 10.0
SETTLE_S = 15.0
"""What has been lost never comes: whatever the control is asked for, it need not wait long."""

COUNT = re.compile(r"count (\S+): expected (\d+), got (\d+)")


def test_without_the_fence_labels_whose_predictions_redis_forgot_are_counted_as_orphans(
    broker: LocalKafka, tmp_path: Path
) -> None:
    outcome = Run(
        Plan(SEED, DURATION_S, 2, "classic", "together", ("redis rollback",), ROLL_BACK),
        prepare(tmp_path, PREDICTIONS, seed=SEED),
        kafka=broker,
        folder=tmp_path,
        module="chaos.unfenced",
        settle_s=SETTLE_S,
    ).run()
    assert not [line for line in outcome.faults if "are taken in" in line], "it is miscounted, not slow"
    counts = {m[1]: (int(m[2]), int(m[3])) for line in outcome.faults if (m := COUNT.match(line))}
    assert "/orphan_labels" in counts, "\n".join([*outcome.log, *outcome.faults])
    expected, got = counts["/orphan_labels"]
    assert got > 2 * expected
    assert outcome.fenced == 0
