"""Which partitions are ours, from the group's word to a state that may be written; and whether it still is.

A partition goes from `wanted` (assigned) to `owned` (claimed in the store, checked against Kafka, fetched).
What is no longer stored as it is in memory is thrown away and claimed `again` a little later, if the group has
not given it to somebody else meanwhile. What must not be read is `halted`, loudly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from consumers.claim_checks import Judgement, TopicState, judge_claim
from consumers.notices import Notice, Subject, encode_notice, field_of, of_all, read_notices
from consumers.partition import Partition
from consumers.patience import GivenUp, Patience
from consumers.quiet import Quiet
from consumers.references import References
from consumers.reject_rates import RejectRates
from consumers.source import PartitionSource, Topics
from consumers.stats import WorkerStats
from consumers.store import Claimed, PartitionStore, Position
from consumers.strays import Strays
from consumers.windows import WindowBlob
from schemas.errors import Retry
from schemas.finding import JsonValue, Stream
from schemas.integrity import IntegrityCheck

AGAIN_S: Final = 0.3
AGAIN_SPREAD_S: Final = 1.0
"""A state that was thrown away is claimed again after this and up to so much more, so that two do not fight."""

HALTED_S: Final = 30.0
"""A halted partition is looked at again after this."""

END_TRIES: Final = 8
"""A broker that has just come back may not know its own end yet: ask again before believing it."""

_CLAIM_CHECKS: Final = (
    IntegrityCheck.TOPIC_RECREATED,
    IntegrityCheck.OFFSETS_GONE,
    IntegrityCheck.REDIS_EMPTIED,
    IntegrityCheck.REDIS_ROLLED_BACK,
)

_log = structlog.get_logger("watchkeeper.worker")


@dataclass(slots=True)
class Owned:
    """A partition of ours.

    Parameters
    ----------
    stored
        The position that the store has acknowledged; `state.position` is ahead of it during a commit.
    topics
        Ids of the two topics that the offsets belong to.
    notices, changed
        What is wrong, and the subjects that the store does not know of yet.
    letters_wait
        Whether dead letters may be waiting; true at first, for an owner before us may have left some.
    """

    state: Partition
    stored: Position
    topics: str
    notices: dict[Subject, Notice]
    changed: set[Subject] = field(default_factory=set)
    predictions: Quiet = field(default_factory=Quiet)
    labels: Quiet = field(default_factory=Quiet)
    rates: RejectRates = field(default_factory=RejectRates)
    strays: Strays = field(default_factory=Strays)
    letters_wait: bool = True

    def tell(self, subject: Subject, notice: Notice) -> None:
        """Raise a notice, unless it stands already."""
        if subject not in self.notices:
            self.notices[subject] = notice
            self.changed.add(subject)
            _log.warning("something is wrong", check=subject[0].value, model=subject[1], **notice.detail)

    def untell(self, subject: Subject) -> None:
        """Let a notice go."""
        if self.notices.pop(subject, None) is not None:
            self.changed.add(subject)

    def judge(
        self,
        subject: Subject,
        said: bool | None,  # noqa: FBT001 - a verdict
        detail: Mapping[str, JsonValue],
        wall_ms: Callable[[], int],
    ) -> None:
        """Raise a notice or let it go; None leaves it as it is."""
        if said and subject not in self.notices:
            self.tell(subject, Notice(since_ms=wall_ms(), detail=dict(detail)))
        elif said is False:
            self.untell(subject)


class Ownership:
    """The partitions of one member of the group.

    Parameters
    ----------
    references
        The models, with what has been learned of them.
    predictions, labels
        Topic names.
    message_bytes_max
        A longer value becomes a dead letter without being looked at.
    clock, wall_ms
        Monotonic seconds, and epoch milliseconds.
    """

    def __init__(  # noqa: PLR0913 - the worker hands on what it was given
        self,
        references: References,
        *,
        predictions: str,
        labels: str,
        store: PartitionStore,
        topics: Topics,
        message_bytes_max: int,
        stats: WorkerStats,
        clock: Callable[[], float],
        wall_ms: Callable[[], int],
    ) -> None:
        self._references = references
        self._names = (predictions, labels)
        self._store = store
        self._topics = topics
        self._message_bytes_max = message_bytes_max
        self._stats = stats
        self._clock = clock
        self._wall_ms = wall_ms
        self._known: dict[int, Position] = {}
        self.owned: dict[int, Owned] = {}
        self.wanted: dict[int, float] = {}
        """Partition to when it may be claimed; those that were given to us at once, others a little later."""
        self.halted: set[int] = set()

    def assigned(self, numbers: list[int]) -> None:
        """Note that the group gave us partitions."""
        self.wanted |= dict.fromkeys(numbers, 0.0)
        _log.info("partitions assigned", partitions=numbers)

    def gone(self, numbers: list[int]) -> dict[int, tuple[int, int]]:
        """Forget partitions; returns the stored offsets of those that were owned, for the witness."""
        offsets = {}
        for number in numbers:
            owned = self.owned.pop(number, None)
            if owned is not None:
                offsets[number] = (owned.stored.predictions, owned.stored.labels)
            self.wanted.pop(number, None)
            self.halted.discard(number)
            self._known.pop(number, None)
        _log.info("partitions gone", partitions=numbers)
        return offsets

    def drop(self, number: int, why: str) -> None:
        """Throw a partition's state away, to claim it afresh unless the group takes it from us first."""
        owned = self.owned.pop(number, None)
        if owned is None:
            return
        self._known[number] = owned.stored
        spread = int(owned.state.token[:4] or "0", 16) / 0xFFFF
        self.wanted[number] = self._clock() + AGAIN_S + AGAIN_SPREAD_S * spread
        self._stats.healed += 1
        _log.warning("state thrown away", partition=number, reason=why)

    def claim_due(self, source: PartitionSource, patience: Patience) -> None:
        """Claim what is wanted and due."""
        now = self._clock()
        due = sorted(number for number, at in self.wanted.items() if at <= now)
        if not due:
            return
        seen = self._topics.look()
        if seen is None or seen.ids is None:
            # What is written under unknown ids could not be told apart later.
            self.wanted |= dict.fromkeys(due, now + 1.0)
            return
        ids = seen.ids
        for number in due:
            if number >= min(seen.predictions, seen.labels):
                self.wanted[number] = now + 1.0  # its twin does not exist: see PARTITION_COUNTS
                continue
            try:
                self._claim(number, ids, source, patience)
            except GivenUp:
                continue

    def _claim(self, number: int, ids: str, source: PartitionSource, patience: Patience) -> None:
        def wanted() -> bool:
            return number in self.wanted

        claimed = patience.insist(lambda: self._store.claim(number), ours=wanted)
        judgement = self._judge(number, claimed, ids, source, patience)
        notices, changed = self._merged(claimed, judgement)
        if judgement.start is None:
            patience.insist(lambda: self._write(number, claimed.token, notices, changed), ours=wanted)
            self.wanted[number] = self._clock() + HALTED_S
            self.halted.add(number)
            source.halt(number)
            _log.error("partition is not read", partition=number, why=_detail(notices))
            return
        at = judgement.start
        patience.insist(self._look, ours=wanted)
        plans = self._references.plans
        state = Partition(plans, number, claimed, start=at, message_bytes_max=self._message_bytes_max)
        for model in plans:
            for stream in Stream:
                since = state.time.open_from_ms(model, stream)
                state.load(patience.insist(self._windows(number, model, stream, since), ours=wanted))
        owned = Owned(state, state.position, ids or claimed.topics, notices, changed)
        if ids and ids != claimed.topics:
            patience.insist(lambda: self._store.note(number, claimed.token, topics=ids), ours=wanted)
        del self.wanted[number]
        self.halted.discard(number)
        self._known.pop(number, None)
        self.owned[number] = owned
        source.start(number, at.predictions, at.labels)
        _log.info("partition claimed", partition=number, predictions=at.predictions, labels=at.labels)

    def _windows(self, number: int, model: str, stream: Stream, since: int) -> Callable[[], list[WindowBlob]]:
        return lambda: self._store.windows(number, model, stream, from_ms=since)

    def _judge(
        self, number: int, claimed: Claimed, ids: str, source: PartitionSource, patience: Patience
    ) -> Judgement:
        left = END_TRIES

        def judge() -> Judgement:
            nonlocal left
            bounds, committed = source.bounds(number), source.committed(number)
            both = [TopicState(name, *bounds[name], committed[name]) for name in self._names]
            judgement = judge_claim(
                claimed, *both, topics=ids, known=self._known.get(number), now_ms=self._wall_ms()
            )
            left -= 1
            if judgement.start is None and left and claimed.topics in ("", ids):
                raise Retry("kafka: a topic ends before what was read of it; asking again")
            return judgement

        return patience.insist(judge, ours=lambda: number in self.wanted)

    def _merged(self, claimed: Claimed, judgement: Judgement) -> tuple[dict[Subject, Notice], set[Subject]]:
        """Return what stands now: notices of before, those of the claim, and which of them changed."""
        notices = read_notices(claimed.notices)
        changed: set[Subject] = set()
        over = of_all(IntegrityCheck.TOPIC_RECREATED)
        if judgement.start is not None and over in notices:
            del notices[over]
            changed.add(over)
        for check, notice in judgement.notices.items():
            subject = of_all(check)
            if subject not in notices and check is IntegrityCheck.OFFSETS_GONE:
                self._stats.lost += int(str(notice.detail["records"]))
            notices[subject] = notice
            changed.add(subject)
            _log.warning("something is wrong", check=check.value, **notice.detail)
        return notices, changed

    def look_up(self, patience: Patience) -> None:
        """Ask what evaluators have learned, and count by it."""
        patience.insist(self._look, ours=lambda: True)

    def _look(self) -> None:
        changed = self._references.look()
        for owned in self.owned.values():
            self._references.tell(owned.state, changed)

    def verify(self, patience: Patience) -> None:
        """Compare what is stored with what is in memory, also where nothing happens."""
        places = [(number, o.state.token, o.stored) for number, o in self.owned.items()]
        wrong = patience.insist(lambda: self._store.verify(places), ours=lambda: True)
        for number in wrong:
            if number in self.owned:
                self.drop(number, "the store holds another state")

    def write_notices(self, patience: Patience) -> None:
        """End what is over, and store what changed."""
        for number, owned in list(self.owned.items()):
            at, now_ms = owned.stored, self._wall_ms()
            for subject, notice in list(owned.notices.items()):
                if notice.healed(at.predictions, at.labels, now_ms=now_ms):
                    owned.untell(subject)
            if owned.changed:
                self._note(number, owned, patience)

    def _note(self, number: int, owned: Owned, patience: Patience) -> None:
        token, notices, changed = owned.state.token, owned.notices, set(owned.changed)
        try:
            kept = patience.insist(
                lambda: self._write(number, token, notices, changed),
                ours=lambda: self.owned.get(number) is owned,
            )
        except GivenUp:
            return
        if kept:
            owned.changed -= changed
        else:
            self.drop(number, "fenced")

    def _write(
        self, number: int, token: str, notices: Mapping[Subject, Notice], changed: set[Subject]
    ) -> bool:
        raised = {field_of(s): encode_notice(notices[s]) for s in changed if s in notices}
        cleared = [field_of(s) for s in changed if s not in notices]
        return self._store.note(number, token, raised=raised, cleared=cleared)


def _detail(notices: Mapping[Subject, Notice]) -> str:
    return "; ".join(
        str(n.detail.get("why", "")) for (check, _), n in notices.items() if check in _CLAIM_CHECKS
    )
