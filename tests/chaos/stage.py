"""Carries out a plan's steps on the servers and workers of a run, and keeps the log of what was done."""

from __future__ import annotations

import time
from collections.abc import Callable

from chaos.crew import Crew
from chaos.schedule import Step
from chaos.store import ChaosStore
from servers.kafka import LocalKafka


class Stage:
    """Everything that a step can be done to.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    def __init__(
        self, crew: Crew, store: ChaosStore, kafka: LocalKafka, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._crew = crew
        self._clock = clock
        self.log: list[str] = []
        self._away: dict[str, float] = {}
        self._verbs: dict[str, Callable[[], str | None]] = {
            "kill a worker": crew.kill,
            "freeze a worker": crew.freeze,
            "thaw the worker": crew.thaw,
            "add a worker": crew.add,
            "remove a worker": crew.remove,
            "begin a rolling restart": crew.begin_rolling,
            "restart the next worker": crew.restart_next,
            "mark what Redis has synced": store.mark,
            "kill Redis and lose what came after the mark": self._leaving("redis", store.crash),
            "copy Redis": store.copy,
            "stop Redis and put the copy back": self._leaving("redis", store.put_back),
            "start Redis": self._back("redis", store.start),
            "empty Redis": store.empty,
            "freeze Redis": self._leaving("redis", store.freeze),
            "thaw Redis": self._back("redis", store.thaw),
            "kill Kafka": self._leaving("kafka", kafka.kill),
            "start Kafka": self._back("kafka", kafka.start),
        }

    def perform(self, step: Step, *, began_s: float) -> None:
        """Do one step and write down when, what, and to whom."""
        at_s = self._clock() - began_s
        outcome = self._verbs[step.verb]()
        took_s = self._clock() - began_s - at_s
        self.log.append(f"{at_s:5.1f} s {step.verb}" + (f" ({outcome})" if outcome else "") + _long(took_s))

    def _leaving(self, server: str, action: Callable[[], str | None]) -> Callable[[], str | None]:
        def act() -> str | None:
            begin = self._clock()
            self._away[server] = begin
            self._crew.outages.append((begin, begin + 3600.0))
            return action()

        return act

    def _back(self, server: str, action: Callable[[], str | None]) -> Callable[[], str | None]:
        def act() -> str | None:
            outcome = action()
            begin = self._away.pop(server)
            self._crew.outages.remove((begin, begin + 3600.0))
            self._crew.outages.append((begin, self._clock()))
            return outcome

        return act


def _long(took_s: float) -> str:
    return f", took {took_s:.1f} s" if took_s >= 0.5 else ""
