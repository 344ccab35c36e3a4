"""What happens when: faults drawn from a seed, as steps on one clock. Pure, so that a seed can be told again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

SESSION_TIMEOUT_S: Final = 6.0
"""After this long without a sign of life Kafka gives a worker's partitions to others."""

Order: TypeAlias = Literal["together", "labels far ahead", "labels far behind"]
Protocol: TypeAlias = Literal["classic", "consumer"]
Store: TypeAlias = Literal["alone", "partitions' master", "evaluator's master"]
"""What is done to Redis is done to one that is alone, or to one of the three masters of a cluster."""

APP: Final = "chaos"
HURT_KEYS: Final[dict[Store, str]] = {
    "partitions' master": f"{{{APP}:1}}m",
    "evaluator's master": f"{{{APP}:m:fraud}}m",
}
"""The master of which key is hurt; that of the first has nothing of the evaluator."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, `at_s` seconds after the first event was sent."""

    at_s: float
    verb: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: who works, how the topics lie to each other, and what goes wrong.

    Parameters
    ----------
    duration_s
        How long the events are sent for.
    workers
        How many worker processes the run begins with.
    store
        Which Redis they work on, and to which of a cluster it is done.
    """

    seed: int
    duration_s: float
    workers: int
    protocol: Protocol
    order: Order
    faults: tuple[str, ...]
    steps: tuple[Step, ...]
    store: Store = "alone"


def kill_worker(at_s: float, _: random.Random) -> list[Step]:
    return [Step(at_s, "kill a worker")]


def zombie(at_s: float, draw: random.Random) -> list[Step]:
    back_s = at_s + SESSION_TIMEOUT_S + draw.uniform(1.0, 3.0)
    return [Step(at_s, "freeze a worker"), Step(back_s, "thaw the worker")]


def scale(at_s: float, draw: random.Random) -> list[Step]:
    verbs = ["add a worker", "remove a worker"]
    if draw.random() < 0.5:
        verbs.reverse()
    return [Step(at_s, verbs[0]), Step(at_s + draw.uniform(1.5, 5.0), verbs[1])]


def rolling_restart(at_s: float, _: random.Random) -> list[Step]:
    return [Step(at_s, "begin a rolling restart")] + [
        Step(at_s + 1.5 * turn, "restart the next worker") for turn in range(4)
    ]


def redis_crash(at_s: float, draw: random.Random) -> list[Step]:
    crash_s = at_s + draw.uniform(0.5, 2.0)
    return [
        Step(at_s, "mark what Redis has synced"),
        Step(crash_s, "kill Redis and lose what came after the mark"),
        Step(crash_s + draw.uniform(0.2, 3.0), "start Redis"),
    ]


def redis_rollback(at_s: float, draw: random.Random) -> list[Step]:
    back_s = at_s + draw.uniform(2.0, 8.0)
    return [
        Step(at_s, "copy Redis"),
        Step(back_s, "stop Redis and put the copy back"),
        Step(back_s + draw.uniform(0.1, 1.5), "start Redis"),
    ]


def redis_emptied(at_s: float, _: random.Random) -> list[Step]:
    return [Step(at_s, "empty Redis")]


def redis_pause(at_s: float, draw: random.Random) -> list[Step]:
    return [Step(at_s, "freeze Redis"), Step(at_s + draw.uniform(2.0, 8.0), "thaw Redis")]


def kafka_crash(at_s: float, draw: random.Random) -> list[Step]:
    return [Step(at_s, "kill Kafka"), Step(at_s + draw.uniform(0.2, 3.0), "start Kafka")]


FAULTS: Final[dict[str, Callable[[float, random.Random], list[Step]]]] = {
    "kill": kill_worker,
    "zombie": zombie,
    "scale": scale,
    "rolling restart": rolling_restart,
    "redis crash": redis_crash,
    "redis rollback": redis_rollback,
    "redis emptied": redis_emptied,
    "redis pause": redis_pause,
    "kafka crash": kafka_crash,
}
RUN_FAULTS: Final = (3, 6)
"""Least and most faults of a drawn run."""


def server_of(fault: str) -> str:
    """Return whose timeline a fault is on; what happens to different servers may overlap."""
    first = fault.split(maxsplit=1)[0]
    return first if first in ("redis", "kafka") else "workers"


def draw_plan(seed: int, *, duration_s: float, protocols: Sequence[Protocol] = ("classic",)) -> Plan:
    """Draw one run. Consecutive seeds begin with different faults, so that nine of them have had each."""
    draw = random.Random(seed)
    names = list(FAULTS)
    faults = [names[seed % len(names)], *draw.choices(names, k=draw.randint(*RUN_FAULTS) - 1)]
    orders: list[Order] = ["together", "labels far ahead", "labels far behind"]
    return plan(
        faults,
        seed=seed,
        duration_s=duration_s,
        workers=draw.randint(2, 3),
        protocol=draw.choice(protocols),
        order=draw.choices(orders, [6, 1, 1])[0],
    )


def plan(
    faults: Sequence[str],
    *,
    seed: int,
    duration_s: float,
    workers: int = 2,
    protocol: Protocol = "classic",
    order: Order = "together",
) -> Plan:
    """Lay faults out in time, those of one server one after the other; what no longer fits is left out."""
    draw = random.Random(seed)
    free_s: dict[str, float] = {}
    steps: list[Step] = []
    kept: list[str] = []
    for fault in faults:
        server = server_of(fault)
        begin_s = free_s.get(server, 0.1 * duration_s) + draw.uniform(0.0, 0.15 * duration_s)
        laid = FAULTS[fault](begin_s, draw)
        if laid[-1].at_s > duration_s and kept:
            continue
        free_s[server] = laid[-1].at_s + 1.0
        steps += laid
        kept.append(fault)
    steps.sort(key=lambda step: step.at_s)
    return Plan(seed, duration_s, workers, protocol, order, tuple(kept), tuple(steps))
