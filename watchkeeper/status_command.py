"""The `status` command: what is known right now, read from Redis without claiming or writing anything."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec

from alerts.book_codec import book_from_bytes
from alerts.identity import alert_id_of
from alerts.lifecycle import Episode
from consumers.clocks import NEVER, PartitionClocks
from consumers.closing import ClosedRecord
from consumers.evaluation import StoredEvaluation
from consumers.interning import Tables
from consumers.kafka_client import check_topics
from consumers.partition_time import decode_clocks
from consumers.plan import ModelPlan
from consumers.redis_gate import RedisGate
from consumers.redis_models import RedisModels
from consumers.redis_partitions import RedisPartitions
from consumers.references import References
from consumers.rollup import read_days
from consumers.store import Claimed, ModelStore, PartitionStore
from consumers.totals import Life, read_totals
from schemas.clock import TIME_MS_MAX, TIME_MS_MIN, format_time
from schemas.errors import Retry, Stop
from schemas.finding import Stream
from schemas.settings import KafkaSettings
from schemas.settings_tree import shown
from watchkeeper.estimates import describe_estimates, worst_segments
from watchkeeper.lives import Waiting, count_waiting, describe_lives, unlabelled
from watchkeeper.loading import load_plans, load_settings
from watchkeeper.progress import Progress
from watchkeeper.version_pairs import describe_pairs, pair_lines

WINDOWS_SHOWN: Final = 10
"""Closed windows per model."""

LETTERS_COUNTED: Final = 100
"""Waiting records are counted up to here."""

EMPTY_IN_A_ROW: Final = 64
"""Without Kafka: so many partitions without a commit, and there are no more."""

ENTRIES_AT_A_TIME: Final = 10_000

RELIABLE: Final = {
    True: "borne out by labels",
    False: "unreliable: labels refute it",
    None: "not checked by labels",
}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stores:
    """What is looked at."""

    partitions: PartitionStore
    models: ModelStore


def run_status(config: Path, *, json_output: bool) -> int:
    """Print counts, metrics, firing alerts, closed windows and positions; returns 0.

    Raises
    ------
    Stop
        The settings are not valid, or Redis does not answer.
    """
    settings = load_settings(config)
    plans = load_plans(settings, config.parent)
    try:
        gate = RedisGate(str(settings.redis.url), cluster=settings.redis.cluster)
        try:
            stores = Stores(RedisPartitions(gate, settings.app), RedisModels(gate, settings.app))
            numbers, known_from = partition_numbers(settings.kafka, stores.partitions)
            found = look(plans, stores, numbers, stream=sys.stderr)
        finally:
            gate.close()
    except Retry as error:
        raise Stop(f"{error}; start Redis, or correct redis.url in the settings", exit_code=1) from error
    status = {"app": settings.app, "partitions_known_from": known_from, **found}
    lines = [json.dumps(status, indent=1, allow_nan=False)] if json_output else status_lines(status)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def partition_numbers(kafka: KafkaSettings, store: PartitionStore) -> tuple[list[int], str]:
    """Return the partitions to look at, and who named them: `kafka`, else `redis`."""
    if kafka.bootstrap_servers is not None:
        properties = {**kafka.properties, "allow.auto.create.topics": False}
        try:
            return list(range(check_topics(properties, [kafka.predictions])[kafka.predictions])), "kafka"
        except (Retry, Stop):  # the figures are in Redis, and are wanted most when Kafka is away
            return _stored_numbers(store), "redis"
    return _stored_numbers(store), "redis"


def _stored_numbers(store: PartitionStore) -> list[int]:
    found: list[int] = []
    number = 0
    while number - (found[-1] if found else -1) <= EMPTY_IN_A_ROW:
        if store.peek(number).position is not None:
            found.append(number)
        number += 1
    return found


def look(plans: Mapping[str, ModelPlan], stores: Stores, numbers: Sequence[int], *, stream: TextIO) -> Json:
    """Return everything that `status` shows.

    Parameters
    ----------
    numbers
        The partitions.
    stream
        Where progress is shown, if it is a terminal.
    """
    seen = {number: stores.partitions.peek(number) for number in numbers}
    lives = {model: Life() for model in plans}
    for claimed in seen.values():
        for model, life in read_totals(claimed.totals, plans).items():
            lives[model].add(life)
    waiting = _waiting(plans, stores.partitions, seen, lives, stream)
    moving = any(stores.partitions.peek(number).position != was.position for number, was in seen.items())
    marks = [_latest_ms(decode_clocks(one.clocks)) for one in seen.values() if one.clocks]
    now_ms = max(TIME_MS_MIN, *marks) if marks else TIME_MS_MIN
    count = max(numbers, default=-1) + 1
    references = References(plans, stores.models)
    references.look()
    estimates = {
        name: describe_estimates(
            plan, read_days(plan, stores.partitions, stores.models, count, now_ms=now_ms), now_ms=now_ms
        )
        for name, plan in references.plans.items()
        if plan.predictions.answers is not None
    }
    described = describe_lives(lives, plans, waiting, estimates)
    return {
        "moving": moving,
        "models": {
            name: {**described[name], **_evaluation(plan, stores.models)}
            for name, plan in references.plans.items()
        },
        "partitions": [
            _partition(number, claimed, plans, stores.partitions) for number, claimed in seen.items()
        ],
    }


def _waiting(
    plans: Mapping[str, ModelPlan],
    store: PartitionStore,
    seen: Mapping[int, Claimed],
    lives: Mapping[str, Life],
    stream: TextIO,
) -> Waiting:
    """Count the predictions without a label, judged at the largest watermark as in a replay's report."""
    marks = [_latest_ms(decode_clocks(claimed.clocks)) for claimed in seen.values() if claimed.clocks]
    open_counts = {
        (model, version): unlabelled(counts)
        for model, life in lives.items()
        for version, counts in life.counters.items()
    }
    waiting = Waiting()
    with Progress(
        "waiting for labels", sum(open_counts.values()), stream=stream, clock=time.monotonic
    ) as progress:
        for number in seen:
            for found in _waiting_in(number, plans, store, max(marks, default=NEVER), progress):
                waiting.add(found)
    # Events come in while we count: never more may be pending than have no label.
    for key, count in waiting.pending.items():
        waiting.pending[key] = min(count, open_counts.get(key, 0))
    return waiting


def _waiting_in(
    number: int, plans: Mapping[str, ModelPlan], store: PartitionStore, now_ms: int, progress: Progress
) -> Iterator[Waiting]:
    entries = store.entries(number)
    while some := list(islice(entries, ENTRIES_AT_A_TIME)):
        stored = store.peek(number).tables  # read after the entries, so that it knows all their codes
        tables = msgspec.msgpack.decode(stored, type=Tables) if stored else Tables()
        yield count_waiting(some, tables, plans, now_ms)
        progress.advance(len(some))


def _latest_ms(clocks: PartitionClocks) -> int:
    topics = (clocks.predictions, clocks.labels)
    return max((clock.mark_ms for topic in topics for clock in topic.models.values()), default=NEVER)


def _evaluation(plan: ModelPlan, store: ModelStore) -> Json:
    """Return what the model's evaluator has stored: comparisons of versions, firing alerts, closed windows."""
    stored = store.state(plan.name)
    state = msgspec.msgpack.decode(stored, type=StoredEvaluation) if stored else StoredEvaluation()
    episodes = book_from_bytes(state.book).episodes if state.book is not None else ()
    records = store.history(plan.name, WINDOWS_SHOWN)
    return {
        "pairs": describe_pairs(plan, stored),
        "alerts": [_alert(fingerprint, episode) for fingerprint, episode in episodes],
        "windows": [_window(msgspec.json.decode(record, type=ClosedRecord)) for record in records],
        "closed_until": {
            stream: _time(start_ms + plan.length_ms(Stream(stream)))
            for stream, start_ms in sorted(state.closed_ms.items())
        },
        "events_waiting": len(store.events(plan.name, LETTERS_COUNTED)),
    }


def _alert(fingerprint: str, episode: Episode) -> Json:
    subject = episode.subject
    return {
        "alert_id": alert_id_of(fingerprint, episode_ms=episode.episode_ms),
        "state": episode.state.value,
        "severity": episode.severity.value,
        "kind": subject.kind.value,
        "check": subject.check,
        "version": subject.version,
        "feature": subject.feature,
        "segment": subject.segment,
        "since": _time(episode.since_ms),
        "last_breach": _time(episode.breach_end_ms),
    }


def _window(record: ClosedRecord) -> Json:
    return {
        "stream": record.stream,
        "start": _time(record.start_ms),
        "end": _time(record.end_ms),
        "n": record.n,
        "versions": record.versions,
        "findings": record.findings,
        "learning": None
        if record.learning is None
        else {"events": record.learning[0], "of": record.learning[1]},
        "metrics": record.metrics,
    }


def _partition(number: int, claimed: Claimed, plans: Mapping[str, ModelPlan], store: PartitionStore) -> Json:
    position = claimed.position
    clocks = decode_clocks(claimed.clocks) if claimed.clocks else PartitionClocks()
    topics = {"predictions": clocks.predictions, "labels": clocks.labels}
    return {
        "partition": number,
        "next_offsets": None
        if position is None
        else {"predictions": position.predictions, "labels": position.labels},
        "commits": 0 if position is None else position.sequence,
        "idle": {name: topic.idle for name, topic in topics.items()},
        "watermarks": {
            model: {
                name: _time(topic.mark_ms(model, quiet_ms=plan.quiet_ms)) for name, topic in topics.items()
            }
            for model, plan in plans.items()
        },
        "dead_letters_waiting": len(store.dead_letters(number, LETTERS_COUNTED)),
    }


def _time(time_ms: int) -> str | None:
    """Return a time as text, None for one that never came."""
    return format_time(time_ms) if TIME_MS_MIN <= time_ms <= TIME_MS_MAX else None


def status_lines(status: Json) -> Iterator[str]:
    """Yield what `look` found as lines for people."""
    partitions = status["partitions"]
    yield f"{status['app']}: {len(partitions)} partitions, as {status['partitions_known_from'].title()} says"
    if status["moving"]:
        yield "events came in meanwhile: pending and expired are off by as many"
    for name, model in status["models"].items():
        yield ""
        yield f"model {name}"
        yield from _indented(_model_lines(model))
    if partitions:
        yield ""
        yield "partitions"
        yield from _indented(_table(_partition_rows(partitions)))


def _model_lines(model: Json) -> Iterator[str]:
    yield from _table(_count_rows(model["versions"]))
    for version, figures in model["versions"].items():
        if figures["metrics"]:
            values = "  ".join(f"{name} {value:.4g}" for name, value in figures["metrics"].items())
            yield f"metrics of {shown(version)}:  {values}"
        if "profile" in figures:
            yield f"{shown(version)} is compared with profile {figures['profile']}"
        if "estimated" in figures:
            yield f"estimated of {shown(version)}, all answers:  {_estimated(figures['estimated'])}"
    for segment, found in worst_segments(model.get("segments", {})):
        yield f"estimated of {shown(segment)}, all answers:  {_estimated(found['estimated'])}"
    yield from pair_lines(model["pairs"])
    yield f"orphan labels: {model['orphan_labels']:,}"
    yield f"firing alerts: {len(model['alerts'])}"
    yield from _indented(_table([_alert_cells(alert) for alert in model["alerts"]]))
    for stream, until in model["closed_until"].items():
        yield f"windows of {stream} closed until {until}"
    yield from _indented(_table([_window_cells(window) for window in model["windows"]]))
    if model["events_waiting"]:
        yield f"alert events that wait for Kafka: {_at_least(model['events_waiting'])}"


def _estimated(estimates: Json) -> str:
    figures = {name: figure for name, figure in estimates.items() if name != "reliable"}
    values = "  ".join(
        f"{name} {f['value']:.4g} ({f['low']:.4g} to {f['high']:.4g})" for name, f in figures.items()
    )
    return f"{values}  {RELIABLE[estimates['reliable']]}"


def _count_rows(versions: Json) -> list[list[str]]:
    counted = {version: figures for version, figures in versions.items() if "predictions" in figures}
    if not counted:
        return [["no prediction yet"]]
    plain = ["predictions", "labels", "joined", "pending", "expired", "late", "corrections", "conflicts"]
    special = ("implicit", "unobservable")
    plain[3:3] = [name for name in special if any(figures[name] for figures in counted.values())]
    rows = [["version", *plain, "duplicates", "ok", "fallback", "error"]]
    for version, figures in counted.items():
        numbers = [figures[name] for name in plain]
        numbers += [sum(figures["duplicates"].values()), *figures["status"].values()]
        rows.append([version, *(f"{number:,}" for number in numbers)])
    return rows


def _alert_cells(alert: Json) -> list[str]:
    about = [f"{key} {alert[key]}" for key in ("feature", "segment", "version") if alert[key] is not None]
    what = f"{alert['kind']}/{alert['check']}"
    return [alert["severity"], what, ", ".join(about), f"since {alert['since']}", alert["state"]]


def _window_cells(window: Json) -> list[str]:
    return [
        window["stream"],
        str(window["start"]),
        f"{window['n']:,} events",
        f"{window['findings']} findings",
        *_learning(window["learning"]),
    ]


def _learning(progress: Json | None) -> list[str]:
    return [] if progress is None else [f"learning, {progress['events']:,} of {progress['of']:,} events"]


def _partition_rows(partitions: Sequence[Json]) -> list[list[str]]:
    headings = ["partition", "next prediction", "next label", "commits", "dead letters", "idle"]
    rows = [[*headings, "model", "predictions until", "labels until"]]
    for partition in partitions:
        offsets = partition["next_offsets"] or {"predictions": "-", "labels": "-"}
        idle = [name for name, is_idle in partition["idle"].items() if is_idle]
        first = [str(partition["partition"]), str(offsets["predictions"]), str(offsets["labels"])]
        first += [str(partition["commits"]), _at_least(partition["dead_letters_waiting"])]
        first.append(" and ".join(idle) or "-")
        for model, times in partition["watermarks"].items():
            rows.append([*first, model, times["predictions"] or "-", times["labels"] or "-"])
            first = [""] * len(first)
    return rows


def _at_least(count: int) -> str:
    return f"{count} or more" if count >= LETTERS_COUNTED else str(count)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows in columns; what events have named is shown without control characters."""
    cells = [[shown(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
