"""The integrity role over stores in memory, with topics, a broker and clocks that a test moves by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from consumers.integrity_role import IntegrityRole
from consumers.kafka_topics import TopicsSeen
from consumers.memory_store import MemoryModels, MemoryPartitions
from consumers.notices import Notice, encode_notice, field_of
from consumers.outbox import Outboxes
from consumers.stats import WorkerStats
from schemas.integrity import ALL_MODELS, IntegrityCheck
from schemas.settings import Settings
from watchkeeper.loading import load_plans
from watchkeeper.policy import integrity_policy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from schemas.finding import JsonValue

PARTITIONS = 4
NOW_MS = 1_800_000_000_000
SETTINGS = Settings.model_validate(
    {
        "app": "prod",
        "models": {
            "fraud": {
                "task": "binary",
                "positive_class": "fraud",
                "owner": {"team": "payments-ml", "contact": "@payments-ml"},
                "runbook": "https://wiki.example/fraud",
            }
        },
    }
)


@dataclass
class Topic:
    """A twin of the producer that keeps what is published."""

    records: list[tuple[int | None, bytes, Any]] = field(default_factory=list)
    up: bool = True

    def partitions(self, topic: str) -> int:
        del topic
        return 7

    def publish(self, topic: str, records: Sequence[tuple[bytes, bytes]], *, partition: int | None) -> int:
        del topic
        if not self.up:
            return 0
        self.records += [(partition, key, json.loads(value)) for key, value in records]
        return len(records)


@dataclass
class Ground:
    """Everything around the role, moved by hand."""

    folder: Path
    windows: MemoryPartitions = field(default_factory=MemoryPartitions)
    states: MemoryModels = field(default_factory=MemoryModels)
    topic: Topic = field(default_factory=Topic)
    seen: TopicsSeen | None = field(
        default_factory=lambda: TopicsSeen("a/b", PARTITIONS, PARTITIONS, frozenset())
    )
    evicts: dict[str, JsonValue] | None = None
    clock_s: float = 0.0
    resized: list[int] = field(default_factory=list)
    settings: Settings = SETTINGS
    log_ends: dict[int, int] | None = None

    def look(self) -> TopicsSeen | None:
        return self.seen

    def ends(self) -> dict[int, int] | None:
        return self.log_ends

    def role(self) -> IntegrityRole:
        outboxes = Outboxes(self.topic, app="prod", alerts="alerts", dead_letters="dead", stats=WorkerStats())
        plans = load_plans(self.settings, self.folder)
        return IntegrityRole(
            plans,
            PARTITIONS,
            windows=self.windows,
            states=self.states,
            policy=integrity_policy(self.settings, plans),
            outboxes=outboxes,
            watch=self,
            eviction=lambda: self.evicts,
            resized=self.resized.append,
            clock=lambda: self.clock_s,
            wall_ms=lambda: NOW_MS + int(self.clock_s * 1000),
        )

    def note(self, partition: int, check: IntegrityCheck, model: str = ALL_MODELS, **detail: Any) -> None:
        token = self.windows.claim(partition).token
        notice = Notice(since_ms=NOW_MS - 5000, detail=detail)
        self.windows.note(partition, token, raised={field_of((check, model)): encode_notice(notice)})

    def clear(self, partition: int, check: IntegrityCheck, model: str = ALL_MODELS) -> None:
        token = self.windows.claim(partition).token
        self.windows.note(partition, token, cleared=[field_of((check, model))])

    def told(self) -> list[tuple[str, str, str]]:
        return [
            (r["type"].rpartition(".")[2], r["data"]["check"], r["data"]["model"])
            for _, _, r in self.topic.records
        ]
