"""What a run came to, and the judgement: everything that is left on the topics and in Redis, given to the verifier."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from builders.site import Site, compare_counts, recount_topics
from chaos.schedule import Plan
from chaos.traffic import Traffic
from chaos.verifier import (
    Published,
    check_alerts,
    check_dead_letters,
    check_windows,
    read_published,
    summarized,
)
from independent.recount import read_topics


@dataclass(slots=True)
class Outcome:
    """What a run came to; without faults it has passed."""

    plan: Plan
    folder: Path
    log: list[str] = field(default_factory=list)
    predictions: int = 0
    labels: int = 0
    alerts: int = 0
    repeats: int = 0
    fenced: int = 0
    settled_s: float = 0.0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def judge(outcome: Outcome, site: Site, traffic: Traffic) -> None:
    """Read what is there after a run and write down all that is wrong."""
    topics, events = site.topics, traffic.events
    raw = {
        (topic, partition, offset): value
        for topic, partition, offset, _, value in read_topics(
            site.kafka, [topics["predictions"], topics["labels"]]
        )
    }
    outcome.predictions = sum(topic == topics["predictions"] for topic, _, _ in raw)
    outcome.labels = len(raw) - outcome.predictions
    if (outcome.predictions, outcome.labels) != (len(events.predictions), len(events.labels)):
        outcome.notes.append("the topics do not hold what was sent: the broker lost or doubled records")
    published = read_published(read_topics(site.kafka, [topics["alerts"]]))
    outcome.alerts, outcome.repeats = len(published.alerts), published.repeats
    outcome.notes += _about_the_monitor(published)
    counts = compare_counts(recount_topics(site), site.status()["models"]["fraud"])
    letters = check_dead_letters(raw, topics["labels"], read_topics(site.kafka, [topics["letters"]]))
    for faults in (
        [f"count {line}" for line in counts if "/metrics/" not in line],
        [f"figure {line}" for line in counts if "/metrics/" in line],
        check_alerts(traffic.alerts, published),
        check_windows(traffic.windows, published),
        letters,
        published.changed,
    ):
        outcome.faults += summarized(faults)


def _about_the_monitor(published: Published) -> list[str]:
    return sorted(
        f"{e['data']['kind']}/{e['data']['check']} {e['data']['status']}"
        for e in published.alerts.values()
        if e["data"]["kind"].startswith("monitor_")
    )
