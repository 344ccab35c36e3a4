from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest
from builders.notifications import first, over
from builders.scripted_http import Answer, ScriptedServer, a_server
from pydantic import SecretStr

from alerts.http_gate import HttpGate
from alerts.sinks import Delivery
from alerts.sinks.teams import TeamsSink, render_teams
from schemas.errors import Stop


def a_workflow(*answers: Answer) -> AbstractContextManager[ScriptedServer]:
    return a_server(*answers, path="/workflows/T0SECRET")


def deliver(server: ScriptedServer) -> Delivery:
    sink = TeamsSink(server.url, gate=HttpGate(trust_env=False))
    try:
        return sink.deliver(first())
    finally:
        sink.close()


def test_a_card_is_posted_and_accepted() -> None:
    with a_workflow(Answer(202, b"")) as server:
        assert deliver(server) == Delivery.delivered()
    (request,) = server.requests
    assert request.path == "/workflows/T0SECRET"
    assert request.json() == render_teams(first())


def test_what_is_over_is_green_and_says_so_in_words() -> None:
    message: Any = render_teams(over())
    headline = message["attachments"][0]["content"]["body"][0]["inlines"][0]
    assert headline["color"] == "good"
    assert headline["text"].startswith("RESOLVED ")


@pytest.mark.parametrize(
    ("answer", "delivery"),
    [
        (Answer(200, b"1"), Delivery.delivered()),
        (Answer(200, b""), Delivery.delivered()),
        (Answer(200, b"<html>sign in</html>"), Delivery.retry("unexpected_body")),
        (
            Answer(200, b"Webhook message delivery failed with error: HTTP error 429"),
            Delivery.retry("error_in_body"),
        ),
        (Answer(202, b'{"error": {"code": "WorkflowTriggerIsNotEnabled"}}'), Delivery.retry("error_in_body")),
        (Answer(302, b"", {"location": "/elsewhere"}), Delivery.dead("http_302")),
        (Answer(400, b'{"error": {}}'), Delivery.dead("http_400")),
        (Answer(404), Delivery.dead("http_404")),
        (Answer(413), Delivery.dead("http_413")),
        (Answer(429, b"", {"retry-after": "4"}), Delivery.retry("http_429", after_s=4)),
        (Answer(502), Delivery.retry("http_502")),
        (Answer(hang_up=True), Delivery.retry("protocol")),
    ],
)
def test_each_answer_means_one_thing(answer: Answer, delivery: Delivery) -> None:
    with a_workflow(answer) as server:
        assert deliver(server) == delivery
    assert len(server.requests) == 1


def test_plain_http_stops() -> None:
    with pytest.raises(Stop, match="expected webhook_url to be an https URL"):
        TeamsSink(SecretStr("http://workflows.example/T0SECRET"), gate=HttpGate(trust_env=False))
