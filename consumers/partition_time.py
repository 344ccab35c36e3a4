"""What a partition decides by event time: lateness, frozen windows, forgotten ids, sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from consumers.clocks import NEVER, PartitionClocks
from consumers.columns import DecodedBatch, LabelColumns, PredictionColumns
from consumers.plan import ModelPlan
from consumers.store import Sweep
from schemas.finding import Stream

SWEEP_WHOLE: Final = 65_536
"""A sweep's measure: this many parts are the whole of a partition's pending entries."""

SWEEPS_PER_LIFE: Final = 4
"""How often an entry is looked at, from its prediction until it may leave."""

SWEEP_MAX: Final = 2_048
"""Parts that one commit sweeps at most."""

Integers = npt.NDArray[np.int64]


class StoredTime(msgspec.Struct):
    """What a partition knows of time, as stored.

    Parameters
    ----------
    frozen_ms
        Per model: error windows up to here are frozen; never goes back.
    frontier_ms
        Per model: the time that both topics have passed; never goes back.
    swept
        Where the next sweep begins, in parts of `SWEEP_WHOLE`.
    swept_ms
        Per model: the frontier that the sweeps so far have answered for.
    """

    clocks: PartitionClocks = msgspec.field(default_factory=PartitionClocks)
    frozen_ms: dict[str, int] = {}
    frontier_ms: dict[str, int] = {}
    swept: int = 0
    swept_ms: dict[str, int] = {}


class PartitionTime:
    """The clocks of one partition and every decision that rests on them.

    Parameters
    ----------
    plans
        The models of the settings.
    stored
        Bytes of an earlier `encode`, or None for a partition without history.
    guarded
        True where records carry no time of their own (files).
    """

    def __init__(self, plans: Mapping[str, ModelPlan], stored: bytes | None, *, guarded: bool) -> None:
        self._plans = plans
        self._guarded = guarded
        self._quiet = {name: plan.quiet_ms for name, plan in plans.items()}
        self._state = msgspec.msgpack.decode(stored, type=StoredTime) if stored else StoredTime()

    def encode(self) -> bytes:
        """Return the bytes to store."""
        return msgspec.msgpack.encode(self._state)

    def set_idle(self, *, predictions: bool, labels: bool) -> bool:
        """Set which topics nobody has to wait for; returns whether that is a change."""
        clocks = self._state.clocks
        changed = (clocks.predictions.idle, clocks.labels.idle) != (predictions, labels)
        clocks.predictions.idle, clocks.labels.idle = predictions, labels
        return changed

    @property
    def labels_lead_ms(self) -> int:
        """By how much the labels that have been read are ahead of the predictions, in event time."""
        clocks = self._state.clocks
        return clocks.labels.now_ms - clocks.predictions.now_ms

    def observe(self, batch: DecodedBatch) -> dict[str, npt.NDArray[np.bool_]]:
        """Advance the clocks over a batch; returns which predictions came after their window had closed.

        Every event gets its mark.
        """
        clocks = self._state.clocks
        marks = clocks.predictions.observe(
            _times(batch.predictions), quiet_ms=self._quiet, guarded=self._guarded
        )
        label_marks = clocks.labels.observe(_times(batch.labels), quiet_ms=self._quiet, guarded=self._guarded)
        for model, mark_ms in marks.items():
            batch.predictions[model].mark_ms = mark_ms
        for model, mark_ms in label_marks.items():
            batch.labels[model].mark_ms = mark_ms
        return {
            model: self._window_end(self._plans[model], batch.predictions[model].time_ms) <= before
            for model, before in marks.items()
        }

    def in_open_error_window(self, plan: ModelPlan, arrival_ms: Integers) -> npt.NDArray[np.bool_]:
        """Return which label arrivals fall into windows that are not frozen yet."""
        return self._window_end(plan, arrival_ms) > self._state.frozen_ms.get(plan.name, NEVER)

    def in_open_label_window(
        self, plan: ModelPlan, time_ms: Integers, mark_ms: Integers
    ) -> npt.NDArray[np.bool_]:
        """Return which times fall into windows of labels that are still open to an event with such a mark."""
        end_ms = self._window_end(plan, time_ms, stream=Stream.LABELS)
        return end_ms > np.maximum(mark_ms, self._state.frozen_ms.get(plan.name, NEVER))

    @staticmethod
    def _window_end(plan: ModelPlan, time_ms: Integers, *, stream: Stream = Stream.ERRORS) -> Integers:
        """Return when the windows of these times stop to wait."""
        length_ms = plan.length_ms(stream)
        return (time_ms // length_ms + 1) * length_ms + plan.lateness_ms

    def freeze(self) -> dict[str, tuple[int, int]]:
        """Freeze what the clocks have passed; returns per model the ends of frozen windows.

        Returns
        -------
        dict
            Model to (predictions, errors): windows that ended at or before these times are frozen.
        """
        ends: dict[str, tuple[int, int]] = {}
        for name, plan in self._plans.items():
            mark = self._state.clocks.predictions.mark_ms(name, quiet_ms=plan.quiet_ms)
            frozen = max(self._state.frozen_ms.get(name, NEVER), self._passed(plan))
            self._state.frozen_ms[name] = frozen
            ends[name] = (mark - plan.lateness_ms, frozen - plan.lateness_ms)
        return ends

    def _passed(self, plan: ModelPlan) -> int:
        """Return the time up to which this partition has seen predictions and labels alike."""
        clocks = self._state.clocks
        mark = clocks.closed_ms(plan.name, errors=True, quiet_ms=plan.quiet_ms)
        return clocks.latest_ms(plan.name, quiet_ms=plan.quiet_ms) if mark is None else mark

    def latest_ms(self) -> int:
        """Return the largest watermark of any model in either topic."""
        clocks = self._state.clocks
        return max(
            (
                clock.mark_ms
                for topic in (clocks.predictions, clocks.labels)
                for clock in topic.models.values()
            ),
            default=NEVER,
        )

    def move_frontier(self, known_ms: int | None) -> None:
        """Advance the time that both topics have passed.

        Parameters
        ----------
        known_ms
            That time, where the caller knows better than the partition (`replay` sees the whole stream).
        """
        for name, plan in self._plans.items():
            here = self._passed(plan) if known_ms is None else known_ms
            if here > self._state.frontier_ms.get(name, NEVER):
                self._state.frontier_ms[name] = here

    def cutoff_ms(self, plan: ModelPlan) -> int:
        """Return the event time before which a model's ids are no longer remembered."""
        frontier = self._state.frontier_ms.get(plan.name, NEVER)
        return NEVER if frontier == NEVER else frontier - _life_ms(plan)

    def sweep(self, codes: Mapping[str, int]) -> Sweep | None:
        """Return the share of the pending entries to go through now.

        It grows with the event time passed, so that each entry is looked at `SWEEPS_PER_LIFE` times
        between its prediction and its end.

        Parameters
        ----------
        codes
            Model to its code in the entries.
        """
        parts = 0
        for name, plan in self._plans.items():
            frontier = self._state.frontier_ms.get(name, NEVER)
            since = self._state.swept_ms.setdefault(name, frontier)
            if NEVER in (since, frontier):
                self._state.swept_ms[name] = frontier
                continue
            due = (frontier - since) * SWEEPS_PER_LIFE * SWEEP_WHOLE // _life_ms(plan)
            if due:
                parts = max(parts, due)
                self._state.swept_ms[name] = frontier
        if not parts:
            return None
        first, count = self._state.swept, min(parts, SWEEP_MAX)
        self._state.swept = (first + count) % SWEEP_WHOLE
        cutoffs = {codes[name]: self.cutoff_ms(plan) for name, plan in self._plans.items()}
        return Sweep(first, count, {code: ms for code, ms in cutoffs.items() if ms > NEVER})

    def open_from_ms(self, model: str, stream: Stream) -> int:
        """Return the start of the oldest window that may still change."""
        plan = self._plans[model]
        mark = self._state.frozen_ms.get(model, NEVER)
        if stream is Stream.PREDICTIONS:
            mark = self._state.clocks.predictions.mark_ms(model, quiet_ms=plan.quiet_ms)
        return 0 if mark <= NEVER else max(0, mark - plan.lateness_ms - plan.length_ms(stream))


def decode_clocks(stored: bytes) -> PartitionClocks:
    """Return the clocks inside a partition's stored time, as the evaluator reads them."""
    return msgspec.msgpack.decode(stored, type=StoredTime).clocks


def _life_ms(plan: ModelPlan) -> int:
    return plan.horizon_ms + plan.memory_ms + plan.lateness_ms


def _times(
    columns: Mapping[str, PredictionColumns] | Mapping[str, LabelColumns],
) -> dict[str, tuple[Integers, Integers]]:
    return {model: (rows.index, rows.time_ms) for model, rows in columns.items() if len(rows)}
