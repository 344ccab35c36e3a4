"""One partition of the alerts topic on its way to people: what stands, who knows of it, what is on its way.

Everything that must survive is a field of the store, written under the owner's token together with the offset of the
topic. A message that is about to be posted is written down before, and its outcome after: a new owner goes on where
this one stopped, and knows what may have arrived.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
import structlog
from msgspec.structs import replace

from alerts.announcements import Announcement, Announcements
from alerts.board import Board, Incident, incident_of
from alerts.compose import compose
from alerts.delivery import Backoff, Effort, NextStep, decide_next
from alerts.deploy_words import with_deploy
from alerts.ledger import Ledger
from alerts.outlook import Outlook
from alerts.pages import PageBudget
from alerts.telling import Rules, View, after_delivery, next_message
from alerts.told import Attempt, Told, informed
from schemas.alert import WindowComplete
from schemas.finding import Severity
from schemas.notification import Why
from schemas.undelivered import UndeliveredEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alerts.notify_store import NotifyClaimed
    from alerts.sinks import Delivery, Sink
    from schemas.alert import AlertsRecord
    from schemas.notification import Notification

STATE_FIELD: Final = "state"
KEPT_MS: Final = 24 * 3_600_000
"""An incident whose end was told is kept for so long, so that an event that comes twice opens nothing."""

LOOK_MS: Final = 5_000
"""What is due by the clock alone is due within so long: most rounds have nothing to decide."""

TIDY_MS: Final = 60_000

STAND_IN_MS: Final = 300_000
"""A critical incident that has not reached its sink by then goes to the sink's stand-in as well."""

_log = structlog.get_logger("watchkeeper.notify")


@dataclass(frozen=True, slots=True)
class Job:
    """One try to deliver one message.

    Parameters
    ----------
    view
        How the incident stood when the message was written.
    """

    partition: int
    sink: str
    incident: str
    why: Why
    tier: str
    view: View
    notification: Notification

    @property
    def message(self) -> Notification:
        """What is posted."""
        return self.notification


Task: TypeAlias = Job | Announcement
"""What a sink is handed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a try that is settled: the sink, the message, and what follows."""

    job: Task
    step: NextStep
    reason: str


class _State(msgspec.Struct):
    """What is not about one incident: newest complete windows, when incidents of a cause began, and pages of late."""

    complete_ms: dict[str, int] = {}
    openings: dict[str, list[int]] = {}
    pages: dict[str, list[int]] = {}


def evaluated_in(fields: Mapping[str, bytes]) -> dict[str, int]:
    """Return the event time up to which each model had been evaluated when the fields were stored."""
    return _state_in(fields).complete_ms


def _state_in(fields: Mapping[str, bytes]) -> _State:
    return msgspec.msgpack.decode(fields[STATE_FIELD], type=_State) if STATE_FIELD in fields else _State()


class Desk:
    """The incidents of one partition, and what each sink knows of them. Pure but for the log: the caller stores.

    Parameters
    ----------
    claimed
        What the store holds.
    known_until
        Offset below which another owner has told everything, though the store has forgotten it; 0 for none.
    """

    def __init__(  # noqa: PLR0913 - the notifier hands on what it was given
        self,
        partition: int,
        claimed: NotifyClaimed,
        *,
        app: str,
        sinks: Mapping[str, Sink],
        outlook: Outlook,
        rules: Rules,
        backoff: Backoff,
        now_ms: int,
        known_until: int = 0,
    ) -> None:
        self.partition = partition
        self.ledger = Ledger(claimed)
        self.caught_up = False
        self._app = app
        self._sinks = sinks
        self._outlook = outlook
        self._rules = rules
        self._backoff = backoff
        self._known_until = known_until
        self._flying: set[tuple[str, str]] = set()
        fields = claimed.fields
        state = _state_in(fields)
        self.board = Board(fields, now_ms=now_ms)
        self.board.complete_ms.update(state.complete_ms)
        self._openings = state.openings
        self._pages = PageBudget(rules, state.pages)
        self._announcements = Announcements(
            partition, self.ledger, sinks=sinks, outlook=outlook, backoff=backoff
        )
        self.outgoing: list[Task] = []
        self.unrouted = 0
        self._tidy_ms = 0
        self._take_up_what_flew(now_ms)

    # --- what comes in ---

    def take(self, offset: int, record: AlertsRecord | None, *, now_ms: int) -> None:
        """Take the record at an offset in; None for one that is not ours to read."""
        if offset < self.ledger.offset:
            return
        self.ledger.offset = offset + 1
        if record is None:
            return
        opened = None if isinstance(record, WindowComplete) else incident_of(record.data)
        is_new = opened is not None and opened not in self.board.incidents
        self.ledger.put(self.board.take(record, now_ms=now_ms))
        if opened is not None and is_new:
            self._opened(self.board.incidents[opened], now_ms=now_ms, was_told=offset < self._known_until)
        if self.ledger.is_changed or self.ledger.is_far_behind:
            self._keep_state()

    def settle(self, job: Task, delivery: Delivery, *, now_ms: int, fraction: float) -> Outcome:
        """Take the outcome of a try in."""
        if isinstance(job, Announcement):
            step, reason = self._announcements.settle(job, delivery, now_ms=now_ms, fraction=fraction)
            return Outcome(job, step, reason)
        place = (job.incident, job.sink)
        self._flying.discard(place)
        told = self.ledger.told(place)
        attempt = told.attempt
        if (incident := self.board.incidents.get(job.incident)) is not None:
            incident.look_ms = 0
        if attempt is None or job.incident not in self.board.incidents:
            return Outcome(job, NextStep.DELIVERED, "no longer wanted")
        tries, spent_ms = attempt.tries + 1, now_ms - attempt.begun_ms
        effort = Effort(attempts=tries, elapsed_s=spent_ms / 1000)
        decision = decide_next(delivery, effort, backoff=self._backoff, fraction=fraction)
        if decision.again:
            due_ms = now_ms + round(decision.wait_s * 1000)
            waiting = replace(attempt, tries=tries, due_ms=due_ms, posting=False)
            self.ledger.keep(place, replace(told, attempt=waiting))
            if job.notification.severity is Severity.CRITICAL and spent_ms >= STAND_IN_MS:
                self._call_stand_in(job)
        else:
            after = after_delivery(told, job.view, why=job.why, tier=job.tier, now_ms=now_ms)
            self.ledger.keep(place, after)
            if decision.step is not NextStep.DELIVERED:
                self.ledger.bury(
                    UndeliveredEvent.of(
                        job.notification,
                        sink=job.sink,
                        step=decision.step.value,
                        reason=delivery.reason,
                        now_ms=now_ms,
                    )
                )
                self._call_stand_in(job)
        return Outcome(job, decision.step, delivery.reason)

    # --- what goes out ---

    def plan(self, *, now_ms: int, busy: set[str]) -> None:
        """Put the tries that are due into `outgoing`, at most one for each sink that is not busy; the worst first.

        They may be posted once the draft is stored.
        """
        if self.caught_up:
            self.outgoing += self._due(now_ms, busy)
        if now_ms >= self._tidy_ms:
            self._tidy_ms = now_ms + TIDY_MS
            self._tidy(now_ms)

    def _due(self, now_ms: int, busy: set[str]) -> Iterator[Task]:
        free = [name for name in self._sinks if name not in busy]
        candidates = [i for i in self.board.incidents.values() if i.look_ms <= now_ms]
        for incident in sorted(candidates, key=_urgency):
            if not incident.settled(now_ms, self._rules.wait_ms):
                continue
            if len(free) == len(self._sinks):
                incident.look_ms = now_ms + LOOK_MS
            for name in list(free):
                job = self._job(incident, name, now_ms)
                if job is not None:
                    free.remove(name)
                    yield job
        yield from self._announcements.due(self.board.complete_ms, now_ms=now_ms, free=free)

    def _job(self, incident: Incident, name: str, now_ms: int) -> Job | None:
        place = (incident.id, name)
        told = self.ledger.told(place)
        if place in self._flying or told.done:
            return None
        if told.attempt is not None and told.attempt.due_ms > now_ms:
            incident.look_ms = min(incident.look_ms, told.attempt.due_ms)
            return None
        view = self._outlook.view(incident, self._sinks[name], told, self, now_ms=now_ms)
        wanted = next_message(view, told, rules=self._rules, now_ms=now_ms)
        if wanted is not None and not self._outlook.hears(name, is_over=view.is_over):
            why, tier = wanted
            self.ledger.keep(place, after_delivery(told, view, why=why, tier=tier, now_ms=now_ms))
            return None
        if wanted is None:
            self._note_held(place, told, view)
            return None
        attempt = told.attempt
        if attempt is None or not _is_same(attempt, wanted):
            if view.pages and wanted[0] is not Why.ALL_RESOLVED:
                left = self._pages.left(name, now_ms)
                if left < 0:
                    return None
                self._pages.spend(name, now_ms)
                self._keep_state()
                wanted = (wanted[0] if left else Why.STORM_DIGEST, wanted[1])
            # What was tried before may have arrived: the next message is another one.
            sequence = told.sequence + (1 if attempt is not None and attempt.tries else 0)
            told = replace(told, sequence=sequence)
            since_ms = now_ms if attempt is None else attempt.since_ms or attempt.begun_ms
            attempt = Attempt(*wanted, begun_ms=now_ms, due_ms=now_ms, since_ms=since_ms)
        was_posting = attempt.posting
        self.ledger.keep(place, replace(told, attempt=replace(attempt, posting=True)))
        self._flying.add(place)
        notification = self._composed(incident, name, view, attempt, told.sequence, now_ms=now_ms)
        marked = notification.model_copy(
            update={"possible_repeat": was_posting and not self._sinks[name].repeatable}
        )
        return Job(self.partition, name, incident.id, attempt.why, attempt.tier, view, marked)

    def _composed(  # noqa: PLR0913 - the parts of one message
        self, incident: Incident, sink: str, view: View, attempt: Attempt, sequence: int, *, now_ms: int
    ) -> Notification:
        shown = self._outlook.shown(incident, view)
        composed = compose(
            shown,
            sink=sink,
            tier=attempt.tier,
            app=self._app,
            incident=incident.id,
            cause=incident.cause,
            why=attempt.why,
            sequence=sequence,
            suppressed=self.board.names_muted_by(shown),
            late=view.is_late(self._rules, now_ms) and not view.is_over,
            untold=self._untold(sink) if attempt.why is Why.STORM_DIGEST else 0,
        )
        now = datetime.fromtimestamp(now_ms / 1000, tz=UTC)
        lead = with_deploy(composed.lead, self._outlook.orders.deploys, now=now)
        return composed.model_copy(update={"lead": lead})

    def _untold(self, sink: str) -> int:
        """Return how many open incidents a sink knows nothing of."""
        return sum(
            self.ledger.told((incident.id, sink)).severity is None and not incident.is_over
            for incident in self.board.incidents.values()
        )

    def _note_held(self, place: tuple[str, str], told: Told, view: View) -> None:
        """Remember what keeps an incident from people, and give up a message that nobody needs any more."""
        if told.attempt is not None:
            _log.info("message superseded", incident=place[0], sink=place[1], why=told.attempt.why.value)
            told = replace(told, attempt=None, sequence=told.sequence + 1)
            self.ledger.keep(place, told)
        if view.held is not None and told.held is not view.held:
            self.ledger.keep(place, replace(told, held=view.held))

    # --- what is kept ---

    def is_flapping(self, incident: Incident) -> bool:
        """Return whether an incident of this cause has opened once too often lately."""
        openings = self._openings.get(f"{incident.model}/{incident.cause}", [])
        return len(openings) >= self._rules.spells

    def _opened(self, incident: Incident, *, now_ms: int, was_told: bool) -> None:
        start_ms = min(data.detected_at for data in incident.alerts.values()).timestamp() * 1000
        place = f"{incident.model}/{incident.cause}"
        recent = [ms for ms in self._openings.get(place, []) if start_ms - ms < self._rules.spell_ms]
        self._openings[place] = [*recent, round(start_ms)]
        if not self._outlook.reaches(incident):
            self.unrouted += 1
            _log.warning("incident is not routed: nobody is told", incident=incident.id, model=incident.model)
        if was_told:
            for name, sink in self._sinks.items():
                tiers = [incident.severity.value] if sink.pages else []
                self.ledger.keep(
                    (incident.id, name), replace(informed(Told(), incident, now_ms), tiers=tiers)
                )

    def _take_up_what_flew(self, now_ms: int) -> None:
        """Decide what becomes of tries that an owner before us had begun and not ended, and of messages to sinks that are no more."""
        for place in self.ledger.places:
            told = self.ledger.told(place)
            sink = self._sinks.get(place[1])
            if sink is None and told.attempt is not None:
                _log.warning("no such sink any more: its message is given up", about=place[0], sink=place[1])
                self.ledger.keep(place, replace(told, attempt=None))
            if sink is None or told.attempt is None or not told.attempt.posting:
                continue
            incident = self.board.incidents.get(place[0])
            if incident is None or sink.repeatable or incident.severity.rank >= self._rules.pages_from.rank:
                continue
            # It has most likely arrived, and is mild enough for twice to be worse than never.
            is_end = told.attempt.why is Why.ALL_RESOLVED
            self.ledger.keep(place, replace(informed(told, incident, now_ms), done=is_end))

    def _call_stand_in(self, job: Job) -> None:
        name = self._outlook.stand_in(job.sink)
        if name is None or self.ledger.told((job.incident, name)).stands_in:
            return
        _log.warning("another sink stands in", incident=job.incident, sink=name, instead_of=job.sink)
        told = self.ledger.told((job.incident, name))
        self.ledger.keep((job.incident, name), replace(told, stands_in=True))

    def _keep_state(self) -> None:
        state = _State(self.board.complete_ms, self._openings, self._pages.spent)
        self.ledger.put({STATE_FIELD: msgspec.msgpack.encode(state)})

    def _tidy(self, now_ms: int) -> None:
        """Let incidents go that are over, told, and old, and deploys that nobody speaks of any more."""
        self._announcements.tidy()
        for incident in [i for i in self.board.incidents.values() if i.is_over]:
            mine = [place for place in self.ledger.places if place[0] == incident.id]
            told = (self.ledger.told(place) for place in mine if place[1] in self._sinks)
            if now_ms - incident.told_ms >= KEPT_MS and all(map(_is_told, told)):
                self.ledger.forget(self.board.forget(incident), mine)


def _is_told(told: Told) -> bool:
    return told.attempt is None and (told.done or told.severity is None)


def _is_same(attempt: Attempt, wanted: tuple[Why, str]) -> bool:
    """Return whether a message on its way says what is wanted; a digest stands for the page it took the place of."""
    why, tier = wanted
    is_page = attempt.why is Why.STORM_DIGEST and why is not Why.ALL_RESOLVED
    return attempt.tier == tier and (attempt.why is why or is_page)


def _urgency(incident: Incident) -> tuple[int, int, str]:
    return -incident.severity.rank, incident.opened_ms, incident.id
