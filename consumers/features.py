"""A batch of feature objects to columns of numbers and of category names.

The usual object is decoded straight into a struct made from the profile's own feature list. An object
that the struct refuses (NaN, a wrong type, a name that is not listed) is read value by value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from consumers.envelope import PredictionEnvelope, read_json
from consumers.interning import UNLISTED_CHARS_MAX, UNLISTED_MAX, Interner
from detectors.layout import PredictionLayout
from detectors.profile import NumericColumn, is_feature
from detectors.profile_values import category_name
from schemas.unicode_text import is_unicode

_NULL: Final = msgspec.Raw(b"null")


@dataclass(slots=True)
class RawColumns:
    """Values of a batch before they become cells.

    Parameters
    ----------
    numbers
        Shape (n, numeric columns); NaN where missing or invalid.
    invalid
        (row, numeric column) places of invalid numbers.
    categories
        Per categorical column: n names, `MISSING` or `INVALID` of `detectors.profile_values` among them.
    unlisted
        By name that the profile does not list: where it has a value, shape (n,). Names that nobody sent are not in it.
    """

    numbers: npt.NDArray[np.float64]
    invalid: list[tuple[int, int]]
    categories: list[list[str]]
    unlisted: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)


class FeatureReader:
    """Reads the feature objects of one model in one partition.

    Parameters
    ----------
    layout
        The columns of the profile; those that are no features are left to the caller.
    ignored
        Feature names that the settings know, whether the profile lists them or not.

    Notes
    -----
    Without features in the layout no name is unlisted. Names beyond `UNLISTED_MAX` are passed over.
    """

    def __init__(
        self, model: str, layout: PredictionLayout, ignored: frozenset[str], interner: Interner
    ) -> None:
        features = [c for c in layout.columns if is_feature(c.column.name)]
        self._model = model
        self._interner = interner
        self._ignored = ignored
        self.numeric = [c.column.name for c in features if isinstance(c.column, NumericColumn)]
        self.categorical = [c.column.name for c in features if not isinstance(c.column, NumericColumn)]
        self._names = set(self.numeric) | set(self.categorical)
        if self._names:
            interner.forget_unlisted(model, self._names | ignored)
        self._build()

    def _build(self) -> None:
        """Make the struct; unlisted and ignored names are fields too, so that they cost no slow path."""
        unlisted = list(self._interner.unlisted(self._model)) if self._names else []
        passed_over = [*unlisted, *sorted(self._ignored - self._names - set(unlisted))]
        fields: list[tuple[str, Any, Any]] = []
        rename: dict[str, str] = {}
        kinds: list[tuple[list[str], Any, Any]] = [
            (self.numeric, float | None, math.nan),
            (self.categorical, str | int | float | bool | None, None),
            (passed_over, msgspec.Raw, _NULL),
        ]
        for names, kind, default in kinds:
            for name in names:
                rename[f"f{len(fields)}"] = name
                fields.append((f"f{len(fields)}", kind, default))
        struct = msgspec.defstruct(
            "Features",
            fields,
            rename=rename,
            gc=False,
            forbid_unknown_fields=bool(self._names) and len(unlisted) < UNLISTED_MAX,
        )
        self._decode = msgspec.json.Decoder(struct).decode
        count = len(self.numeric)
        self._get_numbers = _getter([f"f{i}" for i in range(count)])
        end = count + len(self.categorical)
        self._get_categories = _getter([f"f{i}" for i in range(count, end)])
        self._unlisted = unlisted
        self._get_unlisted = _getter([f"f{i}" for i in range(end, end + len(unlisted))])

    def read(self, events: Sequence[PredictionEnvelope]) -> RawColumns:
        """Return the values of a batch's features, columns in the profile's order."""
        rows: list[Any] = []
        odd: list[int] = []
        decode = self._decode
        for index, event in enumerate(events):
            try:
                rows.append(decode(event.features))
            except (msgspec.MsgspecError, RecursionError):
                rows.append(None)
                odd.append(index)
        blank = decode(b"{}")
        if odd:
            rows = [blank if row is None else row for row in rows]
        columns = RawColumns(self._numbers(rows), [], self._categories(rows), self._unlisted_of(rows))
        for index in odd:
            self._read_slowly(columns, index, _parsed(events[index]))
        return columns

    def _unlisted_of(self, rows: list[Any]) -> dict[str, npt.NDArray[np.bool_]]:
        if not self._unlisted:
            return {}
        found: dict[str, npt.NDArray[np.bool_]] = {}
        for name, values in zip(
            self._unlisted, zip(*map(self._get_unlisted, rows), strict=True), strict=True
        ):
            if values.count(_NULL) < len(values):
                found[name] = np.array([value != _NULL for value in values], dtype=np.bool_)
        return found

    def _numbers(self, rows: list[Any]) -> npt.NDArray[np.float64]:
        width = len(self.numeric)
        flat = map(self._get_numbers, rows)
        try:
            numbers = np.fromiter(chain.from_iterable(flat), dtype=np.float64, count=len(rows) * width)
        except TypeError:  # a null among them
            numbers = np.array([self._get_numbers(row) for row in rows], dtype=np.float64)
        return numbers.reshape(len(rows), width)

    def _categories(self, rows: list[Any]) -> list[list[str]]:
        if not self.categorical:
            return []
        return [
            [v if type(v) is str and v else category_name(v) for v in column]
            for column in zip(*map(self._get_categories, rows), strict=True)
        ]

    def _read_slowly(self, columns: RawColumns, row: int, features: Mapping[str, Any]) -> None:
        for position, name in enumerate(self.numeric):
            value = features.get(name)
            columns.numbers[row, position] = math.nan
            if value is None:
                continue
            if type(value) in (int, float) and abs(value) < math.inf:
                columns.numbers[row, position] = _as_float(value)
            if math.isnan(columns.numbers[row, position]):
                columns.invalid.append((row, position))
        for position, name in enumerate(self.categorical):
            columns.categories[position][row] = category_name(features.get(name))
        if self._names:
            self._note_unlisted(columns, row, features)

    def _note_unlisted(self, columns: RawColumns, row: int, features: Mapping[str, Any]) -> None:
        unlisted = self._interner.unlisted(self._model)
        before = len(unlisted)
        for name, value in features.items():
            if value is None or name in self._names or name in self._ignored or not is_unicode(name):
                continue
            short = name[:UNLISTED_CHARS_MAX]
            self._interner.remember_unlisted(self._model, short)
            if short in unlisted:
                nobody = np.zeros(len(columns.numbers), dtype=np.bool_)
                columns.unlisted.setdefault(short, nobody)[row] = True
        if len(unlisted) > before:
            self._build()


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond float64
        return math.nan


def _getter(names: list[str]) -> Any:
    if not names:
        return lambda _row: ()
    if len(names) == 1:
        get = attrgetter(names[0])
        return lambda row: (get(row),)
    return attrgetter(*names)


def _parsed(event: PredictionEnvelope) -> Mapping[str, Any]:
    if event.parsed is not msgspec.UNSET:
        return event.parsed
    try:
        parsed = read_json(bytes(event.features).decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
