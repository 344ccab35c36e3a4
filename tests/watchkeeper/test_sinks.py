from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from builders.notifications import signal
from builders.scripted_http import Answer, ScriptedServer, a_server
from pydantic import SecretStr

from alerts.http_gate import HttpGate
from alerts.pictures.folder import PictureFolder
from alerts.pictures.gallery import Gallery
from alerts.pictures.words import Plot
from alerts.sinks import Outcome, Sink
from alerts.sinks.alertmanager import AlertmanagerSink
from alerts.sinks.jsm import JsmSink
from alerts.sinks.pagerduty import PagerDutySink
from alerts.sinks.slack import SlackSink
from alerts.sinks.stdout import StdoutSink
from alerts.sinks.teams import TeamsSink
from schemas.errors import Stop
from schemas.settings import Settings
from schemas.settings_text import parse_settings
from schemas.sink_settings import SINK_MODELS
from watchkeeper.check_command import sink_facts
from watchkeeper.sinks import make_gallery, make_sinks

ONE_OF_EACH = """\
models: {m: {task: regression}}
sinks:
  stdout: {type: stdout, format: json}
  slack: {type: slack, webhook_url: "https://h/x"}
  teams: {type: teams, webhook_url: "https://h/x"}
  pagerduty: {type: pagerduty, routing_key: kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk}
  jsm: {type: jsm, api_key: k}
  opsgenie: {type: opsgenie, api_key: k, url: "https://api.eu.opsgenie.com/v2"}
  alertmanager: {type: alertmanager, urls: ["http://a:9093", "http://b:9093"]}
  webhook: {type: webhook, url: "https://h/x", secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]}
  email: {type: email, host: mail, sender: a@b.example, recipients: [c@b.example]}
"""

WAYS = {
    # type: pace, pages, repeatable, refresh
    "stdout": (0.0, False, False, None),
    "slack": (1.0, False, False, None),
    "teams": (1.0, False, False, None),
    "pagerduty": (1.0, True, True, None),
    "jsm": (1.0, True, True, None),
    "opsgenie": (1.0, True, True, None),
    "alertmanager": (0.0, False, True, 60.0),
    "webhook": (0.2, False, True, None),
    "email": (0.0, False, False, None),
}


def settings(text: str) -> Settings:
    return parse_settings(text, source="x", env={}, read_secret=lambda _: "")


@pytest.fixture(scope="module")
def sinks() -> dict[str, Sink]:
    return {sink.name: sink for sink in make_sinks(settings(ONE_OF_EACH))}


def test_the_table_has_every_type() -> None:
    # Apprise, which takes seconds to import, is made in its own tests.
    assert {*WAYS, "apprise"} == set(SINK_MODELS)


@pytest.mark.parametrize("name", WAYS)
def test_every_type_of_sink_is_made_and_says_how_it_wants_to_be_treated(
    name: str, sinks: dict[str, Sink]
) -> None:
    sink = sinks[name]
    assert (sink.pace_s, sink.pages, sink.repeatable, sink.refresh_s) == WAYS[name]
    sink.close()
    sink.close()


def test_without_sinks_alerts_go_to_standard_output() -> None:
    (sink,) = make_sinks(settings("models: {m: {task: regression}}\n"))
    assert isinstance(sink, StdoutSink)


def test_check_says_that_sinks_can_be_made() -> None:
    (fact,) = sink_facts(settings(ONE_OF_EACH))
    assert fact.ok
    assert fact.answer.startswith("stdout, slack, teams")


def with_pictures(folder: Path) -> Settings:
    keys = f"{{folder: {folder}, url: 'https://pictures.example/watch', keep: 7d}}"
    return settings(f"{ONE_OF_EACH}notify: {{pictures: {keys}}}\n")


def test_check_says_whether_pictures_can_be_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (fact,) = sink_facts(with_pictures(tmp_path))
    assert fact.ok
    (fact,) = sink_facts(with_pictures(tmp_path / "nowhere"))
    assert not fact.ok
    assert fact.answer.startswith("notify.pictures.folder: expected a folder that can be written to")
    monkeypatch.setattr("watchkeeper.sinks.can_draw", lambda: False)
    (fact,) = sink_facts(with_pictures(tmp_path))
    assert not fact.ok
    assert 'pip install "watchkeeper[pictures]"' in fact.answer
    (fact,) = sink_facts(settings(ONE_OF_EACH))
    assert fact.ok  # e-mails then have none


def an_alertmanager(server: ScriptedServer, **shown: Any) -> Sink:
    url = server.url.get_secret_value()
    return AlertmanagerSink([url], gate=GATE(), now=lambda: datetime(2026, 11, 1, 12, tzinfo=UTC), **shown)


def a_jsm(server: ScriptedServer, **shown: Any) -> Sink:
    url = server.url.get_secret_value()
    return JsmSink(SecretStr("k"), url=url, gate=GATE(), clock=lambda: 0.0, sleep=lambda _: None, **shown)


GATE = partial(HttpGate, trust_env=False, timeout_s=2.0)
SHOWING: dict[str, Callable[..., Sink]] = {
    "slack": lambda server, **shown: SlackSink(server.url, gate=GATE(), **shown),
    "teams": lambda server, **shown: TeamsSink(server.url, gate=GATE(), **shown),
    "pagerduty": lambda server, **shown: PagerDutySink(
        SecretStr("k"), url=server.url.get_secret_value(), gate=GATE(), **shown
    ),
    "jsm": a_jsm,
    "alertmanager": an_alertmanager,
}


@pytest.mark.parametrize("name", SHOWING)
def test_chats_and_pagers_show_the_picture_that_lies_in_the_folder_and_blocks_without_one(
    name: str, tmp_path: Path
) -> None:
    gallery = make_gallery(with_pictures(tmp_path).notify.pictures)
    for shown in ({"pictures": gallery}, {}):
        with a_server(*[Answer(500)] * 4) as server:
            sink = SHOWING[name](server, **shown)
            sink.deliver(signal())
            sink.close()
        body = json.loads(server.requests[0].body)
        assert ("https://pictures.example/watch/" in json.dumps(body)) is bool(shown)
        if not shown:
            assert "\N{LOWER ONE EIGHTH BLOCK}\N{LOWER ONE EIGHTH BLOCK}" in json.dumps(
                body, ensure_ascii=False
            )
    (file,) = tmp_path.iterdir()
    link = gallery.link(signal())
    assert link is not None
    assert link.url == f"https://pictures.example/watch/{file.name}"


def test_a_picture_that_cannot_be_drawn_costs_no_message(tmp_path: Path) -> None:
    def fails(_plot: Plot) -> bytes:
        raise RuntimeError("no font")

    folder = PictureFolder(tmp_path, keep_s=60.0, now_s=lambda: 0.0)
    gallery = Gallery(fails, folder=folder, url="https://pictures.example")
    with a_server(Answer()) as server:
        assert SHOWING["slack"](server, pictures=gallery).deliver(signal()).outcome is Outcome.DELIVERED
    body = json.loads(server.requests[0].body)
    assert {block["type"] for block in body["blocks"]} == {"header", "section"}
    assert (gallery.stats.failed, list(tmp_path.iterdir())) == (1, [])


@pytest.mark.parametrize(
    "wrong",
    [
        "{folder: pictures, url: 'https://h/p'}",
        "{folder: /pictures, url: 'http://h/p'}",
        "{folder: /pictures, url: 'https://user:pw@h/p'}",
        "{folder: /pictures, url: 'https://h/p?token=x'}",
        "{folder: /pictures, url: 'https:///p'}",
        "{folder: /pictures}",
        "{folder: /pictures, url: 'https://h/p', keep: 10ms}",
    ],
)
def test_settings_of_pictures_that_could_not_work_are_refused(wrong: str) -> None:
    with pytest.raises(Stop, match="notify"):
        settings(f"models: {{m: {{task: regression}}}}\nnotify: {{pictures: {wrong}}}\n")


def test_check_says_how_to_install_what_a_sink_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    text = 'models: {m: {task: regression}}\nsinks: {more: {type: apprise, urls: ["json://h"]}}\n'
    (fact,) = sink_facts(settings(text))
    assert not fact.ok
    assert fact.answer.startswith("sinks.more: ")
    assert 'pip install "watchkeeper[apprise]"' in fact.answer
