from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders.notifications import crowd, first
from builders.scripted_http import Answer, ScriptedServer, a_closed_port, a_server
from pydantic import SecretStr
from servers.certificates import made_certificates
from servers.selection import Unavailable, do_without
from standardwebhooks import Webhook, WebhookVerificationError

from alerts.http_gate import HttpAnswer, HttpFailure, HttpGate
from alerts.public_address import PrivateAddressError, is_public, public_address
from alerts.sinks import Delivery
from alerts.sinks.webhook import WebhookSink
from schemas.errors import Stop
from schemas.notification import NotificationEvent

OLD, NEW = (SecretStr(f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}") for n in (1, 2))
OTHER = SecretStr(f"whsec_{base64.b64encode(bytes([3]) * 32).decode()}")


def now_s() -> int:
    return int(datetime.now(UTC).timestamp())


def deliver(server: ScriptedServer, secrets: Sequence[SecretStr] = (NEW, OLD)) -> Delivery:
    sink = WebhookSink(server.url, secrets=secrets, gate=HttpGate(trust_env=False), now_s=now_s)
    try:
        return sink.deliver(crowd())
    finally:
        sink.close()


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_the_standardwebhooks_package_verifies_a_post_with_either_secret(secret: SecretStr) -> None:
    with a_server(Answer(204, b"")) as server:
        assert deliver(server) == Delivery.delivered()
    (request,) = server.requests
    verifier = Webhook(secret.get_secret_value())
    data = verifier.verify(request.body, request.headers)
    assert NotificationEvent.model_validate(data).data.total == 40
    assert request.headers["webhook-id"] == crowd().delivery_id
    assert request.headers["content-type"] == "application/cloudevents+json"
    with pytest.raises(WebhookVerificationError):
        verifier.verify(request.body + b" ", request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER.get_secret_value()).verify(request.body, request.headers)


def test_a_repeat_has_the_same_id_and_the_time_of_its_own_attempt() -> None:
    times = iter([1_000, 2_000])
    with a_server(Answer(500), Answer()) as server:
        sink = WebhookSink(
            server.url, secrets=[NEW], gate=HttpGate(trust_env=False), now_s=lambda: next(times)
        )
        assert [sink.deliver(first()), sink.deliver(first())] == [
            Delivery.retry("http_500"),
            Delivery.delivered(),
        ]
        sink.close()
    one, two = (request.headers for request in server.requests)
    assert one["webhook-id"] == two["webhook-id"]
    assert (one["webhook-timestamp"], two["webhook-timestamp"]) == ("1000", "2000")
    assert one["webhook-signature"] != two["webhook-signature"]


@pytest.mark.parametrize(
    ("answer", "delivery"),
    [
        (Answer(201), Delivery.delivered()),
        (Answer(302, b"", {"location": "/elsewhere"}), Delivery.dead("http_302")),
        (Answer(400), Delivery.dead("http_400")),
        (Answer(410), Delivery.dead("gone")),
        (Answer(429, b"", {"retry-after": "9"}), Delivery.retry("http_429", after_s=9)),
        (Answer(502), Delivery.retry("http_502")),
        (Answer(504), Delivery.retry("http_504")),
        (Answer(hang_up=True), Delivery.retry("protocol")),
    ],
)
def test_each_answer_means_one_thing(answer: Answer, delivery: Delivery) -> None:
    with a_server(answer) as server:
        assert deliver(server) == delivery
    assert len(server.requests) == 1


def test_a_webhook_that_leads_into_our_own_network_is_refused_and_nothing_is_sent() -> None:
    with a_server() as server:
        gate = HttpGate(trust_env=False, public_only=True)
        sink = WebhookSink(server.url, secrets=[NEW], gate=gate, now_s=now_s)
        assert sink.deliver(first()) == Delivery.dead("private_address")
        sink.close()
    assert server.requests == []


def test_the_address_that_was_checked_is_the_one_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_server(Answer()) as server:
        port = server.server.server_port
        asked: list[tuple[str, int]] = []

        def looked_up(host: str, port: int) -> str:
            asked.append((host, port))
            return "127.0.0.1"

        monkeypatch.setattr("alerts.http_gate.public_address", looked_up)
        gate = HttpGate(trust_env=False, public_only=True)
        url = SecretStr(f"http://hooks.invalid:{port}/x")  # a name that no resolver knows
        sink = WebhookSink(url, secrets=[NEW], gate=gate, now_s=now_s, plain_http=True)
        assert sink.deliver(first()) == Delivery.delivered()
        sink.close()
    assert asked == [("hooks.invalid", port)]
    assert server.requests[0].headers["host"] == f"hooks.invalid:{port}"


def test_a_pinned_connection_wants_the_certificate_of_the_name_and_not_of_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        made = made_certificates(tmp_path)  # for 127.0.0.1
    except Unavailable as reason:
        do_without(reason, os.environ)
    trust = ssl.create_default_context(cafile=made.certificate("authority"))
    monkeypatch.setattr("alerts.http_gate._trusted", lambda _: trust)
    monkeypatch.setattr("alerts.http_gate.public_address", lambda *_: "127.0.0.1")
    identity = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    identity.load_cert_chain(made.certificate("server"), made.key("server"))
    with a_server(Answer(), tls=identity) as server:
        port = server.server.server_port
        gate = HttpGate(trust_env=False, public_only=True)
        assert gate.send("POST", SecretStr(f"https://hooks.invalid:{port}/x")) == HttpFailure("network")
        assert server.requests == []
        assert isinstance(gate.send("POST", SecretStr(f"https://127.0.0.1:{port}/x")), HttpAnswer)
        gate.close()


@pytest.mark.parametrize(("public_only", "reached"), [(True, True), (False, False)])
def test_a_proxy_that_would_look_the_name_up_again_is_passed_by(
    public_only: bool, reached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.http_gate.public_address", lambda *_: "127.0.0.1")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{a_closed_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with a_server(*[Answer()] * reached) as server:
        gate = HttpGate(public_only=public_only)
        answer = gate.send("POST", SecretStr(f"http://hooks.invalid:{server.server.server_port}/x"))
        gate.close()
    assert isinstance(answer, HttpAnswer) is reached
    assert len(server.requests) == reached


def test_a_name_that_nobody_knows_is_tried_again() -> None:
    gate = HttpGate(trust_env=False, public_only=True)
    assert gate.send("POST", SecretStr("https://hooks.invalid/x")) == HttpFailure("network")
    gate.close()


@pytest.mark.parametrize("addresses", [["93.184.215.14", "10.0.0.1"], ["::1"], ["fe80::1%eth0"]])
def test_one_private_address_of_a_name_is_enough_to_refuse_it(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "socket.getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (each, 443)) for each in addresses]
    )
    with pytest.raises(PrivateAddressError):
        public_address("hooks.example", 443)


def test_a_name_with_public_addresses_gives_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(0, 0, 0, "", (each, 443)) for each in ("93.184.215.14", "2606:4700::1")]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
    assert public_address("hooks.example", 443) == "93.184.215.14"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *((address, True) for address in ("8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808")),
        *(
            (address, False)
            for address in (
                *("127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1"),  # noqa: S104
                *("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1"),
                *("255.255.255.255", "::1", "::", "fe80::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1"),
                *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "64:ff9b:1::a9fe:a9fe"),
            )
        ),
    ],
)
def test_an_address_is_public_only_if_what_it_carries_is_too(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "localhost"])
def test_other_ways_of_writing_this_machine_are_seen_through(host: str) -> None:
    with pytest.raises(PrivateAddressError):
        public_address(host, 80)


def test_plain_http_has_to_be_asked_for() -> None:
    url = SecretStr("http://hooks.example/W0SECRET")
    with pytest.raises(Stop, match="expected url to be an https URL") as stopped:
        WebhookSink(url, secrets=[NEW], gate=HttpGate(trust_env=False), now_s=now_s)
    assert "SECRET" not in str(stopped.value)
    WebhookSink(url, secrets=[NEW], gate=HttpGate(trust_env=False), now_s=now_s, plain_http=True).close()
