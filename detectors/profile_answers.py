"""Columns of a table that hold labels, predictions and scores, as answers.

What a label or a score means is what `consumers.decode` decides for the events of a stream.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from detectors.classes import NEGATIVE, ClassNames
from detectors.profile_values import Answers, Floats, Mask, Numbers, Values, numbers
from schemas.errors import Stop
from schemas.metric_settings import Task

Place: TypeAlias = Callable[[int], str]
"""Says where a row of the batch stands, for messages: `train.csv:12`."""

_SHOWN_CHARS_MAX = 40


@dataclass(frozen=True, slots=True)
class AnswerColumn:
    """One column of answers and what it is called."""

    name: str
    values: Values


@dataclass(frozen=True, slots=True)
class AnswerRules:
    """How a model's answers are read.

    Parameters
    ----------
    threshold
        A score alone stands for the positive class from here on.
    """

    task: Task
    names: ClassNames
    threshold: float

    def answers(
        self,
        *,
        label: AnswerColumn | None,
        prediction: AnswerColumn | None,
        score: AnswerColumn | None,
        place: Place,
    ) -> Answers:
        """Return the answers of a batch of rows.

        Raises
        ------
        Stop
            A value that cannot be a class, a number or a score.
        """
        if self.task == "regression":
            return Answers(
                true_value=None if label is None else _finite(label, place),
                value=None if prediction is None else _finite(prediction, place),
            )
        scores = None if score is None else _scores(score, place)
        predicted = None if prediction is None else self._classes(prediction, place)
        if scores is not None:
            predicted = self._by_threshold(predicted or [None] * len(scores), scores)
        return Answers(
            truth=None if label is None else self._classes(label, place), predicted=predicted, value=scores
        )

    def _by_threshold(self, predicted: list[str | None], scores: Floats) -> list[str | None]:
        """Fill in the class where there is a score alone; a prediction wins over a score."""
        positive = self.names.positive
        return [
            name
            if name is not None or math.isnan(score)
            else positive
            if score >= self.threshold
            else NEGATIVE
            for name, score in zip(predicted, scores.tolist(), strict=True)
        ]

    def _classes(self, column: AnswerColumn, place: Place) -> list[str | None]:
        values = column.values
        if isinstance(values, Numbers):
            values = values.objects()
        named: dict[tuple[type, object], str] = {}
        found: list[str | None] = []
        for row, value in enumerate(values):
            if isinstance(value, str | int):
                key = (type(value), value)  # 1 and true are equal in Python
                found.append(named.get(key) or named.setdefault(key, self.names(value)))
            else:
                found.append(self._class_of_float(value, column.name, place, row))
        return found

    def _class_of_float(self, value: object, name: str, place: Place, row: int) -> str | None:
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        if isinstance(value, float) and value.is_integer():
            return self.names(int(value))  # a table with gaps has its whole numbers as 1.0
        raise Stop(
            f"{place(row)}: expected a class (text, whole number, boolean) in column {name}, found {_shown(value)}; "
            "name probabilities with --score"
        )


def _finite(column: AnswerColumn, place: Place) -> Floats:
    """Return numbers with NaN for missing ones."""
    found = numbers(column.values)
    _refuse(~found.finite & ~found.missing & ~_is_nan(column.values), column, place, "a finite number")
    return np.where(found.finite, found.values, np.nan)


def _scores(column: AnswerColumn, place: Place) -> Floats:
    found = _finite(column, place)
    _refuse((found < 0) | (found > 1), column, place, "a probability of the positive class, from 0 to 1")
    return found


def _is_nan(values: Values) -> Mask:
    """Return where a value is NaN itself, which tables write for missing answers."""
    if isinstance(values, Numbers):
        return np.isnan(values.values)
    return np.array([isinstance(v, float) and math.isnan(v) for v in values], dtype=np.bool_)


def _refuse(wrong: Mask, column: AnswerColumn, place: Place, expected: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        values = column.values
        value = values.values[row].item() if isinstance(values, Numbers) else values[row]
        raise Stop(f"{place(row)}: expected {expected} in column {column.name}, found {_shown(value)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS_MAX else f"{text[:_SHOWN_CHARS_MAX]}..."
