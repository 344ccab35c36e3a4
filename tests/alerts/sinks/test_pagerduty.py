from __future__ import annotations

import json
from contextlib import AbstractContextManager

import pytest
from builders.notifications import HOSTILE, a_change, first, over
from builders.scripted_http import Answer, ScriptedServer, a_server
from pydantic import SecretStr

from alerts.http_gate import HttpGate
from alerts.sinks import Delivery
from alerts.sinks.pagerduty import (
    EVENT_BYTES_MAX,
    SUMMARY_CHARS_MAX,
    PagerDutySink,
    render_change,
    render_pagerduty,
)
from schemas.errors import Stop
from schemas.notification import Notification

KEY = SecretStr("R0SECRETR0SECRETR0SECRETR0SECRET")
TAKEN = Answer(202, b'{"status": "success"}')


def pagerduty(*answers: Answer) -> AbstractContextManager[ScriptedServer]:
    return a_server(*answers, path="/v2/enqueue")


def deliver(server: ScriptedServer, *told: Notification) -> list[Delivery]:
    sink = PagerDutySink(KEY, url=server.url.get_secret_value(), gate=HttpGate(trust_env=False))
    try:
        return [sink.deliver(notification) for notification in told]
    finally:
        sink.close()


def test_what_fires_is_triggered_and_resolved_under_one_key() -> None:
    start, end = first(), over()
    with pagerduty(TAKEN, TAKEN) as server:
        assert deliver(server, start, end) == [Delivery.delivered()] * 2
    trigger, resolve = (request.json() for request in server.requests)
    assert {request.path for request in server.requests} == {"/v2/enqueue"}
    assert trigger == {"routing_key": KEY.get_secret_value(), **render_pagerduty(start)}
    assert trigger["event_action"] == "trigger"
    assert resolve == {
        "routing_key": KEY.get_secret_value(),
        "event_action": "resolve",
        "dedup_key": trigger["dedup_key"],
    }


@pytest.mark.parametrize(
    ("answer", "delivery"),
    [
        (Answer(200), Delivery.dead("http_200")),
        (Answer(302, b"", {"location": "/"}), Delivery.dead("http_302")),
        (Answer(400, b'{"status": "invalid event"}'), Delivery.dead("http_400")),
        (Answer(403), Delivery.dead("http_403")),
        (Answer(429), Delivery.retry("http_429", after_s=30)),
        (Answer(429, b"", {"retry-after": "7"}), Delivery.retry("http_429", after_s=7)),
        (Answer(500), Delivery.retry("http_500")),
        (Answer(503, b"", {"retry-after": "5"}), Delivery.retry("http_503", after_s=5)),
        (Answer(hang_up=True), Delivery.retry("protocol")),
    ],
)
def test_each_answer_means_one_thing(answer: Answer, delivery: Delivery) -> None:
    with pagerduty(answer) as server:
        assert deliver(server, first()) == [delivery]
    assert len(server.requests) == 1


def announce(url: str) -> Delivery:
    sink = PagerDutySink(KEY, url=url, gate=HttpGate(trust_env=False))
    try:
        return sink.announce(a_change())
    finally:
        sink.close()


@pytest.mark.parametrize("ending", ["/enqueue", ""])
def test_a_deploy_goes_where_changes_go_and_opens_nothing(ending: str) -> None:
    with a_server(TAKEN, path="/v2/change/enqueue") as server:
        base = server.url.get_secret_value().removesuffix("/change/enqueue")
        assert announce(base + ending) == Delivery.delivered()
    (request,) = server.requests
    assert request.path == "/v2/change/enqueue"
    assert request.json() == {"routing_key": KEY.get_secret_value(), **render_change(a_change())}
    assert not {"event_action", "dedup_key"} & request.json().keys()


def test_a_change_that_is_not_taken_now_is_tried_again() -> None:
    with a_server(Answer(429), path="/v2/change/enqueue") as server:
        url = server.url.get_secret_value().replace("/change", "")
        assert announce(url) == Delivery.retry("http_429", after_s=30)


@pytest.mark.parametrize("text", [HOSTILE, "\U0001f600" * 5_000, "é" * 5_000])
def test_a_change_keeps_the_limits_and_is_plain_text_whatever_it_is_called(text: str) -> None:
    change = render_change(a_change(model=text, version=text, by=text, note=text, ticket=text))
    assert len(json.dumps(change).encode()) < EVENT_BYTES_MAX
    payload = change["payload"]
    assert isinstance(payload, dict)
    assert 1 <= len(str(payload["summary"]).encode("utf-16-le")) // 2 <= SUMMARY_CHARS_MAX
    assert all(character.isprintable() for character in str(payload["summary"]) + str(payload["source"]))
    assert change["links"] == []


@pytest.mark.parametrize(
    ("url", "is_shown"),
    [
        ("https://plots.example/a.png", True),
        ("https://plots.example/a.PNG?window=0", True),
        ("http://plots.example/a.png", False),
        ("https://plots.example/a.html?b=.png", False),
        ("https://[plots.png", False),
        ("javascript:a.png", False),
    ],
)
def test_only_pictures_over_https_are_images(url: str, is_shown: bool) -> None:
    told = first()
    told = told.model_copy(update={"lead": told.lead.model_copy(update={"links": {"plot": url}})})
    images = [{"src": url, "alt": "plot"}] if is_shown else []
    assert render_pagerduty(told)["images"] == images


def test_an_address_that_would_give_away_the_key_stops() -> None:
    with pytest.raises(Stop, match="expected url to be an https URL"):
        PagerDutySink(KEY, url="http://events.example/v2/enqueue", gate=HttpGate(trust_env=False))
