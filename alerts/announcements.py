"""Deploys on their way to the sinks that keep a record of changes: each once, beside the messages about incidents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from msgspec.structs import replace

from alerts.delivery import Backoff, Effort, NextStep, decide_next
from alerts.sinks import ChangeSink
from alerts.told import Attempt, Told
from schemas.notification import Why

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from alerts.ledger import Ledger
    from alerts.outlook import Outlook
    from alerts.sinks import Delivery, Sink
    from schemas.deploy import Deploy

FRESH_MS: Final = 24 * 3_600_000
"""A deploy of longer ago is news to nobody: so a delivery log that is lost repeats little."""

_PLACE: Final = "deploy:"

_log = structlog.get_logger("watchkeeper.notify")


@dataclass(frozen=True, slots=True)
class Announcement:
    """One try to tell one sink of one deploy."""

    partition: int
    sink: str
    message: Deploy


class Announcements:
    """What the sinks of one partition know of deploys. Pure but for the log: the caller stores.

    Parameters
    ----------
    ledger
        Keeps what each sink knows, under the id of the deploy where that of an incident stands else.
    """

    def __init__(
        self,
        partition: int,
        ledger: Ledger,
        *,
        sinks: Mapping[str, Sink],
        outlook: Outlook,
        backoff: Backoff,
    ) -> None:
        self._partition = partition
        self._ledger = ledger
        self._outlook = outlook
        self._backoff = backoff
        self._sinks = [name for name, sink in sinks.items() if isinstance(sink, ChangeSink)]
        self._flying: set[tuple[str, str]] = set()
        for place in self._places():
            told = ledger.told(place)
            if told.attempt is not None and told.attempt.posting:
                # It has most likely arrived, nothing tells a repeat of it, and nobody waits for it.
                ledger.keep(place, Told(done=True))

    def due(self, models: Container[str], *, now_ms: int, free: list[str]) -> Iterator[Announcement]:
        """Yield the tries that are due, at most one for each sink, which is then no longer free.

        Parameters
        ----------
        models
            Those whose alerts are in this partition: their deploys are told by its owner.
        """
        names = [name for name in self._sinks if name in free]
        if not names:
            return
        for deploy in self._outlook.orders.deploys:
            if deploy.model not in models:
                continue
            is_fresh = 0 <= now_ms - deploy.at.timestamp() * 1000 < FRESH_MS
            for name in [n for n in names if self._outlook.announces(deploy, n)]:
                if self._begins((_PLACE + deploy.id, name), now_ms, is_fresh=is_fresh):
                    names.remove(name)
                    free.remove(name)
                    yield Announcement(self._partition, name, deploy)

    def _begins(self, place: tuple[str, str], now_ms: int, *, is_fresh: bool) -> bool:
        told = self._ledger.told(place)
        if place in self._flying or told.done or not (is_fresh or told.attempt):
            return False
        attempt = told.attempt or Attempt(Why.FIRST, "", begun_ms=now_ms, due_ms=now_ms, since_ms=now_ms)
        if attempt.due_ms > now_ms:
            return False
        self._ledger.keep(place, replace(told, attempt=replace(attempt, posting=True)))
        self._flying.add(place)
        return True

    def settle(
        self, done: Announcement, delivery: Delivery, *, now_ms: int, fraction: float
    ) -> tuple[NextStep, str]:
        """Take the outcome of a try in; returns what follows, and why."""
        place = (_PLACE + done.message.id, done.sink)
        self._flying.discard(place)
        told = self._ledger.told(place)
        attempt = told.attempt
        if attempt is None:
            return NextStep.DELIVERED, "no longer wanted"
        tries = attempt.tries + 1
        effort = Effort(attempts=tries, elapsed_s=(now_ms - attempt.begun_ms) / 1000)
        decision = decide_next(delivery, effort, backoff=self._backoff, fraction=fraction)
        if decision.again:
            due_ms = now_ms + round(decision.wait_s * 1000)
            waiting = replace(attempt, tries=tries, due_ms=due_ms, posting=False)
            self._ledger.keep(place, replace(told, attempt=waiting))
        else:
            self._ledger.keep(place, Told(done=True))
        return decision.step, delivery.reason

    def tidy(self) -> None:
        """Let go of deploys that nobody speaks of any more, and of tries that the routes do not lead to any more."""
        known = {_PLACE + deploy.id: deploy for deploy in self._outlook.orders.deploys}
        landed = [place for place in self._places() if place not in self._flying]
        gone = [place for place in landed if place[0] not in known]
        if gone:
            self._ledger.forget((), gone)
        for place in landed:
            deploy = known.get(place[0])
            if deploy is None or self._ledger.told(place).attempt is None:
                continue
            if place[1] not in self._sinks or not self._outlook.announces(deploy, place[1]):
                self._ledger.keep(place, Told())

    def _places(self) -> list[tuple[str, str]]:
        return [place for place in self._ledger.places if place[0].startswith(_PLACE)]
