"""One line per run for the terminal, and one row for the table that goes into the documents."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from chaos.outcome import Outcome

HEADINGS: Final = ("seed", "group protocol", "workers", "topics", "Redis", "what was done", "predictions", "labels",
                   "alerts", "repeats", "fenced", "settled after", "result")  # fmt: skip


def begin_table(path: Path) -> None:
    rule = "|".join("---" for _ in HEADINGS)
    path.write_text(f"| {' | '.join(HEADINGS)} |\n|{rule}|\n", encoding="utf-8")


def add_row(path: Path, outcome: Outcome) -> None:
    plan = outcome.plan
    cells = (
        plan.seed,
        plan.protocol,
        plan.workers,
        plan.order,
        plan.store,
        "; ".join(outcome.log),
        f"{outcome.predictions:,}",
        f"{outcome.labels:,}",
        outcome.alerts,
        outcome.repeats,
        outcome.fenced,
        f"{outcome.settled_s:.1f} s",
        _verdict(outcome),
    )
    with path.open("a", encoding="utf-8") as table:
        table.write(f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |\n")


def one_line(outcome: Outcome, took_s: float) -> str:
    plan = outcome.plan
    what = f"{', '.join(plan.faults)}; {plan.order}; {plan.protocol}; Redis {plan.store}"
    figures = f"{outcome.alerts} alerts, {outcome.repeats} repeats, {outcome.fenced} fenced, {took_s:.0f} s"
    return f"seed {plan.seed}: {_verdict(outcome)} [{what}] {figures}"


def _verdict(outcome: Outcome) -> str:
    return "as counted" if not outcome.faults else f"{len(outcome.faults)} faults"
