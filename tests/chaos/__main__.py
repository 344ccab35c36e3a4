"""`make chaos`: runs seeds one after the other against a Kafka and a Redis of their own."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from chaos.driver import SETTLE_S, Run
from chaos.outcome import Outcome
from chaos.results import add_row, begin_table, one_line
from chaos.schedule import HURT_KEYS, Plan, Protocol, draw_plan, plan
from chaos.traffic import prepare
from servers.kafka import QUICK_START, LocalKafka
from servers.kafka_jars import cache_directory, kafka_jars

DURATION_S: Final = 24.0
PROTOCOLS: Final[tuple[Protocol, ...]] = ("classic", "consumer")
"""Group protocols to draw from."""

TABLE: Final = Path("chaos-results.md")


def main() -> int:
    parsed = _parser().parse_args()
    home = Path(tempfile.mkdtemp(prefix="watchkeeper-chaos-"))
    broker = home / "kafka"
    broker.mkdir()
    (home / "replay").mkdir()
    kafka = LocalKafka(jars=kafka_jars(cache=cache_directory()), directory=broker, jvm_options=QUICK_START)
    kafka.start()
    begin_table(TABLE)
    failed = 0
    try:
        for seed in range(parsed.seed, parsed.seed + parsed.runs):
            planned = _planned(parsed, seed)
            if parsed.store == "cluster":
                planned = replace(planned, store=list(HURT_KEYS)[seed % len(HURT_KEYS)])
            outcome = _one(planned, parsed, kafka, home)
            failed += bool(outcome.faults)
    finally:
        kafka.close()
    if not failed:
        shutil.rmtree(home)
    print(f"{parsed.runs - failed} of {parsed.runs} runs as counted; the table is in {TABLE}")
    return 1 if failed else 0


def _planned(parsed: argparse.Namespace, seed: int) -> Plan:
    if parsed.faults:
        return plan(
            parsed.faults.split(","), seed=seed, duration_s=parsed.duration, workers=2,
            protocol=parsed.protocol or "classic", order=parsed.order,
        )  # fmt: skip
    protocols: tuple[Protocol, ...] = (parsed.protocol,) if parsed.protocol else PROTOCOLS
    return draw_plan(seed, duration_s=parsed.duration, protocols=protocols)


def _one(planned: Plan, parsed: argparse.Namespace, kafka: LocalKafka, home: Path) -> Outcome:
    folder = home / f"seed-{planned.seed}"
    folder.mkdir()
    begun = time.monotonic()
    traffic = prepare(home / "replay", parsed.predictions, seed=planned.seed)
    outcome = Run(
        planned, traffic, kafka=kafka, folder=folder, module=parsed.module, settle_s=parsed.settle
    ).run()
    print(one_line(outcome, time.monotonic() - begun), flush=True)
    for line in outcome.notes:
        print(f"    note: {line}")
    for line in outcome.log if outcome.faults else ():
        print(f"    {line}")
    for line in outcome.faults:
        print(f"    FAULT {line}", flush=True)
    add_row(TABLE, outcome)
    if outcome.faults:
        print(f"    kept: {folder}")
    else:
        shutil.rmtree(folder)
    return outcome


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--predictions", type=int, default=60_000)
    parser.add_argument("--duration", type=float, default=DURATION_S, help="seconds of sending")
    parser.add_argument("--settle", type=float, default=SETTLE_S, help="seconds for all to be taken in")
    parser.add_argument(
        "--protocol", choices=["classic", "consumer"], help="of the group, instead of a drawn one"
    )
    parser.add_argument("--faults", help="these, with commas between, instead of drawn ones")
    parser.add_argument("--order", default="together", help="with --faults: how the topics lie to each other")
    parser.add_argument(
        "--store", choices=["alone", "cluster"], default="alone",
        help="a Redis, or a cluster of three of which even seeds hurt one with partitions alone, odd seeds "
        "the evaluator's",
    )  # fmt: skip
    parser.add_argument(
        "--module", default="watchkeeper", help="what the workers run; chaos.unfenced must miscount"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
