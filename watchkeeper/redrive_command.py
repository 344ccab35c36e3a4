"""The `redrive` command: dead letters back into their topics after a fix, and a summary of what became of them."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from consumers.kafka_client import check_topics
from consumers.kafka_letters import RecordReader, RecordWriter, TopicReader
from consumers.letters import FAILURES, Verdict, Wanted
from consumers.rejects import Reason
from schemas.errors import Retry, Stop
from schemas.setting_types import nearest
from schemas.settings import KafkaSettings
from schemas.settings_tree import shown
from watchkeeper.loading import load_settings
from watchkeeper.progress import Progress
from watchkeeper.redrive import Gates, Redrive, Redriven

PROBLEMS_SHOWN: Final = 20

_ROWS: Final = {
    Verdict.ALREADY: "put back by an earlier redrive",
    Verdict.FILTERED: "left out by --reason, --model or --topic",
    Verdict.REPEATED: "the same letter a second time",
    Verdict.EMPTY: "tombstones and empty records: nothing to put back",
    Verdict.UNDELIVERED: "messages to people: `watchkeeper redeliver` is for those",
}
_FAILURE_ROWS: Final = {
    Verdict.UNREADABLE: "neither a letter nor a receipt",
    Verdict.DAMAGED: "damaged",
    Verdict.OTHER_TOPIC: "of a topic that the settings do not read",
    Verdict.NO_PARTITION: "of a partition that does not exist any more",
    Verdict.GONE: "lost: kept in part, and gone from the source",
    Verdict.CHANGED: "lost: kept in part, and another record at its place",
    Verdict.REFUSED: "refused by the broker",
}

Json = dict[str, Any]


def run_redrive(parsed: argparse.Namespace) -> int:
    """Put dead letters back; returns 1 if one that was wanted could not be put back, else 0.

    Raises
    ------
    Stop
        A wrong argument, settings that are not valid, a topic that is missing, a broker that does not answer.
    """
    config: Path = parsed.config
    kafka = load_settings(config).kafka
    wanted = wanted_of(parsed.reason, parsed.model, parsed.topic, kafka)
    if kafka.bootstrap_servers is None:
        raise Stop(f"{config}: kafka.bootstrap.servers: expected the brokers to ask; add the key")
    try:
        result = _redrive(kafka, wanted, dry_run=parsed.dry_run)
    except Retry as error:
        mend = "start Kafka, or correct kafka.bootstrap.servers in the settings"
        raise Stop(f"{error}; {mend}", exit_code=1) from error
    if parsed.json:
        sys.stdout.write(json.dumps(as_json(result, dry_run=parsed.dry_run), indent=1) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in summary(result, dry_run=parsed.dry_run)))
    return 1 if failures(result) else 0


def wanted_of(reasons: str | None, model: str | None, topic: str | None, kafka: KafkaSettings) -> Wanted:
    """Return the filters; raises `Stop` for a reason or topic that does not exist."""
    found = None if reasons is None else frozenset(reasons.split(","))
    known = [reason.value for reason in Reason]
    for reason in sorted(found or ()):
        if reason not in known:
            raise Stop(f'--reason: unknown reason "{shown(reason)}"; {nearest(reason, known)}')
    topics = (kafka.predictions, kafka.ground_truth)
    if topic is not None and topic not in topics:
        raise Stop(
            f'--topic: expected an input topic of the settings, got "{shown(topic)}"; {nearest(topic, topics)}'
        )
    return Wanted(found, model, topic)


def _redrive(kafka: KafkaSettings, wanted: Wanted, *, dry_run: bool) -> Redriven:
    inputs = [kafka.predictions, kafka.ground_truth]
    counts = check_topics(kafka.properties, [*inputs, kafka.dead_letters])
    with ExitStack() as stack:
        letters = TopicReader(
            kafka.properties,
            group=kafka.group,
            topic=kafka.dead_letters,
            partitions=counts[kafka.dead_letters],
        )
        stack.callback(letters.close)
        sources = RecordReader(kafka.properties, group=kafka.group)
        stack.callback(sources.close)
        writer = None if dry_run else RecordWriter(kafka.properties)
        progress = stack.enter_context(
            Progress("redrive", 2 * letters.count, stream=sys.stderr, clock=time.monotonic)
        )
        redrive = Redrive(
            Gates(letters, sources, writer),
            wanted=wanted,
            partitions={topic: counts[topic] for topic in inputs},
            progress=progress.advance,
        )
        return redrive.run()


def failures(result: Redriven) -> int:
    """Return how many letters should have been put back and could not."""
    return sum(result.counts[verdict] for verdict in FAILURES)


def as_json(result: Redriven, *, dry_run: bool) -> Json:
    """Return the machine output."""
    return {
        "dry_run": dry_run,
        "redriven": result.counts[Verdict.REDRIVEN],
        **{verdict.value: result.counts[verdict] for verdict in _ROWS},
        "not_redrivable": {
            "total": failures(result),
            "reasons": {v.value: result.counts[v] for v in FAILURES if result.counts[v]},
        },
        "problems": result.problems,
    }


def summary(result: Redriven, *, dry_run: bool) -> Iterator[str]:
    """Yield the lines for people."""
    counts = result.counts
    yield from _row(counts[Verdict.REDRIVEN], "would be put back (dry run)" if dry_run else "put back")
    yield from _rows(counts, _ROWS)
    yield from _row(failures(result), "could not be put back")
    yield from _rows(counts, _FAILURE_ROWS, indent="  ")
    for line in result.problems[:PROBLEMS_SHOWN]:
        yield shown_line(line)
    hidden = failures(result) - PROBLEMS_SHOWN
    if hidden > 0:
        yield f"and {hidden:,} more"


def _rows(counts: Mapping[Verdict, int], rows: Mapping[Verdict, str], indent: str = "") -> Iterator[str]:
    for verdict, text in rows.items():
        if counts[verdict]:
            yield from _row(counts[verdict], indent + text)


def _row(count: int, text: str) -> Iterator[str]:
    yield f"{count:>12,}  {text}"


def shown_line(line: str) -> str:
    """Return a line without control characters, which a letter's topic name may hold."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)
