"""Every metric in one list, read from the statistics at the moment somebody asks.

Nothing is counted here: the worker and the notifier count for themselves in plain numbers, and a scrape
copies those. Label values come from closed sets: topics, models and sinks of the settings, reasons and
outcomes of the code. Nothing else imports prometheus_client.
"""

from __future__ import annotations

import errno
import platform
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from alerts.heartbeat import HeartbeatStats
from alerts.kafka_source import SourceStats
from alerts.notifier import NotifierStats
from consumers.stats import WorkerStats
from schemas.errors import Stop
from schemas.integrity import IntegrityCheck
from watchkeeper.health import PROGRESS_WITHIN_S, Page, PageServer, health_page, progress_age_s, ready_page

CLOSE_POLL_S: Final = 0.1
"""How often the serving thread looks whether it shall end."""

Samples = Iterable[tuple[tuple[str, ...], float]]
"""Label values, and the number they belong to."""


@dataclass(frozen=True, slots=True)
class Reading:
    """All statistics at one moment.

    Parameters
    ----------
    notifier, source
        None in a process without the notify role.
    heartbeat
        None in a process that sends none.
    age_s
        Seconds since the last progress.
    now_s
        Monotonic time.
    """

    worker: WorkerStats
    notifier: NotifierStats | None
    source: SourceStats | None
    heartbeat: HeartbeatStats | None
    age_s: float
    now_s: float


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: how it is called, what it means, where it is read.

    Parameters
    ----------
    unit
        As the name says it; empty for a plain number of things.
    """

    name: str
    kind: Literal["counter", "gauge"]
    unit: Literal["", "seconds"]
    meaning: str
    labels: tuple[str, ...]
    read: Callable[[Reading], Samples]

    def family(self, reading: Reading) -> Family:
        """Return the metric's samples in the client library's form."""
        kind = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        family = kind(self.name, self.meaning, labels=self.labels, unit=self.unit)
        for values, number in self.read(reading):
            family.add_metric(values, number)
        return family


def _one(number: Callable[[WorkerStats], float]) -> Callable[[Reading], Samples]:
    return lambda reading: [((), number(reading.worker))]


def _one_told(number: Callable[[NotifierStats], float]) -> Callable[[Reading], Samples]:
    return lambda reading: [] if reading.notifier is None else [((), number(reading.notifier))]


def _deliveries(reading: Reading) -> Samples:
    if reading.notifier is None:
        return
    notifier = reading.notifier
    for outcome in ("delivered", "retried", "dead"):
        for sink, number in getattr(notifier, outcome).items():
            yield (sink, outcome), number


def _pictures(reading: Reading) -> Samples:
    if reading.notifier is None:
        return
    yield ("drawn",), reading.notifier.pictures.drawn
    yield ("failed",), reading.notifier.pictures.failed


def _alert_records(reading: Reading) -> Samples:
    if reading.source is None:
        return
    yield ("taken",), reading.source.taken
    yield ("skipped",), reading.source.skipped
    yield ("rejected",), sum(reading.source.rejected.values())


def _beats(numbers: Callable[[HeartbeatStats], Mapping[str, int]]) -> Callable[[Reading], Samples]:
    return lambda r: (
        [] if r.heartbeat is None else [((why,), n) for why, n in dict(numbers(r.heartbeat)).items()]
    )


def _version() -> str:
    try:
        return version("watchkeeper")
    except PackageNotFoundError:  # run from a source tree
        return "unknown"


METRICS: Final = (
    Metric("watchkeeper_events_total", "counter", "",
           "Well-formed events taken in and committed.", ("topic",),
           lambda r: [(("predictions",), r.worker.predictions), (("labels",), r.worker.labels)]),
    Metric("watchkeeper_rejected_total", "counter", "",
           "Records that became dead letters.", ("topic", "reason"),
           lambda r: dict(r.worker.rejected).items()),
    Metric("watchkeeper_commits_total", "counter", "",
           "Micro-batches committed to Redis.", (), _one(lambda w: w.commits)),
    Metric("watchkeeper_commit_seconds_total", "counter", "seconds",
           "Time spent in commits, retries included.", (), _one(lambda w: w.commit_seconds)),
    Metric("watchkeeper_fenced_total", "counter", "",
           "States thrown away because another process had taken over, or Redis had lost commits.", (),
           _one(lambda w: w.fenced)),
    Metric("watchkeeper_retries_total", "counter", "",
           "Calls repeated because a server did not answer.", (), _one(lambda w: w.retries)),
    Metric("watchkeeper_healed_total", "counter", "",
           "Partitions and models whose state was read again because Redis no longer held the one in memory.",
           (), _one(lambda w: w.healed)),
    Metric("watchkeeper_lost_records_total", "counter", "",
           "Records that Kafka no longer had when they were to be read.", (), _one(lambda w: w.lost)),
    Metric("watchkeeper_integrity_partitions", "gauge", "",
           "Owned partitions that something is wrong with; each has an alert.", ("check",),
           lambda r: [((check.value,), r.worker.notices[check.value]) for check in IntegrityCheck]),
    Metric("watchkeeper_partitions_halted", "gauge", "",
           "Partitions of ours that are not read because their topic is another one.", (),
           _one(lambda w: w.halted)),
    Metric("watchkeeper_waiting", "gauge", "",
           "1 while a server does not answer and everything waits for it.", (),
           _one(lambda w: float(bool(w.waiting_for)))),
    Metric("watchkeeper_partitions_owned", "gauge", "",
           "Partitions that this process owns.", (), _one(lambda w: w.owned)),
    Metric("watchkeeper_partitions_behind", "gauge", "",
           "Owned partitions that have more to read.", (), _one(lambda w: w.behind)),
    Metric("watchkeeper_progress_age_seconds", "gauge", "seconds",
           "Time since the last commit, evaluation or confirmed end of a topic.", (),
           lambda r: [((), r.age_s)]),
    Metric("watchkeeper_windows_closed_total", "counter", "",
           "Detection windows evaluated.", ("model",),
           lambda r: [((model,), n) for model, n in dict(r.worker.windows_closed).items()]),
    Metric("watchkeeper_published_total", "counter", "",
           "Records that Kafka has acknowledged.", ("topic",),
           lambda r: [((topic,), n) for topic, n in dict(r.worker.published).items()]),
    Metric("watchkeeper_alert_deliveries_total", "counter", "",
           "Messages delivered, tried again, and given up.", ("sink", "outcome"), _deliveries),
    Metric("watchkeeper_incidents_unrouted_total", "counter", "",
           "Incidents that no route leads anywhere from: nobody was told.", (), _one_told(lambda n: n.unrouted)),
    Metric("watchkeeper_notifications_waiting", "gauge", "",
           "Messages that are decided and not yet delivered.", (), _one_told(lambda n: n.waiting)),
    Metric("watchkeeper_undelivered_waiting", "gauge", "",
           "Messages that were given up and are not in the dead-letter topic yet.", (),
           _one_told(lambda n: n.unburied)),
    Metric("watchkeeper_notification_sinks_overdue", "gauge", "",
           "Sinks that have been waited for longer than five minutes over one message.", (),
           _one_told(lambda n: len(n.overdue))),
    Metric("watchkeeper_heartbeat_age_seconds", "gauge", "seconds",
           "Time since the other side took a heartbeat.", (),
           lambda r: [] if r.heartbeat is None else [((), max(0.0, r.now_s - r.heartbeat.taken_s))]),
    Metric("watchkeeper_heartbeat_failures_total", "counter", "",
           "Heartbeats that were sent and not taken.", ("reason",), _beats(lambda h: h.failed)),
    Metric("watchkeeper_heartbeats_withheld_total", "counter", "",
           "Heartbeats that were not sent because something is wrong.", ("reason",), _beats(lambda h: h.withheld)),
    Metric("watchkeeper_notifier_partitions_behind", "gauge", "",
           "Partitions of the alerts topic whose backlog is being read: nobody is told before it has been.", (),
           _one_told(lambda n: n.behind)),
    Metric("watchkeeper_notifier_fenced_total", "counter", "",
           "Delivery logs thrown away because another process had taken over, or Redis had lost them.", (),
           _one_told(lambda n: n.fenced)),
    Metric("watchkeeper_notification_latency_seconds", "gauge", "seconds",
           "From the end of the window that decided to the delivery, of the last message.", ("sink",),
           lambda r: [] if r.notifier is None else [((s,), t) for s, t in dict(r.notifier.latency_s).items()]),
    Metric("watchkeeper_pictures_total", "counter", "",
           "Pictures for messages: drawn, and failed, which the message then went without.", ("outcome",), _pictures),
    Metric("watchkeeper_alert_records_total", "counter", "",
           "Records read from the alerts topic.", ("outcome",), _alert_records),
    Metric("watchkeeper_alert_source_errors_total", "counter", "",
           "Errors that the Kafka client reported on the alerts topic.", (),
           lambda r: [] if r.source is None else [((), r.source.errors)]),
    Metric("watchkeeper_build_info", "gauge", "",
           "1; the labels say what runs.", ("version", "python"),
           lambda _: [((_version(), platform.python_version()), 1)]),
)  # fmt: skip
"""Every metric of ours; the client library adds `process_*`."""


class StatsCollector(Collector):
    """Reads `METRICS` when it is asked.

    Parameters
    ----------
    read
        Returns the statistics of now.
    """

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def collect(self) -> Iterator[Family]:
        """Yield every metric."""
        reading = self._read()
        for metric in METRICS:
            yield metric.family(reading)

    def describe(self) -> Iterator[Family]:
        """Yield nothing: the names are known without asking, and asking now would be too early."""
        yield from ()


class MetricsServer:
    """Serves `/metrics`, `/healthz` and `/readyz` from a thread of its own.

    Parameters
    ----------
    address
        `HOST:PORT`; an IPv6 host in brackets; port 0 for any free one.
    notifier_stats, source_stats
        What the notifier counts; they may return None while there is none.
    heartbeat_stats
        The same of its heartbeats.
    clock
        Monotonic seconds, the one that `stats` is kept by.
    ready
        Whether the process has work of its own; if None: it owns partitions, has evaluated, or notifies.
    within_s
        With partitions behind and no progress for longer than this `/healthz` says 503.

    Raises
    ------
    Stop
        The address is none.
    """

    def __init__(  # noqa: PLR0913 - wired once, by keyword, in the composition root
        self,
        address: str,
        *,
        stats: WorkerStats,
        notifier_stats: Callable[[], NotifierStats | None] | None = None,
        source_stats: Callable[[], SourceStats | None] | None = None,
        heartbeat_stats: Callable[[], HeartbeatStats | None] | None = None,
        clock: Callable[[], float],
        ready: Callable[[], bool] | None = None,
        within_s: float = PROGRESS_WITHIN_S,
    ) -> None:
        self._host, self._port = parse_address(address)
        self._stats = stats
        self._notifier_stats = notifier_stats
        self._source_stats = source_stats
        self._heartbeat_stats = heartbeat_stats
        self._clock = clock
        self._started_s = clock()
        self._ready = ready or self._has_work
        self._within_s = within_s
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(StatsCollector(self._reading))
        ProcessCollector(registry=self._registry)
        self._server: PageServer | None = None

    @property
    def address(self) -> str:
        """Where it listens, `HOST:PORT`; before `start`, where it will."""
        port = self._port if self._server is None else self._server.server_port
        return f"[{self._host}]:{port}" if ":" in self._host else f"{self._host}:{port}"

    def start(self) -> None:
        """Begin to listen.

        Raises
        ------
        Stop
            If the address is taken or not ours.
        """
        pages = {"/metrics": self._metrics, "/healthz": self._health, "/readyz": self._readiness}
        try:
            self._server = PageServer(self._host, self._port, pages, clock=self._clock)
        except OSError as error:
            is_taken = error.errno == errno.EADDRINUSE
            why = "another process listens there" if is_taken else error.strerror or type(error).__name__
            raise Stop(
                f"--metrics-address: expected to listen on {self.address}, but {why}; give another HOST:PORT, "
                "or off",
                exit_code=1,
            ) from error
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(CLOSE_POLL_S,), name="metrics", daemon=True).start()

    def close(self) -> None:
        """Stop listening; harmless to repeat, and before `start`."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def _reading(self) -> Reading:
        notifier = None if self._notifier_stats is None else self._notifier_stats()
        source = None if self._source_stats is None else self._source_stats()
        heartbeat = None if self._heartbeat_stats is None else self._heartbeat_stats()
        return Reading(self._stats, notifier, source, heartbeat, self._age_s(), self._clock())

    def _age_s(self) -> float:
        return progress_age_s(self._stats, now_s=self._clock(), started_s=self._started_s)

    def _has_work(self) -> bool:
        notifies = self._notifier_stats is not None and self._notifier_stats() is not None
        return self._stats.owned > 0 or bool(self._stats.windows_closed) or notifies

    def _metrics(self, accept: str) -> Page:
        encode, content_type = choose_encoder(accept)
        return Page(HTTPStatus.OK, content_type, encode(self._registry))

    def _health(self, _: str) -> Page:
        return health_page(self._stats, age_s=self._age_s(), within_s=self._within_s)

    def _readiness(self, _: str) -> Page:
        return ready_page(ready=self._ready())


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT` or `[IPV6]:PORT`.

    Raises
    ------
    Stop
        The text is neither.
    """
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_port = port.isascii() and port.isdecimal() and int(port) <= 65_535
    if not (colon and bare and is_port) or (":" in bare and bare == host):
        raise Stop(f"--metrics-address: expected HOST:PORT or off, got {text!r}; such as 127.0.0.1:9464")
    return bare, int(port)
