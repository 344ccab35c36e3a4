"""Where a run plays: topics and a group of its own on the given Kafka, and settings that name them."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Final

from builders.site import PARTITIONS, Site
from chaos.schedule import APP, SESSION_TIMEOUT_S, Protocol
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

TOPIC_READY_S: Final = 30.0
TOPICS: Final = {"predictions": PARTITIONS, "labels": PARTITIONS, "alerts": 3, "letters": 2}
_SETTINGS: Final = """\
app: {app}
kafka: {{bootstrap.servers: "{kafka}", predictions: {predictions}, ground_truth: {labels},
  alerts: {alerts}, dead_letters: {letters}, group: {group}, {membership}}}
redis: {{url: "{redis}", cluster: {cluster}}}
models:
  fraud:
    task: binary
    positive_class: fraud
    profile: {profile}
    label_horizon: 1h
    labels: {{late_memory: 1h}}
    segments: [channel]
"""
_MEMBERSHIP: Final[dict[Protocol, str]] = {
    "classic": f"session.timeout.ms: {SESSION_TIMEOUT_S * 1000:.0f}, heartbeat.interval.ms: 500",
    "consumer": "group.protocol: consumer",
}


def set_scene(
    folder: Path, kafka: str, redis_url: str, *, profile: Path, protocol: Protocol, cluster: bool = False
) -> Site:
    """Create topics and settings in a folder."""
    mark = uuid.uuid4().hex[:8]
    topics = {name: f"{name}-{mark}" for name in TOPICS}
    _create(kafka, {topics[name]: partitions for name, partitions in TOPICS.items()})
    site = Site(folder, kafka, redis_url, topics)
    write_settings(site, profile=profile, protocol=protocol, cluster=cluster)
    return site


def write_settings(
    site: Site, *, profile: Path, protocol: Protocol = "classic", cluster: bool = False
) -> None:
    text = _SETTINGS.format(
        **site.topics,
        app=APP,
        cluster="true" if cluster else "false",
        kafka=site.kafka,
        redis=site.redis,
        group=site.topics["predictions"],
        profile=profile,
        membership=_MEMBERSHIP[protocol],
    )
    site.config.write_text(text, encoding="utf-8")


def _create(kafka: str, partitions: dict[str, int]) -> None:
    """Create topics and return once each partition has a leader."""
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    for made in admin.create_topics([NewTopic(name, n, 1) for name, n in partitions.items()]).values():
        made.result(TOPIC_READY_S)
    deadline = time.monotonic() + TOPIC_READY_S
    while time.monotonic() < deadline:
        found = admin.list_topics(timeout=TOPIC_READY_S).topics
        if (
            all(
                len(found[name].partitions) == n
                and all(p.leader >= 0 for p in found[name].partitions.values())
                for name, n in partitions.items()
                if name in found
            )
            and partitions.keys() <= found.keys()
        ):
            return
    raise TimeoutError(f"expected leaders for {sorted(partitions)} within {TOPIC_READY_S:g} s")
