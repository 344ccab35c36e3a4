"""The probabilities that a multiclass model gives to its classes, kept until the label comes.

A prediction keeps the code of the list of classes that it names, in order of their names, and for each of them minus
the logarithm of its probability in steps of about 0.0005, in 16 bits. The predicted class's probability is kept whole
anyway (`value`), so only what the others say is rounded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt

from consumers.envelope import PredictionEnvelope
from consumers.interning import Interner
from detectors.classes import ClassNames

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Levels = npt.NDArray[np.uint16]

CLASSES_MAX: Final = 64
"""Probabilities of more classes are not kept."""

SUM_TOLERANCE: Final = 0.01
"""Probabilities whose sum is further from 1 are not those of all classes, and are not kept."""

PROBABILITY_MIN: Final = 1e-15
"""Probabilities are kept this far from 0 and 1 in the log loss, as scikit-learn does for float64."""

_LEVEL_MAX: Final = 0xFFFF
_STEP: Final = -math.log(PROBABILITY_MIN) / _LEVEL_MAX
_OF_LEVEL: Final = np.exp(-_STEP * np.arange(_LEVEL_MAX + 1))
_NAMES_MAX: Final = 1_000
"""So many ways to name classes are looked up once and remembered."""


@dataclass(frozen=True, slots=True)
class Probabilities:
    """The probabilities of a batch of predictions.

    Parameters
    ----------
    listed
        Shape (n,): 1 and the code of the list of classes, 0 for none.
    size
        Shape (n,): number of classes.
    levels
        Shape (n, `CLASSES_MAX`): the probability of each class of the list, as a level; 0 behind the last one.
    """

    listed: npt.NDArray[np.uint8]
    size: npt.NDArray[np.uint8]
    levels: Levels

    def take(self, keep: npt.NDArray[np.bool_]) -> Probabilities:
        """Return the rows where `keep` is true."""
        return Probabilities(self.listed[keep], self.size[keep], self.levels[keep])

    def stored(self, row: int) -> bytes:
        """Return a row's probabilities as they lie in a stored entry; empty for none."""
        size = int(self.size[row])
        if not size:
            return b""
        return bytes([size, int(self.listed[row])]) + self.levels[row, :size].astype("<u2").tobytes()


def block_of(stored: bytes) -> tuple[int, int, Levels]:
    """Return the number of classes, their list and their levels, shape (`CLASSES_MAX`,), of stored probabilities."""
    levels = np.zeros(CLASSES_MAX, dtype=np.uint16)
    if not stored:
        return 0, 0, levels
    levels[: stored[0]] = np.frombuffer(stored, dtype="<u2", offset=2)
    return stored[0], stored[1], levels


class ProbabilityReader:
    """Reads the probabilities of one model's events in one partition.

    What is not given for all classes is not kept: a sum that is not 1, two names of one class, more than `CLASSES_MAX`
    classes, or more ways to name some than the partition remembers.
    """

    def __init__(self, model: str, names: ClassNames, interner: Interner) -> None:
        self._model = model
        self._names = names
        self._interner = interner
        self._known: dict[tuple[str, ...], tuple[int, list[int]] | None] = {}

    def read(self, events: Sequence[PredictionEnvelope]) -> Probabilities | None:
        """Return the probabilities of events; None where none of them has any."""
        groups: dict[tuple[str, ...], list[int]] = {}
        for row, event in enumerate(events):
            given = None if event.output is None else event.output.probabilities
            if given and 1 < len(given) <= CLASSES_MAX:
                groups.setdefault(tuple(given), []).append(row)
        found: Probabilities | None = None
        for keys, members in groups.items():
            flat = chain.from_iterable(_given(events[row]).values() for row in members)
            shares = np.fromiter(flat, dtype=np.float64, count=len(members) * len(keys))
            shares = shares.reshape(len(members), len(keys))
            rows = np.array(members, dtype=np.intp)
            order = sorted(range(len(keys)), key=keys.__getitem__)
            whole = np.abs(np.ascontiguousarray(shares[:, order]).sum(axis=1) - 1.0) <= SUM_TOLERANCE
            place = self._place(keys) if whole.any() else None
            if place is None:
                continue
            if found is None:
                n = len(events)
                none = np.zeros(n, dtype=np.uint8)
                found = Probabilities(none, none.copy(), np.zeros((n, CLASSES_MAX), dtype=np.uint16))
            code, by_class = place
            found.listed[rows[whole]] = code + 1
            found.size[rows[whole]] = len(keys)
            found.levels[rows[whole], : len(keys)] = levels_of(shares[whole][:, by_class])
        return found

    def _place(self, keys: tuple[str, ...]) -> tuple[int, list[int]] | None:
        """Return the code of the list of classes that these names stand for, and which name each of them has."""
        if keys not in self._known:
            if len(self._known) >= _NAMES_MAX:
                self._known.clear()
            self._known[keys] = self._listed(keys)
        return self._known[keys]

    def _listed(self, keys: tuple[str, ...]) -> tuple[int, list[int]] | None:
        names = [self._names(key) for key in keys]
        if len(set(names)) < len(names):
            return None
        by_class = sorted(range(len(names)), key=names.__getitem__)
        code = self._interner.class_list(self._model, tuple(names[place] for place in by_class))
        return None if code is None else (code, by_class)


def _given(event: PredictionEnvelope) -> dict[str, float]:
    return {} if event.output is None else event.output.probabilities or {}


def levels_of(probabilities: Floats) -> Levels:
    """Return probabilities as levels, each off by at most a four-thousandth of itself.

    Examples
    --------
    >>> levels_of(np.array([1.0, 0.5, 0.0])).tolist()
    [0, 1315, 65535]
    """
    levels = np.rint(-np.log(np.maximum(probabilities, PROBABILITY_MIN)) / _STEP)
    return np.clip(levels, 0, _LEVEL_MAX).astype(np.uint16)


@dataclass(frozen=True, slots=True)
class ClassLosses:
    """What joined rows lost by the probabilities of all classes; arrays of shape (n,).

    Parameters
    ----------
    known
        Where there are probabilities, and one of the true class.
    log_loss
        Minus the logarithm of the true class's; 0 elsewhere.
    brier
        Sum over the classes of the squared distance of the probability from 1 or 0; 0 elsewhere.
    """

    known: npt.NDArray[np.bool_]
    log_loss: Floats
    brier: Floats


def class_losses(rows: npt.NDArray[np.void], lists: Sequence[Sequence[int]]) -> ClassLosses:
    """Return the losses of rows.

    Parameters
    ----------
    rows
        With fields `listed`, `levels`, `predicted` (a class code), `value` and `truth`.
    lists
        The partition's lists of the model's classes: codes of classes, by code of the list.

    Notes
    -----
    Off by at most 0.06 % of themselves, and the log loss of a right answer not at all: see `levels_of`.
    """
    listed = rows["listed"].astype(np.intp)
    if not listed.any():
        nothing = np.zeros(len(rows))
        return ClassLosses(nothing > 0, nothing, nothing)
    codes = np.full((len(lists) + 1, max(map(len, lists))), -1, dtype=np.int64)
    for place, classes in enumerate(lists, start=1):
        codes[place, : len(classes)] = classes
    value, truth = rows["value"], rows["truth"].astype(np.int64)
    predicted = np.where(np.isnan(value), -2, rows["predicted"].astype(np.int64))
    known = np.zeros(len(rows), dtype=np.bool_)
    likelihood, brier = np.ones(len(rows)), np.zeros(len(rows))
    # One class after the other, so that a row has the same sum beside rows of more classes.
    for place in range(codes.shape[1]):
        own = codes[listed, place]
        share = np.where(own >= 0, _OF_LEVEL[rows["levels"][:, place]], 0.0)
        share = np.where(own == predicted, value, share)
        is_true = own == truth
        known |= is_true
        likelihood = np.where(is_true, share, likelihood)
        brier += np.square(share - is_true)
    log_loss = -np.log(np.clip(likelihood, PROBABILITY_MIN, 1 - PROBABILITY_MIN))
    return ClassLosses(known, np.where(known, log_loss, 0.0), np.where(known, brier, 0.0))
