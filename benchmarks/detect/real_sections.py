"""What contenders do on the real streams, signal by signal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.detect import injected
from benchmarks.detect.contender import Maker, run
from benchmarks.detect.faults import spoiled
from benchmarks.detect.injected import Setting
from benchmarks.detect.real import RealTable, car_loan, electricity, flights, signals
from benchmarks.detect.replayed import Replayed, replay, table_of_replays
from benchmarks.detect.streams import DAY_MS

MONTH_DAYS = 30
Told = Callable[[str], None]


@dataclass
class Found:
    """One contender on one table.

    Parameters
    ----------
    false_alarms
        Alarms of all signals, save those in a fault of their own column.
    delays_days
        By fault: days to the first alarm of its column in it; infinite if there was none.
    """

    false_alarms: int = 0
    delays_days: dict[str, float] = field(default_factory=dict)


def watch_table(table: RealTable, makers: Sequence[Maker]) -> dict[str, Found]:
    """Run every contender over every signal of a table that it can watch."""
    results: dict[str, Found] = {make().name: Found() for make in makers}
    for column, reference, live in signals(table):
        own = [fault for fault in table.faults if fault.column == column]
        for make in makers:
            result = results[make().name]
            if live.kind not in make().kinds:
                result.delays_days |= {f"{fault.column}: {fault.what}": math.inf for fault in own}
                continue
            times = live.times[run(make, reference, live).alarms]
            right = np.zeros(len(times), np.bool_)
            for fault in own:
                inside = (times > fault.begin_ms) & (times <= fault.end_ms)
                right |= inside
                waited = (times[inside] - fault.begin_ms) / DAY_MS
                result.delays_days[f"{fault.column}: {fault.what}"] = float(waited.min(initial=math.inf))
            result.false_alarms += int(np.count_nonzero(~right))
    return results


def table_of_faults(table: RealTable, makers: Sequence[Maker]) -> str:
    """Return a row per contender: alarms in 30 days over all signals outside the faults, and days to each fault."""
    results = watch_table(table, makers)
    heads = [f"{fault.column}: {fault.what}" for fault in table.faults]
    days = float(table.times[-1] - table.times[table.reference_rows]) / DAY_MS
    lines = [
        "| " + " | ".join([table.name, "false alarms in 30 days", *heads]) + " |",
        "|---" * (2 + len(heads)) + "|",
    ]
    for name, result in results.items():
        cells = [_days(result.delays_days.get(head, math.inf)) for head in heads]
        alarms = result.false_alarms / days * MONTH_DAYS
        lines.append(
            "| " + " | ".join([name, f"{alarms:.3g}" if alarms < 100 else f"{alarms:.0f}", *cells]) + " |"
        )
    return "\n".join(lines)


def _days(delay: float) -> str:
    return "-" if math.isinf(delay) else f"{delay:.2f}"


def table_of_scores(table: RealTable, makers: Sequence[Maker], trials: int, told: Told) -> str:
    """Return a row per contender: F1 on injected drift, abrupt, gradual, and with a frozen model in real order."""
    settings = (Setting(), Setting(gradual=True), Setting(in_order=True, frozen=True))
    columns = [
        dict(injected.scores(table, makers, setting, trials=trials, told=told)) for setting in settings
    ]
    lines = ["| Elec2, error only, F1 | abrupt | gradual | frozen model, real order |", "|---|---|---|---|"]
    lines += [
        "| " + " | ".join([name, *(f"{column[name]:.3f}" for column in columns)]) + " |"
        for name in columns[0]
    ]
    return "\n".join(lines)


def sections(folder: Path, makers: Sequence[Maker], trials: int, told: Told) -> Iterator[str]:
    """Yield everything that is measured on real streams."""
    yield (
        f"### Real streams\n\nElec2 with injected drift, {trials} trials of each of four kinds; then false alarms of all signals "
        "together, and days from the beginning of what is known to be wrong to the first alarm of its column."
    )
    yield table_of_scores(electricity(folder), makers, trials, told)
    for table in (electricity(folder), spoiled(flights(folder)), car_loan(folder)):
        yield table_of_faults(table, makers)
        told(table.name)
    yield (
        "Whole models through `watchkeeper profile` and `watchkeeper replay`, all signals at once, with the default "
        "settings and budget (one false alarm in 30 days)."
    )
    yield table_of_replays(list(_replays(folder, told)))


def _replays(folder: Path, told: Told) -> Iterator[tuple[str, Replayed]]:
    for table, window in (
        (electricity(folder), "1d"),
        (flights(folder), "1h"),
        (spoiled(flights(folder)), "1h"),
        (car_loan(folder), "6h"),
    ):
        yield f"{table.name}, windows of {window}", replay(table, window=window)
        told(f"{table.name} replayed")
