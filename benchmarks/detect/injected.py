"""Drift injected into Elec2: the protocol of a published benchmark, read from its paper and its authors' scripts.

1. Per trial the rows are shuffled, so that nothing drifts but by injection. (`in_order` keeps their order instead.)
2. A Hoeffding tree at its defaults learns every row after it has predicted it. (`frozen` stops learning after an eighth of the
   rows, and is then a model in production.)
3. A drift begins at a place drawn evenly from 50 to 80 % of the rows and stays to the end. Gradual: over 2,500 rows the
   chance that a row is changed rises evenly from 0 to 1. Four kinds:
   *prior*: rows of one class, drawn, are dropped three times in four; *label*: rows of one class, drawn, get the other
   class; *permute*: the features change places, one permutation for all rows; *filter*: rows in which one feature,
   drawn, exceeds its median are dropped.
4. A detector sees the error alone, from a quarter of the rows on. Its reference, if it wants one, is the error in
   the eighth before that.
5. An alarm is right from the beginning of the drift until 2,500 rows after it (dropped rows count), and false anywhere else;
   *every* alarm in there is right. A trial without a right alarm is one miss. F1 of the alarms of all trials together.

It differs in the tree (river's for MOA's), in the six features of the file for the original's eight, and in the number of
trials (50 in the paper).

References
----------
Cerqueira, Gomes, Heyden, Pfahringer and Bifet, "A framework for evaluating and benchmarking concept drift detection
methods", KDD (2026), arXiv 2606.07789.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from river.tree import HoeffdingTreeClassifier

from benchmarks.detect.contender import Maker, run
from benchmarks.detect.real import RealTable
from benchmarks.detect.streams import Floats, Integers, Stream

Drift = Literal["prior", "label", "permute", "filter"]
DRIFTS: Final[tuple[Drift, ...]] = ("prior", "label", "permute", "filter")
REGION: Final = (0.5, 0.8)
WIDTH: Final = 2500
DELAY_MAX: Final = 2500
DROPPED: Final = 0.75


@dataclass(frozen=True, slots=True)
class Trial:
    """The error of a model as a detector gets it, and the original row of each event.

    Parameters
    ----------
    model
        The same with features, answers and labels: reference and live rows.
    """

    reference: Stream
    live: Stream
    rows: Integers
    drift_at: int
    model: RealTable


@dataclass(frozen=True, slots=True)
class Setting:
    """How trials are made."""

    gradual: bool = False
    in_order: bool = False
    frozen: bool = False


def trial(table: RealTable, drift: Drift, setting: Setting, seed: int) -> Trial:
    """Return one trial."""
    rng = np.random.default_rng([seed, DRIFTS.index(drift), setting.gradual])
    matrix = np.array([table.columns[name] for name in table.columns], np.float64).T
    truth = np.array([int(label or 0) for label in table.labels])
    n = len(truth)
    if not setting.in_order:
        order = rng.permutation(n)
        matrix, truth = matrix[order], truth[order]
    drift_at = int(n * rng.uniform(*REGION))
    since = np.arange(n) - drift_at
    hit = rng.random(n) < since / WIDTH if setting.gradual else since >= 0
    kept, matrix, truth = _drifted(drift, rng, hit, (matrix, truth))
    rows = np.flatnonzero(kept)
    wrong = _errors(matrix[rows], truth[rows], int(np.searchsorted(rows, n // 8)) if setting.frozen else n)
    first, second = np.searchsorted(rows, [n // 8, n // 4]).tolist()
    times = table.times[rows]
    answers = np.where(wrong > 0, 1 - truth[rows], truth[rows])[first:]
    model = RealTable(
        f"{table.name} with drift",
        times[first:],
        {name: matrix[rows[first:], place].tolist() for place, name in enumerate(table.columns)},
        [str(label) for label in truth[rows[first:]].tolist()],
        answers.astype(np.float64),
        second - first,
    )
    return Trial(
        Stream("error", times[first:second], wrong[first:second]),
        Stream("error", times[second:], wrong[second:], int(np.searchsorted(rows[second:], drift_at))),
        rows[second:],
        drift_at,
        model,
    )


def _drifted(
    drift: Drift, rng: np.random.Generator, hit: npt.NDArray[np.bool_], data: tuple[Floats, Integers]
) -> tuple[npt.NDArray[np.bool_], Floats, Integers]:
    """Return which rows remain, and the features and classes after the drift."""
    matrix, truth = data
    kept = np.ones(len(truth), np.bool_)
    chosen = int(rng.integers(0, 2))
    if drift == "prior":
        kept = ~(hit & (truth == chosen) & (rng.random(len(truth)) < DROPPED))
    elif drift == "label":
        truth = np.where(hit & (truth == chosen), 1 - chosen, truth)
    elif drift == "permute":
        matrix = np.where(hit[:, None], matrix[:, rng.permutation(matrix.shape[1])], matrix)
    else:
        column = matrix[:, int(rng.integers(0, matrix.shape[1]))]
        kept = ~(hit & (column > np.median(column)))
    return kept, matrix, truth


def _errors(matrix: Floats, truth: Integers, learn_until: int) -> Floats:
    """Return 1 where the tree, which has learned the rows before, is wrong."""
    tree = HoeffdingTreeClassifier()
    wrong = np.zeros(len(truth))
    for place, (row, label) in enumerate(zip(matrix.tolist(), truth.tolist(), strict=True)):
        features: dict[Hashable, Any] = dict(enumerate(row))
        wrong[place] = float(tree.predict_one(features) != label)
        if place < learn_until:
            tree.learn_one(features, label)
    return wrong


@dataclass
class Score:
    """Alarms of many trials."""

    right: int = 0
    false: int = 0
    missed: int = 0

    def add(self, alarms: Integers, drift_at: int) -> None:
        """Count a trial's alarms, which are original rows."""
        right = int(np.count_nonzero((alarms >= drift_at) & (alarms <= drift_at + DELAY_MAX)))
        self.right += right
        self.false += len(alarms) - right
        self.missed += right == 0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.right / (2 * self.right + self.false + self.missed)


def run_trials(
    table: RealTable, makers: Sequence[Maker], setting: Setting, trials: int
) -> Iterator[tuple[Drift, str, int, Score]]:
    """Yield the kind of drift, the contender, the seed and the score of every trial."""
    watching = [make for make in makers if "error" in make().kinds]
    for drift in DRIFTS:
        for seed in range(1, trials + 1):
            made = trial(table, drift, setting, seed)
            for make in watching:
                score = Score()
                score.add(made.rows[run(make, made.reference, made.live).alarms], made.drift_at)
                yield drift, make().name, seed, score


def mean_f1(found: Iterable[Iterable[Score]]) -> float:
    """Return the mean over the kinds of drift of the F1 of all trials of a kind together."""
    f1s: list[float] = []
    for scores in found:
        total = Score()
        for score in scores:
            total = Score(total.right + score.right, total.false + score.false, total.missed + score.missed)
        f1s.append(total.f1)
    return sum(f1s) / len(f1s)
