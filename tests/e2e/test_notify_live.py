"""The notify role as a real process, killed and started again, between a real Kafka, a real Redis and a webhook."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from alert_builders import ONE_OF_ONE, finding
from builders.scripted_http import Answer, a_server
from builders.watch_room import MINUTE_MS, Clock, Topic
from confluent_kafka import Producer

from schemas.alert import CONTENT_TYPE
from schemas.alert_wire import rfc3339, utc_of_ms
from schemas.finding import Severity, Verdict

pytestmark = [pytest.mark.servers, pytest.mark.slow]

WITHIN_S = 60.0
PAUSE = threading.Event()
PEOPLE = "owner: {team: payments-ml, contact: ada}, runbook: 'https://wiki.example/fraud'"
SETTINGS = """\
app: {app}
kafka: {{bootstrap.servers: "{kafka}", predictions: {predictions}, ground_truth: {labels}, alerts: {alerts},
  dead_letters: {letters}, control: {control}, group: {app}, session.timeout.ms: 6000}}
redis: {{url: "{redis}"}}
models:
  fraud: {{task: binary, positive_class: fraud}}
sinks:
  chat: {{type: slack, webhook_url: "http://127.0.0.1:{port}/services/hush"}}
"""


class Webhook:
    """Slack's side: keeps what is posted, answers what it is told to."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.status = 200
        self.refused = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(outer.status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")
                if outer.status == 200:
                    outer.bodies.append(body)
                else:
                    outer.refused += 1

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def texts(self) -> list[str]:
        return [body["text"] for body in self.bodies]

    def wait(self, count: int) -> None:
        deadline = time.monotonic() + WITHIN_S
        while len(self.bodies) < count:
            assert time.monotonic() < deadline, self.texts
            PAUSE.wait(0.1)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    found = Webhook()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


class Site:
    """Settings, the alerts topic, and what an evaluator would write into it."""

    def __init__(self, folder: Path, port: int, kafka: str, redis: str, topics: Callable[..., str]) -> None:
        names = {
            kind: topics(kind, partitions=1)
            for kind in ("predictions", "labels", "alerts", "letters", "control")
        }
        self.config = folder / "watchkeeper.yaml"
        self.config.write_text(
            SETTINGS.format(app=names["alerts"], port=port, kafka=kafka, redis=redis, **names)
        )
        self.clock = Clock(time.time_ns() // 1_000_000)
        self.topic = Topic(self.clock)
        self._alerts = names["alerts"]
        self._producer = Producer({"bootstrap.servers": kafka})
        self._written = 0

    def minute(self, verdict: Verdict = Verdict.BREACH, **what: Any) -> None:
        """Evaluate the minute before now, and publish what comes of it."""
        index = (self.clock.now_ms - 1_793_534_400_000) // MINUTE_MS
        self.topic.window(finding(index, verdict, hysteresis=ONE_OF_ONE, **what), index=index)
        self.clock.now_ms += MINUTE_MS
        for record in self.topic.records[self._written :]:
            self._producer.produce(
                self._alerts, record.to_json_bytes(), partition=0, headers={"content-type": CONTENT_TYPE}
            )
        self._written = len(self.topic.records)
        assert self._producer.flush(30) == 0

    def run(self, command: str, *arguments: str) -> str:
        """Run a command that must succeed; returns what it wrote."""
        whole = [sys.executable, "-m", "watchkeeper", command, *arguments, "--config", str(self.config)]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    @contextmanager
    def notifier(
        self, *, end: signal.Signals = signal.SIGTERM, roles: str = "notify"
    ) -> Iterator[subprocess.Popen[bytes]]:
        options = ("--config", str(self.config), "--roles", roles, "--metrics-address", "off")
        process = subprocess.Popen([sys.executable, "-m", "watchkeeper", "run", *options])
        try:
            yield process
        finally:
            process.send_signal(end)
            code = process.wait(WITHIN_S)
        assert code == (0 if end == signal.SIGTERM else -signal.SIGKILL)


def test_an_incident_is_told_once_through_kills_and_restarts_and_its_end_too(
    tmp_path: Path, webhook: Webhook, kafka_server: Any, redis_url: str, topics: Callable[..., str]
) -> None:
    site = Site(tmp_path, webhook.server.server_port, kafka_server.address, redis_url, topics)
    for feature in ("amount", "age"):
        site.minute(severity=Severity.CRITICAL, feature=feature)
    with site.notifier(end=signal.SIGKILL):
        webhook.wait(1)
        PAUSE.wait(1.0)
    with site.notifier(end=signal.SIGKILL):
        PAUSE.wait(4.0)
    assert len(webhook.bodies) == 1, "a new owner knows what was told"
    webhook.status = 503
    with site.notifier():
        for verdict in (Verdict.CLEAR, Verdict.CLEAR):
            for feature in ("amount", "age"):
                site.minute(verdict, feature=feature)
        deadline = time.monotonic() + WITHIN_S
        while not webhook.refused:
            assert time.monotonic() < deadline
            PAUSE.wait(0.1)
    assert len(webhook.bodies) == 1
    webhook.status = 200
    with site.notifier():
        webhook.wait(2)
        PAUSE.wait(1.0)
    first, last = webhook.texts
    assert first.startswith("CRIT")
    assert "(+1 more alert)" in first
    assert last.startswith("RESOLVED")


def test_people_see_acknowledge_and_silence_incidents_and_try_routes_out(
    tmp_path: Path, webhook: Webhook, kafka_server: Any, redis_url: str, topics: Callable[..., str]
) -> None:
    site = Site(tmp_path, webhook.server.server_port, kafka_server.address, redis_url, topics)
    assert "delivered" in site.run("test-alert", "--severity", "critical")
    assert webhook.texts[0].startswith("TEST CRIT")
    site.minute(severity=Severity.ERROR)
    with site.notifier():
        webhook.wait(2)
        (incident,) = json.loads(site.run("alerts", "--json"))
        assert (incident["status"], incident["severity"], incident["told"]) == (
            "firing",
            "error",
            {"chat": "error"},
        )
        site.run("ack", incident["incident"][:8], "--by", "ada", "--for", "2h")
        assert "[acknowledged by ada]" in site.run("alerts")
        assert "mutes 1 of 1 alerts" in site.run(
            *("silence", "--match", "model=fraud", "--by", "ada", "--reason", "a load test", "--dry-run")
        )
        assert "nothing is silenced" in site.run("silence", "--list")
        said = site.run("silence", "--match", "feature=~am*|zip", "--by", "ada", "--reason", "a load test")
        name = said.split("silence ")[1].split()[0]
        PAUSE.wait(1.5)
        site.minute(severity=Severity.CRITICAL)
        PAUSE.wait(3.0)
        assert len(webhook.bodies) == 2, "silenced"
        assert name in site.run("silence", "--list")
        site.run("silence", "--end", name)
        webhook.wait(3)
    assert webhook.texts[2].startswith("CRIT (now worse)")


def test_a_deploy_is_recorded_once_holds_drift_back_and_is_named_until_the_owner_keeps_the_reference(
    tmp_path: Path, webhook: Webhook, kafka_server: Any, redis_url: str, topics: Callable[..., str]
) -> None:
    site = Site(tmp_path, webhook.server.server_port, kafka_server.address, redis_url, topics)
    site.clock.now_ms -= 10 * MINUTE_MS
    at = rfc3339(utc_of_ms(site.clock.now_ms // MINUTE_MS * MINUTE_MS - MINUTE_MS))
    said = ("deploy", "--model", "fraud", "--version", "8", "--at", at, "--windows", "3", "--by", "ada")
    with a_server(*(Answer(202) for _ in range(10)), path="/v2/change/enqueue") as pagerduty:
        url = pagerduty.url.get_secret_value().replace("/change", "")
        text = site.config.read_text().replace("class: fraud}", f"class: fraud, {PEOPLE}}}")
        site.config.write_text(f"{text}  pager: {{type: pagerduty, routing_key: {'k' * 32}, url: '{url}'}}\n")
        assert "a change event goes to: pager" in site.run(*said, "--dry-run")
        assert "drift is held back until" in site.run(*said)
        site.minute(severity=Severity.WARNING)
        for end in (signal.SIGKILL, signal.SIGTERM):
            with site.notifier(end=end):
                deadline = time.monotonic() + WITHIN_S
                while not pagerduty.requests or "[planned change: version 8]" not in site.run("alerts"):
                    assert time.monotonic() < deadline
                PAUSE.wait(2.0)
        assert site.run(*said)
        site.minute(severity=Severity.WARNING)
        site.minute(severity=Severity.WARNING)
        with site.notifier():
            webhook.wait(1)
            assert "the reference is kept" in site.run("accept", "--model", "fraud", "--keep", "--by", "ada")
            assert "[acknowledged by ada]" in site.run("alerts")
        assert len(pagerduty.requests) == 1
    assert webhook.texts[0].startswith("WARN (still, its silence ended)")
    assert "version 8 was deployed" in json.dumps(webhook.bodies[0])


def test_a_process_with_all_roles_tells_a_dead_mans_switch_that_it_is_well(
    tmp_path: Path, webhook: Webhook, kafka_server: Any, redis_url: str, topics: Callable[..., str]
) -> None:
    site = Site(tmp_path, webhook.server.server_port, kafka_server.address, redis_url, topics)
    site.minute(severity=Severity.CRITICAL)
    with a_server(*(Answer() for _ in range(100)), path="/ping/hush") as switch:
        with site.config.open("a") as file:
            file.write(f"notify: {{heartbeat: {{url: '{switch.url.get_secret_value()}', every: 1s}}}}\n")
        with site.notifier(roles="join,evaluate,notify"):
            webhook.wait(1)
            deadline = time.monotonic() + WITHIN_S
            while len(switch.requests) < 2:
                assert time.monotonic() < deadline
                PAUSE.wait(0.1)
        came = len(switch.requests)
        PAUSE.wait(1.5)
        assert len(switch.requests) == came


def test_a_message_that_was_refused_is_told_again_when_somebody_asks(
    tmp_path: Path, webhook: Webhook, kafka_server: Any, redis_url: str, topics: Callable[..., str]
) -> None:
    site = Site(tmp_path, webhook.server.server_port, kafka_server.address, redis_url, topics)
    webhook.status = 404
    site.minute(severity=Severity.CRITICAL)
    with site.notifier():
        deadline = time.monotonic() + WITHIN_S
        while "1  would be tried" not in site.run("redeliver", "--dry-run"):
            assert time.monotonic() < deadline
    webhook.status = 200
    assert "1  delivered" in site.run("redeliver", "--sink", "chat")
    assert webhook.texts[0].startswith("LATE CRIT")
    assert "1  delivered by an earlier" in site.run("redeliver")
    assert len(webhook.bodies) == 1
