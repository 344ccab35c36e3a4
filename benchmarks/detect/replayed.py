"""A real table through the product itself: `watchkeeper profile`, then `watchkeeper replay`, as whole processes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.detect import event_files
from benchmarks.detect.event_files import ANSWER, LABEL, SCORE, TIME, AlertLine
from benchmarks.detect.real import RealTable
from benchmarks.detect.streams import DAY_MS

MODEL: Final = "model"
MONTH_DAYS: Final = 30
GAP_MS: Final = 6 * 3_600_000
"""Alerts that fire within so long of one that is still open, or of its end, belong to one incident."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay told.

    Parameters
    ----------
    lines
        Its alert events, in order.
    """

    table: RealTable
    lines: tuple[AlertLine, ...]

    @property
    def fired(self) -> list[AlertLine]:
        """The alerts that fired."""
        return [line for line in self.lines if line.status == "firing"]

    def incidents(self) -> list[list[AlertLine]]:
        """Return alerts that overlap, or nearly do, together: what a person is called for once."""
        found: list[list[AlertLine]] = []
        open_now: set[tuple[str, str | None, str]] = set()
        last_ms = -(1 << 62)
        for line in self.lines:
            key = (line.kind, line.feature, line.check)
            if line.status == "firing":
                if not open_now and line.time_ms - last_ms > GAP_MS:
                    found.append([])
                found[-1].append(line)
                open_now.add(key)
            elif line.status == "resolved":
                open_now.discard(key)
            last_ms = line.time_ms
        return found


def replay(table: RealTable, *, window: str, budget: str = "", partitions: int = 1) -> Replayed:
    """Run the product over a table and return what it told.

    Parameters
    ----------
    window
        Length of a detection window, as in the settings.
    budget
        As in the settings; empty for the default, one false alarm in 30 days.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        event_files.write(table, folder, model=MODEL)
        config = folder / "watchkeeper.yaml"
        allowed = f"false_alarm_budget: {budget}, " if budget else ""
        config.write_text(
            f'models: {{{MODEL}: {{task: binary, positive_class: "1", profile: profile.json, window: {window}, '
            f"{allowed}timezone: {table.timezone}, label_horizon: 40d}}}}\n"
        )
        columns = ["--time", TIME, "--label", LABEL, "--prediction", ANSWER, "--score", SCORE]
        inputs = ["--input", str(folder / event_files.TRAINING), "--out", str(folder / "profile.json")]
        _run(["profile", "--config", str(config), "--model", MODEL, *inputs, *columns])
        streams = [
            *("--predictions", str(folder / event_files.PREDICTIONS)),
            *("--labels", str(folder / event_files.LABELS)),
            *("--alerts", str(folder / "alerts.jsonl")),
            *("--partitions", str(partitions)),
        ]
        _run(["replay", "--config", str(config), *streams])
        return Replayed(table, tuple(event_files.read_alerts(folder / "alerts.jsonl")))


def _run(arguments: Sequence[str]) -> None:
    subprocess.run([sys.executable, "-m", "watchkeeper", *arguments], check=True, capture_output=True)


def figures(replayed: Replayed) -> dict[str, Any]:
    """Return alerts and incidents in 30 days, and days to each thing known to be wrong, infinite if it was not found."""
    table = replayed.table
    days = float(table.times[-1] - table.times[table.reference_rows]) / DAY_MS
    return {
        "alerts": len(replayed.fired) / days * MONTH_DAYS,
        "incidents": len(replayed.incidents()) / days * MONTH_DAYS,
        "delays": {
            f"{fault.column}: {fault.what}": _delay(replayed, fault.column, fault.begin_ms, fault.end_ms)
            for fault in table.faults
        },
    }


def _delay(replayed: Replayed, column: str, begin_ms: int, end_ms: int) -> float:
    """Return the days to the first alert of a column in a time, infinite without one."""
    for line in replayed.fired:
        if begin_ms < line.time_ms <= end_ms + DAY_MS and _is_about(line, column):
            return (line.time_ms - begin_ms) / DAY_MS
    return float("inf")


def _is_about(line: AlertLine, column: str) -> bool:
    if column == "(error)":
        return line.kind in ("performance", "calibration")
    if column == "(score)":
        return line.feature is not None and line.feature.startswith("output.")
    return line.feature == column
