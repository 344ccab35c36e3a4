from __future__ import annotations

import sys

import pytest

from alerts.sinks import Sink
from alerts.sinks.stdout import StdoutSink
from schemas.settings import Settings
from schemas.settings_text import parse_settings
from schemas.sink_settings import SINK_MODELS
from watchkeeper.check_command import sink_facts
from watchkeeper.sinks import make_sinks

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


def test_check_says_how_to_install_what_a_sink_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    text = 'models: {m: {task: regression}}\nsinks: {more: {type: apprise, urls: ["json://h"]}}\n'
    (fact,) = sink_facts(settings(text))
    assert not fact.ok
    assert fact.answer.startswith("sinks.more: ")
    assert 'pip install "watchkeeper[apprise]"' in fact.answer
