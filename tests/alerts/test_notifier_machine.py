"""Random lives of incidents, sinks, silences, stores and processes: what must hold of every one.

`WATCHKEEPER_SCHEDULES` sets how many are played (default 60; `make fuzz` plays 10,000).
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from alert_builders import NOON_MS, ONE_OF_ONE, finding
from builders.watch_room import MINUTE_MS, Clock, Room, ScriptedSink, Topic
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alerts.orders import Orders
from alerts.sinks import Delivery
from consumers.memory_store import MemoryModels
from schemas.alert_wire import utc_of_ms
from schemas.control import AckEvent, Acknowledgement, Matcher, Silence, SilenceEvent
from schemas.errors import Retry
from schemas.finding import Kind, Severity, Verdict
from schemas.notification import Why
from schemas.undelivered import UndeliveredData, UndeliveredEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumers.store import CommitStatus, ModelCommit
    from schemas.notification import Notification

FEATURES = ("a", "b", "c")
KINDS = (Kind.DATA_DRIFT, Kind.DATA_QUALITY, Kind.PREDICTION_DRIFT, Kind.LATENCY)
LEVELS = (Severity.WARNING, Severity.ERROR, Severity.CRITICAL)
ANSWERS = (
    Delivery.retry("http_503"),
    Delivery.retry("http_429", after_s=90.0),
    Delivery.dead("http_400"),
    RuntimeError("the sink is broken"),
)


class Died(BaseException):
    """The process was killed."""


class Unsteady(MemoryModels):
    """A store that does not answer, or answers too late, when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.troubles: list[str] = []

    def commit(self, commit: ModelCommit) -> CommitStatus:
        trouble = self.troubles.pop(0) if self.troubles else ""
        if trouble == "no answer":
            raise Retry("redis: no answer")
        if trouble == "died before":
            raise Died
        status = super().commit(commit)
        if trouble == "answer lost":
            raise Retry("redis: no answer")
        if trouble == "died after":
            raise Died
        return status


class Watch(RuleBasedStateMachine):
    """A notifier among everything that goes wrong."""

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.topic = Topic(self.clock)
        self.pager = ScriptedSink("pager", self.clock, pages=True, repeatable=True)
        self.chat = ScriptedSink("chat", self.clock)
        self.states, self.orders = Unsteady(), Orders()
        self.crashes: list[str] = []
        self.deaths = 0
        self.letters: list[UndeliveredData] = []
        self._start()

    def _start(self) -> None:
        self.room = Room(
            self.pager,
            self.chat,
            clock=self.clock,
            topic=self.topic,
            states=self.states,
            orders=self.orders,
            crash=self._crash,
            publish=self._bury,
        )

    def _bury(self, letters: Sequence[tuple[bytes, bytes]]) -> int:
        self.letters += [UndeliveredEvent.model_validate_json(letter).data for _, letter in letters]
        return len(letters)

    def _take_over(self) -> None:
        """Let another process come; what the last one has posted and not yet written down is lost as in a crash."""
        self.deaths += 1
        self._start()

    def _crash(self, where: str) -> None:
        if self.crashes and self.crashes[0] == where:
            self.crashes.pop(0)
            raise Died

    def _go_on(self, rounds: int = 4) -> None:
        for _ in range(rounds):
            try:
                self.room.step()
            except Retry:
                continue
            except Died:
                self.deaths += 1
                self._start()

    @rule(
        kind=st.sampled_from(KINDS),
        verdicts=st.lists(
            st.sampled_from([Verdict.BREACH, Verdict.CLEAR, Verdict.UNKNOWN]), min_size=3, max_size=3
        ),
        level=st.sampled_from(LEVELS),
    )
    def a_minute_passes(self, kind: Kind, verdicts: list[Verdict], level: Severity) -> None:
        index = (self.clock.now_ms - NOON_MS) // MINUTE_MS
        self.clock.now_ms = NOON_MS + (index + 1) * MINUTE_MS
        self.topic.window(
            *(
                finding(
                    index,
                    verdict,
                    kind=kind,
                    check="any",
                    feature=name,
                    severity=level,
                    hysteresis=ONE_OF_ONE,
                )
                for name, verdict in zip(FEATURES, verdicts, strict=True)
            ),
            index=index,
        )
        self._go_on()

    @rule(minutes=st.sampled_from([1, 6, 45, 300]))
    def time_passes(self, minutes: int) -> None:
        self.clock.now_ms += minutes * MINUTE_MS
        self._go_on()

    @rule(
        sink=st.sampled_from(["pager", "chat"]),
        answers=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=3),
    )
    def a_sink_has_trouble(self, sink: str, answers: list[Any]) -> None:
        getattr(self, sink).answers = list(answers)

    @rule(where=st.sampled_from(["before the post", "after the post"]))
    def the_process_is_killed_at_the_next(self, where: str) -> None:
        self.crashes = [where]

    @rule(trouble=st.sampled_from(["no answer", "answer lost", "died before", "died after"]))
    def the_store_has_trouble(self, trouble: str) -> None:
        self.states.troubles = [trouble]

    @rule()
    def another_process_takes_over(self) -> None:
        self._take_over()
        self._go_on()

    @rule()
    def the_topic_is_read_from_its_beginning(self) -> None:
        self._take_over()
        self.room._read = 0
        self._go_on()

    @rule(hours=st.sampled_from([0, 1, 5]), feature=st.sampled_from([*FEATURES, "*"]))
    def somebody_silences(self, hours: int, feature: str) -> None:
        now = utc_of_ms(self.clock.now_ms)
        matcher = Matcher(field="feature", op="=~", value=feature)
        found = Silence(
            id="s",
            matchers=(matcher,),
            starts=now,
            ends=now + timedelta(hours=hours),
            by="ada",
            reason="a test",
        )
        self.orders.take([SilenceEvent.of(found, now=now)], now_ms=self.clock.now_ms)
        self._go_on()

    @rule(hours=st.sampled_from([0, 3]))
    def somebody_looks_after_the_last_incident(self, hours: int) -> None:
        if not self.chat.got:
            return
        now, last = utc_of_ms(self.clock.now_ms), self.chat.got[-1]
        found = Acknowledgement(
            incident=last.incident,
            by="ada",
            at=now,
            until=now + timedelta(hours=hours),
            severity=last.severity,
        )
        self.orders.take([AckEvent.of(found, now=now)], now_ms=self.clock.now_ms)
        self._go_on()

    @invariant()
    def a_page_is_opened_then_closed_and_never_the_other_way_round(self) -> None:
        for key, whys in by_key(tries_of(self.pager)).items():
            assert whys[0] is not Why.ALL_RESOLVED, key
            ended = [why is Why.ALL_RESOLVED for why in whys]
            assert ended == sorted(ended), (key, whys)

    @invariant()
    def a_page_arrives_under_one_id_however_often_it_is_tried(self) -> None:
        opened = [n for n in self.pager.got if n.why is not Why.ALL_RESOLVED]
        for key, ids in ids_by_key(opened).items():
            assert len(ids) == 1, key

    @invariant()
    def chat_hears_nothing_twice_but_what_a_crash_may_repeat(self) -> None:
        again = Counter(n.delivery_id for n in self.chat.got)
        repeats = sum(count - 1 for count in again.values())
        assert repeats <= self.deaths
        marked = [n for n in self.chat.got if n.possible_repeat]
        assert len(marked) <= self.deaths + len(self.room.sinks)

    @invariant()
    def only_what_is_bad_pages(self) -> None:
        assert all(
            n.severity.rank >= Severity.ERROR.rank for n in self.pager.got if n.why is not Why.ALL_RESOLVED
        )

    def teardown(self) -> None:
        """Let everything work again, and all be over: every page is closed, or its end is a dead letter; nothing waits."""
        if not hasattr(self, "room"):
            return
        self.crashes, self.states.troubles = [], []
        self.pager.answers, self.chat.answers = [], []
        for _ in range(2):
            for kind in KINDS:
                for feature in FEATURES:
                    index = (self.clock.now_ms - NOON_MS) // MINUTE_MS
                    clear = finding(
                        index, Verdict.CLEAR, kind=kind, check="any", feature=feature, hysteresis=ONE_OF_ONE
                    )
                    self.topic.window(clear, index=index)
            self.clock.now_ms += MINUTE_MS
        for _ in range(30):
            self.clock.now_ms += 10 * MINUTE_MS
            self._go_on(20)
        refused = {(letter.notification.key, letter.notification.why) for letter in self.letters}
        for key, whys in by_key(self.pager.got).items():
            assert whys[-1] is Why.ALL_RESOLVED or (key, Why.ALL_RESOLVED) in refused, key
        assert self.room.notifier.stats.waiting == 0


def tries_of(sink: ScriptedSink) -> list[Notification]:
    return [notification for _, notification in sink.tries]


def by_key(told: Iterable[Notification]) -> dict[str, list[Why]]:
    found: defaultdict[str, list[Why]] = defaultdict(list)
    for notification in told:
        found[notification.key].append(notification.why)
    return found


def ids_by_key(told: Iterable[Notification]) -> dict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for notification in told:
        found[notification.key].add(notification.delivery_id)
    return found


TestWatch = Watch.TestCase
TestWatch.settings = settings(
    max_examples=int(os.environ.get("WATCHKEEPER_SCHEDULES", "60")),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
