"""The demo's stage: an embedded broker and store, the service between them, and a reader of its alerts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from alerts.kafka_source import AlertSource
from consumers.kafka_sink import EventSink
from consumers.plan import ModelPlan
from consumers.redis_gate import RedisGate
from consumers.redis_partitions import RedisPartitions
from consumers.totals import Life, read_totals
from detectors.profile import ReferenceProfile
from schemas.alert import AlertEvent
from schemas.errors import Stop
from schemas.settings import Settings
from watchkeeper.demo import story
from watchkeeper.embedded import EmbeddedKafka, EmbeddedStore
from watchkeeper.lives import Waiting, describe_lives
from watchkeeper.loading import load_plans, load_settings
from watchkeeper.profile_command import build_profile
from watchkeeper.service import Pace, Service

PARTITIONS: Final = 4
"""What the embedded broker gives a topic where it cannot be asked."""

MINUTE_S: Final = 0.15
"""Wall time of one minute of event time, at the least: slow enough to be watched."""

AHEAD_MAX: Final = 2_000
"""Events that the producer may be ahead of the service."""

PATIENCE_S: Final = 60.0
"""Without any progress for so long the demo gives up."""

_POLL_S: Final = 0.05

Tell: TypeAlias = Callable[[AlertEvent], None]
Lines: TypeAlias = list[story.Line]


class Stage:
    """A running service with its servers; made by `stage`.

    Parameters
    ----------
    service
        It runs on a thread of its own.
    plan
        The one model.
    """

    def __init__(self, settings: Settings, plan: ModelPlan, service: Service, tell: Tell) -> None:
        self._settings = settings
        self._plan = plan
        self._service = service
        self._tell = tell
        self._sink = EventSink(settings.kafka.properties)
        self._alerts = AlertSource(
            settings.kafka.properties,
            topic=settings.kafka.alerts,
            group=settings.kafka.group,
            assigned=lambda _partition, _committed: -1,
            gone=lambda _partition: None,
        )
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._serve, name="service", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            self._service.run()
        except Exception as error:  # noqa: BLE001 - the outermost loop of this thread: `_listen` raises it
            self._failure = error

    def play(self, predictions: Lines, labels: Lines, *, progress: Callable[[int], None]) -> None:
        """Send both streams minute by minute, and read alerts until every window that can close has closed.

        Parameters
        ----------
        progress
            Told the minutes sent so far.

        Raises
        ------
        Stop
            The service failed, or nothing has moved for `PATIENCE_S`.
        """
        kafka, sent = self._settings.kafka, 0
        begun = time.monotonic()
        for minute, (some_predictions, some_labels) in enumerate(_by_minute(predictions, labels)):
            for topic, lines in ((kafka.predictions, some_predictions), (kafka.ground_truth, some_labels)):
                sent += self._send(topic, lines)
            progress(minute + 1)
            due = begun + (minute + 1) * MINUTE_S
            self._listen(partial(self._keeps_up, sent), until=due)
        windows = self._closable(predictions) + self._closable(labels)
        self._listen(lambda: self._alerts.stats.skipped >= windows)

    def _send(self, topic: str, lines: Lines) -> int:
        records = [(line.key, line.value) for line in lines]
        if self._sink.publish(topic, records, partition=None) < len(records):
            raise Stop(f"the embedded broker did not take all of {topic!r} in time; try again", exit_code=1)
        return len(records)

    def _keeps_up(self, sent: int) -> bool:
        return sent - self._taken() < AHEAD_MAX

    def _taken(self) -> int:
        return self._service.stats.predictions + self._service.stats.labels

    def _closable(self, lines: Lines) -> int:
        """Return how many windows of a stream are over, lateness included, when the streams end."""
        wait_ms = self._plan.window_ms + self._plan.lateness_ms
        starts = {line.sent_ms - line.sent_ms % self._plan.window_ms for line in lines}
        return sum(start < story.END_MS - wait_ms for start in starts)

    def _listen(self, enough: Callable[[], bool], *, until: float = 0.0) -> None:
        """Read alerts until `enough` holds and the moment `until` has come."""
        moved, seen = time.monotonic(), (0, 0)
        while not enough() or time.monotonic() < until:
            for records in self._alerts.poll(timeout_s=_POLL_S).records.values():
                for _, record in records:
                    if isinstance(record, AlertEvent):
                        self._tell(record)
            if seen != (now_seen := (self._taken(), self._alerts.stats.skipped)):
                moved, seen = time.monotonic(), now_seen
            if self._failure is not None:
                raise self._failure
            if time.monotonic() - moved > PATIENCE_S:
                raise Stop(f"the service stands still for {PATIENCE_S:g} s; try again", exit_code=1)

    def counts(self) -> dict[str, Any]:
        """Return the model's counts and metrics from the store, in the contract's form."""
        plans, life = {story.MODEL: self._plan}, Life()
        with closing(RedisGate(str(self._settings.redis.url))) as gate:
            store = RedisPartitions(gate, self._settings.app)
            for partition in range(PARTITIONS):
                life.add(read_totals(store.totals(partition), plans)[story.MODEL])
        lives = describe_lives({story.MODEL: life}, plans, Waiting())
        return dict(lives[story.MODEL]["versions"][story.VERSION])

    def close(self) -> None:
        """Let the service commit and stop, and leave the broker."""
        self._service.stop()
        self._thread.join(PATIENCE_S)
        self._alerts.close()
        self._sink.close()


@contextmanager
def stage(folder: Path, *, tell: Tell, ready: Callable[[ReferenceProfile], None]) -> Iterator[Stage]:
    """Yield a running stage; afterwards nothing of it is left but files in `folder`.

    Parameters
    ----------
    folder
        Where settings, reference events and profile are written.
    tell
        Called with each alert event, from `Stage.play`.
    ready
        Called with the reference profile, once it is built.
    """
    topics = ("predictions", "ground-truth", "alerts", "watchkeeper-dead-letters")
    with EmbeddedStore() as store, EmbeddedKafka(topics=dict.fromkeys(topics, PARTITIONS)) as kafka:
        text = story.settings_text(bootstrap_servers=kafka.bootstrap_servers, redis_url=store.url)
        (folder / "watchkeeper.yaml").write_text(text, "utf-8")
        settings = load_settings(folder / "watchkeeper.yaml")
        ready(make_profile(settings, folder))
        plans = load_plans(settings, folder)
        service = Service(settings, plans, ["join", "evaluate"], pace=Pace(evaluate_s=0.1, poll_s=_POLL_S))
        running = Stage(settings, plans[story.MODEL], service, tell)
        try:
            yield running
        finally:
            running.close()


def make_profile(settings: Settings, folder: Path) -> ReferenceProfile:
    """Write the reference events to `folder` and the profile that `watchkeeper profile` builds from them."""
    paths = (folder / "reference.jsonl", folder / "reference-labels.jsonl")
    for path, lines in zip(paths, story.reference_events(), strict=True):
        path.write_bytes(b"".join(line.value + b"\n" for line in lines))
    profile, _ = build_profile(settings.models[story.MODEL], paths[0], labels_path=paths[1])
    (folder / "profile.json").write_text(profile.to_json(), "utf-8")
    return profile


def _by_minute(predictions: Lines, labels: Lines) -> list[tuple[Lines, Lines]]:
    """Return what is sent in each minute, from the first to the last."""
    minutes: list[tuple[Lines, Lines]] = [([], []) for _ in range(story.MINUTES)]
    for side, lines in enumerate((predictions, labels)):
        for line in lines:
            minute = (line.sent_ms - story.START_MS) // story.MINUTE_MS
            minutes[min(minute, story.MINUTES - 1)][side].append(line)
    return minutes
