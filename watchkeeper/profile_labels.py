"""Ground-truth events by prediction id, and which lines of a file of events can be used."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from consumers.columns import Records
from consumers.decode import BatchDecoder
from consumers.interning import Interner
from consumers.plan import ModelPlan
from consumers.rejects import Reason, Rejected
from schemas.errors import Stop
from watchkeeper.profile_jsonl import read_object
from watchkeeper.profile_lines import Advance, LineTally, batches_of_lines, open_input

LABELS_MAX: Final = 10_000_000

NO_RECORDS: Final = Records([])
Lines = list[tuple[int, bytes]]
"""Line numbers and lines."""


class OtherModels:
    """Counts the events of a file that belong to other models."""

    def __init__(self, path: Path, model: str) -> None:
        self._path = path
        self._model = model
        self._first = ""
        self.events = 0

    def see(self, number: int, line: bytes) -> None:
        """Count one event."""
        self._first = self._first or f"{_model_of(line)!r} at line {number}"
        self.events += 1

    def check(self, *, own: int) -> None:
        """Raise `Stop` if the file has events, but none of the model."""
        if self.events and not own:
            raise Stop(
                f"{self._path}: expected events of the model {self._model!r}, found only others, such as {self._first}; "
                "mend --model or the path"
            )

    def warnings(self) -> list[str]:
        """Return a sentence about them, if there are any."""
        if not self.events:
            return []
        return [f"{self._path}: left out {self.events:,} events of other models, such as {self._first}"]


def count_lines(lines: Lines, rejects: list[Rejected], tally: LineTally, others: OtherModels) -> None:
    """Count a batch of lines and those of them that were refused."""
    tally.lines += len(lines)
    for rejected in rejects:
        number, line = lines[rejected.index]
        if rejected.reason is Reason.UNKNOWN_MODEL:
            tally.lines -= 1
            others.see(number, line)
        else:
            tally.refuse(number, rejected.message)


def _model_of(line: bytes) -> object:
    try:
        return read_object(line).get("model")
    except ValueError:
        return "(unreadable)"


class Labels:
    """The ground truth of a file by prediction id: the first one, or the one of the highest revision.

    Labels are taken however late they come. Memory: about 200 bytes per label, for at most `LABELS_MAX`.

    Raises
    ------
    Stop
        The file cannot be read or used.
    """

    def __init__(self, path: Path, plan: ModelPlan, advance: Advance) -> None:
        self._path = path
        self._interner = Interner()
        self._truth: dict[bytes, int | float] = {}
        self._revision: dict[bytes, int] = {}
        self._tally = LineTally(path)
        self._others = OtherModels(path, plan.name)
        decoder = BatchDecoder({plan.name: plan}, self._interner)
        with open_input(path) as opened:
            for lines in batches_of_lines(opened):
                decoded = decoder.decode(NO_RECORDS, Records([line for _, line in lines]))
                count_lines(lines, decoded.label_rejects, self._tally, self._others)
                found = decoded.labels.get(plan.name)
                if found is not None:
                    truth = found.truth if plan.is_regression else found.truth.astype(np.int64)
                    self._fold(found.ids, truth.tolist(), found.revision.tolist())
                advance(opened.progress())
        self._tally.check()
        self._others.check(own=len(self._truth))
        advance(1.0)

    def _fold(self, ids: list[bytes], truth: list[int] | list[float], revisions: list[int]) -> None:
        for key, value, revision in zip(ids, truth, revisions, strict=True):
            if key not in self._truth or revision > self._revision.get(key, 0):
                self._truth[key] = value
                if revision:
                    self._revision[key] = revision
        if len(self._truth) > LABELS_MAX:
            raise Stop(
                f"{self._path}: expected at most {LABELS_MAX:,} labels, found more; take a shorter period"
            )

    def numbers(self, ids: list[bytes]) -> npt.NDArray[np.float64]:
        """Return the true numbers of ids, NaN where there is none."""
        return np.array([self._truth.get(key, np.nan) for key in ids], dtype=np.float64)

    def names(self, ids: list[bytes], model: str) -> list[str | None]:
        """Return the true classes of ids."""
        known: list[str | None] = [*self._interner.tables.classes.get(model, []), None]
        return [known[int(self._truth.get(key, -1))] for key in ids]

    def warnings(self) -> list[str]:
        """Return what is odd about the file, one sentence each."""
        return self._tally.warnings() + self._others.warnings()
