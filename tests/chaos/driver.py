"""One seeded run: send, do harm, wait until all has been taken in, and let the verifier say what is wrong."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Final

from builders.site import PARTITIONS
from chaos.crew import CLAIMED, FENCED, FENCED_EVALUATION, Crew
from chaos.follower import Follower
from chaos.outcome import Outcome, judge
from chaos.producer import PacedProducer
from chaos.scene import set_scene
from chaos.schedule import Plan
from chaos.stage import Stage
from chaos.store import started_store
from chaos.traffic import Traffic, closing_targets_ms, timetable
from servers.kafka import LocalKafka

BEGIN_S: Final = 120.0
SETTLE_S: Final = 120.0


class Run:
    """One run in a folder of its own.

    Parameters
    ----------
    module
        What the workers run: the product, or `chaos.unfenced`.
    settle_s
        After the last event and the last fault everything must have been taken in within this time.
    """

    def __init__(
        self,
        plan: Plan,
        traffic: Traffic,
        *,
        kafka: LocalKafka,
        folder: Path,
        module: str = "watchkeeper",
        settle_s: float = SETTLE_S,
    ) -> None:
        self._settle_s = settle_s
        self._plan = plan
        self._pause = threading.Event()
        self.outcome = Outcome(plan, folder)
        self._events = traffic.events
        self._traffic = traffic
        self._store = started_store(plan.store, folder / "store")
        self._site = set_scene(
            folder,
            kafka.address,
            self._store.url,
            profile=traffic.profile,
            protocol=plan.protocol,
            cluster=plan.store != "alone",
        )
        self._crew = Crew(self._site.config, draw=random.Random(plan.seed), module=module)
        self._stage = Stage(self._crew, self._store, kafka)
        self.outcome.log = self._stage.log

    def run(self) -> Outcome:
        """Play the run; a worker that dies, or a wait without end, is a fault like a wrong count."""
        try:
            self._begin()
            self._harm()
            self._settle()
            self._crew.dismiss_all()
            judge(self.outcome, self._site, self._traffic)
            if self._crew.restarted:
                self.outcome.notes.append(f"{self._crew.restarted} workers could not start at once")
        except Exception as error:  # noqa: BLE001 - whatever it was, the next run goes on
            self.outcome.faults.insert(0, f"{type(error).__name__}: {error}")
        finally:
            self._crew.end()
            self.outcome.fenced = self._crew.lines_with(FENCED) + self._crew.lines_with(FENCED_EVALUATION)
            self._store.close()
        return self.outcome

    def _begin(self) -> None:
        """Start the workers and wait until each has its share of the partitions, so that harm finds them at work."""
        for _ in range(self._plan.workers):
            self._crew.add()
        deadline = time.monotonic() + BEGIN_S
        while not self._is_shared_out():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the partitions were not shared out within {BEGIN_S:g} s")
            self._look_after()

    def _is_shared_out(self) -> bool:
        has_each = all(worker.has_logged(CLAIMED) for worker in self._crew.working)
        return has_each and self._crew.lines_with(CLAIMED) >= PARTITIONS

    def _harm(self) -> None:
        """Send the events and carry out the steps meanwhile."""
        topics = self._site.topics
        due = timetable(self._events, self._plan.order, self._plan.duration_s)
        producer = PacedProducer(
            due, self._site.kafka, predictions=topics["predictions"], labels=topics["labels"]
        )
        producer.start()
        try:
            for step in self._plan.steps:
                while time.monotonic() < producer.began_s + step.at_s:
                    self._look_after()
                self._stage.perform(step, began_s=producer.began_s)
            while not producer.done:
                self._look_after()
            producer.join()
        finally:
            producer.halt()

    def _look_after(self) -> None:
        self._crew.supervise()
        self._pause.wait(0.1)

    def _settle(self) -> None:
        """Wait until all has been closed, taken in and published."""
        begun = time.monotonic()
        targets = {stream: _spelled(ms) for stream, ms in closing_targets_ms(self._events).items()}
        follower = Follower(self._site.kafka, self._site.topics["alerts"])
        waiting_for = "anything"
        while time.monotonic() - begun < self._settle_s:
            self._look_after()
            closed = follower.closed_until(timeout_s=0.4)
            open_ = [f"{s} is closed until {t}" for s, t in targets.items() if closed.get(s, "") < t]
            waiting_for = " and ".join(open_) or self._unsettled()
            if not waiting_for:
                self.outcome.settled_s = time.monotonic() - begun
                break
        else:
            for what in filter(None, dict.fromkeys([waiting_for, self._unsettled()])):
                self.outcome.faults.append(f"after {self._settle_s:g} s it was still to be seen that {what}")
        follower.close()

    def _unsettled(self) -> str:
        """Say what is not as it must be in the end; empty when all is."""
        status = self._site.status()
        taken = [p["next_offsets"] or {"predictions": 0, "labels": 0} for p in status["partitions"]]
        for topic, sent in (("predictions", self._events.predictions), ("labels", self._events.labels)):
            if (count := sum(offsets[topic] for offsets in taken)) != len(sent):
                return f"{len(sent)} {topic} are taken in ({count} were)"
        fraud = status["models"]["fraud"]
        letters = sum(p["dead_letters_waiting"] for p in status["partitions"])
        if letters or fraud["events_waiting"]:
            return f"the outboxes are empty ({letters} dead letters, {fraud['events_waiting']} events)"
        return ""


def _spelled(epoch_ms: float) -> str:
    moment = time.gmtime(epoch_ms / 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", moment)
