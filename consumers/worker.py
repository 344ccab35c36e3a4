"""The join role: own partitions, take batches, commit them, and never lose or double one.

Everything runs on one thread. The group's callbacks come from inside `consume` and `keep_alive` and only note
what changed, so a batch is never cut in half by a rebalance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from consumers.columns import DecodedBatch
from consumers.intake import judge_intake, sample_strays
from consumers.kafka_gate import PartitionMessages, TopicMessages, offset_of
from consumers.notices import Notice, of_all
from consumers.outbox import Outboxes
from consumers.ownership import Owned, Ownership
from consumers.partition import Applied
from consumers.patience import GivenUp, Patience
from consumers.plan import ModelPlan
from consumers.references import References
from consumers.reject_rates import mostly_undecodable
from consumers.rejects import Rejected, dead_letter
from consumers.source import Callbacks, TopicNames, Topics
from consumers.stats import WorkerStats
from consumers.store import Commit, CommitStatus, ModelStore, PartitionStore
from consumers.stray_search import StraySearch
from schemas.errors import Stop
from schemas.integrity import IntegrityCheck
from schemas.kafka_settings import MESSAGE_BYTES_MAX

LEAD_WINDOWS: Final = 8
"""Detection windows by which labels may run ahead of the predictions while a backlog is worked off."""
MESSAGES_MAX: Final = 8000
"""Messages that one round takes at most, over all partitions.

A commit writes every window that its batch touches as a whole, so that a backlog is worked off faster in
large rounds; a round still ends within a fraction of a second, before any revoke has to wait for it.
"""


ResultT = TypeVar("ResultT")


class JoinWorker:
    """Joins the two topics in the partitions that the group gives it.

    Parameters
    ----------
    plans
        The models.
    make_source
        Joins the group.
    watch
        Looks at the two topics.
    store
        Where partitions are kept.
    states
        Where learned references are kept.
    clock, wall_ms
        Monotonic seconds, and epoch milliseconds (for notices alone).
    idle_s
        A topic that is caught up and has been quiet for this long is idle: windows do not wait for it.
    message_bytes_max
        A longer value becomes a dead letter without being looked at.
    stopping
        Whether the process shall end: a server that does not answer is not waited for then.
    """

    def __init__(  # noqa: PLR0913 - the composition root names each part once
        self,
        plans: Mapping[str, ModelPlan],
        names: TopicNames,
        *,
        make_source: Callbacks,
        watch: Topics,
        store: PartitionStore,
        states: ModelStore,
        outboxes: Outboxes,
        stats: WorkerStats,
        clock: Callable[[], float],
        wall_ms: Callable[[], int],
        idle_s: float = 10.0,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._plans = plans
        self._references = References(plans, states)
        self._names = names
        self._watch = watch
        self._store = store
        self._outboxes = outboxes
        self._stats = stats
        self._clock = clock
        self._wall_ms = wall_ms
        self._idle_s = idle_s
        self._lead_max_ms = LEAD_WINDOWS * max((plan.window_ms for plan in plans.values()), default=0)
        self._tended_s = clock()
        self._witnessed: dict[int, tuple[int, int]] = {}
        self._ownership = Ownership(
            self._references,
            predictions=names.predictions,
            labels=names.labels,
            store=store,
            topics=watch,
            message_bytes_max=message_bytes_max,
            stats=stats,
            clock=clock,
            wall_ms=wall_ms,
        )
        self._strays = StraySearch(store, clock=clock, wall_ms=wall_ms)
        self._source = make_source(
            on_assign=self._ownership.assigned, on_revoke=self._revoked, on_lost=self._lost
        )
        self._patience = Patience(self._source, stats, resumed=self._resumed, stopping=stopping)

    @property
    def owned(self) -> dict[int, Owned]:
        """The partitions that are ours and claimed."""
        return self._ownership.owned

    @property
    def assigned(self) -> set[int]:
        """The partitions that the group has given us, claimed or not, halted ones too."""
        return {*self._ownership.owned, *self._ownership.wanted}

    def _revoked(self, numbers: list[int]) -> None:
        self._source.witness(self._ownership.gone(numbers))

    def _lost(self, numbers: list[int]) -> None:
        self._ownership.gone(numbers)

    def _resumed(self) -> None:
        for owned in self.owned.values():
            owned.predictions.reset()
            owned.labels.reset()

    def step(self, timeout_s: float = 0.2) -> int:
        """Take one round of messages in; returns how many. Blocks for `timeout_s`, longer while Redis is away.

        Raises
        ------
        Stop
            If going on would be wrong (see `schemas.errors`).
        """
        self._ownership.claim_due(self._source, self._patience)
        taken = 0
        for number, messages in self._source.consume(MESSAGES_MAX, timeout_s).items():
            owned = self.owned.get(number)
            if owned is None:  # not ours, or not claimed yet: it comes again from the stored offset
                continue
            if messages.lost is not None:
                self._ownership.drop(number, messages.lost)
                continue
            try:
                taken += self._take(owned, messages)
            except GivenUp:  # revoked while Redis did not answer: its next owner reads the batch again
                continue
            self._keep_in_step(number, owned)
        self._count()
        self._refuse_to_drown()
        return taken

    def _count(self) -> None:
        stats = self._stats
        stats.owned, stats.halted = len(self.owned), len(self._ownership.halted)
        stats.behind = sum(not (o.predictions.ended and o.labels.ended) for o in self.owned.values())
        if not stats.behind:
            stats.progress_s = self._clock()

    def _take(self, owned: Owned, messages: PartitionMessages) -> int:
        position = owned.state.position
        for batch, expected, quiet, ended in (
            (messages.predictions, position.predictions, owned.predictions, messages.predictions_end),
            (messages.labels, position.labels, owned.labels, messages.labels_end),
        ):
            batch.messages = [m for m in batch.messages if offset_of(m) >= expected]
            if batch.messages:
                quiet.heard()
            quiet.ended |= ended
        if not messages.predictions.messages and not messages.labels.messages:
            return 0
        owned.state.time.set_idle(predictions=False, labels=owned.labels.idle(self._idle_s))
        self._join(owned, messages)
        return len(messages.predictions.messages) + len(messages.labels.messages)

    def _keep_in_step(self, number: int, owned: Owned) -> None:
        """Let labels wait that run ahead of the predictions while a backlog is worked off.

        Each prediction would open windows far ahead, which are then kept and written until their time has come. Labels
        are the smaller messages, so their topic is read faster.
        """
        lead_ms = owned.state.time.labels_lead_ms
        if owned.predictions.ended or owned.labels.ended or 2 * lead_ms <= self._lead_max_ms:
            self._source.release_labels(number)
        elif lead_ms > self._lead_max_ms:
            self._source.hold_labels(number)

    def _join(self, owned: Owned, messages: PartitionMessages) -> None:
        state = owned.state
        predictions, labels = messages.predictions.records(), messages.labels.records()
        decoded = state.decode(predictions, labels)
        found = self._insist(owned, lambda: self._store.fetch(state.number, decoded.ids()))
        sample_strays(owned.strays, messages, decoded, found)
        to = (
            messages.predictions.next_offset(state.position.predictions),
            messages.labels.next_offset(state.position.labels),
        )
        applied = state.apply(decoded, found, to=to)
        letters = self._letters(owned, applied, messages)
        if self._commit(owned, replace(applied.commit, dead_letters=letters)):
            self._stats.predictions += applied.predictions
            self._stats.labels += applied.labels
            judge_intake(owned, self._plans, decoded, (predictions, labels), self._wall_ms)

    def _refuse_to_drown(self) -> None:
        share = mostly_undecodable(o.rates for o in self.owned.values())
        if share is None:
            return
        notice = Notice(
            since_ms=self._wall_ms(), detail={"share": round(share, 3)}, until_ms=self._wall_ms() + 600_000
        )
        for owned in self.owned.values():
            owned.tell(of_all(IntegrityCheck.UNDECODABLE), notice)
        self._ownership.write_notices(self._patience)
        raise Stop(
            f"kafka: {share:.0%} of the bytes that came lately cannot be decoded, so nothing sensible can be "
            f"counted; see what producers write to {self._names.predictions} and {self._names.labels}, then "
            "start again: what was read is in the dead letters",
            exit_code=1,
        )

    def _letters(self, owned: Owned, applied: Applied, messages: PartitionMessages) -> list[bytes]:
        letters: list[bytes] = []
        number = owned.state.number
        predictions_id, _, labels_id = owned.topics.partition("/")
        for topic, topic_id, batch, rejects in (
            (self._names.predictions, predictions_id, messages.predictions, applied.prediction_rejects),
            (self._names.labels, labels_id, messages.labels, applied.label_rejects),
        ):
            letters += [_letter(topic, topic_id or topic, number, batch, r) for r in rejects]
            for rejected in rejects:
                self._stats.rejected[topic, rejected.reason.value] += 1
        if letters:
            owned.letters_wait = True
        return letters

    def _commit(self, owned: Owned, commit: Commit) -> bool:
        begun = self._clock()
        status = self._insist(owned, lambda: self._store.commit(commit))
        if status in (CommitStatus.COMMITTED, CommitStatus.ALREADY):
            now = self._clock()
            owned.stored = commit.new
            self._stats.commits += 1
            self._stats.commit_seconds += now - begun
            self._stats.progress_s = now
            return True
        self._stats.fenced += 1
        if self.owned.get(commit.partition) is owned:
            self._ownership.drop(commit.partition, status.value)
        return False

    def _insist(self, owned: Owned, call: Callable[[], ResultT]) -> ResultT:
        return self._patience.insist(call, ours=lambda: self.owned.get(owned.state.number) is owned)

    def tend(self) -> None:
        """Do what is due about once a second: verify, idle marks, notices, dead letters, the witness."""
        now = self._clock()
        passed_s, self._tended_s = now - self._tended_s, now
        seen = self._watch.look()
        self._stats.waiting_for = "" if seen is not None else "kafka: no broker answers"
        for number, owned in list(self.owned.items()):
            led = seen is not None and number in seen.led
            owned.predictions.look(passed_s, led=led)
            owned.labels.look(passed_s, led=led)
            if seen is not None and number >= min(seen.predictions, seen.labels):
                self._ownership.drop(number, "a topic, or its partition, is gone")
            elif seen is not None and seen.ids and owned.topics and seen.ids != owned.topics:
                self._ownership.drop(number, "a topic has another id than the one that was read")
        try:
            self._ownership.verify(self._patience)
            self._ownership.look_up(self._patience)
        except GivenUp:  # the process ends
            return
        for owned in list(self.owned.values()):
            self._mark_idle(owned)
        self._strays.look(self.owned, partitions=0 if seen is None else seen.predictions)
        self._ownership.write_notices(self._patience)
        self._stats.notices.clear()
        self._stats.notices.update(check.value for o in self.owned.values() for check, _ in o.notices)
        self._publish_letters()
        self._add_up_cohorts()
        offsets = {n: (o.stored.predictions, o.stored.labels) for n, o in self.owned.items()}
        self._source.witness({n: at for n, at in offsets.items() if self._witnessed.get(n) != at})
        self._witnessed = offsets

    def _mark_idle(self, owned: Owned) -> None:
        idle = (owned.predictions.idle(self._idle_s), owned.labels.idle(self._idle_s))
        if owned.state.time.set_idle(predictions=idle[0], labels=idle[1]):
            position = owned.state.position
            applied = owned.state.apply(DecodedBatch(), {}, to=(position.predictions, position.labels))
            try:
                self._commit(owned, applied.commit)
            except GivenUp:
                return

    def _add_up_cohorts(self) -> None:
        """Add up the differences of cohorts that have many, so that nobody has to read them all."""
        for number, owned in list(self.owned.items()):
            for model, start in owned.state.crowded_cohorts():
                try:
                    self._insist(owned, partial(self._add_up, number, owned, model, start))
                except GivenUp:
                    break

    def _add_up(self, number: int, owned: Owned, model: str, start: int) -> bool:
        found = self._store.cohorts(number, model, from_ms=start, until_ms=start)
        total = owned.state.total_of(model, start, found[start]) if start in found else None
        return total is None or self._store.compact_cohort(number, owned.state.token, total)

    def _publish_letters(self) -> None:
        for number, owned in list(self.owned.items()):
            if not owned.letters_wait:
                continue
            send = partial(self._outboxes.publish_dead_letters, self._store, number, owned.state.token)
            try:
                owned.letters_wait = self._insist(owned, send) > 0
            except GivenUp:
                continue

    def close(self) -> None:
        """Leave the group; everything taken in has been committed."""
        self._source.close()


def _letter(topic: str, topic_id: str, number: int, batch: TopicMessages, rejected: Rejected) -> bytes:
    message = batch.messages[rejected.index]
    return dead_letter(
        rejected,
        topic=topic,
        topic_id=topic_id,
        partition=number,
        offset=offset_of(message),
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
    )
