"""The integrity role: notices of all partitions, and what the servers say, become alerts about the monitor.

One alert per check and model, however many partitions say the same. Its state and its alerts have a slot and a
fence of their own, as a model's have; its owner is the owner of one partition.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

import msgspec
import structlog

from consumers.evaluate_role import home_partition
from consumers.notices import Notice, Subject, of_all, read_notices
from consumers.outbox import Outboxes
from consumers.plan import ModelPlan
from consumers.silence_watch import SilenceWatch
from consumers.source import Topics
from consumers.store import CommitStatus, ModelCommit, ModelStore, PartitionStore
from schemas.errors import Retry
from schemas.finding import Finding, Hysteresis, JsonValue, Kind, Severity, Verdict, WindowSpan
from schemas.integrity import ALL_MODELS, IntegrityCheck

LOOK_S: Final = 2.0
SERVERS_S: Final = 30.0
"""Time between two questions about Redis' eviction policy."""

AT_ONCE: Final = Hysteresis(breaches=1, windows=1, clears=1)

SEVERITIES: Final[Mapping[IntegrityCheck, Severity]] = {
    IntegrityCheck.TOPIC_RECREATED: Severity.CRITICAL,
    IntegrityCheck.OFFSETS_GONE: Severity.ERROR,
    IntegrityCheck.REDIS_EMPTIED: Severity.ERROR,
    IntegrityCheck.REDIS_ROLLED_BACK: Severity.WARNING,
    IntegrityCheck.EVICTION_POLICY: Severity.CRITICAL,
    IntegrityCheck.PARTITION_COUNTS: Severity.CRITICAL,
    IntegrityCheck.PARTITIONER_MISMATCH: Severity.ERROR,
    IntegrityCheck.EVENTS_IN_FUTURE: Severity.WARNING,
    IntegrityCheck.QUARANTINED: Severity.ERROR,
    IntegrityCheck.UNDECODABLE: Severity.CRITICAL,
    IntegrityCheck.SILENCE: Severity.CRITICAL,
}

_log = structlog.get_logger("watchkeeper.integrity")
BookT = TypeVar("BookT")


class IntegrityPolicy(Protocol[BookT]):
    """Turns findings about the monitor into alert events; pure."""

    def load(self, data: bytes | None) -> BookT:
        """Return the alert states stored by `dump`, or none yet."""

    def dump(self, book: BookT) -> bytes:
        """Return the bytes to store."""

    def step(self, book: BookT, findings: Sequence[Finding]) -> tuple[BookT, list[bytes]]:
        """Take findings in; returns the new states and the events to publish."""


@dataclass(slots=True)
class Trouble:
    """One check and model, over all partitions that say so."""

    since_ms: int
    detail: dict[str, JsonValue]
    partitions: list[int] = field(default_factory=list)


class StoredIntegrity(msgspec.Struct):
    """The role's state: the check and model of each open alert, since when, and the alert states."""

    open: dict[str, dict[str, int]] = {}
    book: bytes | None = None


class IntegrityRole:
    """Tells people when the monitor's own ground shakes.

    Parameters
    ----------
    plans
        The models, of which one may go silent.
    partitions
        Number of partitions of the topics at the start.
    windows, states
        The two stores.
    policy
        What findings come to.
    watch
        Looks at the topics.
    eviction
        Returns the plain facts of a Redis that may throw data away, None if it keeps everything.
    resized
        Told when both topics have another number of partitions than before.
    clock, wall_ms
        Monotonic seconds, and epoch milliseconds: these alerts are about now, not about event time.
    """

    def __init__(  # noqa: PLR0913 - the composition root names each part once
        self,
        plans: Mapping[str, ModelPlan],
        partitions: int,
        *,
        windows: PartitionStore,
        states: ModelStore,
        policy: IntegrityPolicy[Any],
        outboxes: Outboxes,
        watch: Topics,
        eviction: Callable[[], dict[str, JsonValue] | None],
        resized: Callable[[int], None],
        clock: Callable[[], float],
        wall_ms: Callable[[], int],
    ) -> None:
        self._partitions = partitions
        self._windows = windows
        self._states = states
        self._policy = policy
        self._outboxes = outboxes
        self._watch = watch
        self._silence = SilenceWatch(plans, windows=windows, states=states, watch=watch)
        self._eviction = eviction
        self._resized = resized
        self._clock = clock
        self._wall_ms = wall_ms
        self._looked_s = self._asked_s = float("-inf")
        self._servers: dict[Subject, Trouble] = {}
        self._slot: _Slot | None = None
        self._led = False
        self.held: frozenset[str] = frozenset()
        """Models in quarantine."""

    def step(self, owned: Collection[int], *, now: bool = False) -> None:
        """Look every two seconds; with `now` at once, and whoever owns the partition."""
        if not now and self._clock() - self._looked_s < LOOK_S:
            return
        self._looked_s = self._clock()
        try:
            troubles = self._troubles()
            self.held = frozenset(m for check, m in troubles if check is IntegrityCheck.QUARANTINED)
            if now or home_partition(ALL_MODELS, self._partitions) in owned:
                self._tell(troubles)
            else:
                self._slot = None
                self._silence.forget()
        except Retry as error:
            self._slot = None
            _log.warning("waiting for a server", error=str(error))

    def _troubles(self) -> dict[Subject, Trouble]:
        troubles: dict[Subject, Trouble] = {}
        for number, stored in enumerate(self._windows.notices(range(self._partitions))):
            for subject, notice in read_notices(stored).items():
                add_notice(troubles, subject, number, notice)
        if self._clock() - self._asked_s >= SERVERS_S:
            self._asked_s = self._clock()
            self._keep(of_all(IntegrityCheck.EVICTION_POLICY), self._eviction())
        self._look_at_topics()
        return {**troubles, **self._servers}

    def _look_at_topics(self) -> None:
        seen = self._watch.look()
        self._led = seen is not None and seen.led >= set(range(self._partitions))
        if seen is None or not (seen.predictions and seen.labels):
            return
        differ = seen.predictions != seen.labels
        counts: dict[str, JsonValue] = {"predictions": seen.predictions, "labels": seen.labels}
        self._keep(of_all(IntegrityCheck.PARTITION_COUNTS), counts if differ else None)
        if not differ and seen.predictions != self._partitions:
            _log.warning("both topics have another number of partitions now", partitions=seen.predictions)
            self._partitions = seen.predictions
            self._resized(seen.predictions)

    def _keep(self, subject: Subject, detail: dict[str, JsonValue] | None) -> None:
        if detail is None:
            self._servers.pop(subject, None)
        elif subject not in self._servers:
            self._servers[subject] = Trouble(self._wall_ms(), detail)

    def _tell(self, troubles: Mapping[Subject, Trouble]) -> None:
        if self._slot is None or self._states.verify([self._slot.place]):
            self._slot = _Slot(self._states, self._policy)
        slot = self._slot
        troubles = {**troubles, **self._silences(slot.open)}
        if set(troubles) != set(slot.open):
            findings = findings_of(troubles, slot.open, now_ms=self._wall_ms())
            if not slot.commit(findings, {subject: t.since_ms for subject, t in troubles.items()}):
                self._slot = None
                return
        self._outboxes.publish_alerts(self._states, ALL_MODELS, slot.token)

    def _silences(self, opened: Mapping[Subject, int]) -> dict[Subject, Trouble]:
        told = {model: since for (check, model), since in opened.items() if check is IntegrityCheck.SILENCE}
        found = self._silence.look(
            self._partitions,
            clock_s=self._clock(),
            wall_ms=self._wall_ms(),
            led=self._led,
            told=told,
        )
        return {
            (IntegrityCheck.SILENCE, name): Trouble(silence.since_ms, silence.detail)
            for name, silence in found.items()
            if name not in self.held  # its predictions come and are refused
        }


class _Slot:
    """The role's stored state, as its owner has it in memory."""

    def __init__(self, states: ModelStore, policy: IntegrityPolicy[Any]) -> None:
        self._states = states
        self._policy = policy
        claimed = states.claim(ALL_MODELS)
        self.token, self._sequence = claimed.token, claimed.sequence
        stored = (
            msgspec.msgpack.decode(claimed.state, type=StoredIntegrity)
            if claimed.state
            else StoredIntegrity()
        )
        known = tuple(IntegrityCheck)
        self.open: dict[Subject, int] = {
            (IntegrityCheck(check), model): since
            for check, models in stored.open.items()
            if check in known
            for model, since in models.items()
        }
        self._book = policy.load(stored.book)

    @property
    def place(self) -> tuple[str, str, int]:
        """What the store should hold of us."""
        return ALL_MODELS, self.token, self._sequence

    def commit(self, findings: Sequence[Finding], after: Mapping[Subject, int]) -> bool:
        """Take findings in and store the outcome; False if somebody else has claimed the slot."""
        book, events = self._policy.step(self._book, findings)
        opened: dict[str, dict[str, int]] = {}
        for (check, model), since in sorted(after.items()):
            opened.setdefault(check, {})[model] = since
        state = msgspec.msgpack.encode(StoredIntegrity(opened, self._policy.dump(book)))
        status = self._states.commit(
            ModelCommit(ALL_MODELS, self.token, self._sequence, state, events, history=())
        )
        if status not in (CommitStatus.COMMITTED, CommitStatus.ALREADY):
            return False
        self._sequence += 1
        self._book, self.open = book, dict(after)
        return True


def add_notice(troubles: dict[Subject, Trouble], subject: Subject, partition: int, notice: Notice) -> None:
    """Merge one partition's notice: the earliest one tells, records are added up."""
    trouble = troubles.get(subject)
    if trouble is None:
        troubles[subject] = Trouble(notice.since_ms, dict(notice.detail), [partition])
        return
    detail, records = notice.detail, trouble.detail.get("records")
    if notice.since_ms < trouble.since_ms:
        trouble.since_ms, trouble.detail = notice.since_ms, {**trouble.detail, **detail}
    if isinstance(records, int) and isinstance(more := detail.get("records"), int):
        trouble.detail["records"] = records + more
    trouble.partitions.append(partition)


def findings_of(
    troubles: Mapping[Subject, Trouble], opened: Mapping[Subject, int], *, now_ms: int
) -> list[Finding]:
    """Return a breach for each trouble that stands, and a clear for each that was told and is over."""
    over: Iterable[Subject] = opened.keys() - troubles.keys()
    return [_finding(subject, t, now_ms) for subject, t in sorted(troubles.items(), key=lambda i: i[0])] + [
        _finding(subject, Trouble(opened[subject], {}), now_ms, clear=True) for subject in sorted(over)
    ]


def _finding(subject: Subject, trouble: Trouble, now_ms: int, *, clear: bool = False) -> Finding:
    check, model = subject
    evidence: dict[str, JsonValue] = dict(trouble.detail)
    if trouble.partitions:
        evidence["partitions"] = list[JsonValue](trouble.partitions)
    return Finding(
        kind=Kind.VOLUME if check is IntegrityCheck.SILENCE else Kind.MONITOR_INTEGRITY,
        check=check.value,
        model=model,
        window=WindowSpan(trouble.since_ms, max(now_ms, trouble.since_ms + 1), len(trouble.partitions)),
        verdict=Verdict.CLEAR if clear else Verdict.BREACH,
        score=0.0 if clear else 1.0,
        fire=1.0,
        clear=1.0,
        severity=SEVERITIES[check],
        hysteresis=AT_ONCE,
        evidence=evidence,
    )
