"""What the reference's labels say of each bin of the answers: how often a score comes true, how large errors are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from detectors.betting.isotonic import isotonic
from detectors.estimation.cells import AnswerLayout
from detectors.rhythm import Rhythm, rhythms_from

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LABELS_MIN: Final = 200
"""With fewer labelled answers nothing is estimated."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Counts of the reference's answers, and of what became of those that were labelled.

    Parameters
    ----------
    edges
        Inner edges of the bins, as in `AnswerLayout`.
    counts
        Answers per cell of the layout, labelled or not.
    labelled
        Labelled answers per bin.
    hits
        Of a classification, per bin: labelled answers of which what the score is the probability of came true.
    absolute, squared
        Of a regression, per bin: sums of the sizes of the errors, and of their squares.
    sizes
        Of a regression: inner edges of bins of the sizes of errors.
    outcomes
        Labelled answers by bin and size of the error, those of one bin in a row.
    rhythm
        Of the expected loss of an answer; None for a reference without times.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    labelled: tuple[int, ...]
    hits: tuple[int, ...] = ()
    absolute: tuple[float, ...] = ()
    squared: tuple[float, ...] = ()
    sizes: tuple[float, ...] = ()
    outcomes: tuple[int, ...] = ()
    rhythm: Rhythm | None = None

    @property
    def n(self) -> int:
        """Labelled answers that it rests on; 0 while a learned profile waits for labels."""
        return sum(self.labelled)


@dataclass(frozen=True, slots=True)
class Rates:
    """What is expected of an answer in each bin, and how sure that is.

    Parameters
    ----------
    expected
        Shape (bins,): probability that it comes true, or mean size of the error.
    spread
        Shape (bins,): variance of one answer's outcome around it.
    blocks
        Shape (bins,): bins of one block share a figure, and its error.
    variance
        Shape (blocks,): of the figure itself, from the labels that it was read from.
    """

    expected: Floats
    spread: Floats
    blocks: npt.NDArray[np.intp]
    variance: Floats


def rates_of(calibration: Calibration) -> Rates:
    """Return the lookup of a calibration.

    Notes
    -----
    A score's calibration is isotonic (pooled adjacent violators): it never falls as the score rises, and needs no form.
    The error of a pooled share is that of two more labels, one of each kind, so that a share of 0 is not taken for sure.
    The size of a regression's errors may rise and fall with the prediction, so each bin has its own; a bin without
    labels takes the mean of all.
    """
    labelled = np.array(calibration.labelled, dtype=np.float64)
    if calibration.hits:
        return _of_scores(np.array(calibration.hits, dtype=np.float64), labelled)
    return _of_errors(
        np.array(calibration.absolute, dtype=np.float64),
        np.array(calibration.squared, dtype=np.float64),
        labelled,
    )


def _of_scores(hits: Floats, labelled: Floats) -> Rates:
    expected = isotonic(hits, labelled)
    blocks = np.concatenate([[0], np.cumsum(np.diff(expected) != 0)]).astype(np.intp)
    hit, n = np.bincount(blocks, hits), np.bincount(blocks, labelled)
    share = (hit + 1) / (n + 2)
    return Rates(expected, expected * (1 - expected), blocks, share * (1 - share) / (n + 2))


def _of_errors(absolute: Floats, squared: Floats, labelled: Floats) -> Rates:
    total = labelled.sum()
    mean, square = absolute.sum() / total, squared.sum() / total
    known = labelled > 1
    expected = np.divide(absolute, labelled, out=np.full(len(labelled), mean), where=known)
    squares = np.divide(squared, labelled, out=np.full(len(labelled), square), where=known)
    spread = np.maximum(squares - np.square(expected), 0.0)
    blocks = np.arange(len(labelled), dtype=np.intp)
    return Rates(expected, spread, blocks, spread / np.maximum(labelled, 1.0))


def calibration_from(raw: Mapping[str, Any] | None, *, task: str) -> Calibration | None:
    """Read a calibration out of a profile's JSON.

    Raises
    ------
    ValueError
        Counts that do not go with the edges.
    """
    if raw is None:
        return None
    rhythm = raw.get("rhythm")
    found = Calibration(
        edges=tuple(float(edge) for edge in raw["edges"]),
        counts=tuple(int(n) for n in raw["counts"]),
        labelled=tuple(int(n) for n in raw["labelled"]),
        hits=tuple(int(n) for n in raw["hits"]),
        absolute=tuple(float(v) for v in raw["absolute"]),
        squared=tuple(float(v) for v in raw["squared"]),
        sizes=tuple(float(edge) for edge in raw["sizes"]),
        outcomes=tuple(int(n) for n in raw["outcomes"]),
        rhythm=None if rhythm is None else rhythms_from({"loss": rhythm})["loss"],
    )
    layout = AnswerLayout(task, found.edges)
    outcomes = (found.absolute, found.squared) if task == "regression" else (found.hits,)
    lengths = {len(found.labelled), *map(len, outcomes)}
    table = layout.bins * (len(found.sizes) + 1) if task == "regression" else 0
    if len(found.outcomes) != table or len(found.counts) != layout.counts or lengths != {layout.bins}:
        raise ValueError("calibration: expected one count per cell")
    return found
