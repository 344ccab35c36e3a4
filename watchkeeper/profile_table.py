"""Rows of a table (Parquet, CSV, JSONL) whose columns are the features, the named ones apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from detectors.classes import ClassNames
from detectors.profile import JOINT_PREFIX, OUTPUT_PREFIX
from detectors.profile_answers import AnswerColumn, AnswerRules, Place
from detectors.profile_values import INVALID, MISSING, Answers, RowBatch, Values, category_names
from detectors.segments import NONE, segment_name
from schemas.errors import Stop
from schemas.model_settings import ModelSettings
from schemas.setting_types import nearest
from watchkeeper.profile_lines import Advance
from watchkeeper.profile_times import Integers, RowTimes, WrittenTimes


@dataclass(frozen=True, slots=True)
class TableBatch:
    """Some rows of a table.

    Parameters
    ----------
    place
        Says where a row of the batch stands.
    time
        The column of the time, where one is named.
    """

    n: int
    columns: Mapping[str, Values]
    place: Place
    time: WrittenTimes | None = None


class TableReader(Protocol):
    """A table that can be read again and again; each format has one."""

    @property
    def names(self) -> Sequence[str] | None:
        """Names of the columns, or None where only reading tells."""

    def batches(self, advance: Advance) -> Iterator[TableBatch]:
        """Yield the rows from the first one on; reads the file, and raises `Stop` where it cannot."""

    def times(self, advance: Advance) -> Iterator[WrittenTimes]:
        """Yield the column of the time alone, in a reading of its own; nothing where none is named."""

    def warnings(self) -> list[str]:
        """Return what the last reading found odd, one sentence each."""


@dataclass(frozen=True, slots=True)
class NamedColumns:
    """The columns of a table that are no features, by the options that name them."""

    label: str | None = None
    prediction: str | None = None
    score: str | None = None
    time: str | None = None

    def by_option(self) -> dict[str, str]:
        """Return the columns that were named, by option."""
        named = {f"--{option}": getattr(self, option) for option in ("label", "prediction", "score", "time")}
        return {option: name for option, name in named.items() if name is not None}


@dataclass(frozen=True, slots=True)
class ColumnTypes:
    """How the cells of columns are to be read, where the settings or the task say it.

    Parameters
    ----------
    numbers, categories
        Features of declared type; classes are categories too.
    answers
        Columns of scores and of regression values.
    texts
        Columns whose cells are text even where they look like numbers.
    skipped
        Columns that nobody asks for.
    time
        The column of the time, or None; it is skipped as a feature.
    """

    numbers: frozenset[str]
    categories: frozenset[str]
    answers: frozenset[str]
    texts: frozenset[str]
    skipped: frozenset[str]
    time: str | None = None


def column_types(settings: ModelSettings, named: NamedColumns) -> ColumnTypes:
    """Return how columns are read, by the settings and by what their values are for."""
    rules = settings.features
    said = {name for name in (named.label, named.prediction) if name is not None}
    scores = set() if named.score is None else {named.score}
    is_regression = settings.task == "regression"
    classes = set() if is_regression else said
    ignored = {name for name, rule in rules.items() if rule.ignore} - said - scores - {*settings.segments}
    return ColumnTypes(
        numbers=frozenset(name for name, rule in rules.items() if rule.type == "numeric"),
        categories=frozenset(name for name, rule in rules.items() if rule.type == "categorical") | classes,
        answers=frozenset(scores | (said - classes)),
        texts=frozenset(classes if _classes_are_text(settings) else ()),
        skipped=frozenset(ignored | ({named.time} if named.time is not None else set())),
        time=named.time,
    )


def _classes_are_text(settings: ModelSettings) -> bool:
    """Return whether a class in a file without types is text: `1` is then the class "1"."""
    if settings.classes:
        return all(isinstance(value, str) for values in settings.classes.values() for value in values)
    return isinstance(settings.positive_class, str)


class TableRows:
    """The rows of a table as a profile is built from them.

    Parameters
    ----------
    path
        The file, for messages.

    Raises
    ------
    Stop
        A named column that does not exist or does not fit the task.
    """

    def __init__(self, path: Path, reader: TableReader, settings: ModelSettings, named: NamedColumns) -> None:
        self._path = path
        self._reader = reader
        self._named = named
        self._times = None if named.time is None else RowTimes(path, named.time)
        names = ClassNames(settings.classes, settings.positive_class)
        self._rules = AnswerRules(settings.task, names, settings.threshold)
        self._segments = settings.segments
        self._seen: dict[str, None] = dict.fromkeys(reader.names or ())
        if named.score is not None and settings.task != "binary":
            raise Stop(
                f"--score {named.score}: expected a binary model, {settings.name} is of the task {settings.task}; "
                "use --prediction"
            )
        if reader.names is not None:
            self._check_names()

    def _check_names(self) -> None:
        for option, name in self._named.by_option().items():
            if name not in self._seen:
                raise Stop(f"{self._path}: no column {name!r} for {option}; {nearest(name, self._seen)}")

    def see_times(self, advance: Advance) -> None:
        """Read the column of the time, to find the unit of its numbers before any row is used."""
        for written in self._reader.times(advance):
            if self._times is not None:
                self._times.see(written)

    def batches(self, advance: Advance) -> Iterator[RowBatch]:
        """Yield the rows from the first one on.

        Raises
        ------
        Stop
            Input that cannot be read or used: file, line or row, and the mend.
        """
        apart = set(self._named.by_option().values())
        if self._times is not None:
            self._times.restart()
        for batch in self._reader.batches(advance):
            self._seen.update(dict.fromkeys(batch.columns))
            features = {name: values for name, values in batch.columns.items() if name not in apart}
            for name in features:
                if name.startswith(OUTPUT_PREFIX):
                    raise Stop(
                        f"{self._path}: column {name!r} has the name of an output; name it with --prediction, "
                        "--score or --label, or rename it"
                    )
                if name.startswith(JOINT_PREFIX):
                    raise Stop(
                        f"{self._path}: column {name!r} has the name of a figure of all features together; rename it"
                    )
            segments = tuple(_segment_names(batch, key) for key in self._segments)
            yield RowBatch(batch.n, features, self._answers(batch), self._time_ms(batch), segments=segments)
        if self._seen:
            self._check_names()

    def _answers(self, batch: TableBatch) -> Answers:
        named = self._named
        return self._rules.answers(
            label=_answer_column(batch, named.label),
            prediction=_answer_column(batch, named.prediction),
            score=_answer_column(batch, named.score),
            place=batch.place,
        )

    def _time_ms(self, batch: TableBatch) -> Integers | None:
        if self._times is None or batch.time is None:
            return None
        return self._times.read(batch.time, batch.place)

    def warnings(self) -> list[str]:
        """Return what the last reading found odd, one sentence each."""
        lacking = [
            f"{self._path}: no column {key!r}, so segments by it have no reference and are watched for their "
            "statuses alone"
            for key in self._segments
            if key not in self._seen
        ]
        return self._reader.warnings() + (self._times.warnings() if self._times is not None else []) + lacking


def _segment_names(batch: TableBatch, key: str) -> list[str]:
    if key not in batch.columns:
        return [""] * batch.n
    own = {MISSING: segment_name(key, NONE), INVALID: ""}
    return [
        own[value] if value in own else segment_name(key, value)
        for value in category_names(batch.columns[key])
    ]


def _answer_column(batch: TableBatch, name: str | None) -> AnswerColumn | None:
    if name is None:
        return None
    return AnswerColumn(name, batch.columns.get(name, [None] * batch.n))
