"""How soon people hear of many alerts at once: `python -m benchmarks.notify`.

The notify role on a Kafka and a Redis of its own, with one sink that takes 5 ms. Every window of every model
opens an incident of its own, and so is a message. All windows end at the same moment, which is the worst case.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from alerts.sinks import Delivery
from benchmarks import stage
from consumers.redis_gate import RedisGate
from consumers.redis_models import RedisModels
from schemas.alert import (
    AlertData,
    AlertEvent,
    AlertType,
    AlertWindow,
    WindowComplete,
    WindowCompleteData,
)  # fmt: skip
from schemas.alert_wire import utc_of_ms
from schemas.finding import Stream
from schemas.settings_text import parse_settings
from watchkeeper.notify_role import NotifyRole
from watchkeeper.notify_store import StoredDeliveries
from watchkeeper.service import wall_ms

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from alert_builders import fired

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.notification import Notification

TAKES_S = 0.005
MODELS = 50
WINDOW_MS = 1_000
LATE_S = 20.0
SETTINGS = """\
app: bench
kafka: {{bootstrap.servers: "{kafka}", alerts: bench-a, dead_letters: bench-d, control: bench-c}}
redis: {{url: "{redis}"}}
models: {{fraud: {{task: regression}}}}
"""


@dataclass
class SlowSink:
    """Takes `TAKES_S` for a message and notes how long after its window it had it."""

    name: str = "chat"
    pages: bool = False
    repeatable: bool = True
    refresh_s: float | None = None
    pace_s: float = 0.0
    took_ms: dict[str, float] = field(default_factory=dict)

    def deliver(self, notification: Notification) -> Delivery:
        """See `alerts.sinks.Sink`."""
        time.sleep(TAKES_S)
        ended_ms = notification.detected_at.timestamp() * 1000
        self.took_ms.setdefault(notification.incident, wall_ms() - ended_ms)
        return Delivery.delivered()

    def close(self) -> None:
        """See `alerts.sinks.Sink`."""


def window_records(model: int, end: datetime, template: Mapping[str, Any], *, alerts: int) -> list[bytes]:
    """Return what an evaluator writes of one window of one model."""
    start = end - timedelta(milliseconds=WINDOW_MS)
    window = AlertWindow(start=start, end=end, n=1_000)
    name = f"model-{model}"
    episode = round(start.timestamp() * 1000)
    records = []
    for feature in range(alerts):
        print_ = f"v1:{hashlib.sha256(f'{name}/{feature}'.encode()).hexdigest()[:32]}"
        data = template | {
            "model": name, "feature": f"feature_{feature}", "fingerprint": print_, "episode": episode,
            "alert_id": f"{print_}:{episode}", "revision": 0, "incident": f"{name}:{episode}",
            "since": start, "detected_at": end, "window": window,
        }  # fmt: skip
        records.append(AlertEvent.of(AlertType.FIRING, AlertData.model_validate(data)).to_json_bytes())
    complete = WindowCompleteData(
        app="bench", model=name, stream=Stream.PREDICTIONS, window=window, findings=alerts, firing=alerts
    )
    return [*records, WindowComplete.of(complete).to_json_bytes()]


def play(kafka: str, *, seconds: int, alerts: int) -> None:
    """Write the windows of all models as they end, on the second."""
    template = fired().data.model_dump()
    begin_ms = (wall_ms() // 1000 + 4 + seconds) * 1000
    ends = [begin_ms + number * WINDOW_MS for number in range(1, seconds + 1)]
    made = [
        [window_records(model, utc_of_ms(end_ms), template, alerts=alerts) for model in range(MODELS)]
        for end_ms in ends
    ]
    if wall_ms() > begin_ms:
        raise SystemExit(
            "making the records took longer than the time set aside: the machine is too busy to measure"
        )
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 5})
    for end_ms, windows in zip(ends, made, strict=True):
        time.sleep(max(0.0, (end_ms - wall_ms()) / 1000))
        for model, records in enumerate(windows):
            for record in records:
                producer.produce("bench-a", record, partition=model % stage.PARTITIONS)
            producer.poll(0)
    producer.flush()


def measure(folder: Path, *, seconds: int, alerts: int) -> tuple[list[float], float]:
    """Return how long each window's message took, in seconds and in order, and the notifier's processor seconds."""
    with stage.servers(folder) as (kafka, store):
        topics = [NewTopic(f"bench-{kind}", stage.PARTITIONS, 1) for kind in "acd"]
        admin = AdminClient({"bootstrap.servers": kafka.address})
        for created in admin.create_topics(topics).values():
            created.result()
        text = SETTINGS.format(kafka=kafka.address, redis=store.url)
        settings = parse_settings(text, source="bench", env={}, read_secret=str)
        sink, stop, used = SlowSink(), threading.Event(), [0.0]
        with closing(RedisGate(store.url)) as gate:
            deliveries = StoredDeliveries(RedisModels(gate, "bench"))

            def work() -> None:
                role = NotifyRole(settings, deliveries, wall_ms=wall_ms, stop=stop, sinks=[sink])
                role.run()
                used[0] = time.thread_time()

            thread = threading.Thread(target=work)
            thread.start()
            play(kafka.address, seconds=seconds, alerts=alerts)
            given_up_s = time.monotonic() + LATE_S
            while len(sink.took_ms) < seconds * MODELS and time.monotonic() < given_up_s:
                time.sleep(0.1)
            stop.set()
            thread.join()
    return sorted(took / 1000 for took in sink.took_ms.values()), used[0]


def main() -> None:
    """Measure once and print a row."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.notify")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--alerts", type=int, default=20, help="of each of 50 models a second (default 20)")
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        took, cpu_s = measure(Path(folder), seconds=parsed.seconds, alerts=parsed.alerts)
    windows, events = parsed.seconds * MODELS, parsed.seconds * MODELS * parsed.alerts
    half, most = (took[min(len(took) - 1, round(share * len(took)))] for share in (0.5, 0.99))
    print(
        f"{events:,} alerts, {len(took):,} of {windows:,} windows told: p50 {half:.2f} s, p99 {most:.2f} s, "
        f"most {took[-1]:.2f} s; {cpu_s / events * 1e6:.0f} us of processor time per alert event"
    )


if __name__ == "__main__":
    main()
