"""What a reference profile is built from: rows of the reference, column by column.

Numbers come as arrays where the input is typed, and as plain Python values where it is not. What counts as
missing, as invalid and as which category is what `consumers.features` decides for the events of a stream,
so that a row means the same in the reference and in production.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from schemas.unicode_text import is_unicode

Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Times: TypeAlias = npt.NDArray[np.int64]

MISSING: Final = ""
"""Stands for a missing category; an empty text is a category called `(empty)`."""
INVALID: Final = "\x00"
EMPTY: Final = "(empty)"

NO_TIME: Final = int(np.iinfo(np.int64).min)
"""Stands for the time of a row that has none, or none that can be read."""

NUMBER_TYPES: Final = frozenset({int, float})
_NONE: Final = type(None)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of numbers of some rows.

    Parameters
    ----------
    values
        Shape (n,). A value that is NaN or infinite and not missing is invalid.
    missing
        Shape (n,): where there is no value.
    """

    values: Floats
    missing: Mask

    @property
    def finite(self) -> Mask:
        """Where there is a usable number."""
        return np.isfinite(self.values) & ~self.missing

    def objects(self) -> list[float | None]:
        """Return the values with None where there is none."""
        rows = zip(self.values.tolist(), self.missing.tolist(), strict=True)
        return [None if missing else value for value, missing in rows]


Values: TypeAlias = Numbers | Sequence[object]
"""A column of some rows: numbers, or any values as a JSON parser gives them, None for missing."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the model answered in some rows and what was true; None where the input does not say at all.

    Parameters
    ----------
    truth, predicted
        Class names, one per row, None for no label and no answer (classification).
    true_value
        Shape (n,): the true number, NaN for no label (regression).
    value
        Shape (n,): the predicted number, or the score of the positive class; NaN for none.
    class_losses
        Shape (n, 2): log loss and Brier loss by the probabilities of all of more than two classes; NaN for none.
    measured
        Shape (n,): rows whose answer is the model's own; None for all.
    """

    truth: Sequence[str | None] | None = None
    predicted: Sequence[str | None] | None = None
    true_value: Floats | None = None
    value: Floats | None = None
    measured: Mask | None = None
    class_losses: Floats | None = None


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Some rows of the reference.

    Parameters
    ----------
    n
        Number of rows.
    features
        Values by name, each of n rows; a name that is absent is missing in all of them.
    time_ms
        Shape (n,): the time of each row in epoch milliseconds, `NO_TIME` where there is none, in no order; None
        where the input does not say at all.
    latency_ms
        Shape (n,): how long the answers took, NaN where nobody says; None where the input does not say at all.
    status
        Shape (n,): places in `detectors.layout.STATUSES`; None where the input does not say at all.
    segments
        Per declared key the name of each row's segment (see `detectors.segments`), empty where nobody says.
    """

    n: int
    features: Mapping[str, Values]
    answers: Answers
    time_ms: Times | None = None
    latency_ms: Floats | None = None
    status: Times | None = None
    segments: tuple[Sequence[str], ...] = ()


def numbers(values: Values) -> Numbers:
    """Return values as numbers: text, booleans and numbers beyond a double are invalid."""
    if isinstance(values, Numbers):
        return values
    if set(map(type, values)) <= {int, float, _NONE}:
        try:
            found = np.array(values, dtype=np.float64)
        except OverflowError:  # an integer beyond a double
            pass
        else:
            return Numbers(found, np.array([value is None for value in values], dtype=np.bool_))
    return Numbers(
        np.array([_number(value) for value in values], dtype=np.float64),
        np.array([value is None for value in values], dtype=np.bool_),
    )


def category_names(values: Values) -> list[str]:
    """Return values as category names, `MISSING` and `INVALID` among them."""
    if isinstance(values, Numbers):
        values = values.objects()
    return [value if type(value) is str and value else category_name(value) for value in values]


def category_name(value: object) -> str:
    """Return the category name of one value, `MISSING` or `INVALID`.

    Examples
    --------
    >>> category_name(7), category_name(7.0), category_name(7.5), category_name(True), category_name("")
    ('7', '7', '7.5', 'true', '(empty)')
    """
    if value is None:
        return MISSING
    if isinstance(value, str):
        return (value if is_unicode(value) else INVALID) or EMPTY
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and abs(value) < math.inf:
        return str(int(value)) if isinstance(value, int) or value.is_integer() else repr(value)
    return INVALID


def _number(value: object) -> float:
    if type(value) not in NUMBER_TYPES:
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]  # an int or a float by the line above
    except OverflowError:
        return math.nan
