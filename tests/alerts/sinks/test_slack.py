from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler

import pytest
from alert_builders import fired
from builders.scripted_http import ENDLESS_BYTES, Answer, ScriptedServer, a_closed_port, a_server
from pydantic import SecretStr
from structlog.testing import capture_logs

from alerts.compose import alone
from alerts.http_gate import BODY_BYTES_MAX, HttpAnswer, HttpFailure, HttpGate
from alerts.sinks import Delivery
from alerts.sinks.slack import SlackSink, told_by
from alerts.sinks.slack_blocks import render_slack, render_slack_plain
from schemas.errors import Stop

SECRET = "T0SECRET/B0SECRET/xyzSECRETxyz"


def a_webhook(*answers: Answer) -> AbstractContextManager[ScriptedServer]:
    return a_server(*answers, path=f"/services/{SECRET}")


def post(webhook: ScriptedServer, *, timeout_s: float = 10.0) -> Delivery:
    sink = SlackSink(webhook.url, gate=HttpGate(timeout_s=timeout_s, trust_env=False))
    try:
        return sink.deliver(alone(fired()))
    finally:
        sink.close()


def test_an_event_is_posted_as_json_and_ok_means_delivered() -> None:
    with a_webhook(Answer()) as webhook:
        assert post(webhook) == Delivery.delivered()
    (request,) = webhook.requests
    assert (request.method, request.path) == ("POST", f"/services/{SECRET}")
    assert request.headers["content-type"] == "application/json"
    assert request.json() == render_slack(alone(fired()))


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


@pytest.mark.parametrize("refusal", [b"invalid_blocks", b"invalid_attachments\n", b"msg_blocks_too_long"])
@pytest.mark.parametrize(
    ("second", "delivery"),
    [
        (Answer(), Delivery.delivered()),
        (Answer(400, b"invalid_blocks"), Delivery.dead("http_400")),
        (Answer(500), Delivery.retry("http_500")),
    ],
)
def test_blocks_that_are_refused_are_followed_by_plain_text_once(
    refusal: bytes, second: Answer, delivery: Delivery
) -> None:
    with a_webhook(Answer(400, refusal), second) as webhook:
        assert post(webhook) == delivery
    blocks, plain = (request.json() for request in webhook.requests)
    assert "blocks" in blocks
    assert plain == render_slack_plain(alone(fired()))
    assert "Do now: " in plain["text"]


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
