"""The answers of the reference: their columns in the profile, the classes, and how good they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from detectors.betting.rhythm_fit import Grid
from detectors.classes import NEGATIVE, ClassNames, ClassValue
from detectors.estimation.calibration import Calibration
from detectors.estimation.cells import AnswerLayout
from detectors.profile import OUTPUT_PREFIX, CategoricalColumn, Column, NumericColumn, ReferenceProfile
from detectors.profile_calibration import AnswerCounts, sampled_layout
from detectors.profile_count import CategoryCount, NumericCount, sampled_column
from detectors.profile_deviance import Deviances
from detectors.profile_losses import LossRhythms, losses_of_errors
from detectors.profile_quality import Quality, measured_rows
from detectors.profile_scan import ColumnScan
from detectors.profile_values import Answers, Floats, Numbers, Times
from schemas.errors import Stop
from schemas.metric_settings import Task

CLASSES_MAX: Final = 1_000
_SHOWN_MAX: Final = 5

LABEL, SCORE, VALUE = (f"{OUTPUT_PREFIX}{what}" for what in ("label", "score", "value"))
ERROR = "error"


class OutputColumns:
    """Sees every answer twice: `sample`, then `start`, then `count`.

    Rows whose answer is not the model's own count for nothing but their label, as in a stream.

    Parameters
    ----------
    positive, classes
        As in the model's settings.
    power
        Of the deviance that is a regression's loss, None where its loss is none.
    bins_of
        A reference whose cells are used, where it has any; what it has none for is not counted.
    """

    def __init__(  # noqa: PLR0913 - one keyword per setting
        self,
        task: Task,
        *,
        positive: ClassValue | None,
        classes: Mapping[str, Sequence[ClassValue]] | None,
        sample_max: int,
        power: float | None = None,
        bins_of: ReferenceProfile | None = None,
    ) -> None:
        self._task: Task = task
        self._bins_of = bins_of
        self._positive = positive
        self._settings_classes = classes
        self._names = ClassNames(classes, positive)
        self._scan = ColumnScan(
            VALUE if task == "regression" else SCORE, declared="numeric", sample_max=sample_max
        )
        self._has_value = False
        self._answers: AnswerCounts | None = None
        self._error_scan = ColumnScan(ERROR, declared="numeric", sample_max=sample_max)
        self._error_count: NumericCount | None = None
        self._error_rhythms: LossRhythms | None = None
        self._predicted: Counter[str] | None = None
        self._true: Counter[str] = Counter()
        self._value_count: NumericCount | None = None
        self._label_count: CategoryCount | None = None
        self._power = power if task == "regression" else None
        self._deviances = self._deviances_of(bins_of, sample_max)
        self.quality = Quality(task, self._names, power=self._power)

    def _deviances_of(self, bins_of: ReferenceProfile | None, sample_max: int) -> Deviances | None:
        if self._power is None or bins_of is None:
            return None if self._power is None else Deviances(self._power, sample_max=sample_max)
        if bins_of.deviance is None or bins_of.deviance_power != self._power:
            return None
        return Deviances(self._power, sample_max=sample_max, edges=bins_of.deviance.edges)

    def limit(self, size_max: int) -> None:
        """Keep a smaller sample from now on."""
        self._scan.limit(size_max)
        self._error_scan.limit(size_max)
        if self._deviances is not None:
            self._deviances.limit(size_max)

    def sample(self, answers: Answers, keys: Floats) -> None:
        """Take answers in, first pass; `keys` as for `ColumnScan`.

        Raises
        ------
        Stop
            More classes than a model can have.
        """
        value = self._own_value(answers)
        if value is not None:
            self._has_value = self._task != "multiclass"
            self._scan.add(value, keys if answers.measured is None else keys[answers.measured])
        errors = self._errors(answers)
        if errors is not None:
            self._error_scan.add(errors, keys)
        if self._deviances is not None:
            self._deviances.sample(answers, keys)
        if answers.predicted is not None:
            self._predicted = self._predicted or Counter()
            self._predicted.update(name for name in _own_names(answers) if name is not None)
        self._true.update(name for name in answers.truth or () if name is not None)
        if max(len(self._true), len(self._predicted or ())) > CLASSES_MAX:
            raise Stop(
                f"expected at most {CLASSES_MAX:,} classes among labels and predictions, found more, such as "
                f"{next(iter(self._predicted or self._true))[:64]!r}: is it a column of numbers or ids?"
            )

    def _own_value(self, answers: Answers) -> Numbers | None:
        if answers.value is None:
            return None
        value = answers.value if answers.measured is None else answers.value[answers.measured]
        return Numbers(value, np.isnan(value))

    def _errors(self, answers: Answers) -> Numbers | None:
        """Return prediction minus truth of a regression's own answers, missing where there is either of them not."""
        if self._task != "regression" or answers.value is None or answers.true_value is None:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            error = answers.value - answers.true_value
        return Numbers(error, ~np.isfinite(error) | ~measured_rows(answers, len(error)))

    def start(self, grid: Grid | None = None) -> None:
        """Turn what the first pass saw into bins and classes; `grid` has the blocks of time for rhythms."""
        self._names = ClassNames(self._settings_classes, self._positive, self._known())
        frequent = [name for name, _ in self._true.most_common()]
        self.quality = Quality(self._task, self._names, grid=grid, classes=frequent, power=self._power)
        if self._deviances is not None:
            self._deviances.start(grid)
        values, errors = self._scan.sample.ordered(), self._error_scan.sample.ordered()
        if self._bins_of is not None:
            self._start_on(self._bins_of, values, errors, grid)
            return
        if values.size:
            self._answers = AnswerCounts(sampled_layout(self._task, values), self._names, errors, grid)
        if self._has_value:
            self._value_count = NumericCount(self._scan.name, values, self._scan.largest, grid)
        self._count_errors(errors, grid)
        if self._predicted is not None:
            frequent = [self._named(name) for name, _ in self._predicted.most_common()]
            self._label_count = CategoryCount(LABEL, set(frequent), frequent, grid)

    def _start_on(self, other: ReferenceProfile, values: Floats, errors: Floats, grid: Grid | None) -> None:
        """Take the cells of another reference over, those of answers that these rows lack too."""
        known = other.calibration
        if values.size and known is not None:
            layout = AnswerLayout(self._task, known.edges)
            self._answers = AnswerCounts(layout, self._names, errors, grid, sizes=known.sizes)
        value, label = other.column(self._scan.name), other.column(LABEL)
        if isinstance(value, NumericColumn):
            self._value_count = NumericCount(value.name, values, self._scan.largest, grid, edges=value.edges)
        if isinstance(label, CategoricalColumn):
            names = label.categories
            self._label_count = CategoryCount(LABEL, names, names, grid, fixed=True)
        if other.error is not None:
            self._count_errors(errors, grid, edges=other.error.edges)

    def _count_errors(
        self, errors: Floats, grid: Grid | None, *, edges: Sequence[float] | None = None
    ) -> None:
        if not errors.size:
            return
        self._error_count = NumericCount(ERROR, errors, self._error_scan.largest, grid, edges=edges)
        if grid is not None:
            sampled = sampled_column(ERROR, errors, edges=edges)
            self._error_rhythms = LossRhythms(grid, sampled.edges, losses_of_errors(sampled))

    @property
    def error_edges(self) -> Floats | None:
        """Inner edges of the bins of errors, None where there are none; known from `start` on."""
        return None if self._error_count is None else np.array(self._error_count.column().edges)

    def named(self, answers: Answers) -> Answers:
        """Return answers in which the negative class has its name, which it has only since all have been seen."""
        if answers.predicted is None:
            return answers
        predicted = [None if name is None else self._named(name) for name in answers.predicted]
        return replace(answers, predicted=predicted)

    def count(self, answers: Answers, n: int, places: Times | None = None) -> None:
        """Take `n` rows of `named` answers in, second pass; `places`, shape (n,), are their blocks of time."""
        own_places = places
        if places is not None and answers.measured is not None:
            own_places = places[answers.measured]
        own_n = n if answers.measured is None else int(answers.measured.sum())
        if self._label_count is not None:
            names = _own_names(answers) if answers.predicted is not None else [None] * own_n
            self._label_count.add(names, own_places)
        if self._value_count is not None:
            value = self._own_value(answers)
            self._value_count.add([None] * own_n if value is None else value, own_places)
        errors = self._errors(answers)
        if self._error_count is not None and errors is not None:
            self._error_count.add(errors, places)
            if self._error_rhythms is not None and places is not None:
                self._error_rhythms.add(errors.values[errors.finite], places[errors.finite])
        if self._deviances is not None:
            self._deviances.count(answers, places)
        if self._answers is not None:
            self._answers.add(answers, places)
        self.quality.add(answers, places)

    def columns(self) -> list[Column]:
        """Return the outputs' columns: the value or score, then the label."""
        counts = (self._value_count, self._label_count)
        return [count.column() for count in counts if count is not None]

    def error(self) -> NumericColumn | None:
        """Return how a regression's errors lie, None without labels."""
        if self._error_count is None:
            return None
        column = self._error_count.column()
        if self._error_rhythms is None:
            return column
        losses = self._error_rhythms.rhythms(np.array(column.counts, dtype=np.float64))
        return replace(column, rhythms={**column.rhythms, **losses})

    def calibration(self) -> Calibration | None:
        """Return what tells of the quality of answers without labels; None where labels or scores are too few."""
        return None if self._answers is None else self._answers.calibration()

    def deviance(self) -> NumericColumn | None:
        """Return how a regression's deviances lie, None where its loss is none."""
        return None if self._deviances is None else self._deviances.column()

    def classes(self) -> tuple[str, ...]:
        """Return the classes of labels and predictions, most frequent first."""
        seen: Counter[str] = Counter(self._true)
        for name, n in (self._predicted or {}).items():
            seen[self._named(name)] += n
        return tuple(sorted(seen, key=lambda name: (-seen[name], name)))

    def _known(self) -> list[str]:
        return [name for name in {*self._true, *(self._predicted or ())} if name != NEGATIVE]

    def same(self, predicted: str, true: str) -> bool:
        """Return whether an answer is right."""
        return self._names.same(predicted, true)

    def _named(self, name: str) -> str:
        return self._names.negative if name == NEGATIVE else name

    def warnings(self) -> list[str]:
        """Return what looks wrong with the answers, one sentence each."""
        found: list[str] = []
        if not self.quality.labelled:
            found.append("no row has ground truth: the profile has no metrics")
        deviance = self.deviance()
        if deviance is not None and deviance.invalid:
            found.append(
                f"{deviance.invalid:,} rows have a prediction or a truth that the loss does not allow (such as a "
                "prediction of 0); they count as the worst"
            )
        listed = self._settings_classes
        unlisted = sorted(name for name in self._known() if listed and name not in listed)
        if unlisted:
            found.append(
                f"found classes that the settings do not list: {_some(unlisted)}; add them to `classes`"
            )
        positive = self._names.positive
        if positive is not None and self._true and positive not in self._true:
            found.append(
                f"no label is of the positive class {positive}, they are {_some(sorted(self._true))}: mend "
                "`positive_class` or `classes`"
            )
        return found


def _own_names(answers: Answers) -> list[str | None]:
    names = answers.predicted or ()
    if answers.measured is None:
        return list(names)
    return [name for name, own in zip(names, answers.measured.tolist(), strict=True) if own]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_MAX} more" if len(names) > _SHOWN_MAX else ""
    return ", ".join(names[:_SHOWN_MAX]) + more
