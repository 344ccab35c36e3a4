from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from builders.notifications import first, over
from builders.scripted_http import Answer, ScriptedServer, a_server
from pydantic import SecretStr

from alerts.http_gate import HttpGate
from alerts.sinks import Delivery
from alerts.sinks.jsm import CONFIRM_S, JsmSink, render_jsm

KEY = SecretStr("J0SECRET-J0SECRET")
TAKEN = Answer(202, json.dumps({"result": "Request will be processed", "requestId": "r/1"}).encode())
NOT_YET = Answer(404, b'{"message": "not found"}')
LATER = Delivery.retry("unconfirmed", after_s=5)


def told(*, done: bool) -> Answer:
    return Answer(200, json.dumps({"data": {"isSuccess": done, "action": "Create"}}).encode())


@dataclass
class Time:
    now_s: float = 100.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


def a_sink(server: ScriptedServer, time: Time) -> JsmSink:
    return JsmSink(
        KEY,
        url=server.url.get_secret_value(),
        gate=HttpGate(trust_env=False),
        clock=time.clock,
        sleep=time.sleep,
    )


def test_an_alert_is_created_closed_and_each_time_confirmed() -> None:
    start, end = first(), over()
    with a_server(TAKEN, told(done=True), TAKEN, told(done=True), path="/v2/") as server:
        sink = a_sink(server, Time())
        assert [sink.deliver(start), sink.deliver(end)] == [Delivery.delivered()] * 2
        sink.close()
    create, asked, close, _ = server.requests
    assert {request.headers["authorization"] for request in server.requests} == {
        f"GenieKey {KEY.get_secret_value()}"
    }
    assert (create.method, create.path) == ("POST", "/v2/alerts")
    assert create.json() == render_jsm(start).body
    assert (asked.method, asked.path) == ("GET", "/v2/alerts/requests/r%2F1")
    assert (close.method, close.path) == ("POST", f"/v2/alerts/{start.key}/close?identifierType=alias")


def test_a_message_counts_as_delivered_only_when_it_is_confirmed() -> None:
    time = Time()
    with a_server(TAKEN, NOT_YET, NOT_YET, told(done=True), path="/v2") as server:
        sink = a_sink(server, time)
        assert sink.deliver(first()) == Delivery.delivered()
        sink.close()
    assert time.slept == [0.5, 1.0, 2.0]


def test_what_is_not_confirmed_in_time_is_asked_after_again_and_not_sent_twice() -> None:
    with a_server(TAKEN, *[NOT_YET] * 3, NOT_YET, told(done=True), path="/v2") as server:
        sink = a_sink(server, Time())
        assert [sink.deliver(first()), sink.deliver(first())] == [LATER, Delivery.delivered()]
        sink.close()
    assert [request.method for request in server.requests] == ["POST", *["GET"] * 5]


def test_what_is_not_confirmed_for_a_minute_is_sent_again() -> None:
    time = Time()
    with a_server(TAKEN, *[NOT_YET] * 3, TAKEN, told(done=True), path="/v2") as server:
        sink = a_sink(server, time)
        assert sink.deliver(first()) == LATER
        time.now_s += CONFIRM_S
        assert sink.deliver(first()) == Delivery.delivered()
        sink.close()
    assert [request.method for request in server.requests] == ["POST", "GET", "GET", "GET", "POST", "GET"]


def test_an_action_that_failed_afterwards_is_sent_again() -> None:
    with a_server(TAKEN, told(done=False), TAKEN, told(done=True), path="/v2") as server:
        sink = a_sink(server, Time())
        assert [sink.deliver(first()), sink.deliver(first())] == [
            Delivery.retry("not_done"),
            Delivery.delivered(),
        ]
        sink.close()


@pytest.mark.parametrize(
    ("action", "status", "delivery"),
    [
        ("Close", "Alert does not exist", Delivery.delivered()),
        ("Close", "Not allowed", Delivery.retry("not_done")),
        ("Create", "Alert does not exist", Delivery.retry("not_done")),
    ],
)
def test_closing_what_somebody_has_closed_already_is_done(
    action: str, status: str, delivery: Delivery
) -> None:
    failed = {"data": {"isSuccess": False, "action": action, "status": status}}
    with a_server(TAKEN, Answer(200, json.dumps(failed).encode()), path="/v2") as server:
        sink = a_sink(server, Time())
        assert sink.deliver(over()) == delivery
        sink.close()


@pytest.mark.parametrize(
    ("answer", "delivery"),
    [
        (Answer(200), Delivery.dead("http_200")),
        (Answer(202, b""), Delivery.retry("unexpected_body")),
        (Answer(202, b"[]"), Delivery.retry("unexpected_body")),
        (Answer(202, b'{"requestId": 7}'), Delivery.retry("unexpected_body")),
        (Answer(401), Delivery.dead("http_401")),
        (Answer(422), Delivery.dead("http_422")),
        (Answer(429, b"", {"retry-after": "9"}), Delivery.retry("http_429", after_s=9)),
        (Answer(500), Delivery.retry("http_500")),
        (Answer(hang_up=True), Delivery.retry("protocol")),
    ],
)
def test_each_answer_means_one_thing(answer: Answer, delivery: Delivery) -> None:
    with a_server(answer, path="/v2") as server:
        sink = a_sink(server, Time())
        assert sink.deliver(first()) == delivery
        sink.close()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer", [Answer(500), Answer(200, b"{"), Answer(200, b'{"data": {}}'), Answer(hang_up=True)]
)
def test_an_answer_that_says_nothing_confirms_nothing(answer: Answer) -> None:
    with a_server(TAKEN, answer, answer, answer, path="/v2") as server:
        sink = a_sink(server, Time())
        assert sink.deliver(first()) == LATER
        sink.close()
