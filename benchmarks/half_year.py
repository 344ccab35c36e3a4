"""Half a year of one model: `python -m benchmarks.half_year --seeds 1 2 3`.

Traffic with a daily cycle and labels a day late; two new versions, two weeks in which no label comes, and a slow decay of
the accuracy from a known day on. All of it goes through `watchkeeper profile`, `replay --past` and `report --past`; what
they date is set against the truth.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

FIRST_MS = int(np.datetime64("2026-01-01", "ms").astype(np.int64))
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
PAST_DAYS = 28
"""The month before, of which the profile is made."""

BETA = (0.11, 0.45)
"""Scores are drawn from this distribution; answers by them are right in 92 of 100 cases."""

SETTINGS = """\
app: half-year
models:
  fraud:
    {{task: binary, positive_class: fraud, classes: {{fraud: [fraud], ok: [ok]}}, profile: profile.json,
      window: {window}, cohort_window: {cohort}, label_horizon: 14d}}
"""


@dataclass(frozen=True)
class HalfYear:
    """What happens to the model; days are counted from 1 January 2026.

    Parameters
    ----------
    per_hour
        Predictions in the mean hour.
    switches
        Days on which the versions 8 and 9 take over from 7.
    outage
        First and last day on which no label comes; those that were due never do.
    decay
        Day on which the accuracy begins to fall.
    lost
        What it has lost on the last day.
    coverage
        Share of the predictions that get a label.
    """

    seed: int = 1
    days: int = 181
    per_hour: float = 300.0
    switches: tuple[int, int] = (45, 120)
    outage: tuple[int, int] = (59, 72)
    decay: int = 90
    lost: float = 0.03
    coverage: float = 0.9
    window: str = "1h"
    cohort: str = "1h"


def write(life: HalfYear, folder: Path) -> None:
    """Write the settings, the month before, and the half year."""
    (folder / "watchkeeper.yaml").write_text(SETTINGS.format(window=life.window, cohort=life.cohort))
    _write_events(life, folder / "past", range(-PAST_DAYS, 0))
    _write_events(life, folder / "life", range(life.days))


def _write_events(life: HalfYear, path: Path, days: range) -> None:
    waiting: dict[int, list[tuple[int, str]]] = {}
    made, truths = (path.with_name(f"{path.name}-{side}.jsonl") for side in "pl")
    with made.open("w") as predictions, truths.open("w") as labels:
        for day in days:
            for label_ms, line in _day(life, day, predictions):
                arrives = (label_ms - FIRST_MS) // DAY_MS
                if not life.outage[0] <= arrives <= life.outage[1]:
                    waiting.setdefault(arrives, []).append((label_ms, line))
            labels.writelines(line for _, line in sorted(waiting.pop(day, [])))


def _day(life: HalfYear, day: int, predictions: TextIO) -> Iterator[tuple[int, str]]:
    """Write the predictions of a day; yields when each label comes, and its line."""
    rng = np.random.default_rng((life.seed, day + PAST_DAYS))
    hours = np.arange(24)
    made = rng.poisson(life.per_hour * (1 + 0.6 * np.sin((hours - 8) / 24 * 2 * np.pi)))
    times = (
        FIRST_MS
        + day * DAY_MS
        + np.sort(np.repeat(hours, made) * HOUR_MS + rng.integers(0, HOUR_MS, made.sum()))
    )
    score = np.round(rng.beta(*BETA, len(times)), 4)
    truth = rng.random(len(times)) < score
    right = truth == (score >= 0.5)
    truth ^= right & (rng.random(len(times)) < _worse(life, times) / right.mean())
    late_ms = (DAY_MS + rng.normal(0, HOUR_MS, len(times))).astype(np.int64)
    amount = np.round(rng.lognormal(3, 1, len(times)) + 20 * score, 2)
    labelled = rng.random(len(times)) < life.coverage
    version = "7" if day < life.switches[0] else "8" if day < life.switches[1] else "9"
    for i, (time_ms, s, a, t, late) in enumerate(
        zip(times.tolist(), score.tolist(), amount.tolist(), truth.tolist(), late_ms.tolist(), strict=True)
    ):
        head = f'{{"prediction_id":"{day}-{i}","model":"fraud","time":'
        predictions.write(
            f'{head}{time_ms},"version":"{version}","features":{{"amount":{a}}},"output":{{"score":{s}}}}}\n'
        )
        if labelled[i]:
            yield time_ms + late, f'{head}{time_ms + late},"label":"{"fraud" if t else "ok"}"}}\n'


def _worse(life: HalfYear, times: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return by how much the share of right answers has fallen at each of these times."""
    day = (times - FIRST_MS) / DAY_MS
    return life.lost * np.maximum(0.0, day - life.decay) / (life.days - life.decay)


def watched(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run the commands; returns the events of alerts that fire, and the report."""
    config = ("--config", str(folder / "watchkeeper.yaml"))
    made, labels, out = (str(folder / name) for name in ("past-p.jsonl", "past-l.jsonl", "profile.json"))
    _command("profile", *config, "--model", "fraud", "--input", made, "--labels", labels, "--out", out)
    made, labels, past = (str(folder / name) for name in ("life-p.jsonl", "life-l.jsonl", "past.json"))
    alerts = folder / "alerts.jsonl"
    _command(
        "replay", *config, "--predictions", made, "--labels", labels, "--alerts", str(alerts), "--past", past
    )
    text = _command("report", *config, "--model", "fraud", "--past", past, "--format", "json")
    (folder / "report.txt").write_text(_command("report", *config, "--model", "fraud", "--past", past))
    events = [json.loads(line) for line in alerts.read_text().splitlines()]
    return [event["data"] for event in events if event["data"]["status"] == "firing"], json.loads(text)


def _command(*arguments: str) -> str:
    command = [sys.executable, "-m", "watchkeeper", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def day_of(text: str) -> float:
    """Return the day of a date or time since 1 January 2026."""
    return float(np.datetime64(text.removesuffix("Z"), "ms").astype(np.int64) - FIRST_MS) / DAY_MS


def main() -> None:
    """Live, watch and print, seed by seed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.half_year")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--per-hour", type=float, default=300.0)
    parser.add_argument("--keep", type=Path, help="folder to keep the files in")
    parsed = parser.parse_args()
    for seed in parsed.seeds:
        life = HalfYear(seed=seed, per_hour=parsed.per_hour)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) if parsed.keep is None else parsed.keep / str(seed)
            folder.mkdir(parents=True, exist_ok=True)
            write(life, folder)
            print("\n".join(_told(life, *watched(folder))), flush=True)


def _told(life: HalfYear, alerts: list[dict[str, Any]], report: dict[str, Any]) -> Iterator[str]:
    yield f"seed {life.seed}: decay from day {life.decay}, no labels {life.outage}, versions {life.switches}"
    for alert in alerts:
        since, told = day_of(alert["since"]), day_of(alert["detected_at"])
        again = "dated anew" if alert["revision"] else "alert"
        yield f"  {again:10} {alert['check']:20} since {since:6.1f}, told {told:6.1f}: {alert['title']}"
    for trend in report["trends"]:
        since, low, high = (day_of(trend[key]) for key in ("since", "since_low", "since_high"))
        change = trend["change"]
        yield (
            f"  report: {trend['metric']} {'decays' if trend['found'] else 'is steady'} since {since:.0f} "
            f"({low:.0f} to {high:.0f}), {change['value']:+.4f} ({change['low']:+.4f} to {change['high']:+.4f})"
            f", jumps {[(day_of(jump['day']), jump['version']) for jump in trend['jumps']]}"
        )
    for gap in report["gaps"]:
        yield f"  report: no labels of {day_of(gap['first']):.0f} to {day_of(gap['last']):.0f}"
    for version in report["versions"]:
        yield f"  report: version {version['version']} from {day_of(version['first']):.0f} on"


if __name__ == "__main__":
    main()
