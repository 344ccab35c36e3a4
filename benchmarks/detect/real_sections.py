"""The tables of the real streams: signal by signal, and whole models through the product itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.detect.contender import Maker, run
from benchmarks.detect.faults import spoiled
from benchmarks.detect.injected import DRIFTS, Score, Setting, Trial, mean_f1, run_trials, trial
from benchmarks.detect.peers import CONTENDERS
from benchmarks.detect.real import RealTable, car_loan, electricity, flights, signals
from benchmarks.detect.replayed import figures, replay
from benchmarks.detect.results import Figures, Measured, Results, counted
from benchmarks.detect.streams import DAY_MS
from benchmarks.detect.tables import markdown

Told = Callable[[str], None]
MONTH_DAYS: Final = 30
SETTINGS: Final = {
    "abrupt": Setting(),
    "gradual": Setting(gradual=True),
    "frozen model, real order": Setting(in_order=True, frozen=True),
}
WHOLE: Final = "Watchkeeper"
WHOLE_BUDGET: Final = "{false_alarms: 0.17, per: 3600d}"
"""One false alarm in a million half-hours."""
_PAGES_EXACT: Final = 100


def run_scores(folder: Path, makers: Sequence[Maker], trials: int, results: Results, told: Told) -> None:
    """Measure what is found of drift that is injected into Elec2, by the error alone."""
    for name, setting in SETTINGS.items():
        for drift, who, seed, score in run_trials(electricity(folder), makers, setting, trials):
            results.put("scores", f"{name}/{drift}", who, seed, asdict(score))
        told(f"scores, {name}")


def run_whole(folder: Path, _makers: Sequence[Maker], trials: int, results: Results, told: Told) -> None:
    """Measure the same for the product with everything that it watches."""
    for name in ("abrupt", "gradual"):
        for drift, seed in product(DRIFTS, range(1, trials + 1)):
            score = _whole(trial(electricity(folder), drift, SETTINGS[name], seed))
            results.put("whole", f"{name}/{drift}", WHOLE, seed, asdict(score))
            told(f"whole model, {name}, {drift}, trial {seed}: {score}")


def run_faults(folder: Path, makers: Sequence[Maker], _trials: int, results: Results, told: Told) -> None:
    """Measure contenders signal by signal."""
    for table in (electricity(folder), spoiled(flights(folder)), car_loan(folder)):
        for who, found in watch_table(table, makers).items():
            results.put("faults", table.name, who, 1, found)
        told(table.name)


def run_replays(folder: Path, _makers: Sequence[Maker], _trials: int, results: Results, told: Told) -> None:
    """Measure the product on whole models."""
    for table, window in (
        (electricity(folder), "1d"),
        (flights(folder), "1h"),
        (spoiled(flights(folder)), "1h"),
        (car_loan(folder), "6h"),
    ):
        found = figures(replay(table, window=window))
        results.put("replays", f"{table.name}, windows of {window}", WHOLE, 1, found)
        told(f"{table.name} replayed: {found}")


PARTS: Final[dict[str, Callable[[Path, Sequence[Maker], int, Results, Told], None]]] = {
    "scores": run_scores,
    "whole": run_whole,
    "faults": run_faults,
    "replays": run_replays,
}


def _whole(made: Trial) -> Score:
    """Replay a trial with features, answers and labels; the first alert of an incident is its one page."""
    replayed = replay(made.model, window="1d", budget=WHOLE_BUDGET)
    pages = np.array([incident[0].time_ms for incident in replayed.incidents()], dtype=np.int64)
    places = np.searchsorted(made.live.times, pages)
    score = Score()
    score.add(made.rows[np.minimum(places, len(made.rows) - 1)], made.drift_at)
    return score


def watch_table(table: RealTable, makers: Sequence[Maker]) -> dict[str, Figures]:
    """Run every contender over every signal of a table that it can watch.

    Returns
    -------
    dict
        By contender: alarms in 30 days of all signals, save those in a fault of their own column; by fault, days
        to the first alarm of its column in it, infinite if there was none.
    """
    days = float(table.times[-1] - table.times[table.reference_rows]) / DAY_MS
    results: dict[str, Figures] = {make().name: {"alarms": 0.0, "delays": {}} for make in makers}
    for column, reference, live in signals(table):
        own = [fault for fault in table.faults if fault.column == column]
        for make in makers:
            result = results[make().name]
            if live.kind not in make().kinds:
                result["delays"] |= {f"{fault.column}: {fault.what}": math.inf for fault in own}
                continue
            times = live.times[run(make, reference, live).alarms]
            right = np.zeros(len(times), np.bool_)
            for fault in own:
                inside = (times > fault.begin_ms) & (times <= fault.end_ms)
                right |= inside
                waited = (times[inside] - fault.begin_ms) / DAY_MS
                result["delays"][f"{fault.column}: {fault.what}"] = float(waited.min(initial=math.inf))
            result["alarms"] += np.count_nonzero(~right) / days * MONTH_DAYS
    return results


def sections(results: Results) -> Iterator[str]:
    """Yield the tables of what is known about real streams."""
    scores, whole = results.of("scores"), results.of("whole")
    if scores or whole or results.of("faults") or results.of("replays"):
        yield "### Real streams"
    if scores:
        yield (
            "Elec2 with injected drift, F1 of the error alone (`min_effect: 0`, a budget of one false alarm in a million "
            f"events), over {counted(scores, 'trials')} of each of four kinds. Watchkeeper's error signals are one-sided: a kind that "
            "makes the model's task easier is no alarm."
        )
        yield _scores("error only, F1", scores)
    if whole:
        yield (
            "The same with features, answers and labels under one budget, through `watchkeeper profile` and `watchkeeper replay`, "
            f"one page per incident, windows of a day, over {counted(whole, 'trials')} of each kind."
        )
        yield _scores("whole model, F1", whole)
    if results.of("faults"):
        yield (
            "Signal by signal: false alarms of all signals together, and days from the beginning of what is known to be wrong to "
            "the first alarm of its column."
        )
    for name, found in results.of("faults").items():
        yield _faults(name, {who: seeds[1] for who, seeds in found.items()})
    if results.of("replays"):
        yield (
            "Whole models through `watchkeeper profile` and `watchkeeper replay`, all signals at once, with the default "
            "settings and budget (one false alarm in 30 days)."
        )
        yield _replays(results.of("replays"))


def _scores(corner: str, measured: Measured) -> str:
    """Return a row per contender and a column per setting."""
    names = dict.fromkeys([make().name for make in CONTENDERS])
    settings = [name for name in SETTINGS if f"{name}/{DRIFTS[0]}" in measured]
    rows: list[list[str]] = []
    for who in names:
        if who in measured[f"{settings[0]}/{DRIFTS[0]}"]:
            cells = [
                mean_f1([Score(**s) for s in measured[f"{name}/{drift}"][who].values()] for drift in DRIFTS)
                for name in settings
            ]
            rows.append([who, *(f"{cell:.3f}" for cell in cells)])
    return markdown([corner, *settings], rows)


def _faults(name: str, found: dict[str, Figures]) -> str:
    """Return a row per contender."""
    heads = list(next(iter(found.values()))["delays"])
    rows: list[list[str]] = []
    for who in [make().name for make in CONTENDERS if make().name in found]:
        alarms = float(found[who]["alarms"])
        told = f"{alarms:.3g}" if alarms < _PAGES_EXACT else f"{alarms:.0f}"
        rows.append([who, told, *(_days(found[who]["delays"].get(head, math.inf)) for head in heads)])
    return markdown([name, "false alarms in 30 days", *heads], rows)


def _days(delay: float) -> str:
    return "-" if math.isinf(delay) else f"{delay:.2f}"


def _replays(measured: Measured) -> str:
    """Return a row per replay: alerts and incidents, and days to each fault."""
    rows: list[list[str]] = []
    for name, found in measured.items():
        seen = found[WHOLE][1]
        delays = dict(seen["delays"])
        hits = sum(not math.isinf(delay) for delay in delays.values())
        told = "; ".join(f"{what} {_days(delay)}" for what, delay in delays.items())
        rows.append(
            [name, f"{seen['alerts']:.2f}", f"{seen['incidents']:.2f}", f"{hits} of {len(delays)}", told]
        )
    heads = ["replay", "alerts in 30 days", "incidents in 30 days", "found of what is known", "days to each"]
    return markdown(heads, rows)
