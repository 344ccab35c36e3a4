"""The tables of the month: pages of what did not change, and delays of what did."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Final

from benchmarks.detect.month import CHANGES, FEATURES_PER_CHANGE, Change, Month, Regime
from benchmarks.detect.month_watch import MonthWatch, Watched, watch
from benchmarks.detect.month_watches import WATCHES
from benchmarks.detect.results import Figures, Results, counted
from benchmarks.detect.tables import markdown

PLANS: Final[dict[str, tuple[Regime, tuple[Change, ...]]]] = {
    "A": ("A", ()),
    "B": ("B", ()),
    "C": ("C", ()),
    f"B, {len(CHANGES) * FEATURES_PER_CHANGE} features change": ("B", CHANGES),
}
SHORT: Final = {"features": 60, "events": 200_000}
SECTION: Final = "month"
_PAGES_EXACT: Final = 100


def run_months(  # noqa: PLR0913 - what a run is made of
    makers: Sequence[Callable[[], MonthWatch]],
    plans: Sequence[str],
    seeds: Sequence[int],
    *,
    results: Results,
    told: Callable[[str], None],
    short: bool = False,
) -> None:
    """Let watches look at months; a short one has fewer features and events."""
    size = SHORT if short else {}
    for title in plans:
        regime, changes = PLANS[title]
        for seed in seeds:
            found = watch(Month(regime, seed, changes, **size), [make() for make in makers])
            for name, watched in found.items():
                results.put(SECTION, title, name, seed, asdict(watched))
            told(f"month {title}, seed {seed}")


def month_sections(results: Results) -> Iterator[str]:
    """Yield a table per plan."""
    yield (
        "### One model, one month: 200 features, a million events\n\nRegimes: **A** independent in time, correlated features, heavy "
        "tails; **B** daily and weekly cycle, AR(1) 0.5, heavy tails; **C** as B, with holidays, a trend, missing hours and a volume "
        "that changes. `min_effect: 0` unless said, windows of a minute, a budget of one false alarm in 30 days. Raw pages "
        "of what did not change and days with one, means over the months; delays in events from the beginning of day 15, median "
        f"and 90 % over months and {FEATURES_PER_CHANGE} features each (share missed)."
    )
    measured = results.of(SECTION)
    names = [make().name for make in WATCHES]
    for title in PLANS:
        if title in measured:
            yield f"{title}: {counted({title: measured[title]}, 'months')}."
            yield month_table(
                title, {name: measured[title][name] for name in names if name in measured[title]}
            )


def month_table(title: str, found: dict[str, dict[int, Figures]]) -> str:
    """Return a row per watch: means over the seeds, and median and 90 % delay over seeds and features."""
    rows: list[list[str]] = []
    changes: list[str] = []
    for name, seeds in found.items():
        runs = [Watched(**figures) for figures in seeds.values()]
        changes = list(runs[0].delays)
        pages = sum(run.pages for run in runs) / len(runs)
        days = sum(run.days_with_a_page for run in runs) / len(runs)
        delays = [_delay_cell([d for run in runs for d in run.delays[change]]) for change in changes]
        cost = sum(run.us_per_value for run in runs) / len(runs)
        told = f"{pages:.3g}" if pages < _PAGES_EXACT else f"{pages:,.0f}"
        rows.append([name, told, f"{days:.3g}", *delays, f"{cost:.2g}"])
    return markdown([title, "pages", "days", *changes, "us per value"], rows)


def _delay_cell(delays: list[float]) -> str:
    ordered = sorted(delays)
    found = [ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.9)]
    missed = sum(map(math.isinf, delays)) / len(delays)
    text = " / ".join("-" if math.isinf(value) else f"{value:,.0f}" for value in found)
    return f"{text} ({missed:.0%} missed)" if missed else text
