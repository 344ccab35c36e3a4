"""One worker, then two, then one again under constant load, and what an outsider sees of it in Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import pairwise
from operator import itemgetter
from zlib import crc32

import redis
from builders.site import (
    PARTITIONS,
    PAUSE,
    Site,
    compare_counts,
    recount_topics,
    stop_workers,
    traffic,
    wait_until_read,
)
from chaos.producer import PacedProducer
from chaos.traffic import Due
from independent.stream import generate

EVERY_S = 0.05
LOOK_AFTER_S = 3.0
"""How long the group is watched once partitions have changed hands."""

SETTLE_S = 45.0
LOAD_S = 120.0


@dataclass(frozen=True, slots=True)
class Pauses:
    """The longest times without progress: of the whole group, and of any one partition; seconds."""

    group_s: float
    partition_s: float


@dataclass(frozen=True, slots=True)
class Rebalanced:
    """What was seen.

    Parameters
    ----------
    steady, joined, left
        One worker alone, the time around the second one's start, and around its end.
    moved
        Partitions that the second worker took over.
    went_back
        Stored offsets that were lower than before, in words.
    miscounts
        How the counts differ from the recount.
    """

    steady: Pauses
    joined: Pauses
    left: Pauses
    moved: int
    went_back: list[str]
    miscounts: list[str]


@dataclass
class Watch:
    """Samples stored offsets and owners of all partitions on a thread of its own."""

    url: str
    rose: list[list[float]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    owners: list[bytes | None] = field(default_factory=lambda: [None] * PARTITIONS)
    went_back: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        seen = [(0, 0)] * PARTITIONS
        with redis.Redis.from_url(self.url) as client:
            while not self._over.wait(EVERY_S):
                with client.pipeline(transaction=False) as pipeline:
                    for number in range(PARTITIONS):
                        pipeline.hmget(f"{{e2e:{number}}}m", "po", "lo", "token")
                    answers = pipeline.execute()
                now = time.monotonic()
                for number, (predictions, labels, token) in enumerate(answers):
                    at, before = (int(predictions or 0), int(labels or 0)), seen[number]
                    if at[0] < before[0] or at[1] < before[1]:
                        self.went_back.append(f"partition {number}: from {before} to {at}")
                    if at != before:
                        self.rose[number].append(now)
                    seen[number], self.owners[number] = at, token

    def close(self) -> None:
        self._over.set()

    def pauses(self, since_s: float, until_s: float) -> Pauses:
        """Return the longest pauses that lie in a time, or are cut by its ends."""
        everywhere = sorted(at for rises in self.rose for at in rises)
        return Pauses(
            _longest(everywhere, since_s, until_s),
            max(_longest(rises, since_s, until_s) for rises in self.rose),
        )


def _longest(rises: list[float], since_s: float, until_s: float) -> float:
    """Return the longest time between two rises of which the later one is within a time."""
    marks = [since_s, *(at for at in rises if since_s < at < until_s), until_s]
    return max(later - earlier for earlier, later in pairwise(marks))


def constant_load(seconds: float, rate_per_s: float, *, seed: int = 7) -> Iterator[Due]:
    """Yield events of both topics, equally far from each other."""
    events = generate(traffic(round(seconds * rate_per_s / 1.9), seed=seed))
    sides = (
        [(at, is_label, event) for at, event in zip(arrivals, log, strict=True)]
        for is_label, arrivals, log in (
            (False, events.prediction_arrivals_ms, events.predictions),
            (True, events.label_arrivals_ms, events.labels),
        )
    )
    for number, (_, is_label, (key, value)) in enumerate(merge(*sides, key=itemgetter(0))):
        yield Due(number / rate_per_s, is_label, crc32(key) % PARTITIONS, key, value)


def choose_protocol(site: Site, protocol: str) -> None:
    text = site.config.read_text()
    site.config.write_text(text.replace("kafka: {", f"kafka: {{group.protocol: {protocol}, ", 1))


class Load:
    """Sends at a constant pace until it is told to end, or for `LOAD_S` at the longest."""

    def __init__(self, site: Site, rate_per_s: float) -> None:
        self._over = threading.Event()
        self._events = list(constant_load(LOAD_S, rate_per_s))
        self._producer = PacedProducer(
            self._due(), site.kafka, predictions=site.topics["predictions"], labels=site.topics["labels"]
        )
        self._begun = False
        self.sent = 0

    def _due(self) -> Iterator[Due]:
        for event in self._events:
            if self._over.is_set():
                return
            self.sent += 1
            yield event

    def start(self) -> None:
        self._begun = True
        self._producer.start()

    def end(self) -> None:
        assert self.sent < len(self._events), "the load ended before the measurement: make it longer"
        self.stop()

    def stop(self) -> None:
        self._over.set()
        if self._begun:
            self._producer.join()


def rebalance(site: Site, *, steady_s: float, rate_per_s: float) -> Rebalanced:
    """Watch a second worker come and go under load."""
    load = Load(site, rate_per_s)
    watch = Watch(site.redis)
    thread = threading.Thread(target=watch.run, daemon=True)
    workers = [site.start_worker()]
    thread.start()
    try:
        _wait(lambda: all(watch.owners), "the first worker claims every partition")
        load.start()
        _wait(lambda: all(watch.rose), "every partition makes progress")
        PAUSE.wait(1.0)  # the first batches are not the steady state
        begun_s = time.monotonic()
        PAUSE.wait(steady_s)
        first, joins_s = list(watch.owners), time.monotonic()
        workers.append(site.start_worker())
        _wait(lambda: _changed(watch, first) >= PARTITIONS // 2, "the second worker takes its share")
        PAUSE.wait(LOOK_AFTER_S)
        second, leaves_s = list(watch.owners), time.monotonic()
        moved = [n for n in range(PARTITIONS) if second[n] != first[n]]
        stop_workers(workers[1:])
        _wait(lambda: all(watch.owners[n] != second[n] for n in moved), "the first worker takes them back")
        PAUSE.wait(LOOK_AFTER_S)
        ends_s = time.monotonic()
        load.end()
        wait_until_read(site, workers[:1], messages=load.sent)
    finally:
        load.stop()
        codes = stop_workers(workers)
        watch.close()
        thread.join()
    assert codes == [0, 0]
    return Rebalanced(
        steady=watch.pauses(begun_s, joins_s),
        joined=watch.pauses(joins_s, leaves_s),
        left=watch.pauses(leaves_s, ends_s),
        moved=len(moved),
        went_back=watch.went_back,
        miscounts=compare_counts(recount_topics(site), site.status()["models"]["fraud"]),
    )


def _changed(watch: Watch, before: list[bytes | None]) -> int:
    return sum(now != then for now, then in zip(watch.owners, before, strict=True))


def _wait(until: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SETTLE_S
    while not until():
        assert time.monotonic() < deadline, f"not within {SETTLE_S:g} s: {what}"
        PAUSE.wait(EVERY_S)
