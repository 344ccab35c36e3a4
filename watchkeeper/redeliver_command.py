"""The `redeliver` command: messages that were given up for a sink, once more, after it has been mended."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Final

from alerts.delivery import NextStep
from alerts.lanes import deliver
from alerts.sinks import Outcome
from consumers.kafka_client import check_topics
from consumers.kafka_letters import Record, RecordWriter, TopicReader
from consumers.letters import mark_of_id, read_receipt, receipt_of_id
from schemas.alert import AlertStatus
from schemas.errors import Retry, Stop
from schemas.settings_tree import shown
from schemas.undelivered import UndeliveredEvent, read_undelivered
from watchkeeper.incidents import read_incidents
from watchkeeper.loading import load_settings
from watchkeeper.service import connect_redis
from watchkeeper.sinks import make_sinks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from alerts.sinks import Sink
    from schemas.settings import Settings

_ROWS: Final = {
    "delivered": "delivered",
    "would be": "would be tried (dry run)",
    "failed": "not delivered: try again later",
    "over": "left alone: the incident is over by now",
    "already": "delivered by an earlier redeliver",
    "filtered": "left out by --sink",
    "unknown": "of a sink that the settings do not name",
}


def run_redeliver(parsed: argparse.Namespace) -> int:
    """Try undelivered messages again; returns 1 if one did not arrive, else 0.

    Raises
    ------
    Stop
        An unknown sink, settings that are not valid, a server that does not answer.
    """
    settings = load_settings(parsed.config)
    with ExitStack() as stack:
        sinks = {sink.name: sink for sink in make_sinks(settings)}
        for sink in sinks.values():
            stack.callback(sink.close)
        if parsed.sink is not None and parsed.sink not in sinks:
            raise Stop(f'--sink: no sink "{shown(parsed.sink)}"; the settings know {", ".join(sinks)}')
        try:
            counts = _redeliver(settings, sinks, only=parsed.sink, dry_run=parsed.dry_run)
        except Retry as error:
            raise Stop(f"{error}; start the server, or correct its address", exit_code=1) from error
    for row, text in _ROWS.items():
        if counts[row] or row == ("would be" if parsed.dry_run else "delivered"):
            sys.stdout.write(f"{counts[row]:>12,}  {text}\n")
    return 1 if counts["failed"] else 0


def _redeliver(
    settings: Settings, sinks: Mapping[str, Sink], *, only: str | None, dry_run: bool
) -> Counter[str]:
    kafka = settings.kafka
    topic = kafka.dead_letters
    partitions = check_topics(kafka.properties, [topic])[topic]
    with closing(
        TopicReader(kafka.properties, group=kafka.group, topic=topic, partitions=partitions)
    ) as letters:
        undelivered, receipts = collect(letters.records())
    with closing(connect_redis(settings)) as gate:
        now_ms = time.time_ns() // 1_000_000
        seen = read_incidents(settings, gate, now_ms=now_ms)
    writer = None if dry_run else RecordWriter(kafka.properties)

    def note(record: Record, event: UndeliveredEvent) -> None:
        receipt = receipt_of_id(event.id, _sha256(record))
        answers = (
            [] if writer is None else writer.write([Record(topic, record.partition, record.key, receipt)])
        )
        if any(answer.error is not None for answer in answers):
            raise Stop(
                f"kafka: a message was delivered and its receipt could not be written ({answers[0].error}); the next "
                "redeliver sends it again",
                exit_code=1,
            )

    return retell(
        undelivered,
        {name: sink for name, sink in sinks.items() if only in (None, name)},
        known=sinks.keys(),
        receipts=receipts,
        open_incidents={s.incident.id for s in seen if not s.incident.is_over},
        note=None if dry_run else note,
        sleep=time.sleep,
    )


def collect(
    records: Iterable[Record],
) -> tuple[dict[str, tuple[Record, UndeliveredEvent]], set[bytes]]:
    """Return the undelivered messages of the dead-letter topic by id, each once, and the marks of all receipts."""
    undelivered: dict[str, tuple[Record, UndeliveredEvent]] = {}
    receipts: set[bytes] = set()
    for record in records:
        receipt = read_receipt(record.value)
        if receipt is not None:
            receipts.add(receipt)
        elif (event := read_undelivered(record.value or b"")) is not None:
            undelivered.setdefault(event.id, (record, event))
    return undelivered, receipts


def retell(  # noqa: PLR0913 - the parts of one run
    undelivered: Mapping[str, tuple[Record, UndeliveredEvent]],
    sinks: Mapping[str, Sink],
    *,
    known: AbstractSet[str],
    receipts: AbstractSet[bytes],
    open_incidents: AbstractSet[str],
    note: Callable[[Record, UndeliveredEvent], None] | None,
    sleep: Callable[[float], None],
) -> Counter[str]:
    """Deliver messages again, oldest first, and return what became of them.

    What fires no more is not told as if it did: nobody would close it. A sink that fails is left alone from then on.

    Parameters
    ----------
    sinks, known
        Those that may be tried, and the names of all.
    open_incidents
        Ids of incidents that still fire.
    note
        Called with each message that has arrived; None for a dry run.
    """
    counts: Counter[str] = Counter()
    broken: set[str] = set()
    for record, event in sorted(undelivered.values(), key=lambda found: found[1].time):
        name, notification = event.data.sink, event.data.notification
        is_stale = notification.status is AlertStatus.FIRING and event.data.incident not in open_incidents
        if mark_of_id(event.id, _sha256(record)) in receipts:
            counts["already"] += 1
        elif name not in sinks:
            counts["filtered" if name in known else "unknown"] += 1
        elif is_stale:
            counts["over"] += 1
        elif note is None:
            counts["would be"] += 1
        elif name not in broken and _arrives(sinks[name], event):
            note(record, event)
            counts["delivered"] += 1
            sleep(sinks[name].pace_s)
        else:
            broken.add(name)
            counts["failed"] += 1
    return counts


def _arrives(sink: Sink, event: UndeliveredEvent) -> bool:
    may_have_come = event.data.step != NextStep.REFUSED and not sink.repeatable
    late = event.data.notification.model_copy(update={"late": True, "possible_repeat": may_have_come})
    delivery = deliver(sink, late)
    sys.stderr.write(f"{sink.name}: {delivery.outcome.value} {delivery.reason}".rstrip() + "\n")
    return delivery.outcome is Outcome.DELIVERED


def _sha256(record: Record) -> str:
    return hashlib.sha256(record.value or b"").hexdigest()
