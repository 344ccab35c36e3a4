"""`python -m benchmarks.estimation`: our estimates beside NannyML's, on the same data; the table of docs/estimation.md.

NannyML is no dependency: without it the table has our figures and the truth alone, and says so. The data have the shape of
NannyML's synthetic binary classification set (does somebody work from home tomorrow): numbers and categories, a score in
steps of a hundredth that is not calibrated, and inputs that move midway through what is to be estimated.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detectors.estimation.figures import estimated
from detectors.layout import calibrated_answers
from detectors.profile_build import ProfileBuilder
from detectors.profile_values import Answers, RowBatch

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

METRICS: Final = ("roc_auc", "accuracy", "f1", "precision", "recall")
ROWS, CHUNK = 50_000, 5_000
SALARIES: Final = np.array(["0 - 20K", "20K - 40K", "40K - 60K", "60K+"])
DAYS: Final = np.array(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"])


@dataclass(frozen=True)
class Rows:
    """Scores, answers and truths, shape (n,) each, with the features that they rest on."""

    features: dict[str, Any]
    score: Floats
    said: Mask
    truth: Mask

    def part(self, start: int, stop: int) -> Rows:
        """Return some of the rows."""
        own = slice(start, stop)
        features = {name: values[own] for name, values in self.features.items()}
        return Rows(features, self.score[own], self.said[own], self.truth[own])


def drawn(rng: np.random.Generator, n: int, *, moved: Mask) -> Rows:
    """Return rows; where `moved`, people live further away and earn otherwise, and truth follows both as ever."""
    distance = np.abs(rng.normal(0, 3, n)) + np.where(moved, 3.0, 0.5)
    salary = np.where(
        moved, rng.choice(4, n, p=[0.1, 0.2, 0.3, 0.4]), rng.choice(4, n, p=[0.3, 0.3, 0.2, 0.2])
    )
    gas, transport = rng.normal(2.0, 0.2, n), rng.normal(7.0, 1.5, n)
    before, day, tenure = rng.random(n) < 0.5, rng.integers(0, 5, n), rng.gamma(2.0, 2.0, n)
    known = (
        0.55 * distance
        + 0.5 * salary
        - 0.25 * transport
        + 1.6 * before
        + 0.3 * (day == 4)
        + 0.1 * tenure
        - 1.2
    )
    truth = rng.random(n) < 1 / (1 + np.exp(-known))
    # What a model that does not know all of it, and is too sure of itself, makes of the rest.
    seen = 1.4 * (known - 0.3 * (day == 4) - 0.1 * (tenure - 4)) + 0.2
    score = np.round(1 / (1 + np.exp(-seen)), 2)
    features = {
        "distance_from_office": distance,
        "salary_range": SALARIES[salary],
        "gas_price_per_litre": gas,
        "public_transportation_cost": transport,
        "wfh_prev_workday": before,
        "workday": DAYS[day],
        "tenure": tenure,
    }
    return Rows(features, score, score >= 0.5, truth)


def ours(reference: Rows, analysis: Rows) -> list[dict[str, float]]:
    """Return our estimates by chunk, through the product's own profile and cells."""
    builder = ProfileBuilder(
        "wfh", "binary", positive="1", feature_rules={}, classes={"1": ["1"], "0": ["0"]}
    )
    n = len(reference.score)
    answers = Answers(_names(reference.truth), _names(reference.said), value=reference.score)
    batch = RowBatch(n, {name: values.tolist() for name, values in reference.features.items()}, answers)
    builder.sample(batch)
    builder.count(batch)
    profile = builder.finish()
    layout = calibrated_answers(profile)
    if profile.calibration is None or layout is None:
        raise ValueError("expected a calibration")
    found = []
    for chunk in chunks(analysis):
        counts = np.bincount(layout.cells(chunk.score, chunk.said), minlength=layout.counts)
        found.append({m: e.value for m, e in estimated(profile.calibration, layout, counts).items()})
    return found


def _names(flags: Mask) -> list[str | None]:
    return ["1" if flag else "0" for flag in flags.tolist()]


def realised(analysis: Rows) -> list[dict[str, float]]:
    """Return what came true, by chunk."""
    return [_truth(chunk) for chunk in chunks(analysis)]


def _truth(rows: Rows) -> dict[str, float]:
    both, said, true = int((rows.said & rows.truth).sum()), int(rows.said.sum()), int(rows.truth.sum())
    levels, place = np.unique(rows.score, return_inverse=True)
    hits = np.bincount(place, rows.truth, minlength=len(levels))
    misses = np.bincount(place, ~rows.truth, minlength=len(levels))
    area = hits @ (np.cumsum(misses) - misses / 2) / hits.sum() / misses.sum()
    return {
        "roc_auc": float(area),
        "accuracy": float((rows.said == rows.truth).mean()),
        "f1": 2 * both / (said + true),
        "precision": both / said,
        "recall": both / true,
    }


def theirs(reference: Rows, analysis: Rows) -> list[dict[str, float]] | None:
    """Return NannyML's estimates by chunk; None where it is not installed."""
    os.environ.setdefault("NML_DISABLE_USAGE_LOGGING", "1")
    try:
        import nannyml  # noqa: PLC0415 - not a dependency
        import pandas as pd  # noqa: PLC0415
    except ImportError:
        return None

    def frame(rows: Rows) -> Any:
        answers = {"y_pred_proba": rows.score, "y_pred": rows.said.astype(int), "y": rows.truth.astype(int)}
        return pd.DataFrame(rows.features | answers)

    estimator = nannyml.CBPE(
        metrics=list(METRICS),
        y_pred_proba="y_pred_proba",
        y_pred="y_pred",
        y_true="y",
        problem_type="classification_binary",
        chunk_size=CHUNK,
    )
    estimator.fit(frame(reference))
    table = estimator.estimate(frame(analysis).drop(columns="y")).filter(period="analysis").to_df()
    return [{metric: float(row[metric, "value"]) for metric in METRICS} for _, row in table.iterrows()]


def chunks(rows: Rows) -> Iterator[Rows]:
    """Yield the rows chunk by chunk."""
    for start in range(0, len(rows.score), CHUNK):
        yield rows.part(start, start + CHUNK)


def shipped() -> tuple[Rows, Rows] | None:
    """Return NannyML's own car loan data, reference and what is to be estimated; None where it is not installed."""
    try:
        import nannyml  # noqa: PLC0415 - not a dependency
    except ImportError:
        return None
    reference, analysis, target = nannyml.load_synthetic_car_loan_dataset()

    def rows(frame: Any, truth: Any) -> Rows:
        score, said = frame["y_pred_proba"].to_numpy(), frame["y_pred"].to_numpy() == 1
        return Rows({}, score.astype(np.float64), said, truth.to_numpy() == 1)

    return rows(reference, reference["repaid"]), rows(analysis, target["repaid"])


Row = tuple[str, str, float, float, float]
"""Which chunks, which metric, ours, NannyML's and the truth."""


def compared(reference: Rows, analysis: Rows, halves: tuple[str, str]) -> Iterator[Row]:
    """Yield the estimates of every chunk of an analysis, whose halves have names."""
    peer, truth = theirs(reference, analysis), realised(analysis)
    mine = ours(reference, analysis)
    for place, own in enumerate(mine):
        for metric in METRICS:
            other = float("nan") if peer is None else peer[place][metric]
            yield halves[2 * place // len(mine)], metric, own[metric], other, truth[place][metric]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="data sets (default 5)")
    parsed = parser.parse_args()
    rows: list[Row] = []
    for seed in range(parsed.seeds):
        rng = np.random.default_rng(seed)
        reference = drawn(rng, ROWS, moved=np.zeros(ROWS, dtype=np.bool_))
        analysis = drawn(rng, ROWS, moved=np.arange(ROWS) >= ROWS // 2)
        rows += compared(reference, analysis, ("as in the reference", "inputs moved"))
    own = shipped()
    if own is None:
        sys.stdout.write("NannyML is not installed: its columns are empty\n")
    else:
        rows += compared(*own, ("NannyML's car loans, first half", "NannyML's car loans, second half"))
    for line in _table(rows):
        sys.stdout.write(f"{line}\n")


def _table(rows: list[Row]) -> Iterator[str]:
    yield "| chunks | metric | truth | ours | NannyML | between the two, mean | largest | ours off truth | NannyML off truth |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name in dict.fromkeys(row[0] for row in rows):
        for metric in METRICS:
            mine, other, truth = np.array([row[2:] for row in rows if row[:2] == (name, metric)]).T
            between = np.abs(mine - other)
            figures = (truth.mean(), mine.mean(), other.mean(), between.mean(), between.max())
            off = (np.abs(mine - truth).mean(), np.abs(other - truth).mean())
            cells = " | ".join("" if np.isnan(value) else f"{value:.4f}" for value in (*figures, *off))
            yield f"| {len(mine)}, {name} | {metric} | {cells} |"


if __name__ == "__main__":
    main()
