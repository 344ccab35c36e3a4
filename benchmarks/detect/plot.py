"""`python -m benchmarks.detect.plot FILE`: draws a found drift as SVG, the feature above and its evidence below."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.detect.ours import settings_of
from benchmarks.detect.streams import DAY_MS, HOUR_MS, START_MS, Floats, Integers, daily, in_days
from detectors.betting.bank import SignalBank
from detectors.betting.budget import bars
from detectors.betting.calendar import hour_of_week
from detectors.betting.feature_signals import DRIFT, column_signals
from detectors.layout import PredictionLayout, prediction_layout
from detectors.profile import NumericColumn
from detectors.profile_build import ProfileBuilder
from detectors.profile_values import Answers, Numbers, RowBatch

WINDOW_MS: Final = 10 * 60_000
PER_WINDOW: Final = 60
DAYS, CHANGE_DAY, SHOWN_FROM = 6, 4, 2
SHIFT: Final = 0.25
WIDTH, HEIGHT, LEFT, GAP = 900, 210, 60, 40
LN_10: Final = float(np.log(10.0))


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, and write the file that is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detect.plot")
    parser.add_argument("out", type=Path, nargs="?", default=Path("docs/images/found-drift.svg"))
    means, evidence, bar = _watched()
    parser.parse_args(arguments).out.write_text(_svg(means, evidence, bar), encoding="utf-8")


def _stream(rng: np.random.Generator, first_day: int, days: int) -> tuple[Integers, Floats]:
    n = days * DAY_MS // WINDOW_MS * PER_WINDOW
    times = np.sort(START_MS + first_day * DAY_MS + rng.integers(0, days * DAY_MS, n))
    return times, rng.standard_normal(n) + 0.5 * daily(in_days(times))


def _watched() -> tuple[Floats, Floats, float]:
    """Return per window the feature's mean and its log10 evidence, and the evidence that alarms."""
    rng = np.random.default_rng(7)
    times, values = _stream(rng, -28, 28)
    batch = RowBatch(len(times), {"x": Numbers(values, np.zeros(len(times), np.bool_))}, Answers(), times)
    builder = ProfileBuilder("plot", "binary", positive="1", feature_rules={})
    builder.sample(batch)
    builder.count(batch)
    profile = builder.finish()
    settings = settings_of(WINDOW_MS, 30 * DAY_MS, min_effect=False)
    layout = prediction_layout(profile)
    signal = column_signals(layout, least=settings.min_effect, checks=[DRIFT])[0].signal
    bar = bars([signal], false_alarms=1, per_ms=30 * DAY_MS, window_ms=WINDOW_MS, weights={"data_drift": 1})[
        0
    ]
    bank = SignalBank([signal], [bar], window_ms=WINDOW_MS)
    column = profile.columns[0]
    if not isinstance(column, NumericColumn):
        raise TypeError("expected a column of numbers")
    times, values = _stream(rng, 0, DAYS)
    values = values + SHIFT * (times >= START_MS + CHANGE_DAY * DAY_MS)
    bins = np.searchsorted(column.edges, values)
    windows = (times - START_MS) // WINDOW_MS
    means, evidence = [], []
    for window in range(DAYS * DAY_MS // WINDOW_MS):
        own = windows == window
        vector = np.zeros(layout.size, dtype=np.int64)
        np.add.at(vector, PredictionLayout.COLUMNS + bins[own], 1)
        start = START_MS + window * WINDOW_MS
        bank.update(vector, start_ms=start, hour=float(hour_of_week(np.array([start + WINDOW_MS // 2]))[0]))
        means.append(float(values[own].mean()))
        evidence.append(float(bank.log_evidence[0]) / LN_10)
    first = SHOWN_FROM * DAY_MS // WINDOW_MS
    return np.array(means[first:]), np.array(evidence[first:]), bar / LN_10


def _svg(means: Floats, evidence: Floats, bar: float) -> str:
    hours = np.arange(len(means)) * WINDOW_MS / HOUR_MS
    change = (CHANGE_DAY - SHOWN_FROM) * 24
    shown = np.minimum(evidence, 2 * bar)
    alarm = float(hours[np.argmax(evidence >= bar)])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + LEFT + 20} {2 * HEIGHT + 3 * GAP}" '
        'font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        *_panel(0, means, hours, "mean of the feature, per window of 10 minutes", "#4a6fa5"),
        *_panel(1, shown, hours, "log10 of the evidence", "#b5532a"),
        _line(1, bar, shown, f"alarm at {bar:.1f}"),
        _mark(0, change, hours, "the mean moves by 0.25 sd"),
        _mark(1, change, hours, ""),
        _mark(1, alarm, hours, f"alarm, {alarm - change:.1f} h later", dashed=False),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _top(panel: int) -> float:
    return GAP + panel * (HEIGHT + GAP)


def _place(values: Floats, value: Floats | float) -> Floats | float:
    low, high = float(values.min()), float(values.max())
    return HEIGHT * (1 - (value - low) / (high - low))


def _panel(panel: int, values: Floats, hours: Floats, title: str, colour: str) -> list[str]:
    x = LEFT + WIDTH * hours / hours[-1]
    y = _top(panel) + np.asarray(_place(values, values))
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    top = _top(panel)
    return [
        f'<text x="{LEFT}" y="{top - 10}">{title}</text>',
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#bbb"/>',
        f'<text x="{LEFT - 8}" y="{top + 12}" text-anchor="end">{values.max():.1f}</text>',
        f'<text x="{LEFT - 8}" y="{top + HEIGHT}" text-anchor="end">{values.min():.1f}</text>',
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>',
    ]


def _line(panel: int, value: float, values: Floats, text: str) -> str:
    y = _top(panel) + float(_place(values, value))
    return (
        f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#888"/>'
        f'<text x="{LEFT + 8}" y="{y - 6:.1f}">{text}</text>'
    )


def _mark(panel: int, hour: float, hours: Floats, text: str, *, dashed: bool = True) -> str:
    x = LEFT + WIDTH * hour / float(hours[-1])
    top = _top(panel)
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + HEIGHT}" stroke="#333"{dash}/>'
        f'<text x="{x + 6:.1f}" y="{top + 16}">{text}</text>'
    )


if __name__ == "__main__":
    main()
