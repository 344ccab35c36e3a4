"""Planted secrets: whatever becomes of a delivery, no sink lets its secret out but to the other side."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from builders.notifications import first, over, signal
from builders.scripted_http import Answer, ScriptedServer, a_closed_port, a_server
from pydantic import SecretStr
from structlog.testing import capture_logs

from alerts.http_gate import HttpGate
from alerts.pictures.gallery import Gallery
from alerts.pictures.words import Plot
from alerts.sinks import Sink
from alerts.sinks.alertmanager import AlertmanagerSink, authorization_of
from alerts.sinks.jsm import JsmSink
from alerts.sinks.mail import MailServer, MailSink
from alerts.sinks.pagerduty import PagerDutySink
from alerts.sinks.slack import SlackSink
from alerts.sinks.teams import TeamsSink
from alerts.sinks.webhook import WebhookSink
from schemas.errors import Stop

SECRET = "P1ANTED0SECRETP1ANTED0SECRET0000"
ENCODED = base64.b64encode(f"u:{SECRET}".encode()).decode()
SIGNING = f"whsec_{SECRET}"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def gate() -> HttpGate:
    return HttpGate(trust_env=False, timeout_s=2.0)


def base_of(server: ScriptedServer) -> str:
    return server.url.get_secret_value()


def secret_url(server: ScriptedServer) -> SecretStr:
    return SecretStr(f"{base_of(server)}{SECRET}?token={SECRET}")


def alertmanager(server: ScriptedServer, *, with_token: bool) -> Sink:
    token, password = (SecretStr(SECRET), None) if with_token else (None, SecretStr(SECRET))
    authorization = authorization_of(username="u", password=password, bearer_token=token)
    return AlertmanagerSink([base_of(server)], gate=gate(), now=lambda: NOON, authorization=authorization)


SINKS: dict[str, Callable[[ScriptedServer], Sink]] = {
    "slack": lambda server: SlackSink(secret_url(server), gate=gate()),
    "teams": lambda server: TeamsSink(secret_url(server), gate=gate()),
    "pagerduty": lambda server: PagerDutySink(SecretStr(SECRET), url=base_of(server), gate=gate()),
    "jsm": lambda server: JsmSink(
        SecretStr(SECRET), url=base_of(server), gate=gate(), clock=lambda: 0.0, sleep=lambda _: None
    ),
    "alertmanager token": lambda server: alertmanager(server, with_token=True),
    "alertmanager password": lambda server: alertmanager(server, with_token=False),
    "webhook": lambda server: WebhookSink(
        secret_url(server), secrets=[SecretStr(SIGNING)], gate=gate(), now_s=lambda: 0
    ),
}

SCRIPT = (
    Answer(200, SECRET.encode()),
    Answer(202, f'{{"requestId": "{SECRET}"}}'.encode()),
    Answer(302, b"", {"location": f"/{SECRET}", "set-cookie": f"x={SECRET}"}),
    Answer(400, f"invalid_blocks {SECRET}".encode()),
    Answer(500, SECRET.encode()),
    Answer(hang_up=True),
)


def check(*shown: object) -> None:
    for text in map(str, shown):
        for plant in (SECRET, ENCODED, SIGNING):
            assert plant not in text


@contextmanager
def nothing_is_let_out(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    with capture_logs() as lines:
        yield
    check(lines, caplog.text)


@pytest.mark.parametrize("name", SINKS)
def test_no_result_repr_or_log_line_of_a_sink_holds_its_secret(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with nothing_is_let_out(caplog), a_server(*SCRIPT, *[Answer(500)] * 40) as server:
        sink = SINKS[name](server)
        results = [sink.deliver(told) for told in (first(), over()) for _ in SCRIPT]
        check(results, repr(sink), repr(vars(sink).get("_gate")))
        sink.close()


@pytest.mark.parametrize("name", SINKS)
def test_no_exception_of_a_sink_holds_its_secret(name: str, caplog: pytest.LogCaptureFixture) -> None:
    class BrokenError(Exception):
        pass

    with nothing_is_let_out(caplog), a_server() as server:
        sink = SINKS[name](server)
        with patch.object(HttpGate, "send", side_effect=BrokenError), pytest.raises(BrokenError) as caught:
            sink.deliver(first())
        check("".join(traceback.format_exception(caught.value)))
        sink.close()


@pytest.mark.parametrize(
    "text", [f"http://h.example/{SECRET}", f"https://[{SECRET}", SECRET, f"ftp://{SECRET}"]
)
def test_an_address_that_is_refused_is_not_shown(text: str) -> None:
    url = SecretStr(text)
    for make in (
        lambda: SlackSink(url, gate=gate()),
        lambda: TeamsSink(url, gate=gate()),
        lambda: WebhookSink(url, secrets=[SecretStr(SIGNING)], gate=gate(), now_s=lambda: 0),
        lambda: PagerDutySink(SecretStr(SECRET), url=text, gate=gate()),
    ):
        with pytest.raises(Stop) as stopped:
            make()
        check(*traceback.format_exception(stopped.value))


def test_a_key_that_no_header_can_hold_raises_nothing() -> None:
    with a_server() as server:
        sink = JsmSink(
            SecretStr(f"{SECRET}\r\nx: é"),
            url=base_of(server),
            gate=gate(),
            clock=lambda: 0.0,
            sleep=lambda _: None,
        )
        check(sink.deliver(first()))
        sink.close()
    assert server.requests == []


def test_a_picture_that_fails_lets_nothing_out_of_its_error(caplog: pytest.LogCaptureFixture) -> None:
    def fails(_plot: Plot) -> bytes:
        raise ValueError(SECRET)

    with nothing_is_let_out(caplog):
        gallery = Gallery(fails)
        check(gallery.picture(signal()), repr(gallery))
    assert gallery.stats.failed == 1


def test_a_mail_server_that_is_away_shows_no_password(caplog: pytest.LogCaptureFixture) -> None:
    with nothing_is_let_out(caplog):
        server = MailServer(
            host="127.0.0.1", port=a_closed_port(), tls="none", username="u", password=SecretStr(SECRET)
        )
        sink = MailSink(server, sender="a@example.com", recipients=["b@example.com"], now=lambda: NOON)
        check(sink.deliver(first()), repr(sink), repr(server))
