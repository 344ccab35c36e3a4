from __future__ import annotations

import logging
import sys

import pytest
from builders.notifications import first, hostile
from builders.scripted_http import Answer, a_closed_port, a_server
from pydantic import SecretStr

from alerts.sinks import Delivery
from alerts.sinks.apprise import AppriseSink, render_apprise
from schemas.errors import Stop
from schemas.settings_text import parse_settings
from watchkeeper.sinks import make_sinks

# Apprise imports more than a hundred modules for its first URL, so one worker has all its tests.
pytestmark = pytest.mark.xdist_group("apprise")

SECRET = "A0SECRETA0"


def url_of(port: int) -> SecretStr:
    return SecretStr(f"json://watch:{SECRET}@127.0.0.1:{port}/hook")


def test_apprise_posts_title_and_body_as_plain_text() -> None:
    with a_server(Answer(200, b"")) as server:
        sink = AppriseSink([url_of(server.server.server_port)])
        assert sink.deliver(hostile()) == Delivery.delivered()
        sink.close()
    (request,) = server.requests
    title, body = render_apprise(hostile())
    assert (request.json()["title"], request.json()["message"]) == (title, body)


def test_settings_make_a_sink_that_is_best_effort() -> None:
    text = 'models: {m: {task: regression}}\nsinks: {more: {type: apprise, urls: ["json://h"]}}\n'
    (sink,) = make_sinks(parse_settings(text, source="x", env={}, read_secret=lambda _: ""))
    assert isinstance(sink, AppriseSink)
    assert (sink.name, sink.pace_s, sink.pages, sink.repeatable, sink.refresh_s) == (
        "more",
        1.0,
        False,
        False,
        None,
    )


def test_one_url_that_fails_is_a_retry_and_the_url_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with a_server(Answer(500)) as server:
        sink = AppriseSink([url_of(server.server.server_port), url_of(a_closed_port())])
        assert sink.deliver(first()) == Delivery.retry("not_sent")
        shown = f"{sink!r} {sink}"
    assert SECRET not in caplog.text
    assert SECRET not in shown


def test_a_url_that_apprise_does_not_know_stops_without_showing_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Stop, match=r"^sinks\.more\.urls\[1\]: expected a URL that Apprise knows") as stopped:
        AppriseSink([SecretStr("json://h"), SecretStr(f"nothing://{SECRET}")], name="more")
    assert SECRET not in str(stopped.value)
    assert SECRET not in caplog.text


def test_without_the_package_the_mend_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(Stop, match=r'pip install "watchkeeper\[apprise\]"'):
        AppriseSink([SecretStr("json://h")])
