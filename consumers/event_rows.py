"""Accepted prediction events as rows that a reference profile is built from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from consumers.class_probabilities import class_losses
from consumers.columns import OK, Floats, PredictionColumns
from consumers.envelope import read_json
from consumers.interning import NO_CLASS, Tables
from consumers.joined import JOINED_CLASSES
from consumers.plan import ModelPlan
from detectors.profile_build import COLUMNS_MAX
from detectors.profile_values import Answers, RowBatch


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth of some rows: names of classes, or numbers with NaN for none."""

    names: Sequence[str | None] | None = None
    numbers: Floats | None = None


def row_batch(
    plan: ModelPlan,
    tables: Tables,
    columns: PredictionColumns,
    lines: Sequence[bytes],
    truth: Truth = Truth(),
) -> RowBatch:
    """Return the rows of decoded predictions.

    Parameters
    ----------
    tables
        The names behind the codes of `columns`.
    lines
        The message of each row.
    truth
        Ground truth of the rows, where there is any.
    """
    features = [features_of(line) for line in lines]
    answers = _answers(plan, tables, columns, truth)
    names = tables.segments.get(plan.name, [])
    keys = range(len(plan.settings.segments))
    return RowBatch(
        len(features),
        columns_of(features),
        answers,
        columns.time_ms,
        columns.latency_ms,
        columns.status,
        tuple([names[code][key] for code in columns.segment.tolist()] for key in keys),
    )


def _answers(plan: ModelPlan, tables: Tables, columns: PredictionColumns, truth: Truth) -> Answers:
    value = None if np.isnan(columns.value).all() else columns.value
    measured = columns.status == OK
    if plan.is_regression:
        return Answers(true_value=truth.numbers, value=value, measured=measured)
    classes = tables.classes.get(plan.name, [])
    return Answers(
        truth=truth.names,
        predicted=[None if code == NO_CLASS else classes[code] for code in columns.predicted.tolist()],
        value=value,
        measured=measured,
        class_losses=_class_losses(plan, tables, columns, truth),
    )


def _class_losses(plan: ModelPlan, tables: Tables, columns: PredictionColumns, truth: Truth) -> Floats | None:
    """Return log loss and Brier loss by the probabilities of all classes, NaN where they are not known."""
    given, names = columns.probabilities, truth.names
    if given is None or names is None:
        return None
    codes = {name: code for code, name in enumerate(tables.classes.get(plan.name, []))}
    rows = np.zeros(len(columns), dtype=JOINED_CLASSES)
    rows["listed"], rows["levels"] = given.listed, given.levels
    rows["predicted"], rows["value"] = columns.predicted, columns.value
    rows["truth"] = [codes.get(name or "", -2) for name in names]
    losses = class_losses(rows, tables.class_lists.get(plan.name, []))
    found: Floats = np.where(losses.known[:, None], np.column_stack([losses.log_loss, losses.brier]), np.nan)
    return found


def features_of(line: bytes) -> dict[str, Any]:
    """Return the features of an accepted event; what no JSON parser reads is missing, as in a stream."""
    try:
        event = read_json(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    features = event.get("features") if isinstance(event, dict) else None
    return features if isinstance(features, dict) else {}


def columns_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return rows as columns, in the order in which their names first appear.

    Of more names than a profile may have, one too many is kept: enough for the profile to refuse.
    """
    rows = list(rows)
    names = list(dict.fromkeys(chain.from_iterable(rows)))[: COLUMNS_MAX + 1]
    return {name: [row.get(name) for row in rows] for name in names}
