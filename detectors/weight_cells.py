"""What an error summary counts of the weights of its rows, where any weighs other than 1.

Everything here is a difference: what the weighted row adds minus what it would add with a weight of 1. So rows without
a weight add nothing, and a summary in which there is no other has no such cells at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from detectors import exact
from detectors.class_cells import CLASS_SUMS, PROBABLE

Term = tuple[str, int]
"""What is summed: a count or an exact sum of the error layout, and the power of the weight that it is taken times."""

ROWS = "n"
"""The value 1 of every row."""
REFUSED = "refused"
"""1 where the loss of a regression does not allow the row."""

_CLASS_TERMS: tuple[Term, ...] = ((ROWS, 1), (ROWS, 2), ("wrong", 1), ("wrong", 2), ("scored", 1))
_PROBABLE_TERMS: tuple[Term, ...] = ((PROBABLE, 1), *((name, 1) for name in CLASS_SUMS))
_NUMBER_TERMS: tuple[Term, ...] = (
    *((ROWS, 1), (ROWS, 2), ("ape_n", 1)),
    *(("error", 2), ("absolute", 2), ("squared", 2)),
)


@dataclass(frozen=True)
class WeightCells:
    """Slices of the cells of weights.

    Sections: the exact sums of `terms`, then the high and then the low parts (`detectors.fixed`) of `width` sums in
    fixed point: of a classification the weights by score cell, of a regression those by bin of the prediction, then the
    predictions and then the truths times their weights.

    Parameters
    ----------
    terms
        What the exact sums are of.
    width
        Number of sums in fixed point.
    further
        Number of the last terms that not every release has had.
    """

    terms: tuple[Term, ...]
    width: int
    further: int = 0

    @cached_property
    def counts(self) -> int:
        """Number of leading entries that are exact sums."""
        return len(self.terms) * exact.LIMBS

    @cached_property
    def size(self) -> int:
        """Length of the vector."""
        return self.counts + 2 * self.width

    @cached_property
    def known(self) -> int:
        """Number of entries that every release has had."""
        return self.size - self.further * exact.LIMBS


def weight_cells(
    sums: tuple[str, ...],
    *,
    score_bins: int = 0,
    prediction_bins: int = 0,
    refused: bool = False,
    by_class: bool = False,
) -> WeightCells:
    """Return the cells that go with an error layout.

    Parameters
    ----------
    sums
        Names of its exact sums.
    score_bins
        Score cells per row of a classification, 0 for a regression.
    refused
        True where the loss is a deviance.
    by_class
        True where there are `detectors.class_cells`.
    """
    own = _CLASS_TERMS if score_bins else (*_NUMBER_TERMS, *(((REFUSED, 1),) if refused else ()))
    further = _PROBABLE_TERMS if by_class else ()
    terms = (*own, *((name, 1) for name in sums), *further)
    return WeightCells(terms, 2 * score_bins if score_bins else 3 * prediction_bins, len(further))
