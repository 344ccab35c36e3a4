"""Watermarks: how far event time has come, per topic and model of one partition.

A watermark advances event by event in log order, whatever the batches were. A model that is quiet while
its partition's time moves on follows that time (so that its windows close), keeping its own offset to it;
a model that runs ahead does not make another's events late.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

NEVER: Final = -(1 << 62)
"""A watermark before the first event."""

JUMP_MS: Final = 86_400_000
"""Without a record's own time, an event further ahead than this must be confirmed by later ones."""

CONFIRMATIONS: Final = 100


class ModelClock(msgspec.Struct, array_like=True):
    """One model's time in one topic.

    Parameters
    ----------
    mark_ms
        Largest event time so far, or what the partition's time carried it to.
    base_ms
        The partition's time at the model's last event.
    ahead, ahead_ms
        Events in a row that lie more than `JUMP_MS` ahead, and the earliest of them.
    """

    mark_ms: int = NEVER
    base_ms: int = NEVER
    ahead: int = 0
    ahead_ms: int = 0


class TopicClock(msgspec.Struct):
    """Event time in one topic of one partition.

    Parameters
    ----------
    now_ms
        The partition's time: the largest of all models' watermarks.
    idle
        True while the topic is caught up and has been quiet for a while: nobody waits for it.
    """

    now_ms: int = NEVER
    models: dict[str, ModelClock] = {}
    idle: bool = False

    def mark_ms(self, model: str, *, quiet_ms: int) -> int:
        """Return a model's watermark: its own, or its partition's time if the model is quiet."""
        clock = self.models.get(model)
        if clock is None:
            return self.now_ms - quiet_ms if self.now_ms > NEVER else NEVER
        return _carried(clock.mark_ms, self.now_ms - clock.base_ms - quiet_ms)

    def observe(
        self,
        events: Mapping[str, tuple[Integers, Integers]],
        *,
        quiet_ms: Mapping[str, int],
        guarded: bool,
    ) -> dict[str, Integers]:
        """Advance over a batch and return, for each event, its model's watermark just before it.

        Parameters
        ----------
        events
            Model to (places in the batch, event times), both increasing in log order, shape (n,).
        quiet_ms
            Per model: how far the partition's time moves on before a quiet model follows.
        guarded
            True where records carry no time of their own (files).
        """
        order = np.concatenate([places for places, _ in events.values()] or [np.zeros(0, dtype=np.int64)])
        times = np.concatenate([t for _, t in events.values()] or [np.zeros(0, dtype=np.int64)])
        rank = np.argsort(order, kind="stable")
        if guarded and self._jumps(events):
            return self._one_by_one(events, order[rank], quiet_ms)
        after = np.maximum.accumulate(np.concatenate([[self.now_ms], times[rank]]))
        before: dict[str, Integers] = {}
        for model, (places, model_times) in events.items():
            at = np.searchsorted(order[rank], places)
            clock = self.models.setdefault(model, ModelClock())
            before[model] = _advance(clock, model_times, after[at], after[at + 1], quiet_ms[model])
        self.now_ms = int(after[-1])
        return before

    def _jumps(self, events: Mapping[str, tuple[Integers, Integers]]) -> bool:
        """Tell whether any event of the batch is so far ahead that it needs confirmation."""
        for model, (_, times) in events.items():
            clock = self.models.get(model) or ModelClock()
            start = clock.mark_ms if clock.mark_ms > NEVER else int(times[0])
            marks = np.maximum.accumulate(np.concatenate([[start], times]))
            if clock.ahead or (np.diff(marks) > JUMP_MS).any():
                return True
        return False

    def _one_by_one(
        self, events: Mapping[str, tuple[Integers, Integers]], order: Integers, quiet_ms: Mapping[str, int]
    ) -> dict[str, Integers]:
        model_of = {int(place): model for model, (places, _) in events.items() for place in places}
        times = {model: iter(t.tolist()) for model, (_, t) in events.items()}
        before: dict[str, list[int]] = {model: [] for model in events}
        for place in order.tolist():
            model = model_of[place]
            clock = self.models.setdefault(model, ModelClock())
            mark = self.mark_ms(model, quiet_ms=quiet_ms[model])
            before[model].append(mark)
            clock.mark_ms = _confirmed(clock, mark, next(times[model]))
            self.now_ms = max(self.now_ms, clock.mark_ms)
            clock.base_ms = self.now_ms
        return {model: np.array(marks, dtype=np.int64) for model, marks in before.items()}


class PartitionClocks(msgspec.Struct):
    """Both topics' clocks of one partition, as they are stored."""

    predictions: TopicClock = msgspec.field(default_factory=TopicClock)
    labels: TopicClock = msgspec.field(default_factory=TopicClock)

    def closed_ms(self, model: str, *, errors: bool, quiet_ms: int) -> int | None:
        """Return the time up to which this partition has seen a model's events.

        Parameters
        ----------
        errors
            False for windows by prediction time; True for windows by label arrival, which wait for both
            topics.

        Returns
        -------
        int or None
            Epoch milliseconds, `NEVER` before the first event, None if nobody has to wait for it.
        """
        topics = (self.predictions, self.labels) if errors else (self.predictions,)
        marks = [t.mark_ms(model, quiet_ms=quiet_ms) for t in topics if not t.idle]
        return min(marks) if marks else None

    def latest_ms(self, model: str, *, quiet_ms: int) -> int:
        """Return the largest watermark of a model in either topic."""
        return max(t.mark_ms(model, quiet_ms=quiet_ms) for t in (self.predictions, self.labels))


def _carried(mark_ms: int, moved_ms: int) -> int:
    return mark_ms + max(0, moved_ms)


def _advance(
    clock: ModelClock, times: Integers, now_before: Integers, now_after: Integers, quiet_ms: int
) -> Integers:
    """Move one model's clock over its events; returns the watermark before each."""
    base = np.concatenate([[clock.base_ms], now_after[:-1]])
    if clock.mark_ms == NEVER:
        first = int(now_before[0])
        start = first - quiet_ms if first > NEVER else NEVER
        moved = np.maximum(0, now_before - base - quiet_ms)
        moved[0] = 0
    else:
        start = clock.mark_ms
        moved = np.maximum(0, now_before - base - quiet_ms)
    clock.base_ms = int(now_after[-1])
    if not moved.any():
        marks = np.maximum.accumulate(np.concatenate([[start], times]))
        clock.mark_ms = int(marks[-1])
        return marks[:-1]
    before = np.empty(len(times), dtype=np.int64)
    mark = start
    for place, (time_ms, step) in enumerate(zip(times.tolist(), moved.tolist(), strict=True)):
        before[place] = mark = mark + step
        mark = max(mark, time_ms)
    clock.mark_ms = mark
    return before


def _confirmed(clock: ModelClock, mark_ms: int, time_ms: int) -> int:
    """Return the watermark after an event that has no record time to be checked against."""
    if mark_ms == NEVER or time_ms <= mark_ms + JUMP_MS:
        clock.ahead = 0
        return max(mark_ms, time_ms)
    clock.ahead_ms = time_ms if clock.ahead == 0 else min(clock.ahead_ms, time_ms)
    clock.ahead += 1
    if clock.ahead <= CONFIRMATIONS:
        return mark_ms
    clock.ahead = 0
    return max(mark_ms, clock.ahead_ms)
