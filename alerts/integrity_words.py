"""The words for trouble of the monitor's own ground, one entry per check of `schemas.integrity`.

What an on-call engineer needs at night: what happened, what it does to the figures, and the one thing to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.phrasebook import Phrases
from alerts.plain_text import clip, short
from alerts.sizes import duration, figure, number_in, percent, text_in
from schemas.finding import Kind
from schemas.integrity import IntegrityCheck

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

_PARTITIONS_SHOWN: Final = 20
_FACTS: Final = ("topics", "why", "predictions_by", "labels_by", "policy", "nodes")
"""Texts of the evidence that are shown as they are."""


def _said(happened: str, *, impact: str, causes: tuple[str, ...], first_step: str, ignored: str) -> Phrases:
    return Phrases(
        up=happened,
        down=happened,
        changed=happened,
        impact=impact,
        causes=causes,
        first_step=first_step,
        ignored=ignored,
        fallback_helps=False,
    )


INTEGRITY: Final[Mapping[str, Phrases]] = {
    IntegrityCheck.TOPIC_RECREATED: _said(
        "a topic was recreated or cut, its partitions are not read",
        impact="The stored offsets belong to another log. Nothing more is read of these partitions, so that no "
        "event is skipped or counted twice, and windows of all models wait for them.",
        causes=("somebody deleted the topic and made it anew", "a broker lost its data"),
        first_step="Find out who recreated the topic. Bring the old one back, or give the application a new name "
        "(`app` in the settings) and restart: it then begins anew with the new topic.",
        ignored="no window closes and no alert comes",
    ),
    IntegrityCheck.OFFSETS_GONE: _said(
        "Kafka dropped records before they were read",
        impact="These records are lost to every figure. Counting went on with the oldest record that Kafka has.",
        causes=("Watchkeeper was down for longer than the topic's retention", "the retention was shortened"),
        first_step="Raise `retention.ms` of the topic above the longest outage to survive; add workers if they "
        "were behind. The lost ranges stand in the evidence.",
        ignored="the next outage of this length loses records again",
    ),
    IntegrityCheck.REDIS_EMPTIED: _said(
        "Redis was emptied, everything that Kafka keeps is read again",
        impact="Counts begin with the oldest record that Kafka has and are whole again once it has been read; "
        "what lies before that is gone from the counts. Alerts of that time may come again under their old ids.",
        causes=(
            "FLUSHALL or FLUSHDB",
            "Redis restarted without its data",
            "a new, empty Redis was put in place",
        ),
        first_step="Find out what emptied Redis, and switch its append-only file on (`appendonly yes`). The reading "
        "heals by itself: this alert resolves when it is done.",
        ignored="it heals by itself, and may happen again",
    ),
    IntegrityCheck.REDIS_ROLLED_BACK: _said(
        "Redis lost its latest commits, they are read again",
        impact="Until they have been read again windows wait; nothing is counted twice. Alerts of that time may "
        "come again under their old ids.",
        causes=(
            "Redis was killed and lost the last second of its append-only file",
            "a replica that lagged behind took over",
            "an older snapshot was restored",
        ),
        first_step="Nothing if Redis has just been restarted: this alert resolves by itself. If it comes often, look "
        "at Redis' own log and at `appendonly` and `appendfsync`.",
        ignored="it heals by itself as long as Kafka keeps the records",
    ),
    IntegrityCheck.EVICTION_POLICY: _said(
        "Redis may throw away what is counted",
        impact="With this eviction policy Redis deletes keys when its memory is full, and counts, windows and "
        "pending predictions with them, without an error.",
        causes=(
            "maxmemory-policy was changed while running",
            "another node with another configuration took over",
        ),
        first_step="Run `redis-cli config set maxmemory-policy noeviction` on each node and set it in redis.conf. "
        "If keys were evicted already, the counts since then are not whole.",
        ignored="figures become wrong as soon as the memory is full",
    ),
    IntegrityCheck.PARTITION_COUNTS: _said(
        "the two topics have different numbers of partitions",
        impact="A prediction and its label meet only in partitions of the same number, so labels of the others "
        "find nothing, and partitions without a twin are not read.",
        causes=("partitions were added to one topic only",),
        first_step="Add partitions to the smaller topic until both have as many. Labels of predictions from before "
        "that may have to be produced again.",
        ignored="labels go missing for good when they expire",
    ),
    IntegrityCheck.PARTITIONER_MISMATCH: _said(
        "labels lie in other partitions than their predictions",
        impact="Those labels find no prediction and count as orphans, so quality figures lack them.",
        causes=(
            "one producer is librdkafka's (crc32 by default), the other Java's (murmur2)",
            "partitions were added after the predictions were written",
            "a producer sets the partition or another key itself",
        ),
        first_step="Make both producers place records alike: `partitioner: murmur2_random` in librdkafka's producer "
        "is what Java's does. Key both topics by prediction_id. The evidence says how each places them now.",
        ignored="quality is measured on the few labels that meet by chance",
    ),
    IntegrityCheck.EVENTS_IN_FUTURE: _said(
        "event times lie in the future",
        impact="Events further ahead of their record than max_clock_skew are refused and lie in the dead letters.",
        causes=(
            "the clock of a producer is wrong",
            "times without the right offset from UTC",
            "seconds for milliseconds",
        ),
        first_step="Compare the clock of the producer with the broker's and mend it, then put the events back with "
        "`watchkeeper redrive --reason time_in_future` after raising max_clock_skew for as long as that takes.",
        ignored="these events stay uncounted",
    ),
    IntegrityCheck.QUARANTINED: _said(
        "too many messages are refused, the evaluation is held",
        impact="What is left of this model's events may be a biased part, so its windows wait and no alert of it "
        "fires. What is well-formed is still counted, and nothing is lost.",
        causes=("a producer writes another format than agreed", "a release of the serving code"),
        first_step="Read some dead letters of this model (their `message` says what is wrong) and have the producer "
        "mended. When the share falls, the waiting windows are evaluated; `watchkeeper redrive` puts back what a "
        "change of the settings makes readable.",
        ignored="this model is not watched",
    ),
    IntegrityCheck.UNDECODABLE: _said(
        "most bytes on the topics cannot be decoded, the worker stops",
        impact="Nothing sensible can be counted from this stream. What was read so far is in the dead letters.",
        causes=("another format, compression or encryption than JSON", "the wrong topic in the settings"),
        first_step="Look at a record of both topics, correct the producer or the topic's name, and start the worker "
        "again.",
        ignored="nothing is watched",
    ),
    IntegrityCheck.SILENCE: _said(
        "no predictions any more",
        impact="Nobody is served by the model, or nobody can see how: no window closes, and none of its other checks says "
        "anything while it lasts. Everything that Kafka has of it was read.",
        causes=(
            "the serving service is down, or its callers are",
            "events do not reach the topic, or reach another one",
            "its events cannot be used (see the dead letters)",
            "the model was switched off",
        ),
        first_step="See whether the serving service answers requests. If it does, look at its producer and the topic "
        "it writes to; if the model was switched off, set `silence: false` for it.",
        ignored="an outage goes on unseen",
    ),
}


def is_of_ground(kind: Kind, check: str) -> bool:
    """Return whether an alert is one that the wall clock decides about, with words of its own here."""
    return kind is Kind.MONITOR_INTEGRITY or (kind is Kind.VOLUME and check == IntegrityCheck.SILENCE)


def size_of_trouble(evidence: Mapping[str, JsonValue]) -> str | None:
    """Return how much it is, for a title: a share, or records.

    Examples
    --------
    >>> size_of_trouble({"records": 1200, "partitions": [0, 3]})
    '1,200 records, 2 partitions'
    >>> size_of_trouble({"share": 0.62, "limit": 0.5})
    '62% of them, limit 50%'
    >>> size_of_trouble({"silent_s": 960.0, "predictions_due": 3200.0})
    'none for 16 min where 3,200 are usual'
    """
    silent_s, due = number_in(evidence, "silent_s"), number_in(evidence, "predictions_due")
    if silent_s is not None:
        usual = "" if due is None else f" where {figure(due)} are usual"
        return f"none for {duration(int(1_000 * silent_s))}{usual}"
    share, limit = number_in(evidence, "share"), number_in(evidence, "limit")
    if share is not None:
        return percent(share) if limit is None else f"{percent(share)} of them, limit {percent(limit)}"
    parts = []
    records = number_in(evidence, "records")
    if records is not None:
        parts.append(f"{figure(records, digits=9)} records")
    partitions = evidence.get("partitions")
    if isinstance(partitions, list) and partitions:
        parts.append(f"{len(partitions)} partition{'s' * (len(partitions) != 1)}")
    return ", ".join(parts) or None


def facts_of(evidence: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Return what is known of the trouble, a line each."""
    lines = []
    size = size_of_trouble(evidence)
    if size is not None:
        lines.append(size)
    partitions = evidence.get("partitions")
    if isinstance(partitions, list) and partitions:
        more = f" +{len(partitions) - _PARTITIONS_SHOWN} more" if len(partitions) > _PARTITIONS_SHOWN else ""
        lines.append(f"partitions {', '.join(str(p) for p in partitions[:_PARTITIONS_SHOWN])}{more}")
    counts = number_in(evidence, "predictions"), number_in(evidence, "labels")
    if counts[0] is not None and counts[1] is not None:
        lines.append(f"predictions {figure(counts[0])} partitions, ground truth {figure(counts[1])}")
    ranges = evidence.get("ranges")
    if isinstance(ranges, list):
        lines += [f"lost {short(str(text), 80)}" for text in ranges[:_PARTITIONS_SHOWN]]
    for key in _FACTS:
        if text_in(evidence, key) is not None:
            lines.append(f"{key.replace('_', ' ')}: {clip(short(str(evidence[key]), 200), 200)}")
    return tuple(lines)
