"""The model's own answers to the cells that tell of their quality before labels come."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from consumers.columns import OK, PredictionColumns
from consumers.interning import Tables
from consumers.plan import ModelPlan
from detectors.estimation.cells import AnswerLayout

Integers = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]


def answer_cells(
    layout: AnswerLayout, plan: ModelPlan, tables: Tables, columns: PredictionColumns
) -> tuple[Rows, Integers]:
    """Return the rows that hold an answer of the model's own with a score or a number, and the cell of each."""
    known = np.flatnonzero((columns.status == OK) & ~np.isnan(columns.value))
    names = tables.classes.get(plan.name, [])
    positive = names.index(plan.classes.positive) if plan.classes.positive in names else -1
    return known, layout.cells(columns.value[known], columns.predicted[known] == positive)
