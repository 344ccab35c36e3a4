"""How long a worker that comes or goes holds up the others: `make bench ARGS="--rebalance"`.

Seen from outside: stored offsets are sampled twenty times a second while events come at a constant pace.
"""

from __future__ import annotations

import os
import sys
import tempfile
import uuid
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from builders.rebalance import Pauses, Rebalanced, choose_protocol, rebalance
from builders.site import make_site
from servers.kafka import LocalKafka
from servers.kafka_jars import cache_directory, kafka_jars
from servers.redis import LocalRedis, store_binary

PROTOCOLS = ("classic", "consumer")
RATE_PER_S = 1000.0
STEADY_S = 8.0
HEADER = """\
| protocol | time | nobody progresses, at most | one partition stands still, at most |
|---|---|---|---|"""


def main() -> None:
    """Let a worker join and leave under each protocol, and print what it cost."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("kafka", "redis", *PROTOCOLS):
            (folder / part).mkdir()
        kafka = LocalKafka(jars=kafka_jars(cache=cache_directory()), directory=folder / "kafka")
        store = LocalRedis(binary=store_binary(), directory=folder / "redis")
        kafka.start()
        try:
            store.start()
            print(f"load average {os.getloadavg()[0]:.1f}\n{HEADER}", flush=True)
            for number, protocol in enumerate(PROTOCOLS):
                url = f"{store.url.rpartition('/')[0]}/{number}"
                _print(protocol, _measure(folder / protocol, kafka.address, url, protocol))
            print(f"load average {os.getloadavg()[0]:.1f}")
        finally:
            store.stop()
            kafka.close()


def _measure(folder: Path, kafka: str, url: str, protocol: str) -> Rebalanced:
    admin = AdminClient({"bootstrap.servers": kafka})

    def create(name: str, *, partitions: int = 1) -> str:
        topic = f"{name}-{uuid.uuid4().hex[:8]}"
        admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30.0)
        return topic

    site = make_site(folder, kafka, url, create)
    choose_protocol(site, protocol)
    return rebalance(site, steady_s=STEADY_S, rate_per_s=RATE_PER_S)


def _print(protocol: str, seen: Rebalanced) -> None:
    for name, pauses in (("steady", seen.steady), ("joins", seen.joined), ("leaves", seen.left)):
        print(f"| {protocol} | {name} | {_text(pauses)} |", flush=True)
    wrong = [*seen.went_back, *seen.miscounts]
    print(
        f"{protocol}: {seen.moved} partitions moved; "
        + ("; ".join(wrong) or "counts exact, no offset went back")
    )


def _text(pauses: Pauses) -> str:
    return f"{pauses.group_s:.2f} s | {pauses.partition_s:.2f} s"
