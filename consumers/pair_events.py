"""Ids that two versions answered: what a batch says of them, and what each version lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from consumers.columns import OK
from consumers.fold import Outcome
from consumers.losses import is_wrong
from consumers.pending import Entry, PendingPrediction
from consumers.plan import ModelPlan
from detectors.pair_layout import PairCell, PairLayout

Integers = npt.NDArray[np.int64]

PAIRED: Final = np.dtype(
    [
        ("version", "<i8", 2),
        ("live", "?", 2),
        ("predicted", "<i8", 2),
        ("value", "<f8", 2),
        ("truth", "<f8"),
        ("time_ms", "<i8"),
    ]
)
"""One id with the answers of two versions and the label that both were first joined with; `time_ms` is when the last of
the three came."""


def pair_name(first: str, second: str) -> str:
    """Return what stands for the version of a window of pairs."""
    return msgspec.json.encode([first, second]).decode()


def versions_of(name: str) -> tuple[str, str]:
    """Return the two versions of such a name."""
    return msgspec.json.decode(name, type=tuple[str, str])


def new_pairs(
    after: Entry, outcomes: Mapping[int, Outcome], before: Mapping[int, Outcome]
) -> Iterator[tuple[object, ...]]:
    """Yield rows of `PAIRED` for the pairs that an id has come to have.

    Two versions are a pair when both gave an answer of their own, one of them not in the shadow, and their first accepted label is
    the same one. That never changes afterwards, so an id counts once for two versions; corrections come too late.

    Parameters
    ----------
    outcomes, before
        By version: what the id comes to now, and what it came to before.
    """
    joined = [p for p in after.predictions if p.status == OK and outcomes[p.version].first is not None]
    for one, other in combinations(sorted(joined, key=lambda p: p.version), 2):
        label = outcomes[one.version].first
        was = all(p.version in before and before[p.version].first is not None for p in (one, other))
        if was or label is None or label != outcomes[other.version].first or (one.shadow and other.shadow):
            continue
        time_ms = max(label.time_ms, one.time_ms, other.time_ms)
        yield _row(one, other, label.truth, time_ms)


def _row(one: PendingPrediction, other: PendingPrediction, truth: float, time_ms: int) -> tuple[object, ...]:
    return (
        (one.version, other.version),
        (not one.shadow, not other.shadow),
        (one.predicted, other.predicted),
        (one.value, other.value),
        truth,
        time_ms,
    )


def in_order_of_names(pairs: npt.NDArray[np.void], names: Sequence[str]) -> npt.NDArray[np.void]:
    """Return the pairs with the version first whose name comes first, as codes depend on what was read before.

    Parameters
    ----------
    names
        Names of versions by code.
    """
    rank = np.empty(len(names), dtype=np.int64)
    rank[sorted(range(len(names)), key=lambda code: (names[code], code))] = np.arange(len(names))
    turned = rank[pairs["version"][:, 0]] > rank[pairs["version"][:, 1]]
    ordered = pairs.copy()
    for field in ("version", "live", "predicted", "value"):
        ordered[field][turned] = pairs[field][turned, ::-1]
    return ordered


class PairLosses:
    """What each of two versions lost on the ids of a batch, in steps of a layout.

    Parameters
    ----------
    pairs
        Shape (n,), of type `PAIRED`.
    class_names
        The partition's classes of the model, by code.
    """

    def __init__(self, plan: ModelPlan, pairs: npt.NDArray[np.void], class_names: Sequence[str]) -> None:
        layout = plan.pairs
        self._live = pairs["live"].astype(np.int64)
        if layout.loss == "larger_error":
            self._losses, gain = _larger_errors(layout, pairs)
        else:
            self._losses = _class_losses(plan, pairs, class_names)
            gain = self._losses[:, 0] - self._losses[:, 1]
        self._cells = PairLayout.GAINS + layout.steps + gain

    def rows(self) -> tuple[Integers, Integers]:
        """Return cells and counts of each pair, both of shape (n, 6)."""
        n = len(self._cells)
        fixed = np.broadcast_to(np.array(list(PairCell), dtype=np.int64), (n, len(PairCell)))
        cells = np.column_stack([fixed, self._cells])
        one = np.ones(n, dtype=np.int64)
        return cells, np.column_stack([one, self._live, self._losses, one])


def _class_losses(plan: ModelPlan, pairs: npt.NDArray[np.void], class_names: Sequence[str]) -> Integers:
    truth, predicted = pairs["truth"].astype(np.int64), pairs["predicted"]
    layout, costs = plan.pairs, plan.settings.costs
    if layout.loss == "error" or costs is None:
        sides = [is_wrong(plan, predicted[:, side], truth, class_names) for side in (0, 1)]
        return np.column_stack(sides).astype(np.int64)
    table = np.array(
        [[costs.get(true, {}).get(said, 0.0) for said in class_names] for true in class_names]
    ).reshape(len(class_names), len(class_names))
    steps = np.rint((table - layout.low) / layout.span * layout.steps).astype(np.int64)
    losses: Integers = steps[truth[:, None], predicted]
    return losses


def _larger_errors(layout: PairLayout, pairs: npt.NDArray[np.void]) -> tuple[Integers, Integers]:
    with np.errstate(over="ignore", invalid="ignore"):
        # Halved, so that no difference of two finite numbers overflows.
        error = np.abs(pairs["value"] / 2 - pairs["truth"][:, None] / 2)
        most = error.max(axis=1)
        share = error / np.where(most > 0, most, 1.0)[:, None]
    both = share.sum(axis=1)
    gain = np.where(both > 0, (share[:, 0] - share[:, 1]) / np.where(both > 0, both, 1.0), 0.0)
    steps = np.rint(gain * layout.steps).astype(np.int64)
    losses = np.column_stack([steps > 0, steps < 0]).astype(np.int64) * layout.steps
    return losses, steps
