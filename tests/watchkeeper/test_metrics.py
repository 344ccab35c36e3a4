"""The metrics endpoint: what it says, what it costs the worker, and how it fails to start."""

from __future__ import annotations

import http.client
import socket
import threading
from collections import Counter
from typing import TYPE_CHECKING

import prometheus_client
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from alerts.heartbeat import HeartbeatStats
from alerts.kafka_source import SourceStats
from alerts.notifier import NotifierStats
from alerts.pictures.gallery import PictureStats
from consumers.stats import WorkerStats
from schemas.errors import Stop
from schemas.integrity import IntegrityCheck
from watchkeeper.metrics import METRICS, MetricsServer, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY = WorkerStats(
    predictions=1000,
    labels=900,
    commits=7,
    commit_seconds=0.25,
    fenced=2,
    retries=3,
    windows_closed=Counter({"fraud": 4, "churn": 5}),
    rejected=Counter({("predictions", "decode"): 6, ("ground-truth", "contract"): 1}),
    published=Counter({"alerts": 8, "watchkeeper-dead-letters": 9}),
    owned=12,
    behind=1,
    progress_s=95.0,
    last_error="redis redis://store: no answer",
    waiting_for="redis redis://store: no answer",
    healed=13,
    lost=14,
    notices=Counter({"quarantined": 15}),
    halted=16,
)
NOTIFIED = NotifierStats(
    delivered=Counter({"ops": 10}),
    retried=Counter({"ops": 2}),
    dead=Counter({"chat": 1}),
    latency_s={"ops": 1.5},
    unrouted=11,
    fenced=3,
    waiting=12,
    unburied=13,
    overdue={"ops", "chat"},
    behind=1,
    pictures=PictureStats(drawn=8, failed=9),
)
BEATING = HeartbeatStats(taken_s=93.0, failed=Counter({"timeout": 4}), withheld=Counter({"overdue": 6}))
SOURCE = SourceStats(taken=20, skipped=21, rejected={"decode": 1, "contract": 1}, errors=22)


@pytest.fixture
def serving() -> Iterator[list[MetricsServer]]:
    """Servers that a test puts here are started now and closed after it."""
    servers: list[MetricsServer] = []
    yield servers
    for server in servers:
        server.close()


def started(serving: list[MetricsServer], stats: WorkerStats) -> MetricsServer:
    server = MetricsServer(
        "127.0.0.1:0",
        stats=stats,
        notifier_stats=lambda: NOTIFIED,
        source_stats=lambda: SOURCE,
        heartbeat_stats=lambda: BEATING,
        clock=lambda: 100.0,
    )
    server.start()
    serving.append(server)
    return server


def fetched(server: MetricsServer, path: str = "/metrics", *, accept: str = "") -> tuple[int, str, str]:
    """Return status, content type and body."""
    connection = http.client.HTTPConnection(server.address, timeout=10.0)
    try:
        connection.request("GET", path, headers={"Accept": accept} if accept else {})
        answer = connection.getresponse()
        return answer.status, str(answer.headers["Content-Type"]), answer.read().decode()
    finally:
        connection.close()


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return our samples by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_text(text)
        for sample in family.samples
        if sample.name.startswith("watchkeeper_")
    }


def test_every_figure_of_the_statistics_is_told(serving: list[MetricsServer]) -> None:
    status, _, text = fetched(started(serving, BUSY))
    told = samples(text)
    build = [key for key in told if key[0] == "watchkeeper_build_info"]
    assert [name for name, _ in build[0][1]] == ["python", "version"]
    assert told.pop(build[0]) == 1
    assert status == 200
    expected: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {
        ("watchkeeper_events_total", (("topic", "predictions"),)): 1000,
        ("watchkeeper_events_total", (("topic", "labels"),)): 900,
        ("watchkeeper_rejected_total", (("reason", "decode"), ("topic", "predictions"))): 6,
        ("watchkeeper_rejected_total", (("reason", "contract"), ("topic", "ground-truth"))): 1,
        ("watchkeeper_commits_total", ()): 7,
        ("watchkeeper_commit_seconds_total", ()): 0.25,
        ("watchkeeper_fenced_total", ()): 2,
        ("watchkeeper_retries_total", ()): 3,
        ("watchkeeper_healed_total", ()): 13,
        ("watchkeeper_lost_records_total", ()): 14,
        **{("watchkeeper_integrity_partitions", (("check", check.value),)): 0 for check in IntegrityCheck},
        ("watchkeeper_integrity_partitions", (("check", "quarantined"),)): 15,
        ("watchkeeper_partitions_halted", ()): 16,
        ("watchkeeper_waiting", ()): 1,
        ("watchkeeper_partitions_owned", ()): 12,
        ("watchkeeper_partitions_behind", ()): 1,
        ("watchkeeper_progress_age_seconds", ()): 0,  # the server began at the clock's 100 s
        ("watchkeeper_windows_closed_total", (("model", "fraud"),)): 4,
        ("watchkeeper_windows_closed_total", (("model", "churn"),)): 5,
        ("watchkeeper_published_total", (("topic", "alerts"),)): 8,
        ("watchkeeper_published_total", (("topic", "watchkeeper-dead-letters"),)): 9,
        ("watchkeeper_alert_deliveries_total", (("outcome", "delivered"), ("sink", "ops"))): 10,
        ("watchkeeper_alert_deliveries_total", (("outcome", "retried"), ("sink", "ops"))): 2,
        ("watchkeeper_alert_deliveries_total", (("outcome", "dead"), ("sink", "chat"))): 1,
        ("watchkeeper_incidents_unrouted_total", ()): 11,
        ("watchkeeper_notifications_waiting", ()): 12,
        ("watchkeeper_undelivered_waiting", ()): 13,
        ("watchkeeper_notification_sinks_overdue", ()): 2,
        ("watchkeeper_heartbeat_age_seconds", ()): 7,
        ("watchkeeper_heartbeat_failures_total", (("reason", "timeout"),)): 4,
        ("watchkeeper_heartbeats_withheld_total", (("reason", "overdue"),)): 6,
        ("watchkeeper_notifier_partitions_behind", ()): 1,
        ("watchkeeper_notifier_fenced_total", ()): 3,
        ("watchkeeper_notification_latency_seconds", (("sink", "ops"),)): 1.5,
        ("watchkeeper_pictures_total", (("outcome", "drawn"),)): 8,
        ("watchkeeper_pictures_total", (("outcome", "failed"),)): 9,
        ("watchkeeper_alert_records_total", (("outcome", "taken"),)): 20,
        ("watchkeeper_alert_records_total", (("outcome", "skipped"),)): 21,
        ("watchkeeper_alert_records_total", (("outcome", "rejected"),)): 2,
        ("watchkeeper_alert_source_errors_total", ()): 22,
    }
    assert told == expected


def test_the_list_is_what_is_exposed_with_type_and_meaning(serving: list[MetricsServer]) -> None:
    _, _, text = fetched(started(serving, BUSY))
    families = {family.name: family for family in parse_text(text) if "watchkeeper" in family.name}
    assert sorted(families) == sorted(metric.name.removesuffix("_total") for metric in METRICS)
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.meaning)
        assert metric.name.startswith("watchkeeper_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.unit in metric.name


def test_a_process_without_the_notify_role_says_nothing_of_deliveries(serving: list[MetricsServer]) -> None:
    server = MetricsServer("127.0.0.1:0", stats=WorkerStats(), notifier_stats=lambda: None, clock=lambda: 0.0)
    server.start()
    serving.append(server)
    told = samples(fetched(server)[2])
    assert not [name for name, _ in told if "alert" in name]
    assert told["watchkeeper_commits_total", ()] == 0


def test_a_scrape_reads_the_figures_of_its_moment(serving: list[MetricsServer]) -> None:
    stats = WorkerStats()
    server = started(serving, stats)
    key = "watchkeeper_windows_closed_total", (("model", "fraud"),)
    assert key not in samples(fetched(server)[2])
    stats.windows_closed["fraud"] += 3
    assert samples(fetched(server)[2])[key] == 3


def test_the_text_is_what_the_scraper_asks_for_and_holds_the_process_figures(
    serving: list[MetricsServer],
) -> None:
    server = started(serving, BUSY)
    _, plain, text = fetched(server)
    _, open_type, open_text = fetched(server, accept="application/openmetrics-text; version=1.0.0")
    assert plain.startswith("text/plain")
    assert open_type.startswith("application/openmetrics-text")
    opened = parse_openmetrics(open_text)  # type: ignore[no-untyped-call] # the library gives it no types
    for families in (parse_text(text), opened):
        names = {sample.name for family in families for sample in family.samples}
        assert {"watchkeeper_commit_seconds_total", "process_resident_memory_bytes"} <= names


def test_label_values_of_any_kind_come_through_and_errors_stay_out(serving: list[MetricsServer]) -> None:
    odd = 'quo"te \\ new\nline \u65e5'
    server = started(serving, WorkerStats(windows_closed=Counter({odd: 1}), last_error="redis said: hunter2"))
    _, _, text = fetched(server)
    assert ("watchkeeper_windows_closed_total", (("model", odd),)) in samples(text)
    assert "hunter2" not in text


def test_each_server_has_a_registry_of_its_own_and_the_global_one_stays_clean(
    serving: list[MetricsServer],
) -> None:
    first, second = (
        started(serving, WorkerStats()),
        started(serving, WorkerStats(commits=5)),
    )
    key = ("watchkeeper_commits_total", ())
    assert [samples(fetched(server)[2])[key] for server in (first, second)] == [0, 5]
    everywhere = [family.name for family in prometheus_client.REGISTRY.collect()]
    assert not [name for name in everywhere if name.startswith("watchkeeper")]


def test_a_scrape_does_not_mind_that_the_worker_counts_on(serving: list[MetricsServer]) -> None:
    stats = WorkerStats()
    server = started(serving, stats)
    is_over = threading.Event()

    def count_on() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            for counter in (stats.windows_closed, stats.published):
                counter[f"name {number}"] += 1
            stats.rejected["predictions", f"reason {number}"] += 1
            if number % 500 == 0:  # so that new names keep coming while a scrape reads
                for grown in (stats.windows_closed, stats.published, stats.rejected):
                    grown.clear()

    worker = threading.Thread(target=count_on)
    worker.start()
    try:
        assert [fetched(server)[0] for _ in range(20)] == [200] * 20
    finally:
        is_over.set()
        worker.join(30.0)


def test_an_address_that_is_taken_stops_the_start_with_the_mend(serving: list[MetricsServer]) -> None:
    taken = started(serving, BUSY).address
    second = MetricsServer(taken, stats=BUSY, clock=lambda: 0.0)
    with pytest.raises(Stop, match=r"another process listens there; give another HOST:PORT, or off") as stop:
        second.start()
    assert taken in str(stop.value)
    assert stop.value.exit_code == 1
    second.close()


def test_an_address_that_is_not_ours_stops_the_start() -> None:
    server = MetricsServer("192.0.2.1:9464", stats=BUSY, clock=lambda: 0.0)
    with pytest.raises(Stop, match=r"expected to listen on 192\.0\.2\.1:9464, but .+; give another"):
        server.start()


def test_a_closed_server_leaves_its_port_and_may_be_closed_again(serving: list[MetricsServer]) -> None:
    server = started(serving, BUSY)
    host, port = parse_address(server.address)
    server.close()
    server.close()
    with socket.create_server((host, port)):
        pass


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_an_address_has_a_host_and_a_port(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "9464", ":9464", "host:", "host:x", "host:-1", "host:65536", "::1:9464", "[]:1", "h:\u0663"]
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Stop, match=r"expected HOST:PORT or off, got .+; such as 127\.0\.0\.1:9464"):
        MetricsServer(text, stats=BUSY, clock=lambda: 0.0)
