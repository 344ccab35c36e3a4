"""Whatever bytes come, the worker goes on, every record is counted once, and what the contract accepts is accepted.

`WATCHKEEPER_FUZZ_MESSAGES=100000` (or `make fuzz`) is the long form.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from builders.fuzz import Fuzzer, Sent
from builders.site import (
    PARTITIONS,
    PAUSE,
    SETTINGS,
    Site,
    compare_counts,
    make_site,
    stop_workers,
    traffic,
    wait_until_published,
    wait_until_read,
)
from confluent_kafka import Producer
from independent.recount import ModelRules, RejectedError, read_topics, recount
from independent.rejections import time_and_id
from independent.stream import generate
from servers.ports import reserved_port

from schemas.kafka_settings import MESSAGE_BYTES_MAX

pytestmark = [pytest.mark.servers, pytest.mark.slow]

MESSAGES = int(os.environ.get("WATCHKEEPER_FUZZ_MESSAGES", "10000"))
SEED = int(os.environ.get("WATCHKEEPER_FUZZ_SEED", "1"))
HUGE = 6
"""Records of about ten megabytes in a run."""

TOPIC_BYTES_MAX = 12_000_000
NOW_US = 1_780_000_000_000_000
"""After all traffic and before every time that is meant to be in the future."""

GROWTH_BYTES_MAX = 48_000_000
"""What is fetched ahead (32 MB) and a record of ten megabytes in hand may come together late in the run."""

RULES = {
    "fraud": ModelRules(
        task="binary", positive_class="fraud", label_horizon_s=30 * 86_400.0, late_memory_s=86_400.0
    )
}
Place = tuple[str, int, int]


class Memory(threading.Thread):
    """Samples a process's resident size until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._path = Path(f"/proc/{pid}/statm")
        self.bytes: list[int] = []

    def run(self) -> None:
        with suppress(OSError):  # it has ended
            while not PAUSE.wait(0.05):
                self.bytes.append(int(self._path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))

    def growth(self) -> int:
        """Return by how much the peak of the last quarter is above that of the second."""
        quarter = len(self.bytes) // 4
        return max(self.bytes[3 * quarter :]) - max(self.bytes[quarter : 2 * quarter])


@pytest.fixture
def site(tmp_path: Path, kafka_server: Any, redis_url: str, topics: Callable[..., str]) -> Site:
    def larger(name: str, **options: Any) -> str:
        return topics(name, config={"max.message.bytes": str(TOPIC_BYTES_MAX)}, **options)

    made = make_site(tmp_path, kafka_server.address, redis_url, larger, calm=5_000)
    text = made.config.read_text()
    long = text.replace("label_horizon: 1h", "label_horizon: 30d").replace(
        "late_memory: 1h", "late_memory: 1d"
    )
    assert SETTINGS.count("1h") == 2
    made.config.write_text(long)
    return made


def fuzzed() -> Iterable[Sent]:
    # Labels come soon, so that both topics are read from evenly; half of what is sent is not fuzzed.
    spec = traffic(round(0.3 * MESSAGES), seed=SEED, poison=0.0, label_horizon_s=300.0, late_memory_s=300.0)
    fuzzer = Fuzzer(generate(spec), RULES, partitions=PARTITIONS, seed=SEED, start_us=spec.start_ms * 1000)
    return fuzzer.messages(MESSAGES, huge_every=MESSAGES // HUGE)


def produce(site: Site, sent: Iterable[Sent]) -> None:
    failures: list[str] = []
    producer = Producer(
        {
            "bootstrap.servers": site.kafka,
            "enable.idempotence": True,
            "linger.ms": 20,
            "message.max.bytes": TOPIC_BYTES_MAX,
        }
    )
    for each in sent:
        topic = site.topics["labels" if each.is_label else "predictions"]
        producer.produce(
            topic, each.value, each.key, each.partition,
            on_delivery=lambda fault, _: failures.append(str(fault)) if fault is not None else None,
        )  # fmt: skip
        producer.poll(0)
    assert producer.flush(60) == 0
    assert failures == []


def expected_reason(value: bytes | None, *, is_label: bool) -> str | None:
    """Return why a record is refused, by the independent reading, None for a good one."""
    if value is not None and len(value) > MESSAGE_BYTES_MAX:
        return "oversize"
    try:
        at_us, _ = time_and_id(value, RULES, is_label=is_label)
    except RejectedError as refused:
        return "empty" if not value else str(refused)
    return "time_in_future" if at_us > NOW_US else None


def letters_by_place(site: Site) -> dict[Place, str]:
    found: dict[Place, str] = {}
    for *_, value in read_topics(site.kafka, [site.topics["letters"]]):
        letter = json.loads(value or b"{}")
        place = (letter["topic"], letter["partition"], letter["offset"])
        assert place not in found, "a dead letter came twice though nothing was killed"
        found[place] = letter["reason"]
    return found


def events_taken(address: str) -> dict[str, int]:
    """Return what the worker's own metrics count as well-formed, by topic."""
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    counted = [line for line in lines if line.startswith("watchkeeper_events_total{")]
    return {line.split('"')[1]: int(float(line.rpartition(" ")[2])) for line in counted}


def run_worker(site: Site, total: int) -> tuple[dict[str, int], Memory]:
    """Let a worker read everything and publish its dead letters; it may say nothing of an error."""
    address, log = f"127.0.0.1:{reserved_port()}", site.folder / "worker.log"
    with log.open("wb") as output:
        workers: list[subprocess.Popen[bytes]] = [site.start_worker(metrics=address, output=output)]
        memory = Memory(workers[0].pid)
        try:
            wait_until_read(site, workers, messages=total // 3)
            memory.start()  # what is imported and made for the first batches and windows is no growth
            wait_until_read(site, workers, messages=total)
            wait_until_published(site, workers)
            taken = events_taken(address)
        finally:
            codes = stop_workers(workers)
    said = log.read_text()
    assert codes == [0], said[-2_000:]
    assert "Traceback" not in said
    return taken, memory


def test_every_message_is_counted_once_as_an_independent_reading_counts_it(
    site: Site, record_property: Callable[[str, object], None]
) -> None:
    produce(site, fuzzed())
    taken, memory = run_worker(site, MESSAGES)

    accepted: dict[bool, list[bytes | None]] = {False: [], True: []}
    refused: dict[Place, str] = {}
    for topic, partition, offset, _, value in read_topics(
        site.kafka, [site.topics["predictions"], site.topics["labels"]]
    ):
        is_label = topic == site.topics["labels"]
        reason = expected_reason(value, is_label=is_label)
        if reason is None:
            accepted[is_label].append(value)
        else:
            refused[topic, partition, offset] = reason
    found = letters_by_place(site)
    assert {place: (refused.get(place), found.get(place)) for place in refused.keys() ^ found.keys()} == {}
    assert Counter(map(coarse, refused.values())) == Counter(map(coarse, found.values()))

    assert taken == {"predictions": len(accepted[False]), "labels": len(accepted[True])}
    assert len(accepted[False]) + len(accepted[True]) + len(found) == MESSAGES
    assert min(taken.values()) > MESSAGES // 10, "hardly anything was accepted"
    actual = site.status()["models"]["fraud"]
    counted: Any = recount(accepted[False], accepted[True], RULES)
    assert compare_counts(counted["models"]["fraud"], actual) == []
    stored = sum(
        v["predictions"] + v["duplicates"]["predictions"]
        for v in actual["versions"].values()
        if "predictions" in v
    )
    assert stored == len(accepted[False])

    record_property("dead letters by reason", dict(Counter(found.values())))
    record_property("peak bytes of memory, growth", (max(memory.bytes), memory.growth()))
    assert memory.growth() < GROWTH_BYTES_MAX


def coarse(reason: str) -> str:
    """Of an event that breaks several rules, any one may be said."""
    return "contract" if reason in ("unknown_model", "time_in_future") else reason
