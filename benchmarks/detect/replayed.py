"""A real table through the product itself: `watchkeeper profile`, then `watchkeeper replay`, as whole processes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

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


def replay(table: RealTable, *, window: str, min_effect: bool = True, partitions: int = 1) -> Replayed:
    """Run the product over a table and return what it told.

    Parameters
    ----------
    window
        Length of a detection window, as in the settings; the budget is the default, one false alarm in 30 days.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        event_files.write(table, folder, model=MODEL)
        config = folder / "watchkeeper.yaml"
        effect = "" if min_effect else "min_effect: 0, "
        config.write_text(
            f'models: {{{MODEL}: {{task: binary, positive_class: "1", profile: profile.json, window: {window}, '
            f"{effect}label_horizon: 40d}}}}\n"
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


def table_of_replays(found: Sequence[tuple[str, Replayed]]) -> str:
    """Return a row per replay: alerts and incidents outside the faults, and days to each fault."""
    lines = [
        "| replay | alerts in 30 days | incidents in 30 days | found of what is known | days to each |",
        "|---|---|---|---|---|",
    ]
    for name, replayed in found:
        table = replayed.table
        days = float(table.times[-1] - table.times[table.reference_rows]) / DAY_MS
        alerts = len(replayed.fired) / days * MONTH_DAYS
        incidents = len(replayed.incidents()) / days * MONTH_DAYS
        delays = {
            f"{fault.column}: {fault.what}": _delay(replayed, fault.column, fault.begin_ms, fault.end_ms)
            for fault in table.faults
        }
        hits = sum(bool(np.isfinite(delay)) for delay in delays.values())
        told = "; ".join(
            f"{what} {delay:.2f}" if np.isfinite(delay) else f"{what} -" for what, delay in delays.items()
        )
        lines.append(f"| {name} | {alerts:.2f} | {incidents:.2f} | {hits} of {len(delays)} | {told} |")
    return "\n".join(lines)


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


def described(replayed: Replayed) -> str:
    """Return the alerts that fired, one line each, as JSON."""
    return "\n".join(
        json.dumps(
            {"time": str(np.datetime64(line.time_ms, "ms")), "kind": line.kind, "feature": line.feature}
        )
        for line in replayed.fired
    )
