"""One partition's step: state and batch to new state and one commit. Pure: no clock and no network.

The state object is handed on, not copied: after `apply` the old state is gone, and a commit that the store
refuses means throwing the partition away and claiming it afresh.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import msgspec
import numpy as np
import numpy.typing as npt

from consumers.cohorts import COMPACT_AFTER, CohortTotal, encode_cohorts, read_cohorts
from consumers.columns import DecodedBatch, PredictionColumns, Records
from consumers.decode import BatchDecoder
from consumers.interning import Interner, Tables
from consumers.join import Join, add_counts
from consumers.joined import JoinResult
from consumers.learning_rows import RowKeeper, foreign_starts, gap_in, is_rows
from consumers.partition_time import PartitionTime
from consumers.plan import ModelPlan
from consumers.rejects import Reason, Rejected
from consumers.store import Claimed, Commit, Position
from consumers.totals import Totals
from consumers.windows import ModelWindows, WindowBlob
from schemas.kafka_settings import MESSAGE_BYTES_MAX

_TOO_OLD = (
    "the prediction is older than label_horizon, late_memory and allowed_lateness together; whether its id "
    "came before is no longer known, so it is not counted"
)

_index = attrgetter("index")


@dataclass(slots=True)
class Applied:
    """The outcome of a batch.

    Parameters
    ----------
    commit
        What to store; without dead letters, which the caller adds, who knows the records.
    predictions, labels
        Well-formed events in the batch.
    """

    commit: Commit
    predictions: int
    labels: int
    prediction_rejects: list[Rejected]
    label_rejects: list[Rejected]


class Partition:
    """The state of one owned partition and the step over it.

    Parameters
    ----------
    plans
        The models of the settings.
    number
        The partition's number.
    claimed
        What the store held when the partition was claimed.
    start
        Position to use when the store held none.
    guarded
        True where records carry no time of their own (files).
    message_bytes_max
        A longer value is refused without being looked at.
    """

    def __init__(  # noqa: PLR0913 - whoever owns a partition names each part once
        self,
        plans: Mapping[str, ModelPlan],
        number: int,
        claimed: Claimed,
        *,
        start: Position,
        guarded: bool = False,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
    ) -> None:
        self.number = number
        self.token = claimed.token
        self.position = claimed.position or start
        self._plans = dict(plans)
        self._message_bytes_max = message_bytes_max
        tables = msgspec.msgpack.decode(claimed.tables, type=Tables) if claimed.tables else Tables()
        self._interner = Interner(tables)
        self._codes = {name: self._interner.model(name) for name in plans}
        for name, plan in plans.items():
            if plan.implicit is not None:
                self._interner.add_class(name, plan.implicit)
        self._decoder = self._new_decoder()
        self._windows = {name: ModelWindows(plan, tables) for name, plan in plans.items()}
        self._keepers = {name: RowKeeper(plan) for name, plan in plans.items() if plan.learning}
        self._rows: list[WindowBlob] = []
        self._written: Counter[tuple[str, int]] = Counter()
        self._totals = Totals(self._interner, claimed.totals, self._windows, plans)
        self.time = PartitionTime(plans, claimed.clocks, guarded=guarded)

    def _new_decoder(self) -> BatchDecoder:
        return BatchDecoder(self._plans, self._interner, message_bytes_max=self._message_bytes_max)

    def adopt(self, plan: ModelPlan) -> None:
        """Go on with a model's learned reference, or without it; between two batches.

        Windows that are open keep what they have counted, but for columns that the new reference does not know: those
        predictions were kept whole.
        """
        if plan.learning and not self._plans[plan.name].learning:
            self._rows += [gap_in(plan.name, start) for start in self._windows[plan.name].open_starts]
        self._plans[plan.name] = plan
        self._decoder = self._new_decoder()
        self._windows[plan.name].adopt(plan)
        if plan.learning:
            self._keepers.setdefault(plan.name, RowKeeper(plan))
        else:
            self._keepers.pop(plan.name, None)

    def evaluated(self, model: str, until_ms: int) -> None:
        """Take note that a model's windows up to the one that starts at `until_ms` have been evaluated."""
        if model in self._keepers:
            self._keepers[model].evaluated(until_ms)

    def crowded_cohorts(self) -> list[tuple[str, int]]:
        """Return model and start of the cohorts with many differences, once each: add them up (`total_of`)."""
        crowded = [place for place, n in self._written.items() if n >= COMPACT_AFTER]
        for place in crowded:
            del self._written[place]
        return crowded

    def total_of(self, model: str, start_ms: int, deltas: Sequence[bytes]) -> CohortTotal:
        """Return what the stored differences of a cohort come to."""
        total = encode_cohorts(read_cohorts(self._plans[model], deltas))
        return CohortTotal(model, start_ms, deltas, total)

    def load(self, blobs: Sequence[WindowBlob]) -> None:
        """Take up the windows that were open when the partition changed hands."""
        for model, windows in self._windows.items():
            mine = [blob for blob in blobs if blob.model == model and not is_rows(blob)]
            plan = self._plans[model]
            if plan.learning:
                self._rows += [gap_in(model, start) for start in foreign_starts(mine, plan.predictions.hash)]
            windows.load(mine)

    def decode(self, predictions: Records, labels: Records) -> DecodedBatch:
        """Decode a batch; the entries to fetch are then those of `DecodedBatch.ids`."""
        return self._decoder.decode(predictions, labels)

    def apply(
        self,
        batch: DecodedBatch,
        found: Mapping[bytes, bytes],
        *,
        to: tuple[int, int],
        frontier_ms: int | None = None,
    ) -> Applied:
        """Take a batch into the state.

        Parameters
        ----------
        found
            Stored entries of the batch's ids.
        to
            Offsets of predictions and labels after the batch.
        frontier_ms
            The time that both topics have passed, where the caller knows better than the partition.
        """
        self.time.move_frontier(frontier_ms)
        self._refuse_too_old(batch)
        late = self.time.observe(batch)
        entries: dict[bytes, bytes] = {}
        for model in sorted({*batch.predictions, *batch.labels}):
            result = self._join(model, batch, found)
            entries.update(result.entries)
            batch.prediction_rejects += result.prediction_rejects
            batch.label_rejects += result.label_rejects
            self._count(self._plans[model], batch.predictions.get(model), late.get(model), result)
        frozen = self.time.freeze()
        commit = self._commit(entries, to)
        for model, (predictions_ms, errors_ms) in frozen.items():
            self._windows[model].forget(predictions_ms=predictions_ms, errors_ms=errors_ms)
        return Applied(
            commit,
            predictions=sum(len(c) for c in batch.predictions.values()),
            labels=sum(len(c) for c in batch.labels.values()),
            # In log order, so that what a redrive puts back comes in the order in which it first came.
            prediction_rejects=sorted(batch.prediction_rejects, key=_index),
            label_rejects=sorted(batch.label_rejects, key=_index),
        )

    def _refuse_too_old(self, batch: DecodedBatch) -> None:
        for model, columns in list(batch.predictions.items()):
            old = columns.time_ms < self.time.cutoff_ms(self._plans[model])
            if old.any():
                index = columns.index[old].tolist()
                refused = [Rejected(i, Reason.TOO_OLD, _TOO_OLD, model) for i in index]
                batch.prediction_rejects += refused
                batch.predictions[model] = columns.take(~old)

    def _join(self, model: str, batch: DecodedBatch, found: Mapping[bytes, bytes]) -> JoinResult:
        join = Join(self._plans[model], self._codes[model], found, len(self._interner.tables.versions))
        return join.run(batch.predictions.get(model), batch.labels.get(model))

    def _count(
        self,
        plan: ModelPlan,
        predictions: PredictionColumns | None,
        late: npt.NDArray[np.bool_] | None,
        result: JoinResult,
    ) -> None:
        windows = self._windows[plan.name]

        def is_open(arrival_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
            return self.time.in_open_error_window(plan, arrival_ms)

        if predictions is not None and late is not None:
            behind = predictions.version[result.accepted & late]
            add_counts(result.counters, behind, "late_events")
            kept = result.accepted & ~late & ~predictions.shadow
            counted = predictions if kept.all() else predictions.take(kept)
            windows.add_predictions(counted)
            if plan.name in self._keepers:
                self._rows += self._keepers[plan.name].keep(counted, offset=self.position.predictions)
        if predictions is not None:
            windows.cohorts.add_predictions(predictions, result.accepted)
            windows.assume(predictions, result.accepted, is_open)
        windows.add_joined(result.joined, is_open)
        if len(result.pairs):
            windows.add_pairs(result.pairs[is_open(result.pairs["time_ms"])])
        events = result.events.rows()
        kept = self.time.in_open_label_window(plan, events[:, 0], events[:, 3])
        windows.add_label_events(events[kept])
        self._totals.add(plan.name, result.counters, result.orphans)

    def _commit(self, entries: Mapping[bytes, bytes], to: tuple[int, int]) -> Commit:
        old = self.position
        self.position = Position(to[0], to[1], old.sequence + 1)
        sweep = self.time.sweep(self._codes)
        tables = msgspec.msgpack.encode(self._interner.tables) if self._interner.changed else None
        self._interner.changed = False
        rows, self._rows = self._rows, []
        cohorts = [delta for windows in self._windows.values() for delta in windows.cohorts.take()]
        self._written.update((delta.model, delta.start_ms) for delta in cohorts)
        return Commit(
            partition=self.number,
            token=self.token,
            old=old,
            new=self.position,
            clocks=self.time.encode(),
            tables=tables,
            entries=entries,
            windows=[*(blob for windows in self._windows.values() for blob in windows.take_changed()), *rows],
            totals=self._totals.take_changed(),
            dead_letters=(),
            sweep=sweep,
            cohorts=cohorts,
            latest_ms=self.time.latest_ms(),
        )
