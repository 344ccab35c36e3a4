"""`python -m benchmarks.detect.causes`: features named that did not move with a fall, and those found that did."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.causes.explainer import Explainer
from detectors.detector import ClosedWindow
from detectors.layout import ErrorLayout, PredictionLayout, prediction_layout
from detectors.profile import NumericColumn, ReferenceProfile
from detectors.summary import Summary
from schemas.finding import Finding, Kind, Stream, Verdict, WindowSpan
from schemas.model_settings import ModelSettings

Floats = npt.NDArray[np.float64]

FEATURES: Final = 50
WINDOWS: Final = 60
WINDOW_MS: Final = 60_000
START_MS: Final = 1_793_534_400_000
BINS: Final = 32
AFTER: Final = (1, 3, 8, 20)
"""Windows since the fall at which an alert opens."""
MOVED_SD: Final = 0.5
"""How far the first feature moves with the fall, where it does."""

_EDGES: Final = tuple(np.linspace(-2, 2, BINS - 1).tolist())
_COLUMNS: Final = tuple(
    NumericColumn(f"x{n}", _EDGES, (100,) * BINS, 0.0, 1.0, -3.0, 3.0, 0.0) for n in range(FEATURES)
)
PROFILE: Final = ReferenceProfile(
    "fraud", "binary", 100 * BINS, _COLUMNS, labelled=1_000, metrics={"accuracy": 0.9}
)
LAYOUT: Final = prediction_layout(PROFILE)
ERRORS: Final = ErrorLayout("binary")
MODEL: Final = ModelSettings.model_validate({"name": "fraud", "task": "binary", "positive_class": "1"})


def lived(
    rng: np.random.Generator, per_window: int, *, wander_sd: float, inertia: float, after: int
) -> Explainer:
    """Return an explainer that has seen windows in which the first feature moves `after` windows before their end."""
    explainer = Explainer(MODEL, LAYOUT, PROFILE)
    scores = np.linspace(-1.7, 1.7, BINS)
    wander = np.zeros(FEATURES)
    for index in range(WINDOWS):
        wander = inertia * wander + wander_sd * np.sqrt(1 - inertia**2) * rng.normal(size=FEATURES)
        shift = wander + MOVED_SD * (np.arange(FEATURES) == 0) * (index >= WINDOWS - after)
        weights = np.exp(shift[:, None] * scores)
        vector = np.zeros(LAYOUT.size, dtype=np.int64)
        vector[PredictionLayout.EVENTS] = per_window
        for cells, shares in zip(LAYOUT.columns, weights / weights.sum(axis=1, keepdims=True), strict=True):
            start = PredictionLayout.COLUMNS + cells.offset
            vector[start : start + BINS] = rng.multinomial(per_window, shares)
        wrong = np.zeros(ERRORS.size, dtype=np.int64)
        wrong[:2] = per_window, per_window // (5 if index >= WINDOWS - after else 10)
        wrong[ErrorLayout.LAG] = per_window
        span = _span(index, per_window)
        explainer.take(ClosedWindow("fraud", Stream.PREDICTIONS, span, Summary(LAYOUT, vector)))
        explainer.take(ClosedWindow("fraud", Stream.ERRORS, span, Summary(ERRORS, wrong)))
    return explainer


def _span(index: int, n: int) -> WindowSpan:
    return WindowSpan(START_MS + index * WINDOW_MS, START_MS + (index + 1) * WINDOW_MS, n)


def rows(seeds: int) -> Iterator[str]:
    """Yield a row per kind of traffic."""
    for per_window in (50, 1_000):
        for wander_sd, inertia in ((0.0, 0.0), (0.15, 0.0), (0.15, 0.8), (0.15, 0.95)):
            false = found = 0
            for seed in range(seeds):
                for after in AFTER:
                    rng = np.random.default_rng([seed, after])
                    explainer = lived(rng, per_window, wander_sd=wander_sd, inertia=inertia, after=after)
                    told = explainer.explain(_fall(per_window), START_MS + (WINDOWS - after) * WINDOW_MS)
                    names = [] if told is None else told["features"]
                    is_found = isinstance(names, list) and any(
                        isinstance(one, dict) and one["name"] == "x0" for one in names
                    )
                    moved = 0 if told is None or not isinstance(told["moved"], int) else told["moved"]
                    found += is_found
                    false += moved - is_found
            falls = seeds * len(AFTER)
            cells = (f"{per_window:,}", f"{wander_sd:g}", f"{inertia:g}")
            share = 100 * false / (falls * (FEATURES - 1))
            yield f"| {' | '.join(cells)} | {share:.2g} % | {found} of {falls} |"


def _fall(n: int) -> Finding:
    return Finding(
        kind=Kind.PERFORMANCE,
        check="performance",
        model="fraud",
        window=_span(WINDOWS - 1, n),
        verdict=Verdict.BREACH,
        score=2.0,
        fire=1.0,
        clear=1.0,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detect.causes")
    parser.add_argument("--seeds", type=int, default=6)
    how = parser.parse_args(arguments)
    print("| events a window | wandering, sd | correlation of neighbours | named by chance | found |")
    print("|---|---|---|---|---|")
    for row in rows(how.seeds):
        print(row)


if __name__ == "__main__":
    main()
