from __future__ import annotations

import json
import logging
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from alert_builders import fired
from pydantic import SecretStr
from structlog.testing import capture_logs

from alerts.compose import alone
from alerts.http_gate import BODY_BYTES_MAX, HttpAnswer, HttpFailure, HttpGate
from alerts.sinks import Delivery
from alerts.sinks.slack import SlackSink, told_by
from alerts.sinks.slack_blocks import render_slack
from schemas.errors import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDLESS_BYTES = 16_000_000
"""More than the buffers of both sockets hold."""

SECRET = "T0SECRET/B0SECRET/xyzSECRETxyz"


@dataclass
class Answer:
    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    silent: bool = False
    endless: bool = False


class Webhook:
    """A real HTTP server that answers from a script, as Slack would."""

    def __init__(self, *answers: Answer) -> None:
        self.requests: list[tuple[str, str, bytes]] = []
        self.sent_bytes = 0
        self.release = threading.Event()
        script = iter(answers)
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"] or 0))
                webhook.requests.append((self.path, str(self.headers["content-type"]), body))
                webhook.play(self, next(script))

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = SecretStr(f"http://127.0.0.1:{self.server.server_port}/services/{SECRET}")

    def play(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        if answer.silent:
            self.release.wait(30)
        if answer.hang_up or answer.silent:
            handler.close_connection = True
            return
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if not answer.endless:
            handler.send_header("content-length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)
        with suppress(ConnectionError):
            while answer.endless and self.sent_bytes < ENDLESS_BYTES:
                self.sent_bytes += handler.wfile.write(b"x" * 100_000)


@contextmanager
def a_webhook(*answers: Answer) -> Iterator[Webhook]:
    webhook = Webhook(*answers)
    thread = threading.Thread(target=webhook.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield webhook
    finally:
        webhook.release.set()
        webhook.server.shutdown()
        webhook.server.server_close()
        thread.join()


def post(webhook: Webhook, *, timeout_s: float = 10.0) -> Delivery:
    sink = SlackSink(webhook.url, gate=HttpGate(timeout_s=timeout_s, trust_env=False))
    try:
        return sink.deliver(alone(fired()))
    finally:
        sink.close()


def test_an_event_is_posted_as_json_and_ok_means_delivered() -> None:
    with a_webhook(Answer()) as webhook:
        assert post(webhook) == Delivery.delivered()
    ((path, content_type, body),) = webhook.requests
    assert path == f"/services/{SECRET}"
    assert content_type == "application/json"
    assert json.loads(body) == render_slack(alone(fired()))


@pytest.mark.parametrize(
    ("answer", "delivery"),
    [
        (Answer(200, b"ok\n"), Delivery.delivered()),
        (Answer(200, b"<html>sign in</html>"), Delivery.retry("unexpected_body")),
        (Answer(200, b""), Delivery.retry("unexpected_body")),
        (Answer(204, b""), Delivery.dead("http_204")),
        (Answer(302, b"", {"location": "/elsewhere"}), Delivery.dead("http_302")),
        (Answer(400, b"invalid_payload"), Delivery.dead("http_400")),
        (Answer(403, b"invalid_token"), Delivery.dead("http_403")),
        (Answer(404, b"no_service"), Delivery.dead("http_404")),
        (Answer(410, b"channel_is_archived"), Delivery.dead("http_410")),
        (Answer(408), Delivery.retry("http_408")),
        (Answer(425), Delivery.retry("http_425")),
        (Answer(429, b"", {"retry-after": "30"}), Delivery.retry("http_429", after_s=30)),
        (Answer(429, b'{"retry_after": 12.5}'), Delivery.retry("http_429", after_s=12.5)),
        (Answer(429, b'{"retry_after": "soon"}', {"retry-after": "soon"}), Delivery.retry("http_429")),
        (Answer(429, b"[]"), Delivery.retry("http_429")),
        (Answer(500, b"rollup_error"), Delivery.retry("http_500")),
        (Answer(503, b"", {"retry-after": "7"}), Delivery.retry("http_503", after_s=7)),
    ],
)
def test_each_answer_means_one_thing(answer: Answer, delivery: Delivery) -> None:
    with a_webhook(answer) as webhook:
        assert post(webhook) == delivery
    assert len(webhook.requests) == 1


@pytest.mark.parametrize(
    ("retry_after", "date", "wait_s"),
    [
        ("Sun, 01 Nov 2026 12:00:40 GMT", "Sun, 01 Nov 2026 12:00:00 GMT", 40.0),
        ("Sun, 01 Nov 2026 11:00:00 GMT", "Sun, 01 Nov 2026 12:00:00 GMT", 0.0),
    ],
)
def test_a_wait_until_a_date_is_counted_from_the_servers_own_date(
    retry_after: str, date: str, wait_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda *_: date)
    with a_webhook(Answer(429, b"", {"retry-after": retry_after})) as webhook:
        assert post(webhook) == Delivery.retry("http_429", after_s=wait_s)


def test_a_server_that_hangs_up_is_tried_again() -> None:
    with a_webhook(Answer(hang_up=True)) as webhook:
        assert post(webhook) == Delivery.retry("protocol")


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    with a_webhook(Answer(silent=True)) as webhook:
        assert post(webhook, timeout_s=0.4) == Delivery.retry("timeout")


def a_closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_server_that_is_not_there_is_tried_again() -> None:
    url = SecretStr(f"http://127.0.0.1:{a_closed_port()}/services/{SECRET}")
    sink = SlackSink(url, gate=HttpGate(trust_env=False))
    assert sink.deliver(alone(fired())) == Delivery.retry("network")
    sink.close()


def test_an_answer_without_end_is_left_unread() -> None:
    with a_webhook(Answer(500, endless=True)) as webhook:
        assert post(webhook, timeout_s=60) == Delivery.retry("http_500")
    assert webhook.sent_bytes < ENDLESS_BYTES


def test_only_the_head_of_an_answer_is_read() -> None:
    with a_webhook(Answer(500, b"x" * 200_000)) as webhook:
        gate = HttpGate(trust_env=False)
        answer = gate.post_json(webhook.url, {})
        gate.close()
    assert isinstance(answer, HttpAnswer)
    assert len(answer.body) == BODY_BYTES_MAX


@pytest.mark.parametrize("reason", ["timeout", "network", "protocol"])
def test_every_failure_on_the_way_is_tried_again(reason: str) -> None:
    assert told_by(HttpFailure(reason)) == Delivery.retry(reason)


@pytest.mark.parametrize(
    "url",
    [
        f"http://hooks.example/{SECRET}",
        f"ftp://hooks.example/{SECRET}",
        SECRET,
        "",
        "https://",
        f"https://[{SECRET}",
        f"http://127.0.0.1.evil.example/{SECRET}",
        f"https://hooks.example:99999/{SECRET}",
        f"https://hooks.exa\x00mple/{SECRET}",
    ],
)
def test_an_address_that_would_give_away_the_secret_stops_without_showing_it(url: str) -> None:
    with pytest.raises(Stop, match="expected webhook_url to be an https URL") as stopped:
        SlackSink(SecretStr(url), gate=HttpGate(trust_env=False))
    assert "SECRET" not in str(stopped.value)
    assert "SECRET" not in repr(stopped.value.__context__)


def test_the_secret_is_in_no_log_result_or_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    script = (
        Answer(),
        Answer(404, SECRET.encode()),
        Answer(302, b"", {"location": f"/{SECRET}"}),
        Answer(hang_up=True),
    )
    with a_webhook(*script) as webhook, capture_logs() as lines:
        gate = HttpGate(trust_env=False)
        sink = SlackSink(webhook.url, gate=gate)
        results = [sink.deliver(alone(fired())) for _ in script]
        shown = f"{sink!r} {sink} {gate!r} {results} {lines}"
        sink.close()
    assert "SECRET" not in shown
    assert "SECRET" not in caplog.text
