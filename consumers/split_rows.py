"""Labels of versions that share the traffic: in which window each falls due, and what it lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from consumers.columns import OK
from consumers.interning import Tables
from consumers.pair_events import class_losses
from consumers.plan import DUE, ModelPlan
from consumers.row_names import RowKey, RowNames
from detectors.split_layout import SplitCell, SplitLayout
from detectors.summary import SummaryTable

Integers = npt.NDArray[np.int64]
Joined = npt.NDArray[np.void]
IsOpen = Callable[[Integers], npt.NDArray[np.bool_]]


class DueLabels:
    """The open windows of one model in which labels fall due, by version.

    Parameters
    ----------
    plan
        The model.
    tables
        The partition's names behind codes.
    """

    def __init__(self, plan: ModelPlan, tables: Tables) -> None:
        self._plan = plan
        self._tables = tables
        self._names = RowNames(plan, tables)
        self.table = None if plan.split is None else SummaryTable[RowKey, SplitLayout](plan.split)

    def add(self, joined: Joined, is_open: IsOpen) -> None:
        """Count rows of `JOINED`: first labels, of answers that are the model's own and not in the shadow.

        Where silence is a label, one that comes after silence has spoken does not count any more.

        Parameters
        ----------
        is_open
            Whether the error windows of these times may still change.
        """
        table, plan = self.table, self._plan
        if table is None:
            return
        delay = np.maximum(joined["label_ms"] - joined["time_ms"], 0)
        own = joined["first"] & (joined["status"] == OK) & ~joined["shadow"]
        kept = np.flatnonzero(own & (delay <= plan.implicit_ms))
        start, group = table.layout.due(joined["time_ms"][kept], delay[kept])
        in_time = is_open(start)
        rows, start, group = joined[kept[in_time]], start[in_time], group[in_time]
        if not len(rows):
            return
        opened = self._names.rows(
            table,
            start // plan.window_ms,
            rows["version"],
            (np.zeros_like(group), [DUE]),
            self._names.version,
            length_ms=plan.window_ms,
        )
        losses = _losses(plan, table.layout, rows, self._tables.classes.get(plan.name, []))
        cells = group[:, None] * len(SplitCell) + np.array(list(SplitCell))
        counts = np.column_stack([np.ones_like(losses), losses, losses * losses]) * rows["sign"][:, None]
        table.add_counts(np.repeat(opened, len(SplitCell)), cells.ravel(), counts.ravel())

    def adopt(self, plan: ModelPlan) -> None:
        """Count by another reference from now on; what was counted by one that knew no other losses stays."""
        self._plan = plan
        known = None if self.table is None else self.table.layout.hash
        if plan.split is None or plan.split.hash != known:
            self.table = None if plan.split is None else SummaryTable(plan.split)


def _losses(plan: ModelPlan, layout: SplitLayout, rows: Joined, class_names: Sequence[str]) -> Integers:
    if not plan.is_regression:
        return class_losses(plan, rows["predicted"], rows["truth"].astype(np.int64), class_names)
    with np.errstate(over="ignore"):
        share = np.abs(rows["value"] - rows["truth"]) / layout.span
    losses: Integers = np.rint(np.minimum(share, 1.0) * layout.steps).astype(np.int64)
    return losses
