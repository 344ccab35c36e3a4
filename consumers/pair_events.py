"""Ids that two versions answered: what a batch says of them, and what each version lost."""

from __future__ import annotations

import math
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
        ("sign", "<i8"),
    ]
)
"""One id with the answers of two versions and the label that both were first joined with, NaN where silence is to be one; `time_ms` is
when the last of the three came, and `sign` adds the pair or takes it back."""


def pair_name(first: str, second: str) -> str:
    """Return what stands for the version of a window of pairs."""
    return msgspec.json.encode([first, second]).decode()


def versions_of(name: str) -> tuple[str, str]:
    """Return the two versions of such a name."""
    return msgspec.json.decode(name, type=tuple[str, str])


def new_pairs(
    plan: ModelPlan, after: Entry, outcomes: Mapping[int, Outcome], before: Mapping[int, Outcome]
) -> Iterator[tuple[object, ...]]:
    """Yield rows of `PAIRED` for the pairs that an id has come to have, and for those that it has no more.

    Two versions are a pair when both gave an answer of their own, one of them not in the shadow, and their first accepted label is
    the same one. That never changes afterwards, so an id counts once for two versions; corrections come too late. Where silence is a
    label, an id without one is a pair that counts when silence has spoken of both; a label that comes before that takes it back.

    Parameters
    ----------
    outcomes, before
        By version: what the id comes to now, and what it came to before.
    """
    answered = sorted((p for p in after.predictions if p.status == OK), key=lambda p: p.version)
    for one, other in combinations(answered, 2):
        if one.shadow and other.shadow:
            continue
        was = None
        if one.version in before and other.version in before:
            was = _truth_of(plan, one, other, before)
        now = _truth_of(plan, one, other, outcomes)
        if was != now:
            yield from (_row(one, other, *found, sign) for found, sign in ((was, -1), (now, 1)) if found)


def _truth_of(
    plan: ModelPlan, one: PendingPrediction, other: PendingPrediction, outcomes: Mapping[int, Outcome]
) -> tuple[float, int] | None:
    """Return the label that two predictions of an id share, and when it came; None for none, and NaN for silence."""
    latest_ms, silent_ms = max(one.time_ms, other.time_ms), plan.implicit_ms
    firsts = [outcomes[p.version].first for p in (one, other)]
    spoken = [
        label is not None and label.time_ms - p.time_ms <= silent_ms
        for p, label in zip((one, other), firsts, strict=True)
    ]
    label = firsts[0]
    if label is not None and label == firsts[1] and all(spoken):
        return label.truth, max(label.time_ms, latest_ms)
    if one.assumed and other.assumed and not any(spoken):
        length_ms = (
            plan.settings.cohort_window_ms
        )  # with the other implicit labels of its cohort, see `consumers.silence`
        return math.nan, latest_ms // length_ms * length_ms + length_ms + silent_ms
    return None


def _row(
    one: PendingPrediction, other: PendingPrediction, truth: float, time_ms: int, sign: int
) -> tuple[object, ...]:
    return (
        (one.version, other.version),
        (not one.shadow, not other.shadow),
        (one.predicted, other.predicted),
        (one.value, other.value),
        truth,
        time_ms,
        sign,
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
        self._live, self._sign = pairs["live"].astype(np.int64), pairs["sign"]
        if layout.loss == "larger_error":
            self._losses, gain = _larger_errors(layout, pairs)
        else:
            truth, predicted = _truths(plan, pairs, class_names), pairs["predicted"]
            sides = [class_losses(plan, predicted[:, side], truth, class_names) for side in (0, 1)]
            self._losses = np.column_stack(sides)
            gain = self._losses[:, 0] - self._losses[:, 1]
        self._cells = PairLayout.GAINS + layout.steps + gain

    def rows(self) -> tuple[Integers, Integers]:
        """Return cells and counts of each pair, both of shape (n, 6)."""
        n = len(self._cells)
        fixed = np.broadcast_to(np.array(list(PairCell), dtype=np.int64), (n, len(PairCell)))
        cells = np.column_stack([fixed, self._cells])
        one = np.ones(n, dtype=np.int64)
        counts = np.column_stack([one, self._live, self._losses, one])
        return cells, counts * self._sign[:, None]


def _truths(plan: ModelPlan, pairs: npt.NDArray[np.void], class_names: Sequence[str]) -> Integers:
    """Return the codes of the true classes."""
    silent = np.isnan(pairs["truth"])
    known: Integers = np.where(silent, 0, pairs["truth"]).astype(np.int64)
    if silent.any():
        known[silent] = class_names.index(plan.implicit or "")
    return known


def class_losses(
    plan: ModelPlan, predicted: Integers, truth: Integers, class_names: Sequence[str]
) -> Integers:
    """Return what answers of classes lost, in steps of the plan's pairs; all of shape (n,), codes of classes."""
    layout, costs = plan.pairs, plan.settings.costs
    if layout.loss == "error" or costs is None:
        return is_wrong(plan, predicted, truth, class_names).astype(np.int64)
    table = np.array(
        [[costs.get(true, {}).get(said, 0.0) for said in class_names] for true in class_names]
    ).reshape(len(class_names), len(class_names))
    steps = np.rint((table - layout.low) / layout.span * layout.steps).astype(np.int64)
    losses: Integers = steps[truth, predicted]
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
