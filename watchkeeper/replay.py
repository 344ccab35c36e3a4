"""`watchkeeper replay`: the very same steps as the service, over files, with no server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from consumers.clocks import NEVER
from consumers.closing import ClosedRecord
from consumers.columns import Records
from consumers.evaluation import Policy
from consumers.evaluator import ModelEvaluator
from consumers.interning import Tables
from consumers.memory_store import MemoryModels, MemoryPartitions
from consumers.partition import Partition
from consumers.plan import ModelPlan
from consumers.references import References
from consumers.rollup import read_days
from consumers.store import Position
from consumers.totals import Life, read_totals
from schemas.clock import TIME_MS_MIN, format_time
from schemas.kafka_settings import MESSAGE_BYTES_MAX
from watchkeeper.estimates import describe_estimates
from watchkeeper.event_files import EventBatch
from watchkeeper.lives import Waiting, count_waiting, describe_lives
from watchkeeper.report.past import Past, read_past
from watchkeeper.version_pairs import describe_pairs


@dataclass(slots=True)
class ReplayResult:
    """Everything a replay found.

    Parameters
    ----------
    events
        Alert and window records as JSON bytes, in the order they came to be.
    """

    events: list[bytes] = field(default_factory=list)
    windows: list[ClosedRecord] = field(default_factory=list)
    models: dict[str, Any] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)


class Replay:
    """Runs batches of events through partitions and evaluators that live in memory.

    Parameters
    ----------
    plans
        The models of the settings.
    partitions
        Number of partitions to deal the ids out to; the counts do not depend on it.
    policies
        Per model: what findings come to.
    message_bytes_max
        A longer line is refused without being looked at, as a longer record is.
    """

    def __init__(
        self,
        plans: Mapping[str, ModelPlan],
        *,
        partitions: int,
        policies: Mapping[str, Policy[Any]],
        message_bytes_max: int = MESSAGE_BYTES_MAX,
    ) -> None:
        self._plans = plans
        self._store = MemoryPartitions()
        models = MemoryModels()
        self._references = References(plans, models)
        self._partitions = [
            Partition(
                plans,
                number,
                self._store.claim(number),
                start=Position(0, 0, 0),
                guarded=True,
                message_bytes_max=message_bytes_max,
            )
            for number in range(partitions)
        ]
        self._evaluators = [
            ModelEvaluator(plan, partitions, windows=self._store, states=models, policy=policies[name])
            for name, plan in plans.items()
        ]
        self._models = models
        self._reached_ms = NEVER
        self.result = ReplayResult()

    def run(
        self,
        batches: Iterable[EventBatch],
        *,
        on_event: Callable[[bytes], None] = lambda _: None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> ReplayResult:
        """Take all batches in and return what was found; `progress` is told the lines of each batch."""
        for batch in batches:
            self._take(batch)
            self._evaluate(on_event, final=False)
            changed = self._references.look()
            for partition in self._partitions:
                self._references.tell(partition, changed)
                self._add_up_cohorts(partition)
            progress(len(batch.predictions) + len(batch.labels))
        self._evaluate(on_event, final=True)
        self._references.look()
        described = describe_lives(self._lives(), self._plans, self._waiting(), self._estimates())
        self.result.models = {
            name: {**model, "pairs": describe_pairs(self._references.plans[name], self._models.state(name))}
            for name, model in described.items()
        }
        return self.result

    def _estimates(self) -> dict[str, Any]:
        count, now_ms = len(self._partitions), max(TIME_MS_MIN, self._latest_ms())
        return {
            name: describe_estimates(
                plan, read_days(plan, self._store, self._models, count, now_ms=now_ms), now_ms=now_ms
            )
            for name, plan in self._references.plans.items()
            if plan.predictions.answers is not None
        }

    def pasts(self) -> dict[str, Past]:
        """Return the past of every model, as known at the latest time of any event."""
        now_ms = max(TIME_MS_MIN, self._latest_ms())
        count = len(self._partitions)
        return {
            name: read_past(plan, self._store, self._models, count, now_ms=now_ms)
            for name, plan in self._references.plans.items()
        }

    def _latest_ms(self) -> int:
        """Return the largest watermark of the inputs; partitions of few events may not have confirmed it."""
        return max(self._reached_ms, *(partition.time.latest_ms() for partition in self._partitions))

    def _add_up_cohorts(self, partition: Partition) -> None:
        for model, start in partition.crowded_cohorts():
            found = self._store.cohorts(partition.number, model, from_ms=start, until_ms=start)
            if start in found:
                total = partition.total_of(model, start, found[start])
                self._store.compact_cohort(partition.number, partition.token, total)

    def _take(self, batch: EventBatch) -> None:
        self._reached_ms = max(self._reached_ms, batch.latest_ms)
        for partition in self._partitions:
            number = partition.number
            predictions = _part(batch.predictions, batch.prediction_parts, number, len(self._partitions))
            labels = _part(batch.labels, batch.label_parts, number, len(self._partitions))
            decoded = partition.decode(Records(predictions), Records(labels))
            found = self._store.fetch(number, decoded.ids())
            position = partition.position
            applied = partition.apply(
                decoded,
                found,
                to=(position.predictions + len(predictions), position.labels + len(labels)),
                frontier_ms=batch.passed_ms,
            )
            self._store.commit(applied.commit)
            for rejected in (*applied.prediction_rejects, *applied.label_rejects):
                self.result.rejected[rejected.reason.value] += 1

    def _evaluate(self, on_event: Callable[[bytes], None], *, final: bool) -> None:
        for evaluator in self._evaluators:
            while True:
                done = evaluator.evaluate(final=final)
                self.result.events += done.events
                self.result.windows += done.closed
                for event in done.events:
                    on_event(event)
                self._models.drop_events(evaluator.name, evaluator.token, len(done.events))
                if not done.closed and not done.passed_over:
                    break

    def _lives(self) -> dict[str, Life]:
        lives = {model: Life() for model in self._plans}
        for partition in self._partitions:
            for model, life in read_totals(self._store.totals(partition.number), self._plans).items():
                lives[model].add(life)
        return lives

    def _waiting(self) -> Waiting:
        now_ms = self._latest_ms()
        waiting = Waiting()
        for partition in self._partitions:
            stored = self._store.peek(partition.number)
            tables = msgspec.msgpack.decode(stored.tables, type=Tables) if stored.tables else Tables()
            waiting.add(count_waiting(self._store.entries(partition.number), tables, self._plans, now_ms))
        return waiting


def report(result: ReplayResult) -> dict[str, Any]:
    """Return the replay's report in the contract's form."""
    statuses = Counter(
        msgspec.json.decode(event).get("type", "").rsplit(".", 1)[-1] for event in result.events
    )
    return {
        "models": result.models,
        "rejected": {"total": result.rejected.total(), "reasons": dict(sorted(result.rejected.items()))},
        "alerts": {"firing": statuses["firing"], "resolved": statuses["resolved"]},
        "windows": [_window(record) for record in _ordered(result.windows)],
    }


def _ordered(records: Iterable[ClosedRecord]) -> list[ClosedRecord]:
    return sorted(records, key=lambda r: (r.model, r.stream, r.start_ms))


def _window(record: ClosedRecord) -> dict[str, Any]:
    return {
        "model": record.model,
        "stream": record.stream,
        "start": format_time(record.start_ms),
        "end": format_time(record.end_ms),
        "n": record.n,
        "versions": record.versions,
        "metrics": record.metrics,
    }


def _part(lines: list[bytes], parts: npt.NDArray[np.int64], number: int, partitions: int) -> list[bytes]:
    return lines if partitions == 1 else [lines[i] for i in np.flatnonzero(parts == number).tolist()]
