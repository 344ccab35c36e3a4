"""What commands read of the notifier: its incidents and what each sink knows, without claiming or writing anything."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerts.board import Board, Incident
from alerts.control_source import ControlSource
from alerts.desk import evaluated_in
from alerts.orders import Orders
from alerts.told import told_in
from consumers.kafka_client import check_topics
from consumers.redis_models import RedisModels
from schemas.errors import Retry, Stop
from watchkeeper.notify_store import StoredDeliveries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.told import Told
    from consumers.redis_gate import RedisGate
    from schemas.settings import Settings

CONTROL_POLLS_MAX = 300


@dataclass(frozen=True, slots=True)
class Seen:
    """An incident, what each sink knows of it, and the event time up to which its model has been evaluated."""

    incident: Incident
    told: Mapping[str, Told]
    evaluated_ms: int = 0


def read_incidents(settings: Settings, gate: RedisGate, *, now_ms: int) -> list[Seen]:
    """Return what the notifier knows, the worst first.

    Raises
    ------
    Stop
        Kafka or Redis does not answer, or the alerts topic is missing.
    """
    topic = settings.kafka.alerts
    try:
        partitions = check_topics(settings.kafka.properties, [topic])[topic]
        store = StoredDeliveries(RedisModels(gate, settings.app))
        fields = [store.peek(number) for number in range(partitions)]
    except Retry as error:
        mend = "start the server, or correct its address in the settings"
        raise Stop(f"{error}; {mend}", exit_code=1) from error
    seen = [
        Seen(
            incident,
            {sink: told for (name, sink), told in told_in(some).items() if name == incident.id},
            evaluated_in(some).get(incident.model, 0),
        )
        for some in fields
        for incident in Board(some, now_ms=now_ms).incidents.values()
    ]
    return sorted(seen, key=lambda s: (s.incident.is_over, -s.incident.severity.rank, s.incident.id))


def read_orders(settings: Settings, *, now_ms: int) -> Orders:
    """Return what people have ordered.

    Raises
    ------
    Stop
        Kafka does not answer.
    """
    kafka = settings.kafka
    orders = Orders(settings.app)
    with closing(ControlSource(kafka.properties, topic=kafka.control, group=kafka.group)) as source:
        for _ in range(CONTROL_POLLS_MAX):
            orders.take(source.poll(), now_ms=now_ms)
            if source.ready:
                return orders
    raise Stop(f"kafka: topic {kafka.control!r}: no broker answers; start Kafka and try again", exit_code=1)
