"""Runs events through partitions and the memory store, in whatever batches and partitions a test wants."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence

from consumers.cohorts import Cohorts, merge_cohorts, read_cohorts
from consumers.columns import Records
from consumers.fold import COUNTERS
from consumers.memory_store import MemoryPartitions
from consumers.partition import Partition
from consumers.plan import ModelPlan
from consumers.store import CommitStatus, Position
from consumers.totals import Life, read_totals
from detectors.codec import decode_summary
from detectors.layout import Layout
from detectors.summary import Summary
from schemas.finding import Stream

Keyed = Sequence[tuple[bytes, bytes]]
Round = tuple[Keyed, Keyed]
WindowKey = tuple[str, Stream, int, str, str]


class Pipeline:
    """Partitions over a memory store, fed round by round."""

    def __init__(
        self, plans: Mapping[str, ModelPlan], *, partitions: int = 1, store: MemoryPartitions | None = None
    ) -> None:
        self.plans = plans
        self.store = MemoryPartitions() if store is None else store
        self.rejected: Counter[str] = Counter()
        self.partitions = [self.claim(number) for number in range(partitions)]

    def claim(self, number: int) -> Partition:
        """Claim a partition as a new owner does, its open windows included."""
        partition = Partition(
            self.plans, number, self.store.claim(number), start=Position(0, 0, 0), guarded=True
        )
        for model in self.plans:
            for stream in Stream:
                since = partition.time.open_from_ms(model, stream)
                partition.load(self.store.windows(number, model, stream, from_ms=since))
        return partition

    def feed(self, predictions: Keyed, labels: Keyed) -> None:
        """Take one round in, every partition its own keys."""
        for partition in self.partitions:
            mine = [
                [v for k, v in side if self._owner(k) == partition.number] for side in (predictions, labels)
            ]
            self.take(partition, *mine)

    def take(self, partition: Partition, predictions: list[bytes], labels: list[bytes]) -> None:
        """Take one batch of one partition in."""
        decoded = partition.decode(Records(predictions), Records(labels))
        found = self.store.fetch(partition.number, decoded.ids())
        position = partition.position
        to = (position.predictions + len(predictions), position.labels + len(labels))
        applied = partition.apply(decoded, found, to=to)
        assert self.store.commit(applied.commit) is CommitStatus.COMMITTED
        for rejected in (*applied.prediction_rejects, *applied.label_rejects):
            self.rejected[rejected.reason.value] += 1

    def _owner(self, key: bytes) -> int:
        return zlib.crc32(key) % len(self.partitions)

    def lives(self) -> dict[str, Life]:
        """Return the totals of all partitions together."""
        lives = {model: Life() for model in self.plans}
        for number in range(len(self.partitions)):
            for model, life in read_totals(self.store.totals(number), self.plans).items():
                lives[model].add(life)
        return lives

    def counts(self) -> dict[tuple[str, str], dict[str, int]]:
        """Return the counters by model and version."""
        return {
            (model, version): dict(zip(COUNTERS, counts.tolist(), strict=True))
            for model, life in self.lives().items()
            for version, counts in life.counters.items()
        }

    def cohorts(self, model: str = "fraud") -> dict[int, Cohorts]:
        """Return every cohort, merged over the partitions: start to its versions and segments."""
        found: dict[int, list[Cohorts]] = {}
        for number in range(len(self.partitions)):
            for start, deltas in self.store.cohorts(number, model).items():
                found.setdefault(start, []).append(read_cohorts(self.plans[model], deltas))
        return {start: merge_cohorts(found[start]) for start in sorted(found)}

    def windows(self) -> dict[WindowKey, Summary[Layout]]:
        """Return every stored window, merged over the partitions."""
        merged: dict[WindowKey, Summary[Layout]] = {}
        for model, plan in self.plans.items():
            for stream in Stream:
                for number in range(len(self.partitions)):
                    for blob in self.store.windows(number, model, stream, from_ms=0):
                        key = (model, stream, blob.start_ms, blob.version, blob.segment)
                        summary: Summary[Layout] = decode_summary(
                            plan.layout(stream, blob.segment), blob.data
                        )
                        merged[key] = merged[key].merge(summary) if key in merged else summary
        return merged
